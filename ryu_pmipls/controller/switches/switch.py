"""One MAG's or LMA's switch: its messages, and the changes sent to it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ryu_pmipls.controller.fast.binding_encoder import RouteUpdate
from ryu_pmipls.controller.ryu import ToldEntry, in_turns
from ryu_pmipls.controller.ryu import ofproto_v1_3 as ofp
from ryu_pmipls.controller.ryu import ofproto_v1_3_parser as parser
from ryu_pmipls.controller.ryu.connection import Connection
from ryu_pmipls.controller.switches import decoding as decode
from ryu_pmipls.controller.switches import encoding as encode
from ryu_pmipls.controller.switches.flow import LOCAL, FlowEntry, Group
from ryu_pmipls.controller.switches.node_pipeline import NodePipeline
from ryu_pmipls.controller.switches.ports import tunnel_port
from ryu_pmipls.controller.switches.reconciler import FINAL_ERRORS, Reconciler, State
from ryu_pmipls.controller.switches.session import SwitchSession, Transaction, WriteOutcome
from ryu_pmipls.controller.switches.written_entries import WrittenEntries
from ryu_pmipls.rate_limiter import RateLimiter

LOG = logging.getLogger(__name__)

#: Entries that are decoded in one turn, at some 0.13 ms each.
_DECODED = 8
#: Entries whose counters are read in one turn, at some 3 us each.
_COUNTED = 256


@dataclass(frozen=True)
class Counters:
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


class _StatisticsReply(NamedTuple):
    """Flow entries in a switch's answer to the request with that transaction id."""

    xid: int
    told: list[ToldEntry]


class Switch:
    """The switch of a node of the profile, connected or not.

    A :class:`~ryu_pmipls.controller.switches.reconciler.Reconciler` reconciles a new connection; from its beginning,
    changes go to the switch as they come. Every ``audit_interval`` (s) the reconciler audits the switch, unless that is
    None. The reconciler hands entries of unknown contents to ``recover`` before it writes; false means another try.
    """

    def __init__(
        self,
        pipeline: NodePipeline,
        recover: Callable[[Switch, Iterator[list[FlowEntry]]], bool],
        audit_interval: float | None,
    ) -> None:
        self.pipeline = pipeline
        self.node = pipeline.node
        self.recover = recover
        self.state = State.DISCONNECTED
        self.ports: dict[str, int] = {}
        self.live: set[str] = set()  # ports that are up, and whose tunnel carries packets if BFD watches it
        self.link_layer_address: bytes | None = None  # of the bridge's own interface
        self.counters: dict[str, Counters] = {}
        #: IPv6 packets received by port: for a tunnel, those of mobile nodes, without the tunnel's own BFD.
        self.received: dict[str, FlowCounters] = {}
        self.statistics_pending = False
        self.errors: Counter[str] = Counter()  # what the switch refused, by the name of the error
        self.drifted = 0  # entries and groups that were not as the RMS had left them
        self.audit_interval = audit_interval
        self.contents: WrittenEntries | None = None  # None while the contents are unknown
        self.groups: dict[int, Group | None] = {}  # the switch's groups at the last request; None is unlike any of ours
        self.census = 0  # the transaction id of the request for the number of our entries
        self.held: int | None = None  # the answer
        self.told: list[ToldEntry] = []  # entries that bear our mark, from the latest request
        self._asked_for: dict[int, list[ToldEntry]] = {}  # entries of other requests, by transaction id
        self._described: dict[str, int] = {}
        self._counted: dict[str, Counters] = {}
        self._from_ports = _StatisticsReply(0, [])
        self._traffic: dict[int, FlowCounters | None] = {}  # from the request to the answer, by transaction id
        self._session: SwitchSession | None = None
        self._reconciler: Reconciler | None = None
        self._limiter = RateLimiter()

    @property
    def name(self) -> str:
        return self.node.name

    # Messages from the switch.

    def connected(self, datapath: Connection) -> None:
        """Take over a new connection, and reconcile the switch."""
        self.disconnected()
        self.state = State.RECONCILING
        self._session = SwitchSession(datapath)
        self._reconciler = Reconciler(self, self._session)
        self._reconciler.reconcile()

    def disconnected(self) -> None:
        """End the session, because the connection is gone; the switch goes on by itself."""
        session, self._session = self._session, None
        if session is not None:
            session.close()
        if self._reconciler is not None:
            self._reconciler.close()
        self.contents = self._reconciler = None
        self.state = State.DISCONNECTED
        self.statistics_pending = False
        self.counters.clear()
        self.received.clear()
        self._asked_for.clear()

    def answers(self, missing_allowed: int) -> bool:
        """True when the switch is connected and has left no more echo requests unanswered than allowed."""
        return self._session is not None and len(self._session.datapath.unreplied_echo_requests) <= missing_allowed

    def serves(self, datapath: Connection) -> bool:
        """True when ``datapath`` is the present connection (a replaced one may still report its end)."""
        return self._session is not None and self._session.datapath is datapath

    def ports_described(self, ports: Iterable[Any], more: bool) -> None:
        """Take the list of all ports, perhaps in several messages: ``more`` is true in all but the last."""
        for port in ports:
            self._note_port(port, self._described)
        if not more:
            self.ports, self._described = self._described, {}
            self.live &= self.ports.keys()

    def groups_described(self, groups: Iterable[Any]) -> None:
        """Take the switch's groups."""
        self.groups.update((told.group_id, decode.group(told)) for told in groups)

    def entries_described(self, xid: int, entries: Iterable[ToldEntry]) -> None:
        """Take flow entries that bear our mark, in answer to the request with that transaction id."""
        from_ports = xid == self._from_ports.xid
        (self._from_ports.told if from_ports else self._asked_for.get(xid, self.told)).extend(entries)

    def entries(self, unless: Callable[[], bool]) -> tuple[list[FlowEntry], int]:
        """Decode :attr:`told`: the entries of our rules, and the number of those of no rule.

        This takes long, but in turns; ``InterruptionError`` as soon as ``unless()`` is true.
        """
        rules = self.pipeline.declared.rules
        found: list[FlowEntry] = []
        told = self.told
        for each in in_turns(told, _DECODED, unless):
            stats = each.parsed()
            entry = None if stats is None else decode.entry(stats, rules)
            if entry is not None:
                found.append(entry)
        return found, len(told) - len(found)

    def port_changed(self, port: Any, gone: bool) -> None:
        """Note that a port came, went or changed; the entries that name it follow."""
        name, before = _port_name(port), (dict(self.ports), self.link_layer_address)
        if gone:
            self.ports.pop(name, None)
            self.live.discard(name)
        else:
            self._note_port(port, self.ports)
        if self.contents is None or self._reconciler is None or before == (self.ports, self.link_layer_address):
            return
        self.contents.encoder = self.pipeline.encoder(self.ports, self.contents.generation)
        self.refresh()
        self._reconciler.port_changed(name, name in self.ports)

    def error(self, xid: int, name: str) -> None:
        """Note that the switch refused the message with that transaction id."""
        self.errors[name] += 1
        if self._limiter.passes(name):
            LOG.error("%s: refused a message: %s (%d so far)", self.name, name, self.errors[name])
        if self._session is not None:
            self._session.error(xid, name)

    def expire(self, now: float) -> None:
        """Give up changes that the switch has not acknowledged in time; ``now`` is of the monotonic clock."""
        if self._session is not None:
            self._session.expire(now)

    def reconcile(self) -> None:
        """Have the whole desired state of the switch written anew."""
        if self._reconciler is not None:
            self._reconciler.reconcile()

    # Changes to the switch. None are sent without a connection, or before a reconciliation that sends all anyway.

    def refresh(self) -> Transaction | None:
        """Bring the groups and the node's own entries up to date."""
        if self._session is None or self.contents is None:
            return None
        messages = [*self.contents.set_groups(self.pipeline.groups(self.ports))]
        messages += self.contents.set_base(self.pipeline.base_entries(self.ports, self.link_layer_address))
        return self._watched(self._session.request(*messages))

    def refresh_groups(self) -> Transaction | None:
        """Bring the groups up to date: one message per changed group, whatever the number of mobile nodes."""
        if self._session is None or self.contents is None:
            return None
        return self._watched(self._session.request(*self.contents.set_groups(self.pipeline.groups(self.ports))))

    def route(self, updates: Sequence[RouteUpdate]) -> Transaction | None:
        """Bring the entries of bindings up to date; errors refer to the place of the update."""
        if self._session is None or self.contents is None:
            return None
        first = self._session.reserve(len(updates))
        octets = self.contents.encoder.encode(updates, first)
        return self._watched(self._session.submit(octets, first, len(updates)))

    def request_statistics(self, groups: Iterable[int] = ()) -> None:
        """Ask for the counters of these groups and of all ports, unless an answer is still awaited."""
        if self._session is not None and not self.statistics_pending:
            self.statistics_pending = True
            of_groups = (parser.OFPGroupStatsRequest(encode.PROTOCOL, 0, group) for group in groups)
            # The ports come last: their answer completes all.
            of_ports = decode.classified(), parser.OFPPortStatsRequest(encode.PROTOCOL, 0, ofp.OFPP_ANY)
            transaction = self._session.request(*of_groups, *of_ports)
            self._from_ports = _StatisticsReply(transaction.first_xid + transaction.xids - len(of_ports), [])

    def statistics(self, entries: Iterable[Any], more: bool) -> bool:
        """Take the counters of ports, perhaps in several messages; true when all are there.

        All ones means that the switch does not know (OpenFlow 1.3, A.3.5.6): passed on unchanged.
        """
        names = {number: name for name, number in self.ports.items()}
        for entry in entries:
            if entry.port_no in names:
                counters = Counters(entry.rx_packets, entry.rx_bytes, entry.tx_packets, entry.tx_bytes)
                self._counted[names[entry.port_no]] = counters
        if more:
            return False
        self.statistics_pending = False
        self.counters, self._counted = self._counted, {}
        self.received = {}
        for port, packets, octets in filter(None, map(ToldEntry.counted_from_port, self._from_ports.told)):
            if port in names:
                before = self.received.get(names[port], _NOTHING)
                self.received[names[port]] = FlowCounters(before.packets + packets, before.octets + octets)
        return True

    def traffic(self, entries: Sequence[FlowEntry]) -> list[FlowCounters | None]:
        """Ask the switch for the counters of entries, including others of the same match; None without an answer.

        Waits, for up to ``CHANGE_TIMEOUT``.
        """
        if self._session is None:
            return [None for _ in entries]
        transaction = self._session.request(*map(encode.ask_counters, entries))
        xids = range(transaction.first_xid, transaction.first_xid + len(entries))
        self._traffic.update(dict.fromkeys(xids))
        transaction.wait()
        return [self._traffic.pop(xid) for xid in xids]

    def traffic_counted(self, xid: int, traffic: Any) -> None:
        """Take the answer to a request of :meth:`traffic`, or the number of our entries."""
        if xid == self.census:
            self.held = traffic.flow_count
        if xid in self._traffic and traffic.flow_count:
            self._traffic[xid] = FlowCounters(traffic.packet_count, traffic.byte_count)

    def downlink_entries(self, slice_: int, slices: int) -> dict[bytes, int] | None:
        """Ask for the downlink entries of a slice: home network prefix (8 octets) -> packets counted.

        None when the switch does not answer. Waits, for up to ``CHANGE_TIMEOUT`` and for its turns.
        """
        session = self._session
        if session is None:
            return None
        table = self.pipeline.downlink_table
        transaction = session.request(decode.request(slice_, slices, table.number))
        told = self._asked_for[transaction.first_xid] = []
        if transaction.wait() is not WriteOutcome.ACKED:
            return None  # a late answer belongs to this request, not to ``told``
        self._asked_for.clear()  # the answers to older requests have come as well, if they ever do
        counted = (entry.counted() for entry in in_turns(told, _COUNTED, lambda: False))
        return dict(each for each in counted if each is not None)

    def tunnel_counters(self, peers: Iterable[str]) -> Iterator[tuple[str, Counters]]:
        """Yield (peer, counters of the tunnel to it, with BFD's packets) for the peers whose tunnel is there."""
        for peer in peers:
            counters = self.counters.get(tunnel_port(peer))
            if counters is not None:
                yield peer, counters

    def tunnel_traffic(self, peers: Iterable[str]) -> Iterator[tuple[str, FlowCounters]]:
        """Yield (peer, mobile nodes' traffic that came out of the tunnel to it) for the peers where that is known."""
        for peer in peers:
            traffic = self.received.get(tunnel_port(peer))
            if traffic is not None:
                yield peer, traffic

    def _note_port(self, port: Any, ports: dict[str, int]) -> None:
        if port.port_no == LOCAL:
            self.link_layer_address = bytes.fromhex(port.hw_addr.replace(":", ""))
            return
        name = _port_name(port)
        ports[name] = port.port_no
        if port.state & ofp.OFPPS_LIVE:
            self.live.add(name)
        else:
            self.live.discard(name)

    def _watched(self, transaction: Transaction) -> Transaction:
        transaction.then(self._settled)
        return transaction

    def _settled(self, transaction: Transaction) -> None:
        final = FINAL_ERRORS.issuperset(transaction.errors.values())
        if transaction.outcome is WriteOutcome.ERROR and self._reconciler is not None and not final:
            self._reconciler.refused()


def _port_name(port: Any) -> str:
    name: bytes = port.name
    return name.split(b"\0", 1)[0].decode("utf-8", "replace")
