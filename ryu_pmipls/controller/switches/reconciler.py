"""Reconciliation: brings a switch to its desired state and keeps it there; one per connection.

Nothing is deleted before its replacement is in force: the desired entries go in under a new cookie generation, and
every older generation is swept only when the barriers behind them have answered.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from ryu_pmipls.controller.fast.binding_encoder import RouteUpdate
from ryu_pmipls.controller.ryu import InterruptionError, hub
from ryu_pmipls.controller.ryu import ofproto_v1_3_parser as parser
from ryu_pmipls.controller.switches import encoding as encode
from ryu_pmipls.controller.switches.audit import Audit
from ryu_pmipls.controller.switches.cookies import GENERATION_BITS, SLICES
from ryu_pmipls.controller.switches.flow import FlowEntry
from ryu_pmipls.controller.switches.inventory import Inventory, SwitchState
from ryu_pmipls.controller.switches.node_pipeline import NodePipeline
from ryu_pmipls.controller.switches.session import CHANGE_TIMEOUT, WINDOW, SwitchSession, Transaction, WriteOutcome
from ryu_pmipls.controller.switches.switch_writer import SwitchWriter

LOG = logging.getLogger(__name__)

#: Seconds that each step of a reconciliation may take.
TIMEOUT = 30.0
#: Seconds before another try after a failure; doubled with every failure, up to the longest.
PAUSE = 2.0
LONGEST_PAUSE = 64.0
#: Bindings in one write, in some 0.6 ms. Between two writes other green threads have their turn, and changes go first.
CHUNK = 128
#: Entries of a switch compared per second, at some 0.15 ms of the RMS's time each, however many there are.
AUDIT_RATE = 100.0

_NEVER = float("inf")


class Reconciler:
    """The green thread that writes to one switch on its own account: the due tasks, one after the other.

    ``recover`` gets our entries, which come in pieces, before anything is written; false has everything tried again.
    Every ``audit_interval`` (s) the switch is audited, unless that is None.
    """

    def __init__(
        self,
        pipeline: NodePipeline,
        inventory: Inventory,
        session: SwitchSession,
        recover: Callable[[Iterator[list[FlowEntry]]], bool],
        audit_interval: float | None,
    ) -> None:
        self.writer = SwitchWriter(pipeline, inventory, session, self.retry)
        self._name = pipeline.node.name
        self._pipeline = pipeline
        self._inventory = inventory
        self._session = session
        session.doubted = self.retry
        self._recover = recover
        self._audit_interval = audit_interval
        self._wake = hub.Event()
        self._due = False
        self._not_before = 0.0  # monotonic clock
        self._pause = PAUSE
        self._new_ports: dict[str, None] = {}  # those whose routes must be written
        self._audit = Audit(pipeline, inventory, self._urgent)
        self._audit_at = _NEVER  # monotonic clock
        hub.spawn(self._run)

    def reconcile(self) -> None:
        """Have everything written anew."""
        self._due = True
        self._wake.set()

    def close(self) -> None:
        """End, because the connection has ended."""
        self._wake.set()

    def retry(self) -> None:
        """Have everything written anew after a failure, with a pause that grows until that succeeds."""
        if not self._due:
            self._not_before = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self.reconcile()

    def follow_port(self, name: str) -> None:
        """Update what leads to a port that came, went or has another number, or depends on our own address."""
        if self.writer.written is None:
            return  # a reconciliation writes all anyway
        self.writer.follow_ports()
        if name in self._inventory.ports:
            self._new_ports[name] = None
            self._wake.set()
        elif self._prefixes_behind(name):
            self.reconcile()

    def _prefixes_behind(self, port: str) -> Sequence[bytes]:
        return self._pipeline.prefixes_behind(self._inventory.ports, port)

    def _run(self) -> None:
        while not self._session.closed:
            try:
                self._do_next()
            except Exception:
                LOG.exception("%s: what it holds cannot be brought in line", self._name)
                self._audit_after(0)
                self.retry()

    def _do_next(self) -> None:
        pause = self._not_before - time.monotonic()
        if self._due and pause <= 0:
            self._due = False
            self._reconcile()
        elif self._new_ports:
            self._write(self._prefixes_behind(self._new_ports.popitem()[0]))
        elif self._audit_at <= time.monotonic():
            self._audit_slice()
        else:
            self._wake.clear()
            until = min(self._not_before if self._due else _NEVER, self._audit_at)
            self._wake.wait(None if until == _NEVER else max(until - time.monotonic(), 0))

    def _urgent(self) -> bool:
        """True when there is more urgent work than an audit, or the connection has ended."""
        return self._due or bool(self._new_ports) or self._session.closed

    def _reconcile(self) -> None:
        inventory = self._inventory
        inventory.state = SwitchState.RECONCILING
        done = (
            self._request_inventory()
            and self._recover_entries()
            and self._write_groups()
            and self._write(self._pipeline.prefixes())
            and _done(self.writer.refresh())
            and self._sweep()
        )
        if self._session.closed:
            return
        if not done:
            LOG.error("%s: reconciliation failed, tried again", self._name)
            self.retry()
            return
        inventory.state = SwitchState.READY
        if not self._due:
            self._pause = PAUSE
        self._audit = Audit(self._pipeline, inventory, self._urgent)
        self._audit_after(0)
        written, bindings = self.writer.written, len(self._pipeline.prefixes())
        assert written is not None
        LOG.info(
            "%s: %d groups, %d entries and %d bindings in force", self._name, written.groups, written.base, bindings
        )

    def _audit_slice(self) -> None:
        """Compare some of the installed state with the desired state, and write everything anew if they differ."""
        inventory = self._inventory
        inventory.groups, inventory.flow_stats = {}, []
        requests = parser.OFPGroupDescStatsRequest(encode.PROTOCOL), encode.flow_stats_request(self._audit.slice)
        drifted = 0
        if self._session.request(*requests, timeout=TIMEOUT).wait() is WriteOutcome.ACKED and not self._urgent():
            with suppress(InterruptionError):
                drifted = self._audit.compare()
        if drifted:
            inventory.drifted += drifted
            LOG.error("%s: %d entries or groups are not as the RMS has left them: repaired", self._name, drifted)
            self.reconcile()
        self._audit_after(len(inventory.flow_stats))

    def _audit_after(self, compared: int) -> None:
        """Schedule the next comparison, after a pause that grows with the number of entries compared now."""
        if self._audit_interval is not None:
            pause = max(self._audit_interval / SLICES, compared / AUDIT_RATE)
            self._audit_at = time.monotonic() + (CHANGE_TIMEOUT if self._audit.suspects else pause)

    def _request_inventory(self) -> bool:
        """Request ports, groups, and the number of our entries; all are there when the barrier has answered."""
        inventory = self._inventory
        inventory.groups, inventory.entry_count = {}, None
        requests = parser.OFPPortDescStatsRequest(encode.PROTOCOL), parser.OFPGroupDescStatsRequest(encode.PROTOCOL)
        transaction = self._session.request(*requests, encode.entry_count_request(), timeout=TIMEOUT)
        inventory.count_xid = transaction.first_xid + len(requests)
        return _done(transaction)

    def _recover_entries(self) -> bool:
        """Have the bindings of entries of unknown origin recovered, if the RMS has never met the switch."""
        try:
            return self._recover(self._slices())
        except ConnectionError:
            return False

    def _slices(self) -> Iterator[list[FlowEntry]]:
        """Request and decode our entries, a slice at a time; ``ConnectionError`` when the switch does not answer."""
        for slice_ in range(SLICES):
            if self._session.closed:  # later replies are for the next connection's reconciler
                raise ConnectionError(f"{self._name} is gone")
            self._inventory.flow_stats = []
            if not _done(self._session.request(encode.flow_stats_request(slice_), timeout=TIMEOUT)):
                raise ConnectionError(f"{self._name} does not send its flow stats")
            entries, _ = self._inventory.decode_entries(lambda: False)
            yield entries

    def _write_groups(self) -> bool:
        """Write the groups, to which bindings lead; from here on changes go to the switch as they come.

        The node's own entries come last: with them an empty switch admits traffic, and BGP, which attracts it.
        """
        generation = 0 if self.writer.written is None else self.writer.written.generation
        generation = (generation + 1 + secrets.randbelow(2**GENERATION_BITS - 1)) % 2**GENERATION_BITS
        self.writer.begin_generation(generation)
        return _done(self.writer.refresh_groups())

    def _write(self, prefixes: Sequence[bytes]) -> bool:
        """Write the entries of bindings as they are by then; refused ones do not hold up the others."""
        under_way: deque[Transaction | None] = deque()
        for start in range(0, len(prefixes), CHUNK):
            bindings = map(self._pipeline.bindings.get, prefixes[start : start + CHUNK])
            under_way.append(self.writer.route([RouteUpdate(binding) for binding in bindings if binding is not None]))
            if len(under_way) == WINDOW and not _done(under_way.popleft(), WriteOutcome.ERROR):
                return False
            hub.sleep(0)
        return all(_done(transaction, WriteOutcome.ERROR) for transaction in under_way)

    def _sweep(self) -> bool:
        """Delete entries of older generations, if there were any: the switch has to look at all of its entries."""
        assert self.writer.written is not None
        if self._inventory.entry_count == 0:
            return True
        return _done(self._session.request(*encode.sweep(self.writer.written.generation), timeout=TIMEOUT))


def _done(transaction: Transaction | None, *others: WriteOutcome) -> bool:
    """True when the switch has acknowledged the transaction, or one of the other outcomes has come."""
    return transaction is not None and transaction.wait() in (WriteOutcome.ACKED, *others)
