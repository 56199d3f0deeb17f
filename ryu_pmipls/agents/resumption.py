"""Resumption of the bindings of an earlier process of a MAG's agent, before their lifetimes end.

It knows them from its own record, and from the flow entries of its switch, which hold the bindings that the RMS has.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv6Network

from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.agents.access_entries import AccessEntry, access_entries
from ryu_pmipls.agents.binding_record import RecordedNode
from ryu_pmipls.mobility import RecordedBinding

#: Seconds before each look at the switch's entries: at once; and when the RMS has brought back those of a switch that
#: was started together with this process.
_LOOKS = (1.0, 10.0, 50.0)
#: Bindings resumed in one turn, and the pause after it (seconds): each is followed by probes and their answers.
_BATCH, _PAUSE = 50, 0.05


class Resumption:
    """Resumes bindings by ``resume(binding)``: recorded ones as soon as their access port is there.

    The switch's entries add what the record lacks. ``known(link-layer address)`` is true for that of a known node.
    """

    def __init__(
        self,
        recorded: Mapping[bytes, RecordedNode],
        ovs: OpenVSwitch,
        known: Callable[[bytes], object],
        resume: Callable[[RecordedBinding], None],
    ) -> None:
        self._recorded = dict(recorded)
        self._ovs = ovs
        self._known = known
        self._resume = resume
        self._waiting: asyncio.Queue[RecordedBinding] = asyncio.Queue()
        self._numbers: set[int] = set()
        self._settled: set[bytes] | None = set()  # link-layer addresses; None after the last look

    def opened(self, name: str, number: int) -> None:
        """Resume the recorded bindings of an access port, which is OpenFlow port ``number`` now."""
        self._numbers.add(number)
        for identifier in [each for each, found in self._recorded.items() if found.access_port == name]:
            found = self._recorded.pop(identifier)
            self._waiting.put_nowait(
                RecordedBinding(
                    found.link_layer_address, number, found.prefixes, found.anchor, found.registered, identifier
                )
            )

    def settle(self, link_layer_address: bytes) -> None:
        """Leave a node alone from now on, whatever the switch's entries say: it has come, and may have left, by now."""
        if self._settled is not None:
            self._settled.add(link_layer_address)

    async def run(self) -> None:
        """Resume what waits, for ever."""
        while True:
            for _ in range(_BATCH):
                binding = await self._waiting.get()
                self.settle(binding.link_layer_address)
                self._resume(binding)
            await asyncio.sleep(_PAUSE)

    async def look(self) -> None:
        """Look at the switch's entries a few times after the start, then wait for ever."""
        for delay in _LOOKS:
            await asyncio.sleep(delay)
            for binding in self.missing(await asyncio.to_thread(access_entries, self._ovs)):
                self._waiting.put_nowait(binding)
        self._settled = None
        await asyncio.Event().wait()

    def missing(self, entries: Iterable[AccessEntry]) -> Iterable[RecordedBinding]:
        """The bindings of entries on ports that are there, but for nodes that are recorded or that have come again."""
        others = (self._settled or set()).union(found.link_layer_address for found in self._recorded.values())
        prefixes: dict[tuple[bytes, int], list[IPv6Network]] = defaultdict(list)
        for entry in entries:
            node = entry.link_layer_address
            if self._known(node) and node not in others and entry.port in self._numbers:
                prefixes[node, entry.port].append(entry.prefix)
        return [RecordedBinding(node, port, tuple(found)) for (node, port), found in prefixes.items()]
