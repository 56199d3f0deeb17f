"""Counters of one switch's ports and flow entries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ryu_pmipls.controller.ryu import ToldEntry, in_turns
from ryu_pmipls.controller.ryu import ofproto_v1_3 as ofp
from ryu_pmipls.controller.ryu import ofproto_v1_3_parser as parser
from ryu_pmipls.controller.switches import encoding as encode
from ryu_pmipls.controller.switches.flow import FlowEntry, Table
from ryu_pmipls.controller.switches.inventory import Inventory
from ryu_pmipls.controller.switches.ports import tunnel_port
from ryu_pmipls.controller.switches.session import SwitchSession, WriteOutcome

#: Entries whose counters are decoded in one turn, at some 3 us each.
_COUNTED = 256


@dataclass(frozen=True)
class PortCounters:
    """A port's counters since the port appeared."""

    rx_packets: int
    rx_octets: int
    tx_packets: int
    tx_octets: int


@dataclass(frozen=True)
class FlowCounters:
    """Counters of flow entries since they were written."""

    packets: int
    octets: int


_NOTHING = FlowCounters(0, 0)


class _FlowStatsReply(NamedTuple):
    """Flow entries in a switch's answer to the request with that transaction id."""

    xid: int
    entries: list[ToldEntry]


class SwitchCounters:
    """Requests a switch's counters and keeps those of its ports, while there is a session.

    ``downlink`` is the table that sends downlink on.
    """

    def __init__(self, inventory: Inventory, downlink: Table) -> None:
        self.ports: dict[str, PortCounters] = {}
        #: IPv6 packets received by port: for a tunnel, those of mobile nodes, without the tunnel's own BFD.
        self.received: dict[str, FlowCounters] = {}
        self._inventory = inventory
        self._downlink = downlink
        self._session: SwitchSession | None = None
        self._ports_pending = False
        self._counted: dict[str, PortCounters] = {}
        self._by_port = _FlowStatsReply(0, [])
        self._flow_stats: dict[int, list[ToldEntry]] = {}  # by transaction id of the request
        self._aggregates: dict[int, FlowCounters | None] = {}  # likewise, from the request to the answer

    def begin(self, session: SwitchSession) -> None:
        """Request counters by a new session from here on."""
        self._session = session

    def end(self) -> None:
        """Forget the counters, because the connection is gone."""
        self._session = None
        self._ports_pending = False
        self.ports.clear()
        self.received.clear()
        self._flow_stats.clear()

    # Counters of all ports, kept.

    def request_ports(self, groups: Iterable[int] = ()) -> bool:
        """Request the counters of these groups and of all ports; false if an answer is still awaited."""
        if self._session is None or self._ports_pending:
            return False
        self._ports_pending = True
        of_groups = (parser.OFPGroupStatsRequest(encode.PROTOCOL, 0, group) for group in groups)
        # The ports come last: their answer completes all.
        of_ports = encode.classifying_stats_request(), parser.OFPPortStatsRequest(encode.PROTOCOL, 0, ofp.OFPP_ANY)
        transaction = self._session.request(*of_groups, *of_ports)
        self._by_port = _FlowStatsReply(transaction.first_xid + transaction.xids - len(of_ports), [])
        return True

    def record_port_stats(self, entries: Iterable[Any], more: bool) -> bool:
        """Record the counters of ports, perhaps in several messages; true when all are there.

        All ones means that the switch does not know (OpenFlow 1.3, A.3.5.6): kept unchanged.
        """
        names = {number: name for name, number in self._inventory.ports.items()}
        for entry in entries:
            if entry.port_no in names:
                counters = PortCounters(entry.rx_packets, entry.rx_bytes, entry.tx_packets, entry.tx_bytes)
                self._counted[names[entry.port_no]] = counters
        if more:
            return False
        self._ports_pending = False
        self.ports, self._counted = self._counted, {}
        self.received = {}
        for port, packets, octets in filter(None, map(ToldEntry.counted_from_port, self._by_port.entries)):
            if port in names:
                before = self.received.get(names[port], _NOTHING)
                self.received[names[port]] = FlowCounters(before.packets + packets, before.octets + octets)
        return True

    def tunnel_counters(self, peers: Iterable[str]) -> Iterator[tuple[str, PortCounters]]:
        """Yield (peer, counters of the tunnel to it, with BFD's packets) for the peers whose tunnel is there."""
        for peer in peers:
            counters = self.ports.get(tunnel_port(peer))
            if counters is not None:
                yield peer, counters

    def tunnel_traffic(self, peers: Iterable[str]) -> Iterator[tuple[str, FlowCounters]]:
        """Yield (peer, mobile nodes' traffic that came out of the tunnel to it) for the peers where that is known."""
        for peer in peers:
            traffic = self.received.get(tunnel_port(peer))
            if traffic is not None:
                yield peer, traffic

    # Counters of flow entries, for a caller that waits.

    def traffic(self, entries: Sequence[FlowEntry]) -> list[FlowCounters | None]:
        """Request the counters of entries, including others of the same match; None without an answer.

        Waits, for up to ``CHANGE_TIMEOUT``.
        """
        if self._session is None:
            return [None for _ in entries]
        transaction = self._session.request(*map(encode.aggregate_stats_request, entries))
        xids = range(transaction.first_xid, transaction.first_xid + len(entries))
        self._aggregates.update(dict.fromkeys(xids))
        transaction.wait()
        return [self._aggregates.pop(xid) for xid in xids]

    def downlink_entries(self, slice_: int, slices: int) -> dict[bytes, int] | None:
        """Request the downlink entries of a slice: home network prefix (8 octets) -> packets counted.

        None when the switch does not answer. Waits, for up to ``CHANGE_TIMEOUT`` and for its turns.
        """
        session = self._session
        if session is None:
            return None
        transaction = session.request(encode.flow_stats_request(slice_, slices, self._downlink.number))
        entries = self._flow_stats[transaction.first_xid] = []
        if transaction.wait() is not WriteOutcome.ACKED:
            return None  # a late answer belongs to this request, and to no other
        self._flow_stats.clear()  # the answers to older requests have come as well, if they ever do
        counted = (entry.counted() for entry in in_turns(entries, _COUNTED, lambda: False))
        return dict(each for each in counted if each is not None)

    def record_flow_stats(self, xid: int, entries: Iterable[ToldEntry]) -> bool:
        """Record flow stats in answer to the request with that transaction id; false when it is none of these."""
        reply = self._by_port.entries if xid == self._by_port.xid else self._flow_stats.get(xid)
        if reply is None:
            return False
        reply.extend(entries)
        return True

    def record_aggregate(self, xid: int, stats: Any) -> None:
        """Record an answer to a request of :meth:`traffic`."""
        if xid in self._aggregates and stats.flow_count:
            self._aggregates[xid] = FlowCounters(stats.packet_count, stats.byte_count)
