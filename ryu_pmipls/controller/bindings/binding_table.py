"""The RMS's binding table: home network prefix -> MAG, kept up to date by Route_adjust (draft section 3.3).

A domain may have a million bindings, so the table keeps them packed: some 200 octets each, index by MAG included, and
no object that Python's garbage collector must visit. It makes ``Binding`` objects on demand.

A home network prefix is a /64 (erratum E14). Its 8 octets name it: datagrams and flow-mods carry them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from enum import Enum
from ipaddress import IPv6Network
from itertools import islice, takewhile
from struct import Struct
from typing import NamedTuple, TypeVar

#: Timestamps count 1/65536 s (RFC 5213, section 8.8).
TICKS_PER_SECOND = 65536
#: Seconds by which a timestamp may be ahead of the RMS's time of day.
MAX_SKEW = 5.0


class Binding(NamedTuple):
    """The place of a mobile node. ``mag`` is None when it is detached; other fields are None when unknown.

    ``prefix`` has 8 octets. MAGs and the anchor LMA are names of the profile, ``port`` is an OpenFlow port of the MAG,
    ``timestamp`` (1/65536 s) is that of the message that last changed the binding.
    """

    prefix: bytes
    mag: str | None
    previous_mag: str | None
    identifier: str | None
    link_layer_address: bytes | None
    port: int | None
    anchor: str | None
    timestamp: int

    @property
    def network(self) -> IPv6Network:
        """The prefix as an object, for people and for Ryu."""
        return IPv6Network((self.prefix + bytes(8), 64))


class RouteChange(NamedTuple):
    """The content of a Route_adjust; ``prefix`` has 8 octets.

    An ``old_mag`` of None is unknown (erratum E35), a ``new_mag`` of None is a detachment (erratum E36). ``timestamp``
    counts 1/65536 s; a message without one gets the time of its arrival.
    """

    prefix: bytes
    old_mag: str | None
    new_mag: str | None
    timestamp: int
    identifier: str | None = None
    link_layer_address: bytes | None = None
    port: int | None = None
    anchor: str | None = None


class Result(str, Enum):
    """The effect of a change on the table."""

    CHANGED = "changed"  # the binding differs, if only by its timestamp: store it
    UNCHANGED = "unchanged"  # a duplicate of the message that made the binding: answer it again
    STALE = "stale"  # a newer message, or another one of the same time, came first (erratum E38)
    NOT_CURRENT = "not-current"  # a detachment from a MAG while the mobile node is at another
    TOO_NEW = "too-new"  # its timestamp is in the future


class Update(NamedTuple):
    """``binding`` is the table's entry for the prefix after the change, ``previous`` the one before; None for none."""

    result: Result
    binding: Binding | None
    previous: Binding | None

    @property
    def moved(self) -> bool:
        """True when the mobile node is at another MAG than before."""
        return (self.binding and self.binding.mag) != (self.previous and self.previous.mag)


#: A packed binding: timestamp; numbers of its place (MAG and anchor) and of the previous MAG; port, 0 for none
#: (OpenFlow 1.3, section 4.1: ports begin at 1); number of octets of link-layer address that follow. The identifier is
#: the rest.
_PACKED = Struct("=QIHIB")
_pack, _unpack, _FIXED = _PACKED.pack, _PACKED.unpack_from, _PACKED.size
#: The result of nearly all changes. Python 3.11 is slow at looking up a member of an enumeration.
_CHANGED = Result.CHANGED
#: Makes a named tuple in half the time that its class needs.
_new = tuple.__new__
#: Number of dictionaries that share the prefixes, so that none takes long to grow or to iterate.
_SHARDS = 1024

_Name = TypeVar("_Name", bound=Hashable)


class _Numbers(dict[_Name, int]):
    """Numbers for names; a new name gets the next number, and a place in ``names``."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[_Name] = []

    def __missing__(self, name: _Name) -> int:
        number = self[name] = len(self.names)
        self.names.append(name)
        return number


class _Places(_Numbers[tuple[str | None, str | None]]):
    """The places of bindings: (MAG, anchor), each with its ``prefixes``, mapped to the object that their shard holds.

    Detached prefixes are in the order of their detachment.
    """

    def __init__(self) -> None:
        super().__init__()
        self.prefixes: list[dict[bytes, bytes]] = []
        self.detached: list[dict[bytes, bytes]] = []  # those of them that are at no MAG

    def __missing__(self, name: tuple[str | None, str | None]) -> int:
        prefixes: dict[bytes, bytes] = {}
        self.prefixes.append(prefixes)
        if name[0] is None:
            self.detached.append(prefixes)
        return super().__missing__(name)


class BindingTable:
    """Bindings by prefix and by MAG. The newest message about a prefix wins, in any order of arrival (erratum E38).

    A detached prefix stays in the table until ``expire``, so that a late message does not attach it again. So does the
    end of an attachment that the table never knew, while it holds fewer than ``max_detached`` of them. The table
    refuses a timestamp more than ``max_skew`` seconds ahead of the RMS's time of day, for that would lock the prefix.

    The iterators are lazy, and the table may change while they run. A binding that is there all the time comes exactly
    once, in its state of that moment; one that comes or goes meanwhile may or may not appear. So a caller with much to
    do can handle some bindings at a time and let others work in between.
    """

    def __init__(
        self, bindings: Iterable[Binding] = (), *, max_skew: float = MAX_SKEW, max_detached: int = 100_000
    ) -> None:
        self._max_skew = max_skew
        self._max_detached = max_detached
        self._shards: list[dict[bytes, bytes]] = [{} for _ in range(_SHARDS)]
        self._places = _Places()
        self._mags: _Numbers[str | None] = _Numbers()
        for binding in bindings:
            self._put(binding)
        for detached in self._places.detached:
            in_order = sorted(detached, key=self._timestamp)
            detached.clear()
            detached.update(zip(in_order, in_order, strict=True))

    def update(self, changes: Iterable[RouteChange], now: float) -> list[Update]:
        """Apply changes, one after the other, at ``now`` (time of day); return the effect of each."""
        # This loop makes up a good part of a handoff's cost: it avoids every call and attribute that it can.
        updates: list[Update] = []
        latest = int((now + self._max_skew) * TICKS_PER_SECOND)
        shards, places, mags = self._shards, self._places, self._mags
        place_names, prefixes_at, mag_names = places.names, places.prefixes, mags.names
        for change in changes:
            prefix, previous_mag, mag, timestamp, identifier, address, port, anchor = change
            shard = shards[hash(prefix) % _SHARDS]
            packed = shard.get(prefix)
            current = None if packed is None else _unpacked(prefix, packed, place_names, mag_names)
            # A clock that was set back leaves timestamps ahead of it in the table; those no longer order anything.
            if timestamp > latest or (current is not None and timestamp <= current.timestamp <= latest):
                updates.append(Update(_refusal(change, current, latest), current, current))
                continue
            if mag is None and not self._may_end(change, current):
                updates.append(Update(Result.NOT_CURRENT, current, current))
                continue
            was_at = at = None
            if current is not None:
                # Fields that the message leaves out come from the present binding. For the previous MAG the RMS's own
                # knowledge takes precedence over the message (erratum E35).
                _, was_at, before_that, known_identifier, known_address, known_port, known_anchor, _ = current
                previous_mag = before_that if was_at is None or was_at == mag else was_at
                identifier, address = identifier or known_identifier, address or known_address
                if port is None and was_at == mag:  # a port belongs to one MAG; the rest stays with the mobile node
                    port = known_port
                at = places[was_at, known_anchor]
                anchor = anchor or known_anchor
            place, octets = places[mag, anchor], address or b""
            packed = _pack(timestamp, place, mags[previous_mag], port or 0, len(octets))
            shard[prefix] = packed + octets + (identifier or "").encode()
            if at is None:
                prefixes_at[place][prefix] = prefix
            elif at != place or mag is None:  # the prefix goes behind all that were detached before
                held = prefixes_at[at].pop(prefix)
                prefixes_at[place][held] = held
            binding = _new(
                Binding, (prefix, mag, previous_mag, identifier or None, address or None, port, anchor, timestamp)
            )
            updates.append(_new(Update, (_CHANGED, binding, current)))
        return updates

    def _may_end(self, change: RouteChange, current: Binding | None) -> bool:
        if current is None:
            return sum(map(len, self._places.detached)) < self._max_detached
        return current.mag in (None, change.old_mag)

    def recover(self, found: Binding) -> Update:
        """Add a binding found without a message, with timestamp 0. Content of a message takes precedence.

        A binding without a ``port`` comes from an LMA, which knows only the mobile node's MAG. One with a port comes
        from a MAG, which knows the rest, but perhaps not that the mobile node has left.
        """
        current = self.get(found.prefix)
        if current is None:
            binding = found
        elif current.timestamp > 0 or (found.port is not None and found.mag != current.mag):
            return Update(Result.STALE, current, current)
        elif found.port is not None:
            binding = found._replace(previous_mag=current.previous_mag)
        elif found.mag == current.mag:
            binding = current
        else:
            binding = current._replace(mag=found.mag, port=None)
        if binding == current:
            return Update(Result.UNCHANGED, current, current)
        self._put(binding)
        return Update(Result.CHANGED, binding, current)

    def at(self, mag: str) -> Iterator[Binding]:
        """The bindings of the mobile nodes that are at a MAG."""
        for prefix in self.prefixes(mag):
            binding = self.get(prefix)
            if binding is not None and binding.mag == mag:
                yield binding

    def prefixes(self, mag: str | None = None) -> list[bytes]:
        """List the prefixes of all attached mobile nodes, or of those at a MAG; much faster than their bindings."""
        places = zip(self._places.names, self._places.prefixes, strict=True)
        return [prefix for (at, _), held in places if at is not None and mag in (None, at) for prefix in held]

    def each_prefix(self) -> Iterator[bytes]:
        """Yield the prefixes of all bindings, those of detached mobile nodes included."""
        for shard in self._shards:
            yield from tuple(shard)

    def sessions(self) -> dict[str, dict[str, int]]:
        """Count the attached mobile nodes: MAG -> anchor -> number."""
        found: dict[str, dict[str, int]] = {}
        for (mag, anchor), prefixes in zip(self._places.names, self._places.prefixes, strict=True):
            if prefixes and mag is not None and anchor is not None:
                found.setdefault(mag, {})[anchor] = len(prefixes)
        return found

    def places(self) -> list[tuple[str, str | None]]:
        """List (MAG, anchor) of all attached mobile nodes, each once."""
        places = zip(self._places.names, self._places.prefixes, strict=True)
        return [(mag, anchor) for (mag, anchor), held in places if held and mag is not None]

    def at_place(self, mag: str, anchor: str | None) -> list[bytes]:
        """List the prefixes of the mobile nodes that are at a MAG and have that anchor."""
        number = self._places.get((mag, anchor))
        return [] if number is None else [*self._places.prefixes[number]]

    def expire(self, now: float, after: float = 3600.0, limit: int = 1000) -> list[bytes]:
        """Forget prefixes detached more than ``after`` seconds before ``now``, at most ``limit``; return them.

        The order is that in which the table learned of the detachments, so a late report may keep its prefix for up to
        ``max_skew`` longer.
        """
        oldest = int((now - after) * TICKS_PER_SECOND)
        expired: list[bytes] = []
        for detached in self._places.detached:
            old = [*takewhile(lambda prefix: self._timestamp(prefix) < oldest, islice(detached, limit - len(expired)))]
            for prefix in old:
                del self._shard(prefix)[prefix], detached[prefix]
            expired += old
        return expired

    def get(self, prefix: bytes) -> Binding | None:
        packed = self._shard(prefix).get(prefix)
        return None if packed is None else _unpacked(prefix, packed, self._places.names, self._mags.names)

    def __iter__(self) -> Iterator[Binding]:
        for shard in self._shards:
            for prefix in tuple(shard):
                binding = self.get(prefix)
                if binding is not None:
                    yield binding

    def __len__(self) -> int:
        return sum(map(len, self._shards))

    def _shard(self, prefix: bytes) -> dict[bytes, bytes]:
        return self._shards[hash(prefix) % _SHARDS]

    def _timestamp(self, prefix: bytes) -> int:
        timestamp: int = _unpack(self._shard(prefix)[prefix])[0]
        return timestamp

    def _put(self, binding: Binding) -> None:
        """Replace the binding of the prefix, if there is one."""
        prefix, mag, previous_mag, identifier, link_layer_address, port, anchor, timestamp = binding
        shard, place, address = self._shard(prefix), self._places[mag, anchor], link_layer_address or b""
        before = shard.get(prefix)
        packed = _pack(timestamp, place, self._mags[previous_mag], port or 0, len(address))
        shard[prefix] = packed + address + (identifier or "").encode()
        held = prefix if before is None else self._places.prefixes[_unpack(before)[1]].pop(prefix)
        self._places.prefixes[place][held] = held


def _refusal(change: RouteChange, current: Binding | None, latest: int) -> Result:
    """The reason why the table refuses a change that is not in time."""
    if change.timestamp > latest or current is None:
        return Result.TOO_NEW
    duplicate = change.timestamp == current.timestamp and change.new_mag == current.mag
    return Result.UNCHANGED if duplicate else Result.STALE


def _unpacked(
    prefix: bytes, packed: bytes, places: Sequence[tuple[str | None, str | None]], mags: Sequence[str | None]
) -> Binding:
    timestamp, place, previous_mag, port, length = _unpack(packed)
    mag, anchor = places[place]
    rest = _FIXED + length
    return _new(
        Binding,
        (
            prefix,
            mag,
            mags[previous_mag],
            packed[rest:].decode() or None,
            packed[_FIXED:rest] or None,
            port or None,
            anchor,
            timestamp,
        ),
    )
