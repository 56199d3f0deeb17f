"""Lower bound of the LMAs' highest CPU, against which decisions are measured."""

from __future__ import annotations

import numpy as np

from ryu_pmipls.loadsharing.window import Floats


def water_level(floors: Floats, ceilings: Floats, capacities: Floats, work: float) -> float:
    """The lowest level to which ``work`` that can be divided at will raises LMAs when it is poured over them.

    Each LMA holds its capacity times (level - floor), never more than up to its ceiling; arrays have the shape (LMAs,).
    This is the optimum of the linear program "minimise the highest level", whose only constraints are these.
    """
    highest_floor = float(floors.max(initial=0.0))
    edges = np.concatenate((floors, ceilings))
    slopes = np.concatenate((capacities, -capacities))
    known = np.isfinite(edges)
    order = np.argsort(edges[known], kind="stable")
    edges, slopes = edges[known][order], slopes[known][order].cumsum()
    if work <= 0 or not len(edges):
        return highest_floor
    held = np.concatenate(([0.0], (np.diff(edges) * slopes[:-1]).cumsum()))
    at = int(np.searchsorted(held, work, side="left"))
    if at < len(edges) and held[at] == work:
        return max(highest_floor, float(edges[at]))
    below = at - 1
    if slopes[below] <= 0:  # all are full
        return max(highest_floor, float(edges[-1]))
    return max(highest_floor, float(edges[below] + (work - held[below]) / slopes[below]))
