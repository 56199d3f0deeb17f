"""The MAG's flow entries that admit mobile nodes: they say who is attached, and count what each of them sends.

The agent only reads them, at its own switch; the RMS writes them. So they hold the RMS's bindings, and are there while
the RMS is not.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv6Network

from ovs_setup.node import SERVICE_BRIDGE
from ovs_setup.vswitch import OpenVSwitch

#: The table of these entries, and their match, as Open vSwitch's tools write it.
TABLE = 1
_ENTRY = re.compile(r"n_packets=(\d+),.*?,in_port=(\d+),dl_src=([0-9a-f:]{17}),ipv6_src=([0-9a-f:]+/\d+)\s", re.ASCII)
#: Seconds between two looks at the counters. Open vSwitch brings them up to date about as often.
_INTERVAL = 0.5
#: Seconds after a question before which a packet may have been sent but not yet counted: it is no sign of life.
_SETTLING = 1.0
#: Seconds for which a question stands.
_PATIENCE = 5.0


@dataclass(frozen=True)
class AccessEntry:
    """A node may send from that OpenFlow port, with that prefix; ``packets`` is the number of those it has sent."""

    link_layer_address: bytes
    port: int
    prefix: IPv6Network
    packets: int


def access_entries(ovs: OpenVSwitch) -> list[AccessEntry]:
    """The entries of the switch; ``OvsSetupError`` when it does not answer. This waits for another process."""
    return [*parse_entries(ovs.ofctl("--no-names", "dump-flows", SERVICE_BRIDGE, f"table={TABLE}"))]


def parse_entries(text: str) -> Iterator[AccessEntry]:
    """The entries in the output of ``ovs-ofctl dump-flows``; others are left out."""
    for packets, port, address, prefix in _ENTRY.findall(text):
        yield AccessEntry(bytes.fromhex(address.replace(":", "")), int(port), IPv6Network(prefix), int(packets))


@dataclass
class _Question:
    """A question of whether a node sends, asked at a time; its counters when that had settled."""

    since: float
    until: float
    counted: dict[IPv6Network, int] = field(default_factory=dict)


class Senders:
    """Tells which nodes send: ``reachable(link-layer address, OpenFlow port)`` is called for those asked about.

    The node need not answer anything: it is there when the switch counts its packets.
    """

    def __init__(self, ovs: OpenVSwitch, reachable: Callable[[bytes, int], None]) -> None:
        self._ovs = ovs
        self._reachable = reachable
        self._questions: dict[tuple[bytes, int], _Question] = {}
        self._asked = asyncio.Event()

    def ask(self, link_layer_address: bytes, port: int) -> None:
        """Look for a while whether a node sends."""
        now = time.monotonic()
        question = self._questions.setdefault((link_layer_address, port), _Question(now, 0.0))
        question.until = now + _PATIENCE
        self._asked.set()

    async def watch(self) -> None:
        """Look at the counters while there are questions, for ever."""
        while True:
            await self._asked.wait()
            now = time.monotonic()
            self.compare(await asyncio.to_thread(access_entries, self._ovs), now)
            if not self._questions:
                self._asked.clear()
            await asyncio.sleep(_INTERVAL)

    def compare(self, entries: list[AccessEntry], now: float) -> None:
        """Compare the counters of the time ``now`` with earlier ones."""
        for entry in entries:
            node = entry.link_layer_address, entry.port
            question = self._questions.get(node)
            if question is None or now < question.since + _SETTLING:
                continue
            counted = min(question.counted.get(entry.prefix, entry.packets), entry.packets)  # it may have been renewed
            question.counted[entry.prefix] = counted
            if entry.packets > counted:
                del self._questions[node]
                self._reachable(*node)
        for node in [node for node, question in self._questions.items() if question.until <= now]:
            del self._questions[node]
