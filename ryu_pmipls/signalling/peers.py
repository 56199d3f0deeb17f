"""The nodes of the domain, as one of them addresses them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address

from ryu_pmipls.domain.profile import Transport
from ryu_pmipls.signalling.roles import Role


@dataclass(frozen=True, eq=False, slots=True)
class Peer:
    """A node. There is one object for each, so comparing them by identity costs next to nothing."""

    name: str
    role: Role
    address: IPv6Address
    octets: bytes  # of the address
    transport: Transport  # for messages to it
    socket_address: bytes  # of :func:`~ryu_pmipls.signalling.sockets.socket_address`
