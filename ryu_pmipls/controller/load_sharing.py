"""Load sharing at work: measurements go into the load list, and a policy's decisions go into force."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from ryu_pmipls.controller.context import Context
from ryu_pmipls.controller.new_sessions import NewSessions
from ryu_pmipls.controller.retransmission import Retransmission
from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.controller.switches.mag import tunnel_group
from ryu_pmipls.controller.switches.ports import tunnel_port
from ryu_pmipls.controller.switches.session import WriteOutcome as SwitchOutcome
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.loadsharing import (
    Answer,
    Decision,
    DecisionOutcome,
    Inputs,
    LoadList,
    Round,
    decide,
    totals,
)
from ryu_pmipls.wire import LoadAdjust, LoadInfo, LoadInfoMerger, Timestamp, UplinkShare

LOG = logging.getLogger(__name__)


class LoadSharing:
    """Measures load, decides which uplinks to move, and enforces the decisions."""

    def __init__(self, context: Context, retransmission: Retransmission, sessions: NewSessions) -> None:
        profile = context.profile
        self._profile = profile
        self._state = context.state
        self._load_list = context.load_list
        self._switches = context.switches
        self._clock = context.clock
        self._retransmission = retransmission
        self._sessions = sessions
        self._merger = LoadInfoMerger()
        self._mags = {mag.address: mag.name for mag in profile.mags}
        self._tunnel_groups = {lma.name: tunnel_group(profile, lma.name) for lma in profile.lmas}
        self._telling = {mag.name: hub.Semaphore(1) for mag in profile.mags}
        self._lock = hub.Semaphore(1)  # one round at a time: green threads run while one waits for the store

    # Measurements.

    def reported(self, lma: str, message: LoadInfo, now: float) -> None:
        """Take an LMA's load report, which may come in several messages."""
        report = self._merger.add(self._profile.lma(lma).address, message)
        if report is not None:
            counts = {self._mags[load.mag]: load.packets for load in report.mags if load.mag in self._mags}
            self._load_list.load_info(lma, report.cpu, report.total_packets, counts, now)

    def counted(self, lma: str, now: float) -> None:
        """Note that an LMA's counters have been read."""
        read = self._switches.lmas[lma].counters.tunnel_traffic(self._switches.mags)
        received = {mag: (traffic.packets, traffic.octets) for mag, traffic in read}
        self._load_list.port_statistics(lma, received, now)

    def groups_to_count(self) -> list[int]:
        """The groups of MAGs whose counters tell the load offered to full LMAs; port counters do not tell it.

        Open vSwitch counts twice the packets that it sends into a tunnel of its own, and nothing counts there what LMAs
        lose.
        """
        return [self._tunnel_groups[lma] for lma in self._load_list.full()]

    def sent(self, mag: str, packets: Mapping[int, int], now: float) -> None:
        """Take the counters of a MAG's groups: group -> packets."""
        counts = {lma: packets[group] for lma, group in self._tunnel_groups.items() if group in packets}
        self._load_list.sent_statistics(mag, counts, now)

    def ports_changed(self, lma: str) -> None:
        """Note that the ports of an LMA's switch have been reported or have changed."""
        ports = self._switches.lmas[lma].ports
        self._load_list.ports(lma, [mag for mag in self._switches.mags if tunnel_port(mag) in ports])

    # Decisions.

    def evaluate(self) -> None:
        """Make one round of decisions."""
        self._sessions.place(self.carry_out(decide).inputs)

    def carry_out(self, decide: Callable[[Inputs], Round]) -> Round:
        """Have a round decided from the present state, and put it into force."""
        with self._lock:
            outcome = decide(self.present())
            self._carry_out(outcome)
        return outcome

    def present(self) -> Inputs:
        """Collect the inputs of a round that is decided now."""
        state = self._state
        snapshot = self._load_list.snapshot(self._clock())
        return Inputs(state.settings, snapshot, dict(state.uplinks), state.memory, state.bindings.sessions())

    def _carry_out(self, outcome: Round) -> None:
        """Have the switches follow all decisions of a round at once, and store the round."""
        by_mag: dict[str, list[Decision]] = {}
        for decision in outcome.decisions:
            LOG.info("decision %s: %s", decision.id, decision.reason)
            by_mag.setdefault(decision.mag, []).append(decision)
        try:
            self._state.move_uplinks(outcome)
        finally:
            for mag, decisions in by_mag.items():
                hub.spawn(self._enforce, mag, decisions)
                hub.spawn(self._notify, mag, decisions)

    def _enforce(self, mag: str, decisions: Sequence[Decision]) -> None:
        transaction = self._switches.adjust(mag)
        outcome = SwitchOutcome.DISCONNECTED if transaction is None else transaction.wait()
        self._note(decisions, f"switch of {mag}", _OUTCOMES[outcome], outcome.value)

    def _notify(self, mag: str, decisions: Sequence[Decision]) -> None:
        """Notify a MAG of decisions, one after the other: a newer one that came first would make an older one void."""
        profile = self._profile
        for decision in decisions:
            with self._telling[mag]:
                old, new = profile.lma(decision.old_lma).address, profile.lma(decision.new_lma).address
                # The shares as they are by now, so that an agent that has missed something is corrected (erratum E34).
                shares = (
                    UplinkShare(profile.lma(lma).address, slots)
                    for lma, slots in totals(self._state.uplinks, mag).items()
                )
                message = LoadAdjust(old, new, options=(Timestamp.of(self._clock()), *shares))
                told = self._retransmission.confirmed(message, profile.mag(mag).address)
            outcome = DecisionOutcome.ACKNOWLEDGED if told else DecisionOutcome.TIMED_OUT
            self._note([decision], f"agent of {mag}", outcome, "")

    def _note(self, decisions: Sequence[Decision], by: str, outcome: DecisionOutcome, detail: str) -> None:
        for decision in self._state.add_answer(decisions, Answer(by, outcome, self._clock(), detail)):
            LOG.info("decision %s: %s: %s %s", decision.id, by, outcome.value, detail)


_OUTCOMES = {
    SwitchOutcome.ACKED: DecisionOutcome.ACKNOWLEDGED,
    SwitchOutcome.ERROR: DecisionOutcome.REFUSED,
    SwitchOutcome.TIMEOUT: DecisionOutcome.TIMED_OUT,
    SwitchOutcome.DISCONNECTED: DecisionOutcome.TIMED_OUT,
}


def load_list_of(profile: Profile) -> LoadList:
    """The load list of a domain, without any measurement yet."""
    settings = profile.load_sharing
    return LoadList(
        [lma.name for lma in profile.lmas],
        [mag.name for mag in profile.mags],
        rule=settings.settings.rule,
        window=settings.window,
        report_interval=settings.report_interval,
        capacities={lma.name: lma.capacity for lma in profile.lmas},
    )
