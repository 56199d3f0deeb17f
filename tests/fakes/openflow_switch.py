"""A switch that a test has in its hand: OpenFlow 1.3 over any socket, tables as those of Open vSwitch."""

from __future__ import annotations

import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.fakes.flow_tables import ALL_GROUPS, FlowEntry, FlowMatch, FlowTables, GroupEntry, OpenFlowError

HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, FEATURES_REQUEST, FEATURES_REPLY, CONFIG_REQUEST, CONFIG_REPLY, SET_CONFIG = (
    0,
    1,
    2,
    3,
    5,
    6,
    7,
    8,
    9,
)
SET_ASYNC = 28
PORT_STATUS, FLOW_MOD, GROUP_MOD, MULTIPART_REQUEST, MULTIPART_REPLY, BARRIER_REQUEST, BARRIER_REPLY = (
    12,
    14,
    15,
    18,
    19,
    20,
    21,
)
FLOW, AGGREGATE, PORT_STATS, GROUP_STATS, GROUP_DESCRIPTION, PORT_DESCRIPTION = 1, 2, 4, 6, 7, 13
LOCAL, UNKNOWN = 0xFFFFFFFE, 2**64 - 1
#: Reasons of a port status.
PORT_ADD, PORT_DELETE, PORT_MODIFY = range(3)

_HEADER = struct.Struct("!BBHI")
_MULTIPART = struct.Struct("!HH4x")
_FLOW_REQUEST = struct.Struct("!B3xII4xQQ")
_FLOW_STATS = struct.Struct("!HBxIIHHHH4xQQQ")
_AGGREGATE = struct.Struct("!QQI4x")
_PORT = struct.Struct("!I4x6s2x16sIIIIIIII")
_PORT_STATS = struct.Struct("!I4xQQQQQQQQQQQQII")
_GROUP_DESCRIPTION = struct.Struct("!HBxI")
_GROUP_STATS = struct.Struct("!HxxII4xQQII")
_LIVE, _LINK_DOWN = 4, 1
_BAD_TYPE, _BAD_MULTIPART = (1, 1), (1, 2)
#: Octets of a multipart reply beyond which Open vSwitch begins another part.
_PART = 60_000


@dataclass
class SwitchPort:
    """A port and its counters; ``live`` when its link is up and BFD, if it watches the tunnel, too."""

    number: int
    name: str
    address: bytes
    live: bool = True
    rx_packets: int = 0
    rx_octets: int = 0
    tx_packets: int = 0
    tx_octets: int = 0

    def description(self) -> bytes:
        """As in a port description and a port status."""
        state = _LIVE if self.live else _LINK_DOWN
        return _PORT.pack(self.number, self.address, self.name.encode(), 0, state, *[0] * 6)

    def statistics(self) -> bytes:
        """As in port statistics."""
        counted = self.rx_packets, self.tx_packets, self.rx_octets, self.tx_octets
        return _PORT_STATS.pack(self.number, *counted, *[0] * 8, 0, 0)


class OpenFlowSwitch:
    """A switch with its tables and ports, which outlive its connections.

    A test may have it ``hang`` (it reads nothing, then catches up), ``hold_barriers``, leave echo requests unanswered
    (``silent``), or refuse what ``refuse`` gives a (type, code) of an error for.
    """

    def __init__(self, datapath_id: int, ports: Mapping[str, int], clock: Callable[[], float] = time.monotonic) -> None:
        self.datapath_id = datapath_id
        self.tables = FlowTables()
        self.ports: dict[str, SwitchPort] = {}
        self.refuse: Callable[[int, bytes], tuple[int, int] | None] = lambda kind, body: None
        self.silent = False
        self.hang = False
        self.hold_barriers = False
        self.part = _PART
        self.received: Counter[int] = Counter()  # by the type of message
        self.flow_mods: list[bytes] = []
        self.clock = clock
        self._socket: Any = None
        self._waiting: list[bytes] = []  # messages, while it hangs
        self._barriers: list[int] = []
        self._bring_up("br-pm", LOCAL)
        for name, number in ports.items():
            self._bring_up(name, number)

    @property
    def connected(self) -> bool:
        return self._socket is not None

    # What a test has happen.

    def serve(self, socket: Any) -> None:
        """Speak with a controller until the connection ends."""
        self._socket, received = socket, b""
        try:
            self._send(HELLO, 1)
            while came := socket.recv(2**16):
                received += came
                while len(received) >= _HEADER.size and len(received) >= (length := _HEADER.unpack_from(received)[2]):
                    message, received = received[:length], received[length:]
                    self._take(message)
        except OSError:
            pass
        finally:
            if self._socket is socket:
                self._socket = None
                self._waiting.clear()
                self._barriers.clear()
            socket.close()

    def disconnect(self) -> None:
        """End the connection from this side."""
        socket, self._socket = self._socket, None
        self._waiting.clear()
        self._barriers.clear()
        if socket is not None:
            with suppress(OSError):
                socket.shutdown(2)

    def catch_up(self) -> None:
        """Hang no longer."""
        self.hang = False
        waiting, self._waiting = self._waiting, []
        for message in waiting:
            self._take(message)

    def release_barriers(self) -> None:
        """Answer all barriers that were held, and hold no more."""
        self.hold_barriers = False
        barriers, self._barriers = self._barriers, []
        for xid in barriers:
            self._send(BARRIER_REPLY, xid)

    def lose_barriers(self) -> None:
        """Never answer the barriers that were held, and hold no more."""
        self.hold_barriers = False
        self._barriers.clear()

    def add_port(self, name: str, number: int, *, live: bool = True) -> None:
        """A port comes."""
        self._bring_up(name, number).live = live
        self._port_status(PORT_ADD, self.ports[name])

    def remove_port(self, name: str) -> None:
        """A port goes."""
        self._port_status(PORT_DELETE, self.ports.pop(name))

    def set_live(self, name: str, live: bool) -> None:
        """The link of a port, or what BFD says of its tunnel, changes."""
        self.ports[name].live = live
        self._port_status(PORT_MODIFY, self.ports[name])

    def receive(self, name: str, packets: int, octets: int) -> None:
        """Packets of mobile nodes come out of a tunnel, counted by its port and by the entry that lets them in."""
        port = self.ports[name]
        port.rx_packets += packets
        port.rx_octets += octets
        lets_in = [each for each in self.entries() if each.table == 0 and each.match.in_port == port.number]
        if lets_in:  # by the entry for all that none of the others matches
            min(lets_in, key=lambda entry: len(entry.match.fields)).count(packets, octets)

    def restart(self) -> None:
        """Lose all entries and groups."""
        self.tables = FlowTables()

    def entries(self) -> list[FlowEntry]:
        """Those that are in force now."""
        self.tables.expire(self.clock())
        return [*self.tables.entries.values()]

    # What it does.

    def _bring_up(self, name: str, number: int) -> SwitchPort:
        port = SwitchPort(number, name, b"\2" + (self.datapath_id << 16 | number & 0xFFFF).to_bytes(5, "big"))
        self.ports[name] = port
        return port

    def _port_status(self, reason: int, port: SwitchPort) -> None:
        if self._socket is not None:
            self._send(PORT_STATUS, 0, bytes([reason]) + bytes(7) + port.description())

    def _send(self, kind: int, xid: int, body: bytes = b"") -> None:
        if self._socket is None:
            return
        with suppress(OSError):
            self._socket.sendall(_HEADER.pack(4, kind, _HEADER.size + len(body), xid) + body)

    def _take(self, message: bytes) -> None:
        if self.hang:
            self._waiting.append(message)
            return
        _, kind, _, xid = _HEADER.unpack_from(message)
        body = message[_HEADER.size :]
        self.received[kind] += 1
        try:
            refused = self.refuse(kind, body)
            if refused is not None:
                raise OpenFlowError(refused)
            self._carry_out(kind, xid, body)
        except OpenFlowError as error:
            self._send(ERROR, xid, struct.pack("!HH", *error.kind) + message[:64])

    def _carry_out(self, kind: int, xid: int, body: bytes) -> None:
        if kind == ECHO_REQUEST:
            if not self.silent:
                self._send(ECHO_REPLY, xid, body)
        elif kind == FEATURES_REQUEST:
            self._send(FEATURES_REPLY, xid, struct.pack("!QIBB2xII", self.datapath_id, 0, 254, 0, 0x4F, 0))
        elif kind == CONFIG_REQUEST:
            self._send(CONFIG_REPLY, xid, struct.pack("!HH", 0, 128))
        elif kind == BARRIER_REQUEST:
            if self.hold_barriers:
                self._barriers.append(xid)
            else:
                self._send(BARRIER_REPLY, xid)
        elif kind == FLOW_MOD:
            self.flow_mods.append(body)
            self.tables.flow_mod(body, self.clock())
        elif kind == GROUP_MOD:
            self.tables.group_mod(body, self.clock())
        elif kind == MULTIPART_REQUEST:
            self._answer_multipart(xid, body)
        elif kind not in (HELLO, ERROR, ECHO_REPLY, SET_CONFIG, SET_ASYNC):
            raise OpenFlowError(_BAD_TYPE)

    def _answer_multipart(self, xid: int, body: bytes) -> None:
        kind, _ = _MULTIPART.unpack_from(body)
        self.tables.expire(self.clock())
        part = b""
        for item in self.multipart(kind, body[_MULTIPART.size :]):
            if part and len(part) + len(item) > self.part:
                self._send(MULTIPART_REPLY, xid, _MULTIPART.pack(kind, 1) + part)
                part = b""
            part += item
        self._send(MULTIPART_REPLY, xid, _MULTIPART.pack(kind, 0) + part)

    def multipart(self, kind: int, request: bytes) -> Iterator[bytes]:
        """The items of the answer to an OFPT_MULTIPART_REQUEST, of which ``request`` is the body."""
        if kind in (FLOW, AGGREGATE):
            table, out_port, out_group, cookie, mask = _FLOW_REQUEST.unpack_from(request)
            match = FlowMatch.parse(request[_FLOW_REQUEST.size :])
            found = self.tables.select(table, match, cookie, mask, out_port, out_group)
            if kind == FLOW:
                yield from map(self._flow_statistics, found)
            else:
                counted = sum(entry.packets for entry in found), sum(entry.octets for entry in found)
                yield _AGGREGATE.pack(*counted, len(found))
        elif kind == PORT_DESCRIPTION:
            yield from (port.description() for port in self.ports.values())
        elif kind == PORT_STATS:
            (number,) = struct.unpack_from("!I", request)
            yield from (port.statistics() for port in self.ports.values() if number in (port.number, 0xFFFFFFFF))
        elif kind == GROUP_DESCRIPTION:
            for group in self.tables.groups.values():
                size = _GROUP_DESCRIPTION.size + len(group.buckets)
                yield _GROUP_DESCRIPTION.pack(size, group.kind, group.group) + group.buckets
        elif kind == GROUP_STATS:
            (number,) = struct.unpack_from("!I", request)
            groups = [*self.tables.groups.values()]
            yield from map(self._group_statistics, (group for group in groups if number in (group.group, ALL_GROUPS)))
        else:
            raise OpenFlowError(_BAD_MULTIPART)

    def _flow_statistics(self, entry: FlowEntry) -> bytes:
        size = _FLOW_STATS.size + len(entry.match.octets) + len(entry.instructions)
        head = _FLOW_STATS.pack(
            size,
            entry.table,
            int(self.clock() - entry.since),
            0,
            entry.priority,
            0,
            entry.hard_timeout,
            entry.flags,
            entry.cookie,
            entry.packets,
            entry.octets,
        )
        return head + entry.match.octets + entry.instructions

    def _group_statistics(self, group: GroupEntry) -> bytes:
        buckets = len([*group.each_bucket()])
        size = _GROUP_STATS.size + 16 * buckets
        since = int(self.clock() - group.since)
        return _GROUP_STATS.pack(size, group.group, 0, group.packets, group.octets, since, 0) + bytes(16 * buckets)
