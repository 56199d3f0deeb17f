"""Enforcement of decisions at a MAG: the groups of its switch move the packets, and a Load_adjust informs its agent."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from ryu_pmipls.controller.context import Context
from ryu_pmipls.controller.retransmission import Retransmission
from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.controller.store import StoreError
from ryu_pmipls.controller.switches.session import WriteOutcome
from ryu_pmipls.loadsharing import Answer, Decision, DecisionOutcome, totals
from ryu_pmipls.wire import LoadAdjust, Timestamp, UplinkShare

LOG = logging.getLogger(__name__)

#: LMAs that a Load_adjust tells of: the options of a Mobility Header have room for some seventy.
_MOST_SHARES = 64

_OUTCOMES = {
    WriteOutcome.ACKED: DecisionOutcome.ACKNOWLEDGED,
    WriteOutcome.ERROR: DecisionOutcome.REFUSED,
    WriteOutcome.TIMEOUT: DecisionOutcome.TIMED_OUT,
    WriteOutcome.DISCONNECTED: DecisionOutcome.TIMED_OUT,
}


def told_shares(slots: Mapping[str, int], new: str) -> dict[str, int]:
    """The shares that a Load_adjust has room for: the largest ones, and that of the LMA which gets something."""
    most = sorted(slots, key=lambda lma: (lma != new, -slots[lma]))[:_MOST_SHARES]
    return {lma: slots[lma] for lma in slots if lma in most}


class UplinkEnforcement:
    """Brings switches and agents in line with the uplinks, and records their answers."""

    def __init__(self, context: Context, retransmission: Retransmission) -> None:
        self._profile = context.profile
        self._state = context.state
        self._switches = context.switches
        self._clock = context.clock
        self._retransmission = retransmission
        self._agents = {mag.name: hub.Semaphore(1) for mag in self._profile.mags}

    def enforce(self, decisions: Iterable[Decision]) -> None:
        """Have switches and agents follow decisions, all at once; return without waiting for them."""
        by_mag: dict[str, list[Decision]] = {}
        for decision in decisions:
            by_mag.setdefault(decision.mag, []).append(decision)
        for mag, together in by_mag.items():
            hub.spawn(self._adjust_groups, mag, together)
            hub.spawn(self._notify_agent, mag, together)

    def _adjust_groups(self, mag: str, decisions: Sequence[Decision]) -> None:
        transaction = self._switches.adjust(mag)
        outcome = WriteOutcome.DISCONNECTED if transaction is None else transaction.wait()
        self._record(decisions, f"switch of {mag}", _OUTCOMES[outcome], outcome.value)

    def _notify_agent(self, mag: str, decisions: Sequence[Decision]) -> None:
        """Notify a MAG of decisions, one after the other: a newer one that came first would make an older one void."""
        address = self._profile.mag(mag).address
        for decision in decisions:
            with self._agents[mag]:
                acknowledged = self._retransmission.deliver(self._load_adjust(decision), address)
            outcome = DecisionOutcome.ACKNOWLEDGED if acknowledged else DecisionOutcome.TIMED_OUT
            self._record([decision], f"agent of {mag}", outcome, "")

    def _load_adjust(self, decision: Decision) -> LoadAdjust:
        profile = self._profile
        # The shares as they are by now, so that an agent that has missed something is corrected (erratum E34).
        shares = (
            UplinkShare(profile.lma(lma).address, slots)
            for lma, slots in told_shares(totals(self._state.uplinks, decision.mag), decision.new_lma).items()
        )
        old, new = profile.lma(decision.old_lma).address, profile.lma(decision.new_lma).address
        return LoadAdjust(old, new, options=(Timestamp.of(self._clock.time_of_day(self._clock())), *shares))

    def _record(self, decisions: Sequence[Decision], by: str, outcome: DecisionOutcome, detail: str) -> None:
        try:
            kept = self._state.add_answer(decisions, Answer(by, outcome, self._clock.wall(self._clock()), detail))
        except StoreError as error:
            LOG.error("%s", error)
            return
        for decision in kept:
            LOG.info("decision %s: %s: %s %s", decision.id, by, outcome.value, detail)
