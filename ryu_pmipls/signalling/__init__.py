"""Sockets for Mobility Headers, authentication, permissions by role, and counters of refused messages."""

from ryu_pmipls.rate_limiter import RateLimiter
from ryu_pmipls.signalling.endpoint import Endpoint
from ryu_pmipls.signalling.peers import Peer
from ryu_pmipls.signalling.roles import Role, Roles

__all__ = ["Endpoint", "Peer", "RateLimiter", "Role", "Roles"]
