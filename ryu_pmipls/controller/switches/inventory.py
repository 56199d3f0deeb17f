"""A switch's own account of what it has: ports, groups, and the flow entries that bear our mark."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.ryu import ToldEntry, in_turns
from ryu_pmipls.controller.ryu import ofproto_v1_3 as ofp
from ryu_pmipls.controller.switches import decoding as decode
from ryu_pmipls.controller.switches.flow import FlowEntry, Group, Rule
from ryu_pmipls.controller.switches.parameter import LOCAL

#: Entries that are decoded in one turn, at some 0.13 ms each.
_DECODED = 8


class SwitchState(str, Enum):
    """The RMS's knowledge of a switch's installed state."""

    DISCONNECTED = "disconnected"
    RECONCILING = "reconciling"  # connected, but what it holds is not known to be right
    READY = "ready"


class Inventory:
    """The latest replies of a switch, with the RMS's judgement of them.

    It outlives connections. ``rules`` are those of the node's pipeline.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.state = SwitchState.DISCONNECTED
        self.drifted = 0  # entries and groups that were not as the RMS had left them
        self.ports: dict[str, int] = {}
        self.live: set[str] = set()  # ports that are up, and whose tunnel carries packets if BFD watches it
        self.link_layer_address: bytes | None = None  # of the bridge's own interface
        self.groups: dict[int, Group | None] = {}  # None is unlike any of ours
        #: The number of entries that bear our mark, in answer to the request ``count_xid``; None while unknown.
        self.entry_count: int | None = None
        self.count_xid = 0
        self.flow_stats: list[ToldEntry] = []  # of entries that bear our mark
        #: Bindings of which the switch can hold no complete entries, by prefix (8 octets).
        self.refused: dict[bytes, Binding] = {}
        self._rules = rules
        self._described: dict[str, int] = {}

    def record_port_descriptions(self, ports: Iterable[Any], more: bool) -> None:
        """Record the list of all ports, perhaps in several messages: ``more`` is true in all but the last."""
        for port in ports:
            self._add_port(port, self._described)
        if not more:
            self.ports, self._described = self._described, {}
            self.live &= self.ports.keys()

    def record_port_status(self, port: Any, gone: bool) -> bool:
        """Record that a port came, went or changed; true when its number or our address is another than before."""
        before = dict(self.ports), self.link_layer_address
        if gone:
            name = port_name(port)
            self.ports.pop(name, None)
            self.live.discard(name)
        else:
            self._forget_number(port.port_no, port_name(port))
            self._add_port(port, self.ports)
        return before != (self.ports, self.link_layer_address)

    def record_group_descriptions(self, groups: Iterable[Any]) -> None:
        self.groups.update((stats.group_id, decode.group(stats)) for stats in groups)

    def record_aggregate(self, xid: int, stats: Any) -> None:
        """Record aggregate flow stats if they are of all entries that bear our mark."""
        if xid == self.count_xid:
            self.entry_count = stats.flow_count

    def decode_entries(self, unless: Callable[[], bool]) -> tuple[list[FlowEntry], int]:
        """Decode :attr:`flow_stats`: the entries of our rules, and the number of those of no rule.

        This takes long, but in turns; ``InterruptionError`` as soon as ``unless()`` is true.
        """
        found: list[FlowEntry] = []
        replied = self.flow_stats
        for each in in_turns(replied, _DECODED, unless):
            stats = each.parsed()
            entry = None if stats is None else decode.entry(stats, self._rules)
            if entry is not None:
                found.append(entry)
        return found, len(replied) - len(found)

    def forget_descriptions(self) -> None:
        """Forget what a connection that has ended has begun to list."""
        self._described.clear()

    def _forget_number(self, number: int, name: str) -> None:
        """Forget ports that have lost their number to the port called ``name``."""
        for former in [each for each, other in self.ports.items() if other == number and each != name]:
            del self.ports[former]
            self.live.discard(former)

    def _add_port(self, port: Any, ports: dict[str, int]) -> None:
        if port.port_no == LOCAL:
            self.link_layer_address = bytes.fromhex(port.hw_addr.replace(":", ""))
            return
        name = port_name(port)
        ports[name] = port.port_no
        if port.state & ofp.OFPPS_LIVE:
            self.live.add(name)
        else:
            self.live.discard(name)


def port_name(port: Any) -> str:
    """The name in an ``OFPPort``."""
    name: bytes = port.name
    return name.split(b"\0", 1)[0].decode("utf-8", "replace")
