"""Permissions: the senders of each message (erratum E44). The draft leaves them open: anybody could divert traffic."""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv6Address

from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.wire import (
    BindingAcknowledgement,
    BindingError,
    BindingRevocationAcknowledgement,
    BindingRevocationIndication,
    BindingUpdate,
    Heartbeat,
    LoadAdjust,
    LoadInfo,
    Message,
    RouteAdjust,
    TunnelAck,
    TunnelRequest,
)

_UNSPECIFIED = IPv6Address("::")


class Role(Enum):
    """The role of a node in the domain."""

    RMS = "rms"
    LMA = "lma"
    MAG = "mag"


#: (role of the receiver, message) -> roles of those who may send it. Load_adjust and Route_adjust also go back to the
#: sender, as acknowledgements (erratum E37). PBU and PBA go between LMAs where one redirects a session to another
#: (RFC 6463, section 5.3.2).
SENDERS: dict[tuple[Role, type[Message]], frozenset[Role]] = {
    (Role.LMA, BindingUpdate): frozenset({Role.MAG, Role.LMA}),
    (Role.LMA, BindingAcknowledgement): frozenset({Role.LMA}),
    (Role.MAG, BindingAcknowledgement): frozenset({Role.LMA}),
    (Role.MAG, BindingRevocationIndication): frozenset({Role.LMA}),
    (Role.LMA, BindingRevocationAcknowledgement): frozenset({Role.MAG}),
    (Role.LMA, Heartbeat): frozenset({Role.MAG}),
    (Role.MAG, Heartbeat): frozenset({Role.LMA}),
    (Role.LMA, BindingError): frozenset({Role.MAG, Role.LMA, Role.RMS}),
    (Role.MAG, BindingError): frozenset({Role.LMA, Role.RMS}),
    (Role.RMS, BindingError): frozenset({Role.LMA, Role.MAG}),
    (Role.LMA, TunnelRequest): frozenset({Role.MAG}),
    (Role.MAG, TunnelAck): frozenset({Role.LMA}),
    (Role.RMS, LoadInfo): frozenset({Role.LMA}),
    (Role.MAG, LoadAdjust): frozenset({Role.RMS}),
    (Role.LMA, LoadAdjust): frozenset({Role.RMS}),
    (Role.RMS, LoadAdjust): frozenset({Role.MAG, Role.LMA}),
    (Role.LMA, RouteAdjust): frozenset({Role.RMS}),
    (Role.MAG, RouteAdjust): frozenset({Role.RMS}),
    (Role.RMS, RouteAdjust): frozenset({Role.MAG, Role.LMA}),
}


class Roles:
    """The roles of a domain's nodes, seen from a node whose role is ``own``."""

    def __init__(self, profile: Profile, own: Role) -> None:
        self._own = own
        self._roles = {profile.rms.address: Role.RMS}
        self._roles.update((lma.address, Role.LMA) for lma in profile.lmas)
        self._roles.update((mag.address, Role.MAG) for mag in profile.mags)

    def of(self, address: IPv6Address) -> Role | None:
        """The role of the node that has this address; ``None``: no node of the domain has it."""
        return self._roles.get(address)

    def talk(self, one: IPv6Address, other: IPv6Address) -> bool:
        """True when two nodes have messages for each other."""
        sender, receiver = self._roles[one], self._roles[other]
        return any(to is receiver and sender in senders for (to, _), senders in SENDERS.items())

    def permits(self, message: Message, source: IPv6Address) -> bool:
        """True when the node at ``source`` may send ``message`` to this node."""
        sender = self._roles.get(source)
        if sender not in SENDERS.get((self._own, type(message)), ()):
            return False
        if isinstance(message, RouteAdjust) and sender is Role.MAG:
            return source == (message.old_mag if message.new_mag == _UNSPECIFIED else message.new_mag)
        return True
