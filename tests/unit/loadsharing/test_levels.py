from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from ryu_pmipls.loadsharing.levels import water_level


def level(floors: list[float], ceilings: list[float], capacities: list[float], work: float) -> float:
    return water_level(np.array(floors), np.array(ceilings), np.array(capacities), work)


@pytest.mark.parametrize(
    ("floors", "ceilings", "capacities", "work", "expected"),
    [
        ([0.0, 0.0], [np.inf, np.inf], [1.0, 1.0], 1.0, 0.5),
        ([0.0, 0.0], [np.inf, np.inf], [1.0, 3.0], 2.0, 0.5),  # an LMA of three times the capacity takes three quarters
        ([0.4, 0.0], [np.inf, np.inf], [1.0, 1.0], 0.2, 0.4),  # below what cannot move there is no going
        ([0.4, 0.0], [np.inf, np.inf], [1.0, 1.0], 0.6, 0.5),
        ([0.0, 0.0], [0.2, np.inf], [1.0, 1.0], 1.0, 0.8),  # the first takes no more than it has
        ([0.1, 0.3], [0.1, np.inf], [1.0, 1.0], 0.0, 0.3),
        ([], [], [], 0.0, 0.0),
    ],
)
def test_examples(
    floors: list[float], ceilings: list[float], capacities: list[float], work: float, expected: float
) -> None:
    assert level(floors, ceilings, capacities, work) == pytest.approx(expected)


lmas = st.lists(
    st.tuples(st.floats(0, 1), st.floats(0, 1) | st.just(np.inf), st.floats(0.1, 10)), min_size=1, max_size=6
)


@given(lmas, st.floats(0, 5))
def test_it_is_the_optimum_of_the_linear_program(given_lmas: list[tuple[float, float, float]], work: float) -> None:
    """Minimise t; LMA l gets x[l] >= 0 of the work, at most up to its ceiling, and floor + x / capacity <= t."""
    floors = np.array([floor for floor, _, _ in given_lmas])
    room = np.array([height for _, height, _ in given_lmas])
    capacities = np.array([capacity for _, _, capacity in given_lmas])
    room[0] = np.inf  # there is always one that can take it
    count = len(given_lmas)
    program = linprog(
        c=[1.0] + [0.0] * count,
        A_ub=np.hstack((-np.ones((count, 1)), np.diag(1 / capacities))),
        b_ub=-floors,
        A_eq=[[0.0] + [1.0] * count],
        b_eq=[work],
        bounds=[(0, None)]
        + [(0, None if np.isinf(most) else most * capacity) for most, capacity in zip(room, capacities, strict=True)],
        method="highs",
    )
    assert program.success
    assert water_level(floors, floors + room, capacities, work) == pytest.approx(program.fun, abs=1e-7)
