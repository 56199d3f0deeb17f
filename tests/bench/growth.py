"""What a handoff costs as the domain grows: LMAs, and bindings. Switches are sinks; the picture is in ``PICTURE``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

from tests.bench.arena import Arena
from tests.bench.comparison import Comparison, Effort
from tests.bench.load_generator import Job

PICTURE = Path("bench-growth.png")
LMAS, BINDINGS = (1, 2, 4, 8, 16), (1000, 10_000, 100_000, 1_000_000)
#: What stays the same while the other grows.
FEW_BINDINGS, FEW_LMAS = 10_000, 4
HANDOFFS, WINDOW, SINGLE, PAUSE = 15_000, 512, 500, 0.003
#: Handoffs per second with a million bindings, of those with a thousand; flow-mods with 16 LMAs, of those with one.
AT_LEAST_BINDINGS, AT_LEAST_LMAS = 0.7, 1.0


@dataclass(frozen=True)
class Point:
    """What a domain reaches: handoffs per second, and how long one takes at rest (median and 99 %), in s."""

    lmas: int
    bindings: int
    rate: float
    median: float
    most: float


def point(lmas: int, bindings: int, effort: Effort) -> Point:
    handoffs, single = effort.of(HANDOFFS), effort.of(SINGLE)
    with Arena(lmas, audited=False) as arena:
        arena.seed(bindings)
        arena.start_sinks()
        arena.start_rms()
        nodes = min(bindings, handoffs)
        outcomes = [arena.generate(Job(handoffs, nodes, WINDOW)) for _ in range(2)]
        times = arena.generate(Job(single, min(nodes, single), pause=PAUSE)).latencies
    rate = max(len(outcome.latencies) / outcome.seconds for outcome in outcomes)
    reached = Point(lmas, bindings, rate, times[len(times) // 2], times[int(len(times) * 0.99)])
    print(
        f"{lmas} LMAs, {bindings} bindings: {rate:.0f} handoffs/s, one at rest {reached.median * 1000:.2f} ms "
        f"(99 %: {reached.most * 1000:.2f} ms)"
    )
    return reached


def draw(by_lmas: list[Point], by_bindings: list[Point]) -> None:
    figure, panels = pyplot.subplots(2, 2, figsize=(10, 7), sharex="col", layout="constrained")
    for column, (points, what) in enumerate(((by_lmas, "lmas"), (by_bindings, "bindings"))):
        across = [getattr(each, what) for each in points]
        above, below = panels[0][column], panels[1][column]
        above.plot(across, [each.rate for each in points], "o-", label="handoffs")
        if what == "lmas":
            above.plot(across, [each.rate * each.lmas for each in points], "s--", label="flow-mods")
            above.set_title(f"{FEW_BINDINGS:,} bindings")
            below.set_xlabel("LMAs")
        else:
            above.set_title(f"{FEW_LMAS} LMAs")
            below.set_xlabel("bindings")
        below.plot(across, [each.median * 1000 for each in points], "o-", label="median")
        below.plot(across, [each.most * 1000 for each in points], "s--", label="99 %")
        above.set_ylabel("per second, at full load")
        below.set_ylabel("ms for one handoff at rest")
        for panel in (above, below):
            panel.set_xscale("log", base=2 if what == "lmas" else 10)
            panel.set_ylim(0, 1.08 * panel.dataLim.y1)
            panel.grid(alpha=0.3)
            panel.legend()
        if what == "lmas":
            below.set_xticks(across, [str(each) for each in across])
    figure.savefig(PICTURE, dpi=100)
    pyplot.close(figure)


def measure(effort: Effort) -> list[Comparison]:
    by_lmas = [point(lmas, FEW_BINDINGS, effort) for lmas in LMAS[: effort.of(len(LMAS))]]
    by_bindings = [point(FEW_LMAS, bindings, effort) for bindings in BINDINGS[: effort.of(len(BINDINGS))]]
    draw(by_lmas, by_bindings)
    one, most, few, many = by_lmas[0], by_lmas[-1], by_bindings[0], by_bindings[-1]
    return [
        Comparison(
            f"flow-mods of handoffs, {most.lmas} LMAs",
            most.rate * most.lmas,
            f"{one.lmas} LMA",
            one.rate,
            AT_LEAST_LMAS,
        ),
        Comparison(
            f"handoffs with {many.bindings:,} bindings",
            many.rate,
            f"with {few.bindings:,}",
            few.rate,
            AT_LEAST_BINDINGS,
        ),
        Comparison(
            f"one handoff at rest with {many.bindings:,} bindings",
            1 / many.median,
            f"with {few.bindings:,}",
            1 / few.median,
            AT_LEAST_BINDINGS,
        ),
    ]
