"""The LMA's binding cache, and the lookup of a request's entry in it (RFC 5213, sections 5.1 and 5.4.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import IPv6Address, IPv6Network

from ryu_pmipls.mobility.registration import Registration
from ryu_pmipls.wire import MobileNodeIdentifier
from ryu_pmipls.wire.codepoints import BindingStatus, HandoffType


@dataclass(eq=False)
class BindingCacheEntry:
    """One mobility session: one interface of a mobile node.

    ``timestamp`` (1/65536 s) is that of the last PBU accepted, 0 if ``sequence`` ordered that PBU. ``registered`` is
    the timestamp of the last PBU that registered or extended the session, or else the time, and ``granted`` the time of
    its acceptance. ``lifetime`` is in units of 4 s, ``granted`` and ``expires`` are on the monotonic clock;
    ``link_layer_identifier`` is empty when unknown. A ``leaving`` entry was de-registered, or its MAG has lost it; it
    is deleted when it ``expires`` unless a MAG takes it up. A ``revoked`` one waits until the MAG knows of its end.
    """

    identifier: MobileNodeIdentifier
    prefixes: tuple[IPv6Network, ...]
    care_of_address: IPv6Address
    access_technology: int
    link_layer_identifier: bytes
    timestamp: int
    sequence: int
    lifetime: int
    expires: float
    registered: int = 0
    granted: float = 0.0
    link_local: IPv6Address | None = None
    leaving: bool = False
    revoked: bool = False


class SessionLookup(Enum):
    """The result of a lookup."""

    UPDATE = auto()
    CREATE = auto()
    WAIT = auto()  # for the de-registration of the node's only session
    REFUSE = auto()


@dataclass(frozen=True)
class LookupResult:
    """``entry`` with UPDATE, ``status`` with REFUSE."""

    verdict: SessionLookup
    entry: BindingCacheEntry | None = None
    status: BindingStatus | None = None


CREATE = LookupResult(SessionLookup.CREATE)
WAIT = LookupResult(SessionLookup.WAIT)


class BindingCache:
    """Entries by mobile node and by prefix; a prefix is in one entry at most."""

    def __init__(self) -> None:
        self._by_node: dict[MobileNodeIdentifier, list[BindingCacheEntry]] = {}
        self._by_prefix: dict[IPv6Network, BindingCacheEntry] = {}
        self._load: dict[IPv6Address, int] = {}

    def __iter__(self) -> Iterator[BindingCacheEntry]:
        for entries in self._by_node.values():
            yield from entries

    def of(self, identifier: MobileNodeIdentifier) -> list[BindingCacheEntry]:
        """The sessions of a mobile node."""
        return self._by_node.get(identifier, [])

    def holds(self, prefix: IPv6Network) -> bool:
        return prefix in self._by_prefix

    def load(self, care_of_address: IPv6Address) -> int:
        """Number of sessions that a MAG has."""
        return self._load.get(care_of_address, 0)

    def add(self, entry: BindingCacheEntry) -> None:
        """Add an entry, none of whose prefixes is held."""
        self._by_node.setdefault(entry.identifier, []).append(entry)
        self._by_prefix.update(dict.fromkeys(entry.prefixes, entry))
        self._count(entry.care_of_address, 1)

    def move(self, entry: BindingCacheEntry, care_of_address: IPv6Address) -> None:
        """Give an entry another Proxy-CoA."""
        self._count(entry.care_of_address, -1)
        entry.care_of_address = care_of_address
        self._count(care_of_address, 1)

    def remove(self, entry: BindingCacheEntry) -> None:
        """Remove an entry; its prefixes become free."""
        self._by_node[entry.identifier].remove(entry)
        if not self._by_node[entry.identifier]:
            del self._by_node[entry.identifier]
        for prefix in entry.prefixes:
            del self._by_prefix[prefix]
        self._count(entry.care_of_address, -1)

    def _count(self, care_of_address: IPv6Address, change: int) -> None:
        self._load[care_of_address] = self._load.get(care_of_address, 0) + change

    def lookup(self, request: Registration) -> LookupResult:
        """Find the session that a request is about (RFC 5213, sections 5.4.1.1 to 5.4.1.3)."""
        if request.prefixes:
            return self._by_prefixes(request)
        if request.link_layer_identifier:
            return self._by_link_layer_identifier(request)
        return self._by_only_session(request, (HandoffType.BETWEEN_INTERFACES, HandoffType.BETWEEN_MAGS))

    def _by_prefixes(self, request: Registration) -> LookupResult:
        holders = [self._by_prefix[prefix] for prefix in request.prefixes if prefix in self._by_prefix]
        if not holders:
            return CREATE
        if any(entry.identifier != request.identifier for entry in holders):
            return LookupResult(SessionLookup.REFUSE, status=BindingStatus.NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX)
        entry = holders[0]
        if set(entry.prefixes) != set(request.prefixes):
            return LookupResult(SessionLookup.REFUSE, status=BindingStatus.BCE_PBU_PREFIX_SET_DO_NOT_MATCH)
        same_technology = entry.access_technology == request.access_technology
        same_link_layer = entry.link_layer_identifier == request.link_layer_identifier
        if (
            (request.link_layer_identifier and same_link_layer and same_technology)
            or request.handoff == HandoffType.BETWEEN_INTERFACES
            or (
                not request.link_layer_identifier
                and same_link_layer
                and same_technology
                and request.handoff == HandoffType.BETWEEN_MAGS
            )
            or (entry.care_of_address == request.care_of_address and same_technology)
        ):
            return LookupResult(SessionLookup.UPDATE, entry)
        return CREATE

    def _by_link_layer_identifier(self, request: Registration) -> LookupResult:
        for entry in self.of(request.identifier):
            if (entry.identifier, entry.access_technology, entry.link_layer_identifier) == request.session:
                return LookupResult(SessionLookup.UPDATE, entry)
        return self._by_only_session(request, (HandoffType.BETWEEN_INTERFACES,))

    def _by_only_session(self, request: Registration, handoffs: tuple[HandoffType, ...]) -> LookupResult:
        entries = self.of(request.identifier)
        if len(entries) == 1:
            if request.handoff in handoffs:
                return LookupResult(SessionLookup.UPDATE, entries[0])
            if request.handoff == HandoffType.UNKNOWN:
                return LookupResult(SessionLookup.UPDATE, entries[0]) if entries[0].leaving else WAIT
        return CREATE
