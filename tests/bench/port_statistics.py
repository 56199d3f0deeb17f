"""The statistics of a switch with 1000 tunnels: from octets to the load list, beside Ryu's reading alone.

Ports are counted by themselves, and mobile nodes' packets by the flow entry that lets them in by a port.

The RMS asks each switch once in a report interval: with 100 switches and one of 10 s that is 10 000 ports a second.
"""

from __future__ import annotations

import struct
from itertools import count, islice
from typing import Any, cast

from ryu_pmipls.controller.bindings import BindingTable
from ryu_pmipls.controller.ryu import ofproto_v1_3_parser as parser
from ryu_pmipls.controller.ryu.connection import Connection
from ryu_pmipls.controller.switches.encoding import PROTOCOL
from ryu_pmipls.controller.switches.lma import LmaPipeline
from ryu_pmipls.controller.switches.ports import tunnel_port
from ryu_pmipls.controller.switches.session import Transaction
from ryu_pmipls.controller.switches.switch import Switch
from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.loadsharing import LoadList
from tests.bench.comparison import Comparison, Effort, compare

#: Ours does all of what the yardstick does, keeps the counters by name, and slides a window over those of each port.
AT_LEAST = 0.2
PORTS = 1000
INTERVAL = 10
POLLS, ROUNDS = 4, 30
#: Polls in the load list's window, beside the first.
IN_WINDOW = 300 // INTERVAL
#: OpenFlow 1.3, section 7.1: a message has no more than 65535 octets.
IN_MESSAGE = 500
_FLOW_STATS, _PORT_STATS = 1, 4
_HEADER = struct.Struct("!BBHIHH4x")
_PORT = struct.Struct("!I4x12QII")
#: Up to the match of input port and Ethernet type (IPv6), and the instruction to go to table 1.
_ENTRY = struct.Struct("!HBxIIHHHHxxxxQQQ HHIIIH6x HHBxxx")


def reply(kind: int, first: int, packets: int, more: bool) -> bytes:
    """A message of the statistics of ``IN_MESSAGE`` ports, or of their flow entries; every packet had 800 octets."""
    ports = range(first, first + IN_MESSAGE)
    if kind == _PORT_STATS:
        counts = packets, packets, 800 * packets, 800 * packets
        entries = [_PORT.pack(port, *counts, *(0,) * 8, 60, 0) for port in ports]
    else:
        head = _ENTRY.size, 0, 60, 0, 10, 0, 0, 0, 7, packets, 800 * packets
        goto = 1, 8, 1
        entries = [_ENTRY.pack(*head, 1, 18, 0x80000004, port, 0x80000A02, 0x86DD, *goto) for port in ports]
    body = b"".join(entries)
    return _HEADER.pack(4, 19, _HEADER.size + len(body), 7, kind, int(more)) + body


def replies(packets: int) -> list[tuple[bytes, int, bool]]:
    """What a switch answers: messages, of which kind, and whether more of it follow."""
    return [
        (reply(kind, first, packets, more), kind, more)
        for kind in (_FLOW_STATS, _PORT_STATS)
        for first, more in ((1, True), (1 + IN_MESSAGE, False))
    ]


class Session:
    """A connection by which nothing is sent."""

    def __init__(self) -> None:
        self.asked = 0

    def request(self, *messages: Any) -> Transaction:
        self.asked += len(messages)
        return Transaction(b"", self.asked - len(messages) + 1, len(messages), 0.0)


def read(octets: bytes) -> Any:
    _, kind, length, xid, _, _ = _HEADER.unpack_from(octets)
    return parser.OFPMultipartReply.parser(cast(Connection, PROTOCOL), 4, kind, length, xid, octets)


def measure(effort: Effort) -> list[Comparison]:
    rounds = effort.of(ROUNDS)
    mags = [f"mag{number}" for number in range(1, PORTS + 1)]
    profile = load_profile("two-lma")
    switch = Switch(LmaPipeline(profile, profile.lmas[0], BindingTable(), {}), lambda *_: True, None)
    switch.inventory.ports = {tunnel_port(mag): number for number, mag in enumerate(mags, start=1)}
    loads = LoadList(["lma1"], mags, report_interval=INTERVAL)
    loads.set_ports("lma1", mags)
    session = Session()
    switch.counters.begin(cast(Any, session))
    polls = [replies(1000 * number) for number in range(POLLS * rounds)]
    times = count(0, INTERVAL)
    waiting = iter(polls)

    def ours() -> int:
        for messages in islice(waiting, POLLS):
            switch.counters.request_ports()
            complete = False
            for message, kind, more in messages:
                if kind == _FLOW_STATS:
                    switch.record_flow_stats(session.asked - 1, read(message).body)
                else:
                    complete = switch.counters.record_port_stats(read(message).body, more)
            assert complete
            counted = {mag: (each.packets, each.octets) for mag, each in switch.counters.tunnel_traffic(mags)}
            loads.add_port_statistics("lma1", counted, next(times))
        return POLLS * PORTS

    def theirs() -> int:
        for messages in polls[:POLLS]:
            for message, _, _ in messages:
                read(message)
        return POLLS * PORTS

    operation = "port statistics, from octets to the load list: ports"
    found = compare(operation, ours, "read by Ryu", theirs, AT_LEAST, rounds=rounds)
    assert loads.snapshot(next(times)).lma("lma1").packets == PORTS * 1000 * min(IN_WINDOW, len(polls) - 1)
    return [found]
