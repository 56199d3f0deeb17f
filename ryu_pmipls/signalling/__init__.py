"""Sockets for Mobility Headers, authentication, who may say what, and counters of what was refused."""

from ryu_pmipls.rate_limiter import RateLimiter
from ryu_pmipls.signalling.endpoint import Endpoint
from ryu_pmipls.signalling.peers import Peer
from ryu_pmipls.signalling.roles import Role, Roles

__all__ = ["Endpoint", "Peer", "RateLimiter", "Role", "Roles"]
