"""What every benchmark measures with, and gives back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

#: Does a batch of one operation and says how many times it did it.
Batch = Callable[[], int]


@dataclass(frozen=True)
class Effort:
    """How much of a benchmark's work is done: ``share`` of it, and nothing less than once."""

    share: float

    def of(self, count: int) -> int:
        return max(1, round(count * self.share))


#: All that it takes to measure, and just what it takes to see that a benchmark runs.
FULL, SMOKE = Effort(1.0), Effort(0.01)


@dataclass(frozen=True)
class Comparison:
    """An operation as we do it and as ``yardstick`` does it: rates per second, or what ``unit`` says, of the same run.

    The run fails when our rate is not ``at_least`` times the yardstick's.
    """

    operation: str
    rate: float
    yardstick: str
    yardstick_rate: float
    at_least: float
    unit: str = "per second"

    @property
    def ratio(self) -> float:
        return self.rate / self.yardstick_rate

    @property
    def suffices(self) -> bool:
        return self.ratio >= self.at_least


def compare(
    operation: str,
    ours: Batch,
    yardstick: str,
    theirs: Batch,
    at_least: float,
    *,
    rounds: int,
    clock: Callable[[], float] = time.process_time,
) -> Comparison:
    """Measure both in turn, and take of each its best round: the others were disturbed.

    ``clock`` gives seconds: by default of processor time, which other processes disturb less than the time of day. A
    batch should take some 20 ms or more.
    """
    best = [0.0, 0.0]
    for _ in range(rounds):
        for which, batch in enumerate((ours, theirs)):
            start = clock()
            count = batch()
            best[which] = max(best[which], count / (clock() - start))
    return Comparison(operation, best[0], yardstick, best[1], at_least)
