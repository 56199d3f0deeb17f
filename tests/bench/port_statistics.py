"""The port statistics of a switch with 1000 tunnels: from octets to the load list, beside Ryu's reading alone.

The RMS asks each switch once in a report interval: with 100 switches and one of 10 s that is 10 000 ports a second.
"""

from __future__ import annotations

import struct
from itertools import count, islice
from typing import Any, cast

from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.framework import ofproto_v1_3_parser as parser
from ryu_pmipls.framework.connection import Connection
from ryu_pmipls.loadsharing import LoadList
from ryu_pmipls.openflow.encode import PROTOCOL
from ryu_pmipls.openflow.rules import tunnel_port
from ryu_pmipls.openflow.switch import Switch
from tests.bench.comparison import Comparison, Effort, compare

#: Ours does all of what the yardstick does, keeps the counters by name, and slides a window over those of each port.
AT_LEAST = 0.2
PORTS = 1000
INTERVAL = 10
POLLS, ROUNDS = 4, 30
#: Polls in the load list's window, beside the first.
IN_WINDOW = 300 // INTERVAL
#: OpenFlow 1.3, section 7.1: a message has no more than 65535 octets.
PORTS_IN_MESSAGE = 500
_HEADER = struct.Struct("!BBHIHH4x")
_PORT = struct.Struct("!I4x12QII")


def reply(first: int, packets: int, more: bool) -> bytes:
    """A message of ``PORTS_IN_MESSAGE`` ports' statistics; every packet had 800 octets."""
    body = b"".join(
        _PORT.pack(port, packets, packets, 800 * packets, 800 * packets, *(0,) * 8, 60, 0)
        for port in range(first, first + PORTS_IN_MESSAGE)
    )
    return _HEADER.pack(4, 19, _HEADER.size + len(body), 7, 4, int(more)) + body


def read(octets: bytes) -> Any:
    _, kind, length, xid, _, _ = _HEADER.unpack_from(octets)
    return parser.OFPMultipartReply.parser(cast(Connection, PROTOCOL), 4, kind, length, xid, octets)


def measure(effort: Effort) -> list[Comparison]:
    rounds = effort.of(ROUNDS)
    mags = [f"mag{number}" for number in range(1, PORTS + 1)]
    switch = Switch(load_profile("two-lma").lmas[0], cast(Any, None), None)
    switch.ports = {tunnel_port(mag): number for number, mag in enumerate(mags, start=1)}
    loads = LoadList(["lma1"], mags, report_interval=INTERVAL)
    loads.ports("lma1", mags)
    polls = [
        (reply(1, 1000 * number, True), reply(1 + PORTS_IN_MESSAGE, 1000 * number, False))
        for number in range(POLLS * rounds)
    ]
    times = count(0, INTERVAL)
    waiting = iter(polls)

    def ours() -> int:
        for messages in islice(waiting, POLLS):
            for message, more in zip(messages, (True, False), strict=True):
                complete = switch.statistics(read(message).body, more)
            assert complete
            counted = {mag: (each.rx_packets, each.rx_octets) for mag, each in switch.tunnel_counters(mags)}
            loads.port_statistics("lma1", counted, next(times))
        return POLLS * PORTS

    def theirs() -> int:
        for messages in polls[:POLLS]:
            for message in messages:
                read(message)
        return POLLS * PORTS

    operation = "port statistics, from octets to the load list: ports"
    found = compare(operation, ours, "read by Ryu", theirs, AT_LEAST, rounds=rounds)
    assert loads.snapshot(next(times)).lma("lma1").packets == PORTS * 1000 * min(IN_WINDOW, len(polls) - 1)
    return [found]
