"""The flow and group tables of an OpenFlow 1.3 switch, with the semantics of Open vSwitch, over octets of the wire.

Nothing here forwards packets: a test says what was counted.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

#: Values of OpenFlow 1.3, section 7 and A.
ANY = 0xFFFFFFFF
ALL_TABLES = 0xFF
ADD, MODIFY, MODIFY_STRICT, DELETE, DELETE_STRICT = range(5)
GROUP_ADD, GROUP_MODIFY, GROUP_DELETE = range(3)
ALL_GROUPS = 0xFFFFFFFC
#: (type, code) of errors.
BAD_OUT_PORT, BAD_OUT_GROUP = (2, 4), (2, 9)
BAD_COMMAND, TABLE_FULL, BAD_TABLE_ID = (5, 6), (5, 1), (5, 2)
BAD_VALUE = (4, 7)
GROUP_EXISTS, UNKNOWN_GROUP, BAD_GROUP_COMMAND = (6, 0), (6, 8), (6, 11)

_FLOW_MOD = struct.Struct("!QQBBHHHIIIHxx")
_GROUP_MOD = struct.Struct("!HBxI")
_BUCKET = struct.Struct("!HHII4x")
_APPLY_ACTIONS, _OUTPUT, _GROUP = 4, 0, 22
#: Ports that Open vSwitch has, and those from here on that OpenFlow reserves.
_PORTS, _RESERVED = 0xFF00, 0xFFFFFF00
_TABLES = 254
#: The OXM field (class, number) of the input port, and the one that Nicira's name of the EtherType stands for.
_IN_PORT = 0x8000, 0
_ALIASES = {(0x0000, 3): (0x8000, 5)}


class OpenFlowError(Exception):
    """A message that the switch refuses, with the error's type and code."""

    def __init__(self, kind: tuple[int, int]) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass(frozen=True)
class FlowMatch:
    """A match: by the OXM field (class, number) its value and mask; ``octets`` have it as it came, padded."""

    octets: bytes = field(compare=False)
    fields: frozenset[tuple[tuple[int, int], int, int]]

    @classmethod
    def parse(cls, octets: bytes) -> FlowMatch:
        """The match at the begin of ``octets``."""
        _, length = struct.unpack_from("!HH", octets)
        found, position = set(), 4
        while position < length:
            kind, number, size = struct.unpack_from("!HBB", octets, position)
            payload = octets[position + 4 : position + 4 + size]
            name = _ALIASES.get((kind, number >> 1), (kind, number >> 1))
            size //= 1 + (number & 1)
            mask = int.from_bytes(payload[size:], "big") if number & 1 else (1 << 8 * size) - 1
            found.add((name, int.from_bytes(payload[:size], "big") & mask, mask))
            position += 4 + len(payload)
        match = cls(octets[: (length + 7) // 8 * 8], frozenset(found))
        if not _is_port(next((value for name, value, _ in found if name == _IN_PORT), 1)):
            raise OpenFlowError(BAD_VALUE)
        return match

    @property
    def in_port(self) -> int | None:
        """The input port, if it matches one."""
        return next((value for name, value, _ in self.fields if name == _IN_PORT), None)

    def covers(self, other: FlowMatch) -> bool:
        """Whether each packet that ``other`` matches is matched by this one, too."""
        masks = {name: (value, mask) for name, value, mask in other.fields}
        return all(
            name in masks and masks[name][1] & mask == mask and masks[name][0] & mask == value
            for name, value, mask in self.fields
        )


@dataclass
class FlowEntry:
    """An entry of a flow table; times are seconds of the switch's clock."""

    table: int
    priority: int
    match: FlowMatch
    cookie: int
    instructions: bytes
    hard_timeout: int
    flags: int
    since: float
    packets: int = 0
    octets: int = 0

    @cached_property
    def key(self) -> tuple[int, int, FlowMatch]:
        """One entry for each of these."""
        return self.table, self.priority, self.match

    def actions(self) -> Iterator[tuple[int, int]]:
        """(type, port or group) of the actions that lead to one."""
        position = 0
        while position < len(self.instructions):
            kind, length = struct.unpack_from("!HH", self.instructions, position)
            if kind == _APPLY_ACTIONS:
                yield from _destinations(self.instructions[position + 8 : position + length])
            position += length

    def count(self, packets: int, octets: int) -> None:
        """Packets that it has matched."""
        self.packets += packets
        self.octets += octets


@dataclass
class GroupEntry:
    """A group; ``buckets`` as they came."""

    group: int
    kind: int
    buckets: bytes
    since: float
    packets: int = 0
    octets: int = 0

    def each_bucket(self) -> Iterator[tuple[int, list[tuple[int, int]]]]:
        """(watched port, destinations) of each bucket."""
        position = 0
        while position < len(self.buckets):
            length, _, watch, _ = _BUCKET.unpack_from(self.buckets, position)
            yield watch, [*_destinations(self.buckets[position + _BUCKET.size : position + length])]
            position += length


@dataclass
class FlowTables:
    """All tables of a switch; a table takes ``capacity`` entries. ``OpenFlowError`` for what is refused."""

    capacity: int = 1_000_000
    entries: dict[tuple[int, int, FlowMatch], FlowEntry] = field(default_factory=dict)
    groups: dict[int, GroupEntry] = field(default_factory=dict)

    def flow_mod(self, body: bytes, now: float) -> None:
        """Carry out an OFPT_FLOW_MOD, of which ``body`` is what follows the header."""
        cookie, mask, table, command, _, hard, priority, _, out_port, out_group, flags = _FLOW_MOD.unpack_from(body)
        match = FlowMatch.parse(body[_FLOW_MOD.size :])
        instructions = body[_FLOW_MOD.size + len(match.octets) :]
        self.expire(now)
        if table > _TABLES and not (table == ALL_TABLES and command in (DELETE, DELETE_STRICT)):
            raise OpenFlowError(BAD_TABLE_ID)
        entry = FlowEntry(table, priority, match, cookie, instructions, hard, flags, now)
        if command == ADD:
            self._add(entry)
            return
        if command not in (MODIFY, MODIFY_STRICT, DELETE, DELETE_STRICT):
            raise OpenFlowError(BAD_COMMAND)
        strict = command in (MODIFY_STRICT, DELETE_STRICT)
        for found in self.select(table, match, cookie, mask, out_port, out_group):
            if strict and (found.priority, found.match) != (priority, match):
                continue
            if command in (DELETE, DELETE_STRICT):
                del self.entries[found.key]
            else:
                self._check(entry)
                found.instructions = instructions

    def _add(self, entry: FlowEntry) -> None:
        self._check(entry)
        if entry.key not in self.entries and sum(key[0] == entry.table for key in self.entries) >= self.capacity:
            raise OpenFlowError(TABLE_FULL)
        self.entries[entry.key] = entry

    def _check(self, entry: FlowEntry) -> None:
        for kind, destination in entry.actions():
            if kind == _OUTPUT and not _is_port(destination):
                raise OpenFlowError(BAD_OUT_PORT)
            if kind == _GROUP and destination not in self.groups:
                raise OpenFlowError(BAD_OUT_GROUP)

    def select(
        self, table: int, match: FlowMatch, cookie: int, mask: int, out_port: int = ANY, out_group: int = ANY
    ) -> list[FlowEntry]:
        """The entries that a request or a non-strict command is about."""
        return [
            entry
            for entry in self.entries.values()
            if table in (entry.table, ALL_TABLES)
            and not (entry.cookie ^ cookie) & mask
            and match.covers(entry.match)
            and (out_port == ANY or (_OUTPUT, out_port) in entry.actions())
            and (out_group == ANY or (_GROUP, out_group) in entry.actions())
        ]

    def expire(self, now: float) -> None:
        """Forget entries whose hard timeout has passed."""
        for entry in [*self.entries.values()]:
            if entry.hard_timeout and now - entry.since >= entry.hard_timeout:
                del self.entries[entry.key]

    def group_mod(self, body: bytes, now: float) -> None:
        """Carry out an OFPT_GROUP_MOD."""
        command, kind, group = _GROUP_MOD.unpack_from(body)
        entry = GroupEntry(group, kind, body[_GROUP_MOD.size :], now)
        if command == GROUP_DELETE:
            for number in [*self.groups] if group == ALL_GROUPS else [group]:
                self._delete_group(number)
            return
        if command not in (GROUP_ADD, GROUP_MODIFY):
            raise OpenFlowError(BAD_GROUP_COMMAND)
        if (group in self.groups) is (command == GROUP_ADD):
            raise OpenFlowError(GROUP_EXISTS if command == GROUP_ADD else UNKNOWN_GROUP)
        for _, destinations in entry.each_bucket():
            if any(action == _OUTPUT and not _is_port(port) for action, port in destinations):
                raise OpenFlowError(BAD_OUT_PORT)
        if command == GROUP_MODIFY:
            before = self.groups[group]
            entry.packets, entry.octets, entry.since = before.packets, before.octets, before.since
        self.groups[group] = entry

    def _delete_group(self, group: int) -> None:
        """The entries that lead to it go, too."""
        if self.groups.pop(group, None) is not None:
            for entry in [*self.entries.values()]:
                if (_GROUP, group) in entry.actions():
                    del self.entries[entry.key]


def _destinations(actions: bytes) -> Iterator[tuple[int, int]]:
    position = 0
    while position < len(actions):
        kind, length, destination = struct.unpack_from("!HHI", actions, position)
        if kind in (_OUTPUT, _GROUP):
            yield kind, destination
        position += length


def _is_port(number: int) -> bool:
    return number < _PORTS or number >= _RESERVED
