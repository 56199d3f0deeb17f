"""The nodes of the domain, as one of them speaks to them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address

from ryu_pmipls.domain.profile import Transport
from ryu_pmipls.signalling.roles import Role


@dataclass(frozen=True, eq=False, slots=True)
class Peer:
    """A node. There is one object for each, so that it is told apart by identity, at next to no cost."""

    name: str
    role: Role
    address: IPv6Address
    octets: bytes  # of the address
    transport: Transport  # by which it is spoken to
    socket_address: bytes  # of :func:`~ryu_pmipls.signalling.sockets.socket_address`
