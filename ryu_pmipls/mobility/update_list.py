"""The MAG's binding update list (RFC 5213, section 6.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from ipaddress import IPv6Address, IPv6Network
from typing import NamedTuple

from ryu_pmipls.mobility.config import MobileNodePolicy
from ryu_pmipls.mobility.effects import Effects, EraseBinding, RecordBinding, RecordedBinding
from ryu_pmipls.wire import Grant
from ryu_pmipls.wire.printable import printable

#: The part of its lifetime after which a binding is refreshed; the rest is for retransmissions.
REFRESH_AFTER = 0.75


class BindingState(Enum):
    """The state of a mobile node's registration."""

    REGISTERING = auto()  # asked for, or to be asked for; nothing held yet
    BOUND = auto()
    REFRESHING = auto()  # held, and asked for again
    DEREGISTERING = auto()


@dataclass(eq=False)
class PendingRegistration:
    """A PBU without an answer yet, and its schedule of retransmissions.

    Without ``prefixes`` the LMA must assign one. ``lifetime`` is in units of 4 s, ``timestamp`` in 1/65536 s;
    ``sequence``, ``timestamp`` and ``sent`` are those of the last transmission; a request that was not sent yet has no
    ``sequence``. ``redirectable``: the LMA may give the session to another one (RFC 6463).
    """

    handoff: int
    lifetime: int
    prefixes: tuple[IPv6Network, ...]
    delays: Iterator[float]
    redirectable: bool = False
    sequence: int | None = None
    timestamp: int = 0
    sent: float = 0.0


class Place(NamedTuple):
    """The place of a mobile node, real or claimed: an OpenFlow port, and the link-layer address used there."""

    port: int
    link_layer_address: bytes


@dataclass(eq=False)
class BindingUpdateEntry:
    """One interface of a mobile node, attached on OpenFlow port ``port``.

    ``link_layer_address`` is the one that the node has now: another one than its policy's if the access network knows
    the node by its identity. The node may use ``prefixes`` until ``expires`` (monotonic clock); ``registered`` is the
    timestamp (1/65536 s) of the last accepted PBU. ``anchor`` is the LMA that has the session, or is asked for one: the
    profile's, unless a redirection or a refusal has changed it; ``unwilling`` are those that refused one.
    ``grants`` has the anchor's code for each prefix, if it gave one.

    The session is ``elsewhere`` while another MAG has it and this one finds out whether the node is here all the same;
    ``taken`` are the prefixes that the node had here before.
    """

    policy: MobileNodePolicy
    port: int
    link_layer_address: bytes
    prefixes: tuple[IPv6Network, ...] = ()
    expires: float = 0.0
    registered: int = 0
    request: PendingRegistration | None = None
    anchor: IPv6Address = field(init=False)
    unwilling: set[IPv6Address] = field(default_factory=set)
    grants: dict[IPv6Network, Grant] = field(default_factory=dict)
    elsewhere: bool = False
    taken: tuple[IPv6Network, ...] = ()

    def __post_init__(self) -> None:
        self.anchor = self.policy.anchor

    @property
    def place(self) -> Place:
        return Place(self.port, self.link_layer_address)

    @property
    def name(self) -> str:
        """The mobile node's identifier, for people."""
        return printable(self.policy.identifier)

    @property
    def record(self) -> RecordedBinding:
        """The binding, to be resumed after a restart."""
        return RecordedBinding(
            self.link_layer_address, self.port, self.prefixes, self.anchor, self.registered, self.policy.identifier
        )

    @property
    def state(self) -> BindingState:
        if self.request is None:
            return BindingState.BOUND if self.prefixes else BindingState.REGISTERING
        if self.request.lifetime == 0:
            return BindingState.DEREGISTERING
        return BindingState.REFRESHING if self.prefixes else BindingState.REGISTERING


class BindingUpdateList:
    """The entries of a MAG, one for each mobile node, and which of them are on record for the time after a restart."""

    def __init__(self, effects: Effects) -> None:
        self._effects = effects
        self._entries: dict[bytes, BindingUpdateEntry] = {}  # by link-layer address
        self._nodes: dict[bytes, BindingUpdateEntry] = {}  # the same by identifier
        self._recorded: set[bytes] = set()  # identifiers

    @property
    def entries(self) -> Mapping[bytes, BindingUpdateEntry]:
        """The entries by link-layer address, to be read only."""
        return self._entries

    def of(self, policy: MobileNodePolicy) -> BindingUpdateEntry | None:
        """The entry of a mobile node, if there is one."""
        return self._nodes.get(policy.identifier)

    def add(self, entry: BindingUpdateEntry) -> None:
        """Add an entry for a node that has none, with a link-layer address that no other one has."""
        self._entries[entry.link_layer_address] = self._nodes[entry.policy.identifier] = entry

    def add_recorded(self, entry: BindingUpdateEntry) -> None:
        """Add an entry whose binding is on record already."""
        self.add(entry)
        self._recorded.add(entry.policy.identifier)

    def move(self, entry: BindingUpdateEntry, place: Place) -> None:
        """Move an entry to a place with a link-layer address that no other one has."""
        del self._entries[entry.link_layer_address]
        entry.port, entry.link_layer_address = place
        self.add(entry)

    def remove(self, entry: BindingUpdateEntry) -> None:
        """Remove an entry, and erase its record."""
        self.erase(entry)
        del self._entries[entry.link_layer_address], self._nodes[entry.policy.identifier]

    def record(self, entry: BindingUpdateEntry) -> None:
        """Record the binding as it is now."""
        self._recorded.add(entry.policy.identifier)
        self._effects.append(RecordBinding(entry.record))

    def erase(self, entry: BindingUpdateEntry) -> None:
        """Erase the record, if there is one, so that a restart does not bring the node back."""
        if entry.policy.identifier in self._recorded:
            self._recorded.remove(entry.policy.identifier)
            self._effects.append(EraseBinding(entry.policy.identifier))
