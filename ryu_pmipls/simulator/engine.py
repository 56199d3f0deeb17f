"""Virtual time: traffic, LMAs that saturate and drop, and the load sharing of the RMS as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ryu_pmipls.loadsharing import SLOTS, Decision, Inputs, LoadList, Memory, NewSessionTargets, Slots, decide
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
        if contender.uplinks == "anchor":
            anchors = np.arange(len(self.lmas), dtype=np.int16)[None, :, None]
            self.carrier = np.ascontiguousarray(np.broadcast_to(anchors, shape)).ravel()
        else:
            random = np.random.default_rng(scenario.seed)
            share = self.capacity / self.capacity.sum()
            self.carrier = random.choice(len(self.lmas), shape, p=share).astype(np.int16).ravel()
            names = np.array(self.lmas, dtype=object)[self.carrier.reshape(shape)]
            self.uplinks = {
                mag: {anchor: tuple(slots) for anchor, slots in zip(self.lmas, table, strict=True)}
                for mag, table in zip(mags, names, strict=True)
            }

    def apply(self, decision: Decision) -> None:
        """Put a decision into force."""
        anchors = self.uplinks.setdefault(decision.mag, {})
        anchors.update(decision.apply(self.uplinks))
        for anchor, numbers in decision.slots.items():
            base = (self.column[decision.mag] * len(self.lmas) + self.row[anchor]) * SLOTS
            self.carrier[base + np.array(numbers)] = self.row[decision.new_lma]

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


def simulate(
    scenario: Scenario, contender: Contender, traffic: TrafficSource, progress: Callable[[], object] = lambda: None
) -> Run:
    """Run a contender on the traffic; ``progress`` is called after every step.

    In each step the LMAs are measured one after another, as the RMS polls them; at its end comes a round of decisions.
    """
    domain = Domain(scenario, contender, traffic.mags)
    count, sharing = len(domain.lmas), contender.load_sharing
    settings, length = sharing.settings, scenario.step
    loads = LoadList(
        domain.lmas,
        domain.mags,
        rule=settings.rule,
        window=sharing.window,
        report_interval=sharing.report_interval,
        capacities=dict(zip(domain.lmas, domain.relative.tolist(), strict=True)),
    )
    for lma in domain.lmas:
        loads.ports(lma, domain.mags)
    placement, memory = NewSessionTargets(domain.lmas), Memory()
    run = _empty_run(contender, scenario.steps, count)
    counters, sent = np.zeros((2, count, len(domain.mags)))
    anchor: Indices = np.zeros(0, dtype=np.int64)
    alive, in_use = np.ones((2, count), dtype=np.bool_)
    events = sorted(scenario.events, key=lambda event: event.at)

    for number, step in enumerate(traffic.steps()):
        start = number * length
        while events and events[0].at * 3600 <= start:
            event = events.pop(0)
            lma = domain.lmas[event.lma - 1]
            alive[event.lma - 1], in_use[event.lma - 1] = event.state != "dead", event.state == "back"
            loads.set_dead(lma, event.state == "dead")
            loads.set_draining(lma, event.state == "draining")
        anchor = step.home.copy() if len(anchor) != len(step.home) else anchor
        targets = np.array([domain.row[placement.targets[lma]] for lma in domain.lmas])
        anchor[step.new] = targets[step.home[step.new]]

        ways = domain.ways(step, anchor)
        carriers = domain.carrier[ways].astype(np.int64)
        through = np.bincount(
            carriers * len(domain.mags) + step.mag[step.node], weights=step.rate, minlength=counters.size
        ).reshape(counters.shape)
        offered = through.sum(axis=1)
        kept = np.where(alive, np.minimum(1.0, domain.capacity / np.maximum(offered, 1e-9)), 0.0)
        utilisation = offered / domain.capacity
        forwarded = through * kept[:, None]
        cpu = np.where(alive, domain.idle + (1 - domain.idle) * np.minimum(1.0, utilisation), 0.0)
        for row, lma in enumerate(domain.lmas):
            if alive[row]:
                moment = (row + 1) / count * length
                packets = counters[row] + forwarded[row] * moment
                read = np.array((packets, packets * OCTETS_PER_PACKET)).astype(np.uint64)
                loads.port_counters(lma, read, start + moment)
                loads.load_info(lma, float(cpu[row]), 0, {}, start + moment)
        counters += forwarded * length
        sent += through * length

        now = start + length
        full = [domain.row[lma] for lma in loads.full()]
        if full:
            told = np.full(sent.shape, UNKNOWN_COUNTER, dtype=np.uint64)
            told[full] = sent[full].astype(np.uint64)
            loads.sent_counters(told, now)
        if now % sharing.evaluation_interval == 0:
            sessions = Sessions(domain, step.mag, anchor)
            inputs = Inputs(settings, loads.snapshot(now), domain.uplinks, memory, sessions)
            outcome = decide(inputs)
            memory = outcome.memory
            for decision in outcome.decisions:
                domain.apply(decision)
            if sharing.redirect_new_sessions:
                placement.decide(inputs)
            run.decisions += outcome.decisions
            if outcome.decisions:
                run.rerouted[number] = step.rate[domain.carrier[ways] != carriers].sum()
                if outcome.outlook is not None:
                    run.gaps.append(outcome.outlook.gap)
        run.times[number] = now
        run.utilisation[number] = utilisation
        run.in_use[number] = in_use
        run.offered[number] = offered.sum()
        run.lost[number] = (through - forwarded).sum()
        # No flow can be divided.
        capacity = domain.capacity[in_use]
        if len(capacity):
            run.optimum[number] = max(offered.sum() / capacity.sum(), step.rate.max(initial=0.0) / capacity.max())
        progress()
    return run


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
    )
