"""Route_adjust: from reports of MAGs to routes in force on all LMAs (draft section 3.3).

The RMS handles all waiting reports together: one write to each switch, one transaction of the store. The two go on side
by side, and reports that come meanwhile make up the next batch. The RMS answers a report when its binding is stored and
in force.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ryu_pmipls.controller.bindings import Binding, Result
from ryu_pmipls.controller.bindings.binding_table import TICKS_PER_SECOND
from ryu_pmipls.controller.context import Context
from ryu_pmipls.controller.fast.binding_encoder import RouteUpdate
from ryu_pmipls.controller.lma_notifier import LmaNotifier
from ryu_pmipls.controller.route_reports import RouteReport
from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.controller.store import StoreError
from ryu_pmipls.controller.switches.route_batch import RouteBatch
from ryu_pmipls.rate_limiter import RateLimiter
from ryu_pmipls.signalling import Endpoint

LOG = logging.getLogger(__name__)

#: Seconds until a store that has failed is tried again.
_STORE_PAUSE = 1.0
#: The result of nearly all reports. Python 3.11 is slow at looking up a member of an enumeration.
_CHANGED = Result.CHANGED
#: Seconds without anything to store after which there is time for work that the store has put off.
_IDLE = 1.0


@dataclass(eq=False, slots=True, kw_only=True)
class _PendingUpdate(RouteUpdate):
    """An update with the report that made it: answered when it is both stored and in force."""

    report: RouteReport
    awaited: int = 2  # confirmations still to come: one of the store, one of the switches


class Routes:
    """Keeps bindings by the reports of MAGs, has them stored and put into force; ``refused`` counts the rest."""

    def __init__(self, context: Context, endpoint: Endpoint, notifier: LmaNotifier, refused: Counter[str]) -> None:
        profile = context.profile
        pool = profile.home_prefix_pool
        self._first, self._last = pool.network_address.packed[:8], pool.broadcast_address.packed[:8]
        self._fixed = {
            node.prefix.network_address.packed[:8]: (node.identifier, node.anchor or profile.lmas[0].name)
            for node in profile.mobile_nodes
            if node.prefix
        }
        self._state = context.state
        self._clock = context.clock
        self._clock_skews = context.clock_skews
        self._bindings = context.state.bindings
        self._batches = context.switches.batches
        self._endpoint = endpoint
        self._notifier = notifier
        self._refused = refused
        self._forwards = profile.handoff.forwarding
        self._mags = {mag.name: endpoint.peer(mag.address) for mag in profile.mags}
        self._under_way: dict[bytes, _PendingUpdate] = {}  # the latest of each prefix
        #: Set while all reports are stored and in force.
        self.settled = hub.Event()
        self.settled.set()
        self._unstored: list[_PendingUpdate] = []
        self._to_store = hub.Event()
        self._limiter = RateLimiter(burst=20)
        self._unheard: list[set[bytes]] = []

    @contextmanager
    def unheard(self, prefixes: set[bytes]) -> Iterator[set[bytes]]:
        """Yield a set from which prefixes vanish when the MAG at which they are reports them, as long as this lasts."""
        self._unheard.append(prefixes)
        try:
            yield prefixes
        finally:
            self._unheard.remove(prefixes)

    def update(self, reports: Sequence[RouteReport], now: float) -> None:
        """Update the bindings from reports of MAGs; have them stored and put into force, all together."""
        if self._unheard:
            self._hear(reports)
        acceptable = self._acceptable(reports)
        updates = self._bindings.update([report.change for report in acceptable], self._clock.time_of_day(now))
        under_way, pending = self._under_way, []
        for report, (result, binding, previous) in zip(acceptable, updates, strict=True):
            prefix = report.change.prefix
            before = under_way.get(prefix)
            if result is _CHANGED or (result is Result.UNCHANGED and before is None):
                assert binding is not None
                leftovers: tuple[Binding, ...] = () if previous is None or previous.mag is None else (previous,)
                if before is not None:
                    before.superseded, leftovers = True, before.leftovers + leftovers
                update = under_way[prefix] = _PendingUpdate(binding, leftovers, report=report)
                pending.append(update)
            elif result is Result.TOO_NEW:
                self._refused["route_adjust: timestamp in the future"] += 1
                self._clock_skews.compare(report.peer.name, report.change.timestamp / TICKS_PER_SECOND, now)
            elif before is None:
                # The binding in force is newer, so the sender need not repeat the message. A newer one still under way
                # could get lost, and with it the content of this message.
                self._answer(report)
        if pending:
            self.settled.clear()
            self._unstored += pending
            self._to_store.set()
            self._batches.start(pending, self._in_force, self._forwarding)

    def _hear(self, reports: Iterable[RouteReport]) -> None:
        for report in reports:
            binding = self._bindings.get(report.change.prefix)
            if binding is not None and report.change.new_mag == binding.mag == report.peer.name:
                for prefixes in self._unheard:
                    prefixes.discard(binding.prefix)

    def _acceptable(self, reports: Iterable[RouteReport]) -> list[RouteReport]:
        """Those that may change a binding: attachments that an anchor grants or the profile fixes, and known ends."""
        first, last, acceptable = self._first, self._last, []
        for report in reports:
            prefix, _, new, _, _, address, _, _ = report.change
            if not first <= prefix <= last:
                self._refused["route_adjust: prefix is not of the domain"] += 1
            elif address is not None and len(address) != 6:
                self._refused["route_adjust: link-layer address is not one of Ethernet"] += 1
            elif report.granted or (new is None and self._is_own(report)):
                acceptable.append(report)
            elif new is not None and self._is_fixed(report):
                acceptable.append(self._with_anchor(report))
            elif new is None:
                if prefix not in self._under_way:
                    self._answer(report)  # nothing is attached there, and so nothing has to be remembered of its end
            else:
                self._refused["route_adjust: prefix not granted by an anchor"] += 1
        return acceptable

    def _is_fixed(self, report: RouteReport) -> bool:
        """True for an attachment of the node for which the profile fixes the prefix, unless it is at another MAG.

        MAG or anchor may know the draft only. Without a grant nobody's downlink is taken away.
        """
        change, binding = report.change, self._bindings.get(report.change.prefix)
        fixed = self._fixed.get(change.prefix)
        known = fixed is not None and change.identifier in (None, fixed[0])
        return known and (binding is None or binding.mag in (None, change.new_mag))

    def _with_anchor(self, report: RouteReport) -> RouteReport:
        """The report with the anchor of the profile if it names none, so that somebody answers for the session."""
        change = report.change
        return report._replace(change=change._replace(anchor=change.anchor or self._fixed[change.prefix][1]))

    def _is_own(self, report: RouteReport) -> bool:
        """True for an end of what is attached at the MAG or anchored at the LMA that reports it."""
        binding, sender = self._bindings.get(report.change.prefix), report.peer.name
        return binding is not None and binding.mag is not None and sender in (binding.mag, binding.anchor)

    def end_session(self, report: RouteReport, now: float) -> None:
        """End a session by its LMA's report."""
        binding = self._bindings.get(report.change.prefix)
        if binding is not None and binding.mag is not None and binding.anchor != report.peer.name:
            self._refused["route_adjust: from an LMA that does not anchor the prefix"] += 1
        else:
            # The LMA knows whether a MAG has the session; the RMS may not have heard of the last one that had it.
            at = report.change.old_mag if binding is None else binding.mag
            self.update([report._replace(change=report.change._replace(old_mag=at))], now)

    def keep_stored(self) -> None:
        """Store bindings, for ever: all that came during one transaction of the store go into the next."""
        while True:
            self._to_store.wait(_IDLE)
            self._to_store.clear()
            pending, self._unstored = self._unstored, []
            try:
                if pending:
                    self._state.save_bindings([update.binding for update in pending])
                else:
                    self._state.tidy()
            except StoreError as error:
                # Answer none of them. MAGs repeat their reports, and this loop tries again.
                LOG.error("%d bindings are not stored, tried again: %s", len(pending), error)
                self._unstored = pending + self._unstored
                hub.sleep(_STORE_PAUSE)
                self._to_store.set()
                continue
            self._confirm(pending)

    def _in_force(self, batch: RouteBatch) -> None:
        """Handle the switches' answers to a batch, or their failure to answer."""
        pending = [update for update in batch.updates if isinstance(update, _PendingUpdate)]
        if batch.failures or not batch.acknowledged:
            failed = [update for update in pending if update in batch.failures or not batch.acknowledged]
            self._forget(failed)  # so that a retransmission of the report is another try
            pending = [update for update in pending if update not in batch.failures and batch.acknowledged]
        self._confirm(pending)
        self._log(batch)

    def _forwarding(self, mag: str, updates: Sequence[RouteUpdate]) -> None:
        """Notify a MAG that its switch forwards for departed nodes, so that its agent forwards what it has buffered.

        There is no retransmission: if the message gets lost, so do some packets.
        """
        if self._forwards:
            pending = [
                update for update in updates if isinstance(update, _PendingUpdate) and update.binding.mag is not None
            ]
            self._endpoint.forward((update.report.announcement for update in pending), self._mags[mag])

    def _confirm(self, pending: Sequence[_PendingUpdate]) -> None:
        """Count a confirmation. Once stored and in force: answer, and notify the LMAs unless there is newer."""
        done = []
        for update in pending:
            update.awaited -= 1
            if not update.awaited:
                done.append(update)
        reports = [update.report for update in done]
        self._endpoint.send_all([(report.octets, report.peer) for report in reports if report.answerable])
        latest = self._forget(done)
        self._notifier.enqueue({update.binding.prefix: update.report.announcement for update in latest})

    def _answer(self, report: RouteReport) -> None:
        """Acknowledge with the same message (erratum E37)."""
        if report.answerable:
            self._endpoint.send_octets(report.octets, report.peer)

    def _forget(self, pending: Iterable[_PendingUpdate]) -> list[_PendingUpdate]:
        """End the tracking of updates; return those that were the latest of their prefixes."""
        latest = [update for update in pending if not update.superseded]
        for update in latest:
            del self._under_way[update.binding.prefix]
        if not self._under_way:
            self.settled.set()
        return latest

    def _log(self, batch: RouteBatch) -> None:
        # A disconnected switch gets the route when it returns, before it gets traffic (erratum E39).
        failures = batch.failures or {update: {} for update in batch.updates if not batch.acknowledged}
        for update, by in failures.items():
            if self._limiter.passes("failure"):
                reason = ", ".join(f"{name}: {what}" for name, what in by.items()) or "no switch is connected"
                LOG.error("route of %s to %s is not in force: %s", update.binding.network, update.binding.mag, reason)
        if batch.acknowledged and self._limiter.passes("in force"):
            routes = [f"{update.binding.network} to {update.binding.mag}" for update in batch.updates[:3]]
            more = f" and {len(batch.updates) - 3} more" if len(batch.updates) > 3 else ""
            LOG.info("in force on %s: route of %s%s", ", ".join(batch.acknowledged), ", ".join(routes), more)
