"""How far ``balance`` is from what is possible at all: each slot dealt out to one LMA by a mixed-integer program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import hstack, identity, kron

from ryu_pmipls.loadsharing import SLOTS
from ryu_pmipls.simulator.engine import simulate
from ryu_pmipls.simulator.scenario import Scenario
from ryu_pmipls.simulator.traffic import Step, traffic_of

PACE = {"window": 60, "report_interval": 10, "evaluation_interval": 10, "redirect_new_sessions": False}
#: The moments at which the optimum is computed, in steps.
MOMENTS = (45, 89)


def scenario(capacities: list[float], seed: int) -> Scenario:
    """MAGs of which the biggest sends three times as much as an LMA should, and sessions that come and go."""
    document: dict[str, Any] = {
        "seed": seed,
        "hours": 0.25,
        "lmas": {"count": len(capacities), "packets_per_second": 10000, "capacities": capacities},
        "mags": {"count": 6, "zipf": 1.2},
        "nodes": {"count": 1200, "packets_per_second": 12, "spread": 0.5, "anchors": "region", "session": 900},
        "contenders": [{"name": "balance", "load_sharing": PACE | {"policy": "balance"}}],
    }
    return Scenario.model_validate(document)


def slot_rates(step: Step) -> npt.NDArray[np.float64]:
    """Packets per second of the slots that carry any; with one anchor for each MAG, as here, MAG and slot tell them."""
    rates = np.bincount(step.mag[step.node] * SLOTS + step.slot, weights=step.rate)
    found: npt.NDArray[np.float64] = rates[rates > 0]
    return found


def least_highest(rates: npt.NDArray[np.float64], capacity: npt.NDArray[np.float64]) -> float:
    """The least possible highest utilisation, within 0.2 %: x[slot, lma] is 0 or 1, and the last variable is it."""
    slots, lmas = len(rates), len(capacity)
    once = hstack([kron(identity(slots), np.ones((1, lmas))), np.zeros((slots, 1))])
    loads = hstack([kron(rates[None, :], identity(lmas)), -capacity[:, None]])
    found = milp(
        c=np.append(np.zeros(slots * lmas), 1.0),
        integrality=np.append(np.ones(slots * lmas), 0.0),
        bounds=Bounds(0.0, np.append(np.ones(slots * lmas), np.inf)),
        constraints=[LinearConstraint(once, 1.0, 1.0), LinearConstraint(loads, -np.inf, 0.0)],
        options={"mip_rel_gap": 0.002, "time_limit": 20.0},
    )
    assert found.x is not None, found.message
    return float(found.fun)


@pytest.mark.parametrize(("capacities", "seed"), [([1.0, 1.0, 1.0], 1), ([1.0, 2.0, 1.0, 0.5], 2)])
def test_the_printed_bound_is_near_the_optimum_and_balance_near_both(capacities: list[float], seed: int) -> None:
    given = scenario(capacities, seed)
    traffic = traffic_of(given, Path("here"))
    run = simulate(given, given.contenders[0], traffic)
    steps = list(traffic.steps())
    for moment in MOMENTS:
        best = least_highest(slot_rates(steps[moment]), np.array(capacities) * 10000)
        assert run.optimum[moment] <= best * 1.0001
        assert best <= run.optimum[moment] * 1.01
        assert run.utilisation[moment].max() <= 1.10 * best
