"""Processes of a domain as services of systemd: users of their own, and no more rights than they need."""
