"""The RMS's binding table: home network prefix -> MAG, kept up to date by Route_adjust (draft section 3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Network

#: Timestamps count 1/65536 s (RFC 5213, section 8.8).
TICKS_PER_SECOND = 65536


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a mobile node is. ``mag`` is None when it is detached; other fields are None when unknown.

    MAGs and the anchor LMA are names of the profile, ``port`` is an OpenFlow port of the MAG, ``timestamp`` (1/65536 s)
    that of the message which made the binding so.
    """

    prefix: IPv6Network
    mag: str | None
    previous_mag: str | None
    identifier: str | None
    link_layer_address: bytes | None
    port: int | None
    anchor: str | None
    timestamp: int


@dataclass(frozen=True, slots=True)
class RouteChange:
    """What a Route_adjust says.

    An ``old_mag`` of None is unknown (erratum E35), a ``new_mag`` of None is a detachment (erratum E36).
    ``timestamp`` counts 1/65536 s; a message without one is given the time of its arrival.
    """

    prefix: IPv6Network
    old_mag: str | None
    new_mag: str | None
    timestamp: int
    identifier: str | None = None
    link_layer_address: bytes | None = None
    port: int | None = None
    anchor: str | None = None


class Result(str, Enum):
    """What a change did to the table."""

    CHANGED = "changed"  # the binding is another one, if only by its timestamp: to be stored
    UNCHANGED = "unchanged"  # a duplicate of the message that made the binding: to be answered again
    STALE = "stale"  # a newer message, or another one of the same time, came first (erratum E38)
    NOT_CURRENT = "not-current"  # a detachment from a MAG where the mobile node is not
    TOO_NEW = "too-new"  # its timestamp is in the future


@dataclass(frozen=True, slots=True)
class Update:
    """``binding`` is what the table now holds for the prefix, ``previous`` what it held before; None for nothing."""

    result: Result
    binding: Binding | None
    previous: Binding | None


class BindingTable:
    """Bindings by prefix and by MAG. The newest message about a prefix wins, in whatever order they come (erratum E38).

    A detached prefix stays in the table until ``expire``, so that a late message does not attach it again. A timestamp
    more than ``max_skew`` seconds ahead of the RMS's clock is refused, or it would lock the prefix.
    """

    def __init__(self, bindings: Iterable[Binding] = (), *, max_skew: float = 5.0) -> None:
        self._max_skew = max_skew
        self._bindings: dict[IPv6Network, Binding] = {}
        self._by_mag: dict[str | None, dict[IPv6Network, None]] = {}
        for binding in bindings:
            self._put(binding)

    def update(self, change: RouteChange, now: float) -> Update:
        """Apply a change at ``now`` (seconds since 1970)."""
        current = self._bindings.get(change.prefix)
        latest = int((now + self._max_skew) * TICKS_PER_SECOND)
        if change.timestamp > latest:
            return Update(Result.TOO_NEW, current, current)
        # A clock that was set back leaves timestamps ahead of it in the table; they order nothing any more.
        if current is not None and change.timestamp <= current.timestamp <= latest:
            duplicate = change.timestamp == current.timestamp and change.new_mag == current.mag
            return Update(Result.UNCHANGED if duplicate else Result.STALE, current, current)
        if change.new_mag is None and (current is None or current.mag is None or current.mag != change.old_mag):
            return Update(Result.NOT_CURRENT, current, current)
        binding = _merge(change, current)
        self._put(binding)
        return Update(Result.CHANGED, binding, current)

    def at(self, mag: str) -> list[Binding]:
        """The bindings of the mobile nodes that are at a MAG."""
        return [self._bindings[prefix] for prefix in self._by_mag.get(mag, ())]

    def expire(self, now: float, after: float = 3600.0) -> list[IPv6Network]:
        """Forget prefixes that were detached more than ``after`` seconds ago; tells which."""
        limit = int((now - after) * TICKS_PER_SECOND)
        detached = self._by_mag.get(None, {})
        expired = [prefix for prefix in detached if self._bindings[prefix].timestamp < limit]
        for prefix in expired:
            del self._bindings[prefix], detached[prefix]
        return expired

    def get(self, prefix: IPv6Network) -> Binding | None:
        return self._bindings.get(prefix)

    def __iter__(self) -> Iterator[Binding]:
        return iter(tuple(self._bindings.values()))

    def __len__(self) -> int:
        return len(self._bindings)

    def _put(self, binding: Binding) -> None:
        before = self._bindings.get(binding.prefix)
        if before is not None:
            del self._by_mag[before.mag][binding.prefix]
        self._bindings[binding.prefix] = binding
        self._by_mag.setdefault(binding.mag, {})[binding.prefix] = None


def _merge(change: RouteChange, current: Binding | None) -> Binding:
    """The binding that a change makes; what the message leaves out is taken from the present one."""
    if current is None:
        previous_mag = change.old_mag
    elif current.mag is None or current.mag == change.new_mag:
        previous_mag = current.previous_mag
    else:
        previous_mag = current.mag  # what the RMS knows goes before what the message says (erratum E35)
    known = current or change
    # A port is a port of one MAG; the rest stays with the mobile node.
    same_mag = current is not None and current.mag == change.new_mag
    return Binding(
        prefix=change.prefix,
        mag=change.new_mag,
        previous_mag=previous_mag,
        identifier=change.identifier or known.identifier,
        link_layer_address=change.link_layer_address or known.link_layer_address,
        port=known.port if change.port is None and same_mag else change.port,
        anchor=change.anchor or known.anchor,
        timestamp=change.timestamp,
    )
