"""Virtual time: traffic, LMAs that saturate and drop, and the load sharing of the RMS as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ryu_pmipls.loadsharing import (
    SLOTS,
    Decision,
    Inputs,
    LoadList,
    Memory,
    NewSessionTargets,
    Slots,
    decide,
    spread_slots,
)
from ryu_pmipls.loadsharing.window import UNKNOWN_COUNTER
from ryu_pmipls.simulator.scenario import Contender, Scenario
from ryu_pmipls.simulator.traffic import Floats, Indices, Step, TrafficSource

OCTETS_PER_PACKET = 800


@dataclass
class Run:
    """Result of one contender with the traffic. Arrays have one row a step; utilisation is offered load by capacity."""

    contender: Contender
    times: Floats  # s, ends of the steps
    utilisation: Floats  # (steps, LMAs)
    in_use: npt.NDArray[np.bool_]  # (steps, LMAs): neither dead nor draining
    optimum: Floats  # (steps,): lower bound of the highest utilisation, of those in use
    offered: Floats  # (steps,): packets/s
    lost: Floats  # (steps,): packets/s
    rerouted: Floats  # (steps,): packets/s that decisions of the step have moved to another LMA
    split: Floats  # (steps,): packets/s of uplinks that several LMAs carry
    decisions: list[Decision] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)  # of rounds that decided something


class Domain:
    """LMAs, MAGs, and the LMA that carries each slot: ``carrier`` has the shape (MAGs * LMAs * SLOTS,)."""

    def __init__(self, scenario: Scenario, contender: Contender, mags: tuple[str, ...]) -> None:
        lmas = scenario.lmas
        self.lmas = tuple(f"lma{number}" for number in range(1, lmas.count + 1))
        self.mags = mags
        self.relative = np.resize(np.array(lmas.capacities), lmas.count)
        self.capacity: Floats = self.relative * lmas.packets_per_second
        self.idle = lmas.idle_cpu
        self.row = {lma: row for row, lma in enumerate(self.lmas)}
        self.column = {mag: column for column, mag in enumerate(mags)}
        self.uplinks: dict[str, dict[str, Slots]] = {}
        shape = len(mags), len(self.lmas), SLOTS
        if contender.uplinks == "hash":
            random = np.random.default_rng(scenario.seed)
            share = self.capacity / self.capacity.sum()
            self.carrier = random.choice(len(self.lmas), shape, p=share).astype(np.int16).ravel()
            names = np.array(self.lmas, dtype=object)[self.carrier.reshape(shape)]
            self.uplinks = {
                mag: {anchor: tuple(slots) for anchor, slots in zip(self.lmas, table, strict=True)}
                for mag, table in zip(mags, names, strict=True)
            }
        elif contender.load_sharing.settings.spread_uplinks:
            spread = spread_slots(self.lmas, tuple(self.relative.tolist()))
            self.uplinks = {
                mag: {anchor: spread[column, row] for row, anchor in enumerate(self.lmas)}
                for column, mag in enumerate(mags)
            }
            rows = [[self.row[lma] for lma in slots] for table in self.uplinks.values() for slots in table.values()]
            self.carrier = np.array(rows, dtype=np.int16).ravel()
        else:
            anchors = np.arange(len(self.lmas), dtype=np.int16)[None, :, None]
            self.carrier = np.ascontiguousarray(np.broadcast_to(anchors, shape)).ravel()
        uplinks = self.carrier.reshape(-1, SLOTS)
        #: True for each uplink (MAG and anchor) that several LMAs carry.
        self.split: npt.NDArray[np.bool_] = (uplinks != uplinks[:, :1]).any(axis=1)

    def apply(self, decision: Decision) -> None:
        """Put a decision into force."""
        anchors = self.uplinks.setdefault(decision.mag, {})
        anchors.update(decision.apply(self.uplinks))
        for anchor, numbers in decision.slots.items():
            base = (self.column[decision.mag] * len(self.lmas) + self.row[anchor]) * SLOTS
            self.carrier[base + np.array(numbers)] = self.row[decision.new_lma]
            self.split[base // SLOTS] = len(set(anchors[anchor])) > 1

    def ways(self, step: Step, anchor: Indices) -> Indices:
        """The place in ``carrier`` of each flow."""
        ways: Indices = (step.mag * len(self.lmas) + anchor)[step.node] * SLOTS + step.slot
        return ways


class Sessions(Mapping[str, Mapping[str, int]]):
    """Number of nodes of each anchor at each MAG, looked up on demand."""

    def __init__(self, domain: Domain, mag: Indices, anchor: Indices) -> None:
        self._domain = domain
        shape = len(domain.mags), len(domain.lmas)
        self._count = np.bincount(mag * shape[1] + anchor, minlength=shape[0] * shape[1]).reshape(shape)

    def __getitem__(self, mag: str) -> dict[str, int]:
        counts = self._count[self._domain.column[mag]]
        return {self._domain.lmas[row]: int(counts[row]) for row in np.flatnonzero(counts).tolist()}

    def __iter__(self) -> Iterator[str]:
        return iter(self._domain.mags)

    def __len__(self) -> int:
        return len(self._domain.mags)


@dataclass
class Passage:
    """Passage of a step's packets through the LMAs, in packets/s; of shape (LMAs, MAGs) but where noted."""

    ways: Indices  # (flows,): place of each flow in the domain's ``carrier``
    carriers: Indices  # (flows,): row of the LMA that carries it
    sent: Floats
    forwarded: Floats
    offered: Floats  # (LMAs,)
    utilisation: Floats  # (LMAs,)


class Simulation:
    """The domain of one contender, with the state of its LMAs, its load list and its decisions, step by step."""

    def __init__(self, scenario: Scenario, contender: Contender, mags: tuple[str, ...]) -> None:
        self._length = scenario.step
        self._sharing = contender.load_sharing
        self._domain = domain = Domain(scenario, contender, mags)
        self._loads = LoadList(
            domain.lmas,
            mags,
            rule=self._sharing.settings.rule,
            window=self._sharing.window,
            report_interval=self._sharing.report_interval,
            capacities=dict(zip(domain.lmas, domain.relative.tolist(), strict=True)),
        )
        for lma in domain.lmas:
            self._loads.set_ports(lma, mags)
        self._new_sessions, self._memory = NewSessionTargets(domain.lmas), Memory()
        count = len(domain.lmas)
        #: Packets that the LMAs have forwarded, and that the MAGs have sent them, since the start.
        self._forwarded, self._sent = np.zeros((2, count, len(mags)))
        self._anchor: Indices = np.zeros(0, dtype=np.int64)  # of each node, by its row
        self._alive, self._in_use = np.ones((2, count), dtype=np.bool_)
        self._events = sorted(scenario.events, key=lambda event: event.at)
        self.run = _empty_run(contender, scenario.steps, count)

    def advance(self, number: int, step: Step) -> None:
        """Simulate step ``number``: measure the LMAs one after another, as the RMS polls them, and then decide."""
        start = number * self._length
        now = start + self._length
        self._change_states(start)
        self._place_new_sessions(step)
        passage = self._forward(step)
        self._measure_lmas(passage, start)
        self._measure_mags(passage, now)
        if now % self._sharing.evaluation_interval == 0:
            self._decide(number, step, passage, now)
        self._record(number, step, passage, now)

    def _change_states(self, start: float) -> None:
        while self._events and self._events[0].at * 3600 <= start:
            event = self._events.pop(0)
            row, lma = event.lma - 1, self._domain.lmas[event.lma - 1]
            self._alive[row], self._in_use[row] = event.state != "dead", event.state == "back"
            self._loads.set_dead(lma, event.state == "dead")
            self._loads.set_draining(lma, event.state == "draining")

    def _place_new_sessions(self, step: Step) -> None:
        if len(self._anchor) != len(step.home):
            self._anchor = step.home.copy()
        domain = self._domain
        targets = np.array([domain.row[self._new_sessions.targets[lma]] for lma in domain.lmas])
        self._anchor[step.new] = targets[step.home[step.new]]

    def _forward(self, step: Step) -> Passage:
        domain = self._domain
        ways = domain.ways(step, self._anchor)
        carriers = domain.carrier[ways].astype(np.int64)
        places = carriers * len(domain.mags) + step.mag[step.node]
        sent: Floats = np.bincount(places, weights=step.rate, minlength=self._sent.size).astype(np.float64)
        sent = sent.reshape(self._sent.shape)
        offered: Floats = sent.sum(axis=1)
        kept = np.where(self._alive, np.minimum(1.0, domain.capacity / np.maximum(offered, 1e-9)), 0.0)
        return Passage(ways, carriers, sent, sent * kept[:, None], offered, offered / domain.capacity)

    def _measure_lmas(self, passage: Passage, start: float) -> None:
        domain, count = self._domain, len(self._domain.lmas)
        busy = domain.idle + (1 - domain.idle) * np.minimum(1.0, passage.utilisation)
        for row, lma in enumerate(domain.lmas):
            if self._alive[row]:
                moment = (row + 1) / count * self._length
                packets = self._forwarded[row] + passage.forwarded[row] * moment
                counters = np.array((packets, packets * OCTETS_PER_PACKET)).astype(np.uint64)
                self._loads.add_port_counters(lma, counters, start + moment)
                self._loads.add_load_info(lma, float(busy[row]), 0, {}, start + moment)
        self._forwarded += passage.forwarded * self._length

    def _measure_mags(self, passage: Passage, now: float) -> None:
        """Give the load list the MAGs' counters of LMAs that are full: those know no more than they can forward."""
        self._sent += passage.sent * self._length
        full = [self._domain.row[lma] for lma in self._loads.full()]
        if full:
            counters = np.full(self._sent.shape, UNKNOWN_COUNTER, dtype=np.uint64)
            counters[full] = self._sent[full].astype(np.uint64)
            self._loads.add_sent_counters(counters, now)

    def _decide(self, number: int, step: Step, passage: Passage, now: float) -> None:
        domain = self._domain
        sessions = Sessions(domain, step.mag, self._anchor)
        inputs = Inputs(self._sharing.settings, self._loads.snapshot(now), domain.uplinks, self._memory, sessions)
        outcome = decide(inputs)
        self._memory = outcome.memory
        for decision in outcome.decisions:
            domain.apply(decision)
        if self._sharing.redirect_new_sessions:
            self._new_sessions.decide(inputs)
        self.run.decisions += outcome.decisions
        if outcome.decisions:
            self.run.rerouted[number] = step.rate[domain.carrier[passage.ways] != passage.carriers].sum()
            if outcome.outlook is not None:
                self.run.gaps.append(outcome.outlook.gap)

    def _record(self, number: int, step: Step, passage: Passage, now: float) -> None:
        run, offered = self.run, passage.offered.sum()
        run.times[number] = now
        run.utilisation[number] = passage.utilisation
        run.in_use[number] = self._in_use
        run.offered[number] = offered
        run.lost[number] = (passage.sent - passage.forwarded).sum()
        run.split[number] = step.rate[self._domain.split[passage.ways // SLOTS]].sum()
        # No flow can be divided.
        capacity = self._domain.capacity[self._in_use]
        if len(capacity):
            run.optimum[number] = max(offered / capacity.sum(), step.rate.max(initial=0.0) / capacity.max())


def simulate(
    scenario: Scenario, contender: Contender, traffic: TrafficSource, progress: Callable[[], object] = lambda: None
) -> Run:
    """Run a contender on the traffic; ``progress`` is called after every step."""
    simulation = Simulation(scenario, contender, traffic.mags)
    for number, step in enumerate(traffic.steps()):
        simulation.advance(number, step)
        progress()
    return simulation.run


def _empty_run(contender: Contender, steps: int, lmas: int) -> Run:
    return Run(
        contender=contender,
        times=np.zeros(steps),
        utilisation=np.zeros((steps, lmas)),
        in_use=np.ones((steps, lmas), dtype=np.bool_),
        optimum=np.zeros(steps),
        offered=np.zeros(steps),
        lost=np.zeros(steps),
        rerouted=np.zeros(steps),
        split=np.zeros(steps),
    )
