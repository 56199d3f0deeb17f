"""The RMS's binding table: home network prefix -> MAG, kept up to date by Route_adjust (draft section 3.3).

A domain may have a million bindings, so they are kept packed: some 200 octets each, index by MAG included, and nothing
that Python's garbage collector would have to look at. ``Binding`` objects are made when somebody asks.

A home network prefix is a /64 (erratum E14) and named by its 8 octets: as such it comes in a datagram and goes into a
flow-mod.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import Enum
from ipaddress import IPv6Network
from itertools import islice
from struct import Struct
from typing import NamedTuple

#: Timestamps count 1/65536 s (RFC 5213, section 8.8).
TICKS_PER_SECOND = 65536


class Binding(NamedTuple):
    """Where a mobile node is. ``mag`` is None when it is detached; other fields are None when unknown.

    ``prefix`` has 8 octets. MAGs and the anchor LMA are names of the profile, ``port`` is an OpenFlow port of the MAG,
    ``timestamp`` (1/65536 s) that of the message which made the binding so.
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
        """The prefix for people and for Ryu."""
        return IPv6Network((self.prefix + bytes(8), 64))


class RouteChange(NamedTuple):
    """What a Route_adjust says; ``prefix`` has 8 octets.

    An ``old_mag`` of None is unknown (erratum E35), a ``new_mag`` of None is a detachment (erratum E36).
    ``timestamp`` counts 1/65536 s; a message without one is given the time of its arrival.
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
    """What a change did to the table."""

    CHANGED = "changed"  # the binding is another one, if only by its timestamp: to be stored
    UNCHANGED = "unchanged"  # a duplicate of the message that made the binding: to be answered again
    STALE = "stale"  # a newer message, or another one of the same time, came first (erratum E38)
    NOT_CURRENT = "not-current"  # a detachment from a MAG while the mobile node is at another
    TOO_NEW = "too-new"  # its timestamp is in the future


class Update(NamedTuple):
    """``binding`` is what the table now holds for the prefix, ``previous`` what it held before; None for nothing."""

    result: Result
    binding: Binding | None
    previous: Binding | None

    @property
    def moved(self) -> bool:
        """Whether the mobile node is at another MAG than before."""
        return (self.binding and self.binding.mag) != (self.previous and self.previous.mag)


#: A packed binding: timestamp; numbers of MAG, previous MAG and anchor; port, 0 for none (OpenFlow 1.3, section 4.1:
#: ports begin at 1); how many octets of link-layer address follow. The identifier is the rest.
_PACKED = Struct("=QHHHIB")
#: What comes of nearly all changes. To look a member of an enumeration up takes its time in Python 3.11.
_CHANGED = Result.CHANGED
#: The number of the name None.
_NOWHERE = 0
#: Makes a named tuple in half the time that its class takes.
_new = tuple.__new__
#: The prefixes are spread over so many dictionaries, that none takes long to grow or to be gone through.
_SHARDS = 1024


class _Numbers(dict[str | None, int]):
    """The numbers of names; one that is new gets the next, and a place in ``names`` and in ``by_mag``."""

    def __init__(self, names: list[str | None], by_mag: list[dict[bytes, bytes]]) -> None:
        super().__init__({None: _NOWHERE})
        self._names = names
        self._by_mag = by_mag

    def __missing__(self, name: str | None) -> int:
        number = self[name] = len(self._names)
        self._names.append(name)
        self._by_mag.append({})
        return number


class BindingTable:
    """Bindings by prefix and by MAG. The newest message about a prefix wins, in whatever order they come (erratum E38).

    A detached prefix stays in the table until ``expire``, so that a late message does not attach it again; so does the
    end of an attachment that nobody has told of yet, while fewer than ``max_detached`` are there. A timestamp more than
    ``max_skew`` seconds ahead of the RMS's clock is refused, or it would lock the prefix.

    The iterators are lazy, and the table may change while they run: what is there all the time comes exactly once, in
    its state of that moment; what comes or goes meanwhile may or may not come. So a caller with much to do can take
    some bindings at a time and let others work in between.
    """

    def __init__(self, bindings: Iterable[Binding] = (), *, max_skew: float = 5.0, max_detached: int = 100_000) -> None:
        self._max_skew = max_skew
        self._max_detached = max_detached
        self._shards: list[dict[bytes, bytes]] = [{} for _ in range(_SHARDS)]
        self._names: list[str | None] = [None]
        # The detached ones are in the order in which they became so.
        self._by_mag: list[dict[bytes, bytes]] = [{}]  # each prefix to the object that its shard has, too
        self._numbers = _Numbers(self._names, self._by_mag)
        self._sessions: Counter[tuple[str | None, str | None]] = Counter()  # by MAG and anchor
        for binding in bindings:
            self._put(binding, self.get(binding.prefix), self._shard(binding.prefix))
        detached = self._by_mag[_NOWHERE]
        self._by_mag[_NOWHERE] = {prefix: prefix for prefix in sorted(detached, key=self._timestamp)}

    def update(self, change: RouteChange, now: float) -> Update:
        """Apply a change at ``now`` (seconds since 1970)."""
        prefix, timestamp = change.prefix, change.timestamp
        shard = self._shards[hash(prefix) % _SHARDS]
        current = self._unpacked(prefix, shard.get(prefix))
        latest = int((now + self._max_skew) * TICKS_PER_SECOND)
        if timestamp > latest:
            return Update(Result.TOO_NEW, current, current)
        # A clock that was set back leaves timestamps ahead of it in the table; they order nothing any more.
        if current is not None and timestamp <= current.timestamp <= latest:
            duplicate = timestamp == current.timestamp and change.new_mag == current.mag
            return Update(Result.UNCHANGED if duplicate else Result.STALE, current, current)
        if change.new_mag is None and not self._may_end(change, current):
            return Update(Result.NOT_CURRENT, current, current)
        binding = _merge(change, current)
        self._put(binding, current, shard)
        return _new(Update, (_CHANGED, binding, current))

    def _may_end(self, change: RouteChange, current: Binding | None) -> bool:
        if current is None:
            return len(self._by_mag[_NOWHERE]) < self._max_detached
        return current.mag in (None, change.old_mag)

    def recover(self, found: Binding) -> Update:
        """Take over what was found out without a message; its timestamp is 0. What a message has told goes before.

        Without a ``port`` it is what an LMA holds: it knows where the mobile node is, and nothing else. With one it is
        what a MAG holds: it knows the rest, but perhaps not that the mobile node has left.
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
        self._put(binding, current, self._shard(binding.prefix))
        return Update(Result.CHANGED, binding, current)

    def at(self, mag: str) -> Iterator[Binding]:
        """The bindings of the mobile nodes that are at a MAG."""
        number = self._numbers.get(mag)
        for prefix in () if number is None else tuple(self._by_mag[number]):
            binding = self.get(prefix)
            if binding is not None and binding.mag == mag:
                yield binding

    def prefixes(self, mag: str | None = None) -> list[bytes]:
        """The prefixes of all mobile nodes that are attached, or of those at a MAG; much faster than the bindings."""
        if mag is None:
            return [prefix for at in self._by_mag[_NOWHERE + 1 :] for prefix in at]
        number = self._numbers.get(mag)
        return [] if number is None else [*self._by_mag[number]]

    def sessions(self) -> dict[str, dict[str, int]]:
        """MAG -> anchor -> how many mobile nodes of it are attached there."""
        found: dict[str, dict[str, int]] = {}
        for (mag, anchor), count in self._sessions.items():
            if count and mag is not None and anchor is not None:
                found.setdefault(mag, {})[anchor] = count
        return found

    def expire(self, now: float, after: float = 3600.0, limit: int = 1000) -> list[bytes]:
        """Forget prefixes that were detached more than ``after`` seconds ago, at most ``limit`` of them; tells which.

        Goes by the order of the detachments as they were told; so one that was told late may stay for up to
        ``max_skew`` longer.
        """
        oldest = int((now - after) * TICKS_PER_SECOND)
        detached = self._by_mag[_NOWHERE]
        expired = []
        for prefix in islice(detached, limit):
            if self._timestamp(prefix) >= oldest:
                break
            expired.append(prefix)
        for prefix in expired:
            del self._shard(prefix)[prefix], detached[prefix]
        return expired

    def get(self, prefix: bytes) -> Binding | None:
        return self._unpacked(prefix, self._shard(prefix).get(prefix))

    def _unpacked(self, prefix: bytes, packed: bytes | None) -> Binding | None:
        if packed is None:
            return None
        timestamp, mag, previous_mag, anchor, port, length = _PACKED.unpack_from(packed)
        rest = _PACKED.size + length
        names = self._names
        return _new(
            Binding,
            (
                prefix,
                names[mag],
                names[previous_mag],
                packed[rest:].decode() or None,
                packed[_PACKED.size : rest] or None,
                port or None,
                names[anchor],
                timestamp,
            ),
        )

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
        timestamp: int = _PACKED.unpack_from(self._shard(prefix)[prefix])[0]
        return timestamp

    def _put(self, binding: Binding, before: Binding | None, shard: dict[bytes, bytes]) -> None:
        """Put a binding into its shard, in place of the one that is there."""
        prefix, mag, previous_mag, identifier, link_layer_address, port, anchor, timestamp = binding
        numbers, address = self._numbers, link_layer_address or b""
        at = numbers[mag]
        packed = _PACKED.pack(timestamp, at, numbers[previous_mag], numbers[anchor], port or 0, len(address))
        shard[prefix] = packed + address + (identifier or "").encode()
        self._sessions[mag, anchor] += 1
        if before is None:
            self._by_mag[at][prefix] = prefix
            return
        self._sessions[before.mag, before.anchor] -= 1
        if before.mag != mag or mag is None:  # which comes behind all that were detached before
            held = self._by_mag[numbers[before.mag]].pop(prefix)
            self._by_mag[at][held] = held


def _merge(change: RouteChange, current: Binding | None) -> Binding:
    """The binding that a change makes; what the message leaves out is taken from the present one."""
    prefix, previous_mag, mag, timestamp, identifier, address, port, anchor = change
    if current is not None:
        _, was_at, before_that, known_identifier, known_address, known_port, known_anchor, _ = current
        # What the RMS knows goes before what the message says (erratum E35).
        previous_mag = before_that if was_at is None or was_at == mag else was_at
        identifier, address, anchor = identifier or known_identifier, address or known_address, anchor or known_anchor
        # A port is a port of one MAG; the rest stays with the mobile node.
        if port is None and was_at == mag:
            port = known_port
    return _new(Binding, (prefix, mag, previous_mag, identifier or None, address or None, port, anchor, timestamp))
