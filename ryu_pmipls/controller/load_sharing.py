"""Load sharing at work: measurements go into the load list, and a policy's decisions go into force."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ryu_pmipls.controller.context import Context
from ryu_pmipls.controller.new_sessions import NewSessions
from ryu_pmipls.controller.retransmission import Retransmission
from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.controller.switches.rules import tunnel_group, tunnel_port
from ryu_pmipls.controller.switches.session import WriteOutcome as SwitchOutcome
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.loadsharing import (
    SLOTS,
    Answer,
    Decision,
    DecisionOutcome,
    Inputs,
    Journal,
    LoadList,
    Memory,
    Round,
    Slots,
    decide,
    totals,
    whole,
)
from ryu_pmipls.wire import LoadAdjust, LoadInfo, LoadInfoMerger, Timestamp, UplinkShare

LOG = logging.getLogger(__name__)

#: The store's name for the (MAG, LMA) pairs whose uplink had to leave its anchor.
_EVACUATED = "evacuated"


class LoadSharing:
    """Load list, settings and decisions of a domain; decisions change ``uplinks`` (MAG -> anchor -> slots)."""

    def __init__(
        self,
        context: Context,
        uplinks: dict[str, dict[str, Slots]],
        confirmation: Retransmission,
        sessions: NewSessions,
    ) -> None:
        profile, store = context.profile, context.store
        self.settings = profile.load_sharing.settings
        self.load_list = LoadList(
            [lma.name for lma in profile.lmas],
            [mag.name for mag in profile.mags],
            rule=self.settings.rule,
            window=profile.load_sharing.window,
            report_interval=profile.load_sharing.report_interval,
            capacities={lma.name: lma.capacity for lma in profile.lmas},
        )
        self.memory = Memory(evacuated=_stored_evacuations(profile, store.load_settings().get(_EVACUATED, ())))
        self.journal = Journal(store.load_decisions())
        self.uplinks = uplinks
        self._profile = profile
        self._store = store
        self._network = context.network
        self._bindings = context.bindings
        self._clock = context.clock
        self._confirmation = confirmation
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
            self.load_list.load_info(lma, report.cpu, report.total_packets, counts, now)

    def counted(self, lma: str, now: float) -> None:
        """Note that an LMA's counters have been read."""
        read = self._network.lmas[lma].tunnel_traffic(self._network.mags)
        received = {mag: (traffic.packets, traffic.octets) for mag, traffic in read}
        self.load_list.port_statistics(lma, received, now)

    def groups_to_count(self) -> list[int]:
        """The groups of MAGs whose counters tell the load offered to full LMAs; port counters do not tell it.

        Open vSwitch counts twice the packets that it sends into a tunnel of its own, and nothing counts there what LMAs
        lose.
        """
        return [self._tunnel_groups[lma] for lma in self.load_list.full()]

    def sent(self, mag: str, packets: Mapping[int, int], now: float) -> None:
        """Take the counters of a MAG's groups: group -> packets."""
        counts = {lma: packets[group] for lma, group in self._tunnel_groups.items() if group in packets}
        self.load_list.sent_statistics(mag, counts, now)

    def ports_changed(self, lma: str) -> None:
        """Note that the ports of an LMA's switch have been reported or have changed."""
        ports = self._network.lmas[lma].ports
        self.load_list.ports(lma, [mag for mag in self._network.mags if tunnel_port(mag) in ports])

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
        uplinks = {mag: dict(anchors) for mag, anchors in self.uplinks.items()}
        snapshot = self.load_list.snapshot(self._clock())
        return Inputs(self.settings, snapshot, uplinks, self.memory, self._bindings.sessions())

    def inputs(self, decision: Decision) -> Any:
        """The inputs of a decision, a JSON document; None if they are no longer kept."""
        text = self._store.load_round(decision.round)
        return None if text is None else json.loads(text)

    def _carry_out(self, outcome: Round) -> None:
        """Have the switches follow all decisions of a round at once, and store the round."""
        evacuated, self.memory = self.memory.evacuated, outcome.memory
        by_mag: dict[str, list[Decision]] = {}
        for decision in outcome.decisions:
            LOG.info("decision %s: %s", decision.id, decision.reason)
            self.uplinks[decision.mag].update(decision.apply(self.uplinks))
            by_mag.setdefault(decision.mag, []).append(decision)
        records = [self.journal.add(decision) for decision in outcome.decisions]
        try:
            if self.memory.evacuated != evacuated:
                self._store.save_setting(_EVACUATED, self.memory.evacuated or None)
            if records:
                self._store.save_uplinks({mag: self.uplinks[mag] for mag in by_mag})
                self._store.save_round(outcome.inputs.id, outcome.inputs.time, json.dumps(outcome.inputs.to_document()))
                self._store.save_decisions(records)
        finally:
            for mag, decisions in by_mag.items():
                hub.spawn(self._enforce, mag, decisions)
                hub.spawn(self._notify, mag, decisions)

    def _enforce(self, mag: str, decisions: Sequence[Decision]) -> None:
        transaction = self._network.adjust(mag)
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
                    UplinkShare(profile.lma(lma).address, slots) for lma, slots in totals(self.uplinks, mag).items()
                )
                message = LoadAdjust(old, new, options=(Timestamp.of(self._clock()), *shares))
                told = self._confirmation.confirmed(message, profile.mag(mag).address)
            outcome = DecisionOutcome.ACKNOWLEDGED if told else DecisionOutcome.TIMED_OUT
            self._note([decision], f"agent of {mag}", outcome, "")

    def _note(self, decisions: Sequence[Decision], by: str, outcome: DecisionOutcome, detail: str) -> None:
        answer = Answer(by, outcome, self._clock(), detail)
        kept = [decision.id for decision in decisions if decision.id in self.journal]
        self._store.save_decisions([self.journal.answer(id, answer) for id in kept])
        for id in kept:
            LOG.info("decision %s: %s: %s %s", id, by, outcome.value, detail)


_OUTCOMES = {
    SwitchOutcome.ACKED: DecisionOutcome.ACKNOWLEDGED,
    SwitchOutcome.ERROR: DecisionOutcome.REFUSED,
    SwitchOutcome.TIMEOUT: DecisionOutcome.TIMED_OUT,
    SwitchOutcome.DISCONNECTED: DecisionOutcome.TIMED_OUT,
}


def stored_uplinks(profile: Profile, stored: Mapping[str, Mapping[str, Sequence[str]]]) -> dict[str, dict[str, Slots]]:
    """MAG -> anchor -> slots: the anchor's own, except where ``stored`` names other LMAs that still exist.

    A single name stands for all slots, as older releases stored it.
    """
    names = {lma.name for lma in profile.lmas}

    def slots(mag: str, anchor: str) -> Slots:
        found = tuple(stored.get(mag, {}).get(anchor, ()))
        if len(found) == 1:
            found *= SLOTS
        return found if len(found) == SLOTS and names.issuperset(found) else whole(anchor)

    return {mag.name: {lma.name: slots(mag.name, lma.name) for lma in profile.lmas} for mag in profile.mags}


def _stored_evacuations(profile: Profile, stored: Iterable[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    """Keep the pairs whose MAG and LMA still exist."""
    mags, lmas = {mag.name for mag in profile.mags}, {lma.name for lma in profile.lmas}
    return tuple((mag, lma) for mag, lma in stored if mag in mags and lma in lmas)
