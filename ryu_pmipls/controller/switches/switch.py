"""One MAG's or LMA's switch: the parts of its connection, and the messages for each of them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from ryu_pmipls.controller.ryu import ToldEntry
from ryu_pmipls.controller.ryu.connection import Connection
from ryu_pmipls.controller.switches.counters import SwitchCounters
from ryu_pmipls.controller.switches.flow import FlowEntry
from ryu_pmipls.controller.switches.inventory import Inventory, SwitchState, port_name
from ryu_pmipls.controller.switches.node_pipeline import NodePipeline
from ryu_pmipls.controller.switches.reconciler import Reconciler
from ryu_pmipls.controller.switches.session import SwitchSession, Transaction
from ryu_pmipls.controller.switches.switch_writer import SwitchWriter
from ryu_pmipls.controller.switches.written_entries import WrittenEntries
from ryu_pmipls.rate_limiter import RateLimiter

LOG = logging.getLogger(__name__)


class Switch:
    """The switch of a node of the profile, connected or not.

    A :class:`~ryu_pmipls.controller.switches.reconciler.Reconciler` reconciles a new connection; from its beginning,
    changes go to the switch as they come. Every ``audit_interval`` (s) the reconciler audits the switch, unless that is
    None. The reconciler hands entries of unknown origin to ``recover`` before it writes; false means another try.
    """

    def __init__(
        self,
        pipeline: NodePipeline,
        recover: Callable[[Switch, Iterator[list[FlowEntry]]], bool],
        audit_interval: float | None,
    ) -> None:
        self.pipeline = pipeline
        self.node = pipeline.node
        self.inventory = Inventory(pipeline.declared.rules)
        self.counters = SwitchCounters(self.inventory, pipeline.downlink_table)
        self.errors: Counter[str] = Counter()  # refusals of the switch, by the name of the error
        self._recover = partial(recover, self)
        self._audit_interval = audit_interval
        self._session: SwitchSession | None = None
        self._reconciler: Reconciler | None = None
        #: Writes changes to the switch; None without a connection.
        self.writer: SwitchWriter | None = None
        self._limiter = RateLimiter()

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def state(self) -> SwitchState:
        return self.inventory.state

    @property
    def ports(self) -> dict[str, int]:
        """The numbers of its ports, by name."""
        return self.inventory.ports

    @property
    def live(self) -> set[str]:
        """The ports that are up, and whose tunnel carries packets if BFD watches it."""
        return self.inventory.live

    @property
    def written(self) -> WrittenEntries | None:
        """The entries as the RMS has written them, another object after every reconciliation; None while unknown."""
        return None if self.writer is None else self.writer.written

    # Messages from the switch.

    def connected(self, datapath: Connection) -> None:
        """Begin a session for a new connection, and reconcile the switch."""
        self.disconnected()
        self.inventory.state = SwitchState.RECONCILING
        session = self._session = SwitchSession(datapath)
        self.counters.begin(session)
        self._reconciler = Reconciler(self.pipeline, self.inventory, session, self._recover, self._audit_interval)
        self.writer = self._reconciler.writer
        self._reconciler.reconcile()

    def disconnected(self) -> None:
        """End the session, because the connection is gone; the switch goes on by itself."""
        session, self._session = self._session, None
        if session is not None:
            session.close()
        if self._reconciler is not None:
            self._reconciler.close()
        self.writer = self._reconciler = None
        self.inventory.state = SwitchState.DISCONNECTED
        self.inventory.forget_descriptions()
        self.counters.end()

    def answers(self, missing_allowed: int) -> bool:
        """True when the switch is connected and has left no more echo requests unanswered than allowed."""
        return self._session is not None and len(self._session.datapath.unreplied_echo_requests) <= missing_allowed

    def confirms(self, within: float, now: float) -> bool:
        """True when the switch is connected and no barrier has been unanswered for ``within`` seconds at ``now``."""
        if self._session is None:
            return False
        since = self._session.unanswered_since
        return since is None or now - since < within

    def serves(self, datapath: Connection) -> bool:
        """True when ``datapath`` is the present connection (a replaced one may still report its end)."""
        return self._session is not None and self._session.datapath is datapath

    def record_flow_stats(self, xid: int, entries: Iterable[ToldEntry]) -> None:
        """Record flow stats of entries that bear our mark, in answer to the request with that transaction id."""
        if not self.counters.record_flow_stats(xid, entries):
            self.inventory.flow_stats.extend(entries)

    def record_aggregate(self, xid: int, stats: Any) -> None:
        """Record aggregate flow stats, in answer to the request with that transaction id."""
        self.inventory.record_aggregate(xid, stats)
        self.counters.record_aggregate(xid, stats)

    def follow_port_status(self, port: Any, gone: bool) -> None:
        """Record that a port came, went or changed; have the entries that name it follow."""
        if self.inventory.record_port_status(port, gone) and self._reconciler is not None:
            self._reconciler.follow_port(port_name(port))

    def record_error(self, xid: int, name: str) -> None:
        """Record that the switch refused the message with that transaction id."""
        self.errors[name] += 1
        if self._limiter.passes(name):
            LOG.error("%s: refused a message: %s (%d so far)", self.name, name, self.errors[name])
        if self._session is not None:
            self._session.record_error(xid, name)

    def expire(self, now: float) -> None:
        """Give up changes that the switch has not acknowledged in time; ``now`` is of the monotonic clock."""
        if self._session is not None:
            self._session.expire(now)

    def reconcile(self) -> None:
        """Have the whole desired state of the switch written anew."""
        if self._reconciler is not None:
            self._reconciler.reconcile()

    def ask(self) -> Transaction | None:
        """Request a barrier as a sign of life; None without a connection."""
        return None if self._session is None else self._session.request()

    # Changes to the switch, by its writer. None are sent without a connection.

    def refresh(self) -> Transaction | None:
        """Bring the groups and the node's own entries up to date."""
        return None if self.writer is None else self.writer.refresh()

    def refresh_groups(self) -> Transaction | None:
        """Bring the groups up to date: one message per changed group, whatever the number of mobile nodes."""
        return None if self.writer is None else self.writer.refresh_groups()
