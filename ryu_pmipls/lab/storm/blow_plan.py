"""The blows of a storm from its seed and duration: no I/O, no clock, no randomness but the seed's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

from ryu_pmipls.lab.storm.blows import (
    Attach,
    Blow,
    ClockStep,
    Detach,
    DrainLma,
    Handoff,
    Kill,
    StormTargets,
    Stranger,
    UndrainLma,
)

#: Mean seconds between two blows, not counting those that make up for earlier ones.
MEAN_INTERVAL = 2.0
#: Seconds after its start in which a daemon is left alone: less than most need, so that some die young.
GRACE = 2.0
_SHORTEST = 0.2  # s that anything lasts
_LONGEST_DOWN = 8.0  # s that a daemon is down
_LONGEST_ABSENCE = 20.0  # s that a mobile node is nowhere
_LONGEST_DRAIN = 40.0  # s
_LONGEST_STEP = 60.0  # s until a clock is set right
_STEPS = (-86400.0, -3600.0, -120.0, -10.0, -1.0, 1.0, 10.0, 120.0, 3600.0, 86400.0)  # s
#: Of a hundred blows, how many are of each kind.
_WEIGHTS = {"kill": 34, "handoff": 24, "stranger": 24, "absence": 6, "drain": 5, "clock": 7}


def plan_blows(seed: int, duration: float, domain: StormTargets) -> tuple[Blow, ...]:
    """The sequence of blows, by time; the same for the same arguments.

    In the end, after ``duration`` seconds, every daemon has been started again, every mobile node is attached, no LMA
    is drained and every clock is right.
    """
    planner = _Planner(Random(seed), duration, domain)
    at = planner.pause()
    while at < duration:
        planner.strike(at)
        at += planner.pause()
    return tuple(sorted(planner.blows, key=lambda blow: blow.at))


class _Planner:
    """The plan so far, and the state that it will have brought about by the time of the next blow."""

    def __init__(self, random: Random, duration: float, domain: StormTargets) -> None:
        self.blows: list[Blow] = []
        self._random = random
        self._duration = duration
        self._domain = domain
        self._places = dict(domain.attached)  # those that are away have a place reserved for their return
        self._busy: dict[tuple[str, str], float] = {}  # kind, target -> until when it is away, down, drained or off

    def pause(self) -> float:
        """Seconds until the next blow."""
        seconds: float = self._random.expovariate(1 / MEAN_INTERVAL)
        return seconds

    def strike(self, at: float) -> None:
        """Plan a blow; a stranger's when the one drawn is impossible."""
        kinds: dict[str, Callable[[float], bool]] = {
            "kill": self._kill,
            "handoff": self._handoff,
            "stranger": self._stranger,
            "absence": self._absence,
            "drain": self._drain,
            "clock": self._step,
        }
        (kind,) = self._random.choices([*kinds], [_WEIGHTS[name] for name in kinds])
        if not kinds[kind](at):
            self._stranger(at)

    def _until(self, at: float, longest: float) -> float:
        """The end (s) of what begins now: short times are as likely as long ones, and all is over in the end."""
        most = min(longest, self._duration - at)
        lasts: float = _SHORTEST * (longest / _SHORTEST) ** self._random.random()
        return at + min(most, lasts)

    def _idle(self, kind: str, names: tuple[str, ...], at: float) -> list[str]:
        return [name for name in names if self._busy.get((kind, name), 0.0) <= at]

    def _kill(self, at: float) -> bool:
        there = self._idle("down", self._domain.daemons, at)
        if not there:
            return False
        target = self._random.choice(there)
        until = self._until(at, _LONGEST_DOWN)
        self._busy["down", target] = until + GRACE
        self.blows.append(Kill(at, target, until - at))
        return True

    def _handoff(self, at: float) -> bool:
        there = self._idle("away", (*self._places,), at)
        if not there:
            return False
        node = self._random.choice(there)
        mag = self._free_mag(besides=self._places[node])
        if mag is None:
            return False
        self._places[node] = mag
        self.blows.append(Handoff(at, node, mag))
        return True

    def _absence(self, at: float) -> bool:
        there = self._idle("away", (*self._places,), at)
        if not there:
            return False
        node = self._random.choice(there)
        until = self._until(at, _LONGEST_ABSENCE)
        mag = self._free_mag() or self._places[node]
        self._places[node] = mag
        self._busy["away", node] = until
        self.blows += [Detach(at, node), Attach(until, node, mag)]
        return True

    def _free_mag(self, besides: str | None = None) -> str | None:
        taken = Counter(self._places.values())
        free = [mag for mag, ports in self._domain.ports.items() if taken[mag] < ports and mag != besides]
        return self._random.choice(free) if free else None

    def _drain(self, at: float) -> bool:
        there = self._idle("drained", self._domain.lmas, at)
        if len(there) < 2:  # one has to take over
            return False
        lma = self._random.choice(there)
        until = self._until(at, _LONGEST_DRAIN)
        self._busy["drained", lma] = until
        self.blows += [DrainLma(at, lma), UndrainLma(until, lma)]
        return True

    def _step(self, at: float) -> bool:
        there = self._idle("off", self._domain.clocks, at)
        if not there:
            return False
        daemon = self._random.choice(there)
        until = self._until(at, _LONGEST_STEP)
        seconds = self._random.choice(_STEPS)
        self._busy["off", daemon] = until
        self.blows += [ClockStep(at, daemon, seconds), ClockStep(until, daemon, -seconds)]
        return True

    def _stranger(self, at: float) -> bool:
        what = self._random.choice([*self._domain.strangers])
        target = self._random.choice(self._domain.strangers[what])
        self.blows.append(Stranger(at, target, what, self._random.getrandbits(32)))
        return True
