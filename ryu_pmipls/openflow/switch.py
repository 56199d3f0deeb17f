"""One MAG's or LMA's switch: what is there, what shall be there, and the way from one to the other."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ryu_pmipls.domain.profile import Lma, Mag
from ryu_pmipls.framework import Datapath, hub
from ryu_pmipls.framework import ofproto_v1_3 as ofp
from ryu_pmipls.framework import ofproto_v1_3_parser as parser
from ryu_pmipls.openflow import encode
from ryu_pmipls.openflow.cookies import GENERATION_BITS
from ryu_pmipls.openflow.flow import LOCAL, Entry, Group
from ryu_pmipls.openflow.rules import tunnel_port
from ryu_pmipls.openflow.session import Outcome, SwitchSession, Transaction
from ryu_pmipls.routing import Binding

LOG = logging.getLogger(__name__)

#: How long a reconciliation may take, and how long after a failed one the next is tried, in seconds.
RECONCILE_TIMEOUT = 30.0
RECONCILE_PAUSE = 2.0


class State(str, Enum):
    DISCONNECTED = "disconnected"
    RECONCILING = "reconciling"  # connected, but what is on the switch is not known to be right
    READY = "ready"


@dataclass(frozen=True)
class Counters:
    """A port's counters since the port is there."""

    rx_packets: int
    rx_octets: int
    tx_packets: int
    tx_octets: int


@dataclass(frozen=True)
class Desired:
    """Where the rules of a switch come from; every function reads the present state of the domain."""

    base: Callable[[Switch], Iterable[Entry]]
    groups: Callable[[Switch], Iterable[Group]]
    bindings: Callable[[], Iterable[Binding]]
    binding: Callable[[Switch, Binding], Iterable[Entry]]


class Switch:
    """The switch of a node of the profile, connected or not.

    Nothing is deleted before what replaces it is in force: on connect the desired rules go in under a new cookie
    generation, and only when the barrier behind them has answered is every older generation swept.
    """

    def __init__(self, node: Lma | Mag, desired: Desired) -> None:
        self.node = node
        self.state = State.DISCONNECTED
        self.ports: dict[str, int] = {}
        self.link_layer_address: bytes | None = None  # of the bridge's own interface
        self.counters: dict[str, Counters] = {}
        self.statistics_pending = False
        self.errors = 0
        self._desired = desired
        self._session: SwitchSession | None = None
        self._generation = 0
        self._base: dict[Any, Entry] = {}
        self._bound: dict[bytes, tuple[Entry, ...]] = {}
        self._groups: dict[int, int | None] = {}

    @property
    def name(self) -> str:
        return self.node.name

    # What the switch tells.

    def connected(self, datapath: Datapath) -> None:
        """A connection is up: ask what is there; the answers start the reconciliation."""
        self.disconnected()
        self.state = State.RECONCILING
        self._session = SwitchSession(datapath)
        self._session.submit([parser.OFPPortDescStatsRequest(datapath), parser.OFPGroupDescStatsRequest(datapath)])

    def disconnected(self) -> None:
        """The connection is gone; the switch goes on by itself."""
        if self._session is not None:
            self._session.close()
        self._session = None
        self.state = State.DISCONNECTED
        self.statistics_pending = False
        self.counters.clear()

    def serves(self, datapath: Datapath) -> bool:
        """Whether ``datapath`` is the present connection (a replaced one may still tell of its end)."""
        return self._session is not None and self._session.datapath is datapath

    def ports_described(self, ports: Iterable[Any]) -> None:
        self.ports = {}
        for port in ports:
            self._note_port(port)

    def groups_described(self, groups: Iterable[Any]) -> None:
        """The last thing to know before the reconciliation: which groups exist."""
        self._groups = {group.group_id: None for group in groups}
        if self._session is not None:
            hub.spawn(self._reconcile, self._session)

    def port_changed(self, port: Any, gone: bool) -> None:
        """A port came, went or changed: the rules that name it follow."""
        if gone:
            self.ports.pop(_port_name(port), None)
        else:
            self._note_port(port)
        self.refresh()

    def barrier_reply(self, xid: int) -> None:
        if self._session is not None:
            self._session.barrier_reply(xid)

    def error(self, xid: int, text: str) -> None:
        self.errors += 1
        if self._session is not None:
            self._session.error(xid, text)

    # What the switch is told.

    def refresh(self) -> Transaction | None:
        """Bring every rule and group up to date; None when there is no connection, or it is reconciled anyway."""
        if self._session is None or self.state is not State.READY:
            return None
        messages = [*self._group_changes(), *self._base_changes()]
        for binding in self._desired.bindings():
            messages += self._binding_changes(binding)
        return self._session.submit(messages)

    def refresh_groups(self) -> Transaction | None:
        """Bring the groups up to date: one message per group that changes, whatever the number of mobile nodes."""
        if self._session is None or self.state is not State.READY:
            return None
        return self._session.submit(list(self._group_changes()))

    def route(self, binding: Binding) -> Transaction | None:
        """Bring the rules of one binding up to date."""
        if self._session is None or self.state is not State.READY:
            return None
        return self._session.submit(list(self._binding_changes(binding)))

    def request_statistics(self) -> None:
        """Ask for the counters of all ports, unless an answer is still awaited."""
        if self._session is not None and not self.statistics_pending:
            self.statistics_pending = True
            datapath = self._session.datapath
            self._session.submit([parser.OFPPortStatsRequest(datapath, 0, ofp.OFPP_ANY)])

    def statistics(self, entries: Iterable[Any]) -> None:
        """The counters came. All ones means that the switch does not know (OpenFlow 1.3, A.3.5.6): passed on as is."""
        self.statistics_pending = False
        names = {number: name for name, number in self.ports.items()}
        self.counters = {
            names[entry.port_no]: Counters(entry.rx_packets, entry.rx_bytes, entry.tx_packets, entry.tx_bytes)
            for entry in entries
            if entry.port_no in names
        }

    def tunnel_counters(self, peers: Iterable[str]) -> Iterator[tuple[str, Counters]]:
        """(peer, counters of the tunnel to it) of the peers whose tunnel is there."""
        for peer in peers:
            counters = self.counters.get(tunnel_port(peer))
            if counters is not None:
                yield peer, counters

    def _note_port(self, port: Any) -> None:
        if port.port_no == LOCAL:
            self.link_layer_address = bytes.fromhex(port.hw_addr.replace(":", ""))
        else:
            self.ports[_port_name(port)] = port.port_no

    def _reconcile(self, session: SwitchSession) -> None:
        while session is self._session:
            self._generation = (self._generation + 1 + secrets.randbelow(2**GENERATION_BITS - 1)) % 2**GENERATION_BITS
            self._base.clear()
            self._bound.clear()
            # From here on changes go to the switch as they come, behind the messages of the reconciliation.
            self.state = State.READY
            transaction = self.refresh()
            outcome = transaction.wait(RECONCILE_TIMEOUT) if transaction else Outcome.DISCONNECTED
            if outcome is Outcome.ACKED:
                outcome = session.submit(encode.sweep(self._generation)).wait(RECONCILE_TIMEOUT)
            if outcome is Outcome.ACKED:
                LOG.info("%s: %d rules and %d groups in force", self.name, self._rule_count(), len(self._groups))
                return
            if session is self._session:
                LOG.error("%s: reconciliation failed (%s), tried again in %g s", self.name, outcome, RECONCILE_PAUSE)
                self.state = State.RECONCILING
                hub.sleep(RECONCILE_PAUSE)

    def _rule_count(self) -> int:
        return len(self._base) + sum(len(rules) for rules in self._bound.values())

    def _group_changes(self) -> Iterator[Any]:
        for group in self._desired.groups(self):
            exists = group.group in self._groups
            if not exists or self._groups[group.group] != group.port or group.port is None:
                self._groups[group.group] = group.port
                yield encode.set_group(group, exists)

    def _base_changes(self) -> Iterator[Any]:
        new = {entry.key: entry for entry in self._desired.base(self)}
        yield from self._changes(self._base.values(), new.values())
        self._base = new

    def _binding_changes(self, binding: Binding) -> Iterator[Any]:
        new = tuple(self._desired.binding(self, binding))
        yield from self._changes(self._bound.get(binding.prefix, ()), new)
        if new:
            self._bound[binding.prefix] = new
        else:
            self._bound.pop(binding.prefix, None)

    def _changes(self, old: Iterable[Entry], new: Iterable[Entry]) -> Iterator[Any]:
        before = {entry.key: entry for entry in old}
        after = {entry.key: entry for entry in new}
        for key, entry in after.items():
            if before.get(key) != entry:
                yield encode.add_flow(entry, self._generation)
        for key, entry in before.items():
            if key not in after:
                yield encode.delete_flow(entry)


def _port_name(port: Any) -> str:
    name: bytes = port.name
    return name.split(b"\0", 1)[0].decode("utf-8", "replace")
