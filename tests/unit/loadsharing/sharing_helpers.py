"""Load lists by hand, and rounds of load sharing one after the other."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ryu_pmipls.loadsharing import (
    SLOTS,
    Decision,
    Inputs,
    LmaLoad,
    LmaState,
    LoadList,
    LoadSnapshot,
    MagTraffic,
    Memory,
    OverloadRule,
    Round,
    Settings,
    Slots,
    Source,
    Uplinks,
    decide,
    slots_of,
    whole,
)

RULE = OverloadRule(packet_threshold=1000)
WINDOW = 10.0
INTERVAL = 1.0
SETTINGS = Settings(rule=RULE, cool_down=10.0)
LIGHT, OVERLOADED, NEUTRAL, STALE = LmaState.LIGHT, LmaState.OVERLOADED, LmaState.NEUTRAL, LmaState.STALE
DEAD, DRAINING = LmaState.DEAD, LmaState.DRAINING
LMAS = ("lma1", "lma2", "lma3", "lma4")
MAGS = ("mag1", "mag2", "mag3", "mag4", "mag5")

Load = tuple[LmaLoad, Sequence[MagTraffic]]


def load(
    lma: str,
    state: LmaState,
    cpu: float | None,
    mags: Mapping[str, int | None],
    *,
    capacity: float = 1.0,
    cpu_age: float = 0.0,
) -> Load:
    """An entry of the load list: packets by MAG in a whole window."""
    known = [packets for packets in mags.values() if packets is not None]
    entry = LmaLoad(
        lma=lma,
        state=state,
        cpu=cpu,
        cpu_age=None if cpu is None else cpu_age,
        packets=sum(known),
        octets=None,
        source=Source.OPENFLOW,
        counts_age=0.0,
        span=WINDOW,
        signalled_packets=None,
        capacity=capacity,
    )
    return entry, [MagTraffic(mag, packets, None, WINDOW) for mag, packets in mags.items()]


def snapshot(*loads: Load, now: float = 100.0, mags: Sequence[str] = MAGS) -> LoadSnapshot:
    return LoadSnapshot.of(now, WINDOW, INTERVAL, mags, loads)


def carried_by(carriers: Mapping[str, str]) -> dict[str, dict[str, Slots]]:
    """Every MAG has one anchor, lma1, carried by the LMA given; the others carry their own."""
    return {mag: {"lma1": whole(lma)} for mag, lma in carriers.items()}


def moves(decisions: Sequence[Decision]) -> list[tuple[str, str, str]]:
    return [(decision.mag, decision.old_lma, decision.new_lma) for decision in decisions]


class Rounds:
    """Rounds with the same settings, each with the memory of the one before."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.settings = settings
        self.memory = Memory()
        self.last: Round | None = None

    def decide(self, shot: LoadSnapshot, uplinks: Uplinks, now: float) -> list[Decision]:
        self.last = decide(Inputs(self.settings, replace(shot, time=now), uplinks, self.memory))
        self.memory = self.last.memory
        return list(self.last.decisions)


@dataclass
class Domain:
    """The loop closed: MAGs offer packets/s, evenly over their slots; LMAs saturate and drop. One step is a second.

    Every MAG's mobile nodes are anchored at lma1, unless ``anchors`` says otherwise. LMAs forward at most ``capacity``
    packets/s times their relative ``capacities``. With ``tells`` MAGs tell what they send. An LMA without any packets
    has the CPU ``idle``. ``weights`` say how much each slot of a MAG carries, if it is not the same. With ``jerks`` the
    counters of each switch are up to 2 s old, at random, as those of busy switches are, and a CPU is 3 % off.
    """

    offered: dict[str, float]
    lmas: Sequence[str]
    capacity: float = 1000.0
    anchors: Mapping[str, str] = field(default_factory=dict)
    capacities: Mapping[str, float] = field(default_factory=dict)
    tells: bool = False
    idle: float = 0.0
    weights: Mapping[str, Sequence[float]] = field(default_factory=dict)
    jerks: random.Random | None = None

    def __post_init__(self) -> None:
        self.now = 0
        self.uplinks: dict[str, dict[str, Slots]] = {mag: {} for mag in self.offered}
        self.loads = LoadList(
            self.lmas,
            list(self.offered),
            rule=RULE,
            window=WINDOW,
            report_interval=INTERVAL,
            capacities=self.capacities,
        )
        for lma in self.lmas:
            self.loads.set_ports(lma, list(self.offered))
        self.counters = {(lma, mag): 0.0 for lma in self.lmas for mag in self.offered}
        self.sent = dict.fromkeys(self.counters, 0.0)
        self.memory = Memory()
        self.past: deque[tuple[int, dict[tuple[str, str], float], dict[tuple[str, str], float]]] = deque(maxlen=3)
        self.shown: dict[str, int] = {}  # switch -> when the counters were as it showed them last

    def through(self, lma: str) -> dict[str, float]:
        """Packets/s that each MAG sends to an LMA."""
        return {mag: rate * self._part(mag, lma) for mag, rate in self.offered.items()}

    def _part(self, mag: str, lma: str) -> float:
        slots, weights = slots_of(self.uplinks, mag, self.anchors.get(mag, "lma1")), self.weights.get(mag)
        if weights is None:
            return slots.count(lma) / SLOTS
        carried = sum(weight for carrier, weight in zip(slots, weights, strict=True) if carrier == lma)
        return carried / sum(weights)

    def carried(self) -> float:
        """Packets/s that all LMAs together forward."""
        return sum(self.capacity * self.capacities.get(lma, 1.0) * min(1.0, self.utilisation(lma)) for lma in self.lmas)

    def utilisation(self, lma: str) -> float:
        """Packets/s offered to an LMA, as a fraction of what it can forward."""
        return sum(self.through(lma).values()) / (self.capacity * self.capacities.get(lma, 1.0))

    def _read(self, switch: str) -> tuple[dict[tuple[str, str], float], dict[tuple[str, str], float]]:
        """The counters as a switch shows them now; they never fall."""
        newer = [past for past in self.past if past[0] >= self.shown.get(switch, 0)]
        self.shown[switch], counters, sent = newer[-1] if self.jerks is None else self.jerks.choice(newer)
        return counters, sent

    def run(self, settings: Settings, seconds: int) -> list[Decision]:
        """Go on for some seconds, with a round every other second."""
        decided: list[Decision] = []
        for _ in range(seconds):
            self.now += 1
            for lma in self.lmas:
                wanted = self.utilisation(lma)
                for mag, rate in self.through(lma).items():
                    self.counters[lma, mag] += rate / max(1.0, wanted)
                    self.sent[lma, mag] += rate
                busy = self.idle + (1 - self.idle) * min(1.0, wanted)
                off = 0.0 if self.jerks is None else self.jerks.uniform(-0.03, 0.03)
                self.loads.add_load_info(lma, min(1.0, max(0.0, busy + off)), 0, {}, self.now)
            self.past.append((self.now, dict(self.counters), dict(self.sent)))
            for lma in self.lmas:
                counters, _ = self._read(lma)
                self.loads.add_port_statistics(
                    lma, {mag: (int(counters[lma, mag]), 0) for mag in self.offered}, self.now
                )
            for mag in self.offered if self.tells else ():
                _, sent = self._read(mag)
                self.loads.add_sent_statistics(mag, {lma: int(sent[lma, mag]) for lma in self.lmas}, self.now)
            if self.now % 2 == 0:
                outcome = decide(Inputs(settings, self.loads.snapshot(self.now), self.uplinks, self.memory))
                self.memory = outcome.memory
                for decision in outcome.decisions:
                    self.uplinks[decision.mag].update(decision.apply(self.uplinks))
                decided += outcome.decisions
        return decided
