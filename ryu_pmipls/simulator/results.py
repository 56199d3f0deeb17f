"""Figures of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ryu_pmipls.loadsharing import Decision
from ryu_pmipls.loadsharing.policies.balance import POLICY as BALANCE
from ryu_pmipls.simulator.engine import Run
from ryu_pmipls.simulator.scenario import Scenario

#: Seconds within which a slot that comes back to an LMA it left counts as an oscillation.
OSCILLATION = 3600.0
#: Largest ratio of the highest to the mean utilisation that counts as even.
EVEN = 1.10


@dataclass(frozen=True)
class Figures:
    """The figures of one run; utilisation is offered load by capacity, and may be above 1.

    ``overload_seconds`` and ``loss_seconds`` are summed over LMAs: above the CPU threshold, and above the capacity.
    Ratios of the highest to the mean utilisation are taken over the steps in which some LMA was above
    ``balance_above``; ``ratio_bound`` is the mean over these steps of the ratio's lower bound, for any assignment of
    flows. A step allows evenness when its bound does; ``even`` is the fraction of those steps that were even.
    ``disturbed`` is the fraction of all packets that moves have lost, or let be overtaken by others; ``split`` what
    MAGs have to do more because several LMAs carry an uplink, as a fraction of what they do.

    ``gap`` is the excess of the predicted highest CPU over the optimum, the mean over the rounds that moved something.
    """

    contender: str
    overload_seconds: float
    loss_seconds: float
    lost: float
    highest: float
    ratio_mean: float
    ratio_95: float
    ratio_max: float
    ratio_bound: float
    even: float
    moves: int
    moves_per_hour: float
    rerouted: float
    disturbed: float
    split: float
    moved_twice: int
    oscillations: int
    gap: float | None


def figures(scenario: Scenario, run: Run) -> Figures:
    """Figures that sum up a run."""
    sharing = run.contender.load_sharing
    step = scenario.step
    utilisation = np.where(run.in_use, run.utilisation, 0.0)
    highest = utilisation.max(axis=1)
    capacity = np.resize(np.array(scenario.lmas.capacities), scenario.lmas.count)
    mean = (utilisation * capacity).sum(axis=1) / np.maximum(1e-9, (run.in_use * capacity).sum(axis=1))
    counted = (highest >= BALANCE.own(sharing.settings).balance_above) & (mean > 0)
    ratio = highest[counted] / mean[counted]
    bound = np.maximum(1.0, run.optimum[counted] / mean[counted])
    allows = bound <= EVEN
    return Figures(
        contender=run.contender.name,
        overload_seconds=float((run.utilisation >= sharing.cpu_threshold).sum() * step),
        loss_seconds=float((run.utilisation > 1.0).sum() * step),
        lost=float(run.lost.sum() / max(1e-9, run.offered.sum())),
        highest=float(highest.max()),
        ratio_mean=_of(np.mean, ratio),
        ratio_95=_of(lambda values: np.quantile(values, 0.95), ratio),
        ratio_max=_of(np.max, ratio),
        ratio_bound=_of(np.mean, bound),
        even=_of(np.mean, ratio[allows] <= EVEN),
        moves=len(run.decisions),
        moves_per_hour=len(run.decisions) / scenario.hours,
        rerouted=float(run.rerouted.sum() / max(1e-9, run.offered.sum())),
        disturbed=float(run.rerouted.sum() * scenario.costs.move / max(1e-9, run.offered.sum() * step)),
        split=float(run.split.sum() * scenario.costs.split / max(1e-9, run.offered.sum())),
        moved_twice=moved_twice(run.decisions, sharing.window),
        oscillations=oscillations(run.decisions),
        gap=float(np.mean(run.gaps)) if run.gaps else None,
    )


def moved_twice(decisions: Iterable[Decision], window: float) -> int:
    """Number of times a MAG was moved again within ``window`` seconds; moves of one round count as one."""
    last: dict[str, float] = {}
    count = 0
    for decision in decisions:
        count += 0 < decision.time - last.get(decision.mag, -np.inf) < window
        last[decision.mag] = decision.time
    return count


def oscillations(decisions: Iterable[Decision]) -> int:
    """Number of decisions that brought a slot back to an LMA that it had left less than ``OSCILLATION`` ago."""
    left: dict[tuple[str, str, int, str], float] = {}
    count = 0
    for decision in decisions:
        slots = [(decision.mag, anchor, slot) for anchor, numbers in decision.slots.items() for slot in numbers]
        count += any(decision.time - left.get((*slot, decision.new_lma), -np.inf) < OSCILLATION for slot in slots)
        left |= {(*slot, decision.old_lma): decision.time for slot in slots}
    return count


def rows(results: Sequence[Figures]) -> list[list[str]]:
    """The figures side by side: a row for each, with its name and its value for each contender."""
    wanted: list[tuple[str, Callable[[Figures], str]]] = [
        ("overloaded LMA-seconds", lambda one: f"{one.overload_seconds:.0f}"),
        ("LMA-seconds beyond capacity", lambda one: f"{one.loss_seconds:.0f}"),
        ("packets lost", lambda one: f"{one.lost:.3%}"),
        ("highest utilisation", lambda one: f"{one.highest:.2f}"),
        ("highest / mean: mean", lambda one: f"{one.ratio_mean:.3f}"),
        ("highest / mean: 95% of the time below", lambda one: f"{one.ratio_95:.3f}"),
        ("highest / mean: lower bound (mean)", lambda one: f"{one.ratio_bound:.3f}"),
        (f"highest / mean <= {EVEN:.2f}, where possible", lambda one: f"{one.even:.1%}"),
        ("moves per hour", lambda one: f"{one.moves_per_hour:.1f}"),
        ("traffic moved", lambda one: f"{one.rerouted:.3%}"),
        ("packets disturbed by moves", lambda one: f"{one.disturbed * 1e9:.2f} in 10^9"),
        ("MAGs' work for split uplinks", lambda one: f"{one.split:.1%}"),
        ("MAGs moved twice within a window", lambda one: f"{one.moved_twice}"),
        ("oscillations", lambda one: f"{one.oscillations}"),
        ("predicted CPU above the optimum", lambda one: "-" if one.gap is None else f"{one.gap:.1%}"),
    ]
    return [[title, *(text(one) for one in results)] for title, text in wanted]


def document(scenario: Scenario, runs: Sequence[Run]) -> dict[str, Any]:
    """All results as a JSON document."""
    return {
        "scenario": scenario.model_dump(mode="json"),
        "results": [asdict(figures(scenario, run)) for run in runs],
        "runs": [
            {
                "contender": run.contender.name,
                "times": run.times.tolist(),
                "utilisation": run.utilisation.round(4).tolist(),
                "optimum": run.optimum.round(4).tolist(),
                "offered": run.offered.round(1).tolist(),
                "lost": run.lost.round(1).tolist(),
                "moves": [
                    {
                        "time": decision.time,
                        "mag": decision.mag,
                        "old_lma": decision.old_lma,
                        "new_lma": decision.new_lma,
                        "share": decision.share,
                        "rate": decision.rate,
                        "predicted_cpu": decision.predicted_cpu,
                        "reason": decision.reason,
                    }
                    for decision in run.decisions
                ],
            }
            for run in runs
        ],
    }


def _of(summary: Any, values: np.ndarray[Any, Any]) -> float:
    return float(summary(values)) if len(values) else float("nan")
