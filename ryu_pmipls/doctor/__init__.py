"""Examination of hosts: facts are gathered, checks judge them, findings name the faults and their remedies.

Checks are data, and pure: all facts are gathered before. Checks of a host by itself (``host_checks``) need the
standard library alone, so that ``python3 -m ryu_pmipls.doctor`` runs in a checkout where nothing is installed yet;
those of a node of a domain (``node_checks``) need its profile.
"""
