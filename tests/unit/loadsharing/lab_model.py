"""A model of the lab of ``pmipls measure goodput``: flows that hash to slots, bursty quotas, counters that are late."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.loadsharing import SLOTS, Decision, Inputs, LoadList, Memory, Round, Slots, adjust, decide, whole
from ryu_pmipls.loadsharing.slot_rates import watched_uplinks

PROFILE = load_profile("four-lma")
SHARING = PROFILE.load_sharing
LMAS = tuple(lma.name for lma in PROFILE.lmas)
MAGS = tuple(mag.name for mag in PROFILE.mags)
#: Packets per second that an LMA forwards on top of what it has to do at rest, and the CPU that this takes.
CAPACITY, IDLE = 4500.0, 0.43
#: Packets that the socket of an LMA's switch holds.
BUFFER = 1500.0
#: Seconds of a step; UDP flows of each mobile node; the part of all that a TCP flow of each MAG wants.
STEP, FLOWS, TCP = 0.5, 8, 0.015
#: (MAG, anchor) of each mobile node.
NODES = (
    *(("mag1", lma) for lma in LMAS),
    ("mag3", "lma1"),
    ("mag4", "lma2"),
    ("mag2", "lma3"),
    ("mag3", "lma4"),
)


@dataclass
class Flow:
    """One flow; ``rate`` is packets per second."""

    mag: str
    anchor: str
    slot: int
    rate: float
    tcp: bool = False


class Counter:
    """A cumulative counter as its switch shows it: late, and never lower than before."""

    def __init__(self) -> None:
        self.past: deque[float] = deque([0.0] * 5, maxlen=5)  # at the ends of the last steps
        self.shown = 0.0

    def add(self, packets: float) -> None:
        self.past.append(self.past[-1] + packets)

    def read(self, late: float) -> int:
        steps, part = divmod(late / STEP, 1.0)
        newer, older = self.past[-1 - int(steps)], self.past[-2 - int(steps)]
        self.shown = max(self.shown, newer - (newer - older) * part)
        return int(self.shown)


class Lab:
    """The lab under ``balance``, which begins at 0 s; all uplinks lead to the first LMA. Times are seconds."""

    def __init__(
        self, ratio: float, seed: int, slots: bool = True, one_anchor: bool = False, lumps: bool = True
    ) -> None:
        self.random = random.Random(seed)
        self.slots = slots
        total = 4 * CAPACITY * ratio
        udp = (total - 4 * CAPACITY * TCP * 4) / len(NODES) / FLOWS
        nodes = [(mag, "lma1") for mag, _ in NODES] if one_anchor else NODES
        # Open vSwitch's hash does not take the ports of UDP into account.
        hashed = [[self.random.randrange(SLOTS) for _ in range(1 if lumps else FLOWS)] for _ in nodes]
        self.flows = [
            Flow(mag, anchor, slots[number % len(slots)], udp)
            for (mag, anchor), slots in zip(nodes, hashed, strict=True)
            for number in range(FLOWS)
        ]
        first = dict(reversed(nodes))
        self.flows += [
            Flow(mag, anchor, self.random.randrange(SLOTS), 4 * CAPACITY * TCP, tcp=True)
            for mag, anchor in first.items()
        ]
        self.wish = [flow.rate for flow in self.flows]
        self.uplinks: dict[str, dict[str, Slots]] = {mag: {lma: whole(lma) for lma in LMAS} for mag in MAGS}
        self.sessions: dict[str, dict[str, int]] = {}
        for mag, anchor in nodes:
            self.sessions.setdefault(mag, {})[anchor] = self.sessions.get(mag, {}).get(anchor, 0) + 1
        self.settings = SHARING.settings_with("balance")  # as by REST
        self.loads = LoadList(
            LMAS, MAGS, rule=self.settings.rule, window=SHARING.window, report_interval=SHARING.report_interval
        )
        for lma in LMAS:
            self.loads.set_ports(lma, MAGS)
        self.received = {(lma, mag): Counter() for lma in LMAS for mag in MAGS}
        self.sent = {(lma, mag): Counter() for lma in LMAS for mag in MAGS}
        self.buckets = {(mag, anchor): [Counter()] for mag in MAGS for anchor in LMAS}
        self.cpus = {lma: deque([IDLE] * 4, maxlen=4) for lma in LMAS}
        self.pressure = dict.fromkeys(LMAS, 0.0)  # what is offered by what can be forwarded
        self.waiting = dict.fromkeys(LMAS, 0.0)
        self.memory = Memory()
        self.now = -20.0
        self.decided: list[Decision] = []
        self.offered: dict[str, float] = dict.fromkeys(MAGS, 0.0)  # in the last 30 s
        self.arrived: dict[str, float] = dict.fromkeys(MAGS, 0.0)

    def run(self, seconds: float = 60.0) -> Lab:
        while self.now < seconds:
            self._step(limited=self.now >= 0)
            self.now += STEP
            if self.now % 1 == 0:
                self._measure()
            if self.now == -3:
                self._gather()
            if self.now > 0 and self.now % SHARING.evaluation_interval == 0:
                self._decide()
        return self

    @property
    def goodput(self) -> float:
        """What arrived in the last 30 s, as a part of the capacity."""
        return sum(self.arrived.values()) / 30 / (4 * CAPACITY)

    @property
    def lost(self) -> Mapping[str, float]:
        return {mag: 1 - self.arrived[mag] / self.offered[mag] for mag in MAGS}

    def through(self) -> Iterator[tuple[Flow, str]]:
        for flow in self.flows:
            yield flow, self.uplinks[flow.mag][flow.anchor][flow.slot]

    def _step(self, limited: bool) -> None:
        offered = dict.fromkeys(LMAS, 0.0)
        for flow, lma in self.through():
            offered[lma] += flow.rate
        # What a quota of the kernel lets through differs from step to step.
        can = {lma: CAPACITY * (self.random.uniform(0.9, 1.1) if limited else 100.0) for lma in LMAS}
        kept = {lma: self._pass(lma, offered[lma] * STEP, can[lma] * STEP) for lma in LMAS}
        for counters in (self.received, self.sent):
            for counter in counters.values():
                counter.add(0.0)
        for counter in (counter for counters in self.buckets.values() for counter in counters):
            counter.add(0.0)
        for number, (flow, lma) in enumerate(self.through()):
            packets = flow.rate * STEP
            self.received[lma, flow.mag].past[-1] += packets * kept[lma]
            self.sent[lma, flow.mag].past[-1] += packets
            buckets = self.buckets[flow.mag, flow.anchor]
            buckets[flow.slot if len(buckets) > 1 else 0].past[-1] += packets
            if self.now >= 30:
                self.offered[flow.mag] += 0.0 if flow.tcp else packets
                self.arrived[flow.mag] += packets * kept[lma]
            if flow.tcp:
                lossy = kept[lma] < 0.99
                flow.rate = max(1.0, flow.rate * 0.6 if lossy else min(self.wish[number], flow.rate * 1.3))
        self.pressure = {lma: offered[lma] / can[lma] for lma in LMAS}
        for lma in LMAS:
            self.cpus[lma].append(IDLE + (1 - IDLE) * min(1.0, offered[lma] / can[lma]) if limited else 0.1)

    def _pass(self, lma: str, packets: float, can: float) -> float:
        """The part of a step's packets that are not lost: a switch's socket holds some back until there is room."""
        waiting = self.waiting[lma] + packets
        lost = max(0.0, waiting - can - BUFFER)
        self.waiting[lma] = max(0.0, waiting - can - lost)
        return 1 - min(packets, lost) / max(packets, 1e-9)

    def _measure(self) -> None:
        for lma in LMAS:
            past = self.cpus[lma]
            cpu = (past[0] + past[1]) / 2  # of the second before the last
            full = cpu >= 0.95
            self.loads.add_load_info(lma, min(1.0, cpu), 0, {}, self.now)
            late = self.random.uniform(0, 1.9 if full else 0.5)
            received = {mag: (self.received[lma, mag].read(late), 0) for mag in MAGS}
            # A switch that is offered far too much hardly answers.
            if self.pressure[lma] < 1.7 or self.random.random() < 0.05:
                self.loads.add_port_statistics(lma, received, self.now)
        for mag in MAGS:
            late = self.random.uniform(0, 0.5)
            sent = {lma: self.sent[lma, mag].read(late) for lma in self.loads.full()}
            if sent:
                self.loads.add_sent_statistics(mag, sent, self.now)
            for anchor in (
                watched_uplinks(self.uplinks[mag], self.sessions[mag], self.loads.hot()) if self.slots else ()
            ):
                packets = [counter.read(late) for counter in self.buckets[mag, anchor]]
                self.loads.add_uplink_counters(mag, anchor, packets, self.now)

    def _gather(self) -> None:
        """Move all to the first LMA by hand."""
        for mag in MAGS:
            self._carry_out(adjust(self._inputs(), mag, LMAS[0]))

    def _decide(self) -> None:
        outcome = decide(self._inputs())
        self._carry_out(outcome)
        self.decided += outcome.decisions

    def _inputs(self) -> Inputs:
        snapshot, rates = self.loads.snapshot(self.now), self.loads.slot_rates(self.now)
        return Inputs(self.settings, snapshot, self.uplinks, self.memory, self.sessions, rates)

    def _carry_out(self, outcome: Round) -> None:
        self.memory = outcome.memory
        for decision in outcome.decisions:
            for anchor, slots in decision.apply(self.uplinks).items():
                self.uplinks[decision.mag][anchor] = slots
                self.buckets[decision.mag, anchor] = [Counter() for _ in range(SLOTS if len({*slots}) > 1 else 1)]
                self.loads.begin_uplink_anew(decision.mag, anchor)
