"""Moves by the operator's hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ryu_pmipls.loadsharing.decision import Inputs, Round
from ryu_pmipls.loadsharing.round_builder import RoundBuilder
from ryu_pmipls.loadsharing.snapshot import LmaState


def adjust(inputs: Inputs, mag: str, lma: str) -> Round:
    """A round that moves all uplinks of a MAG to an LMA (names), and nothing else; ``KeyError`` for an unknown name.

    Like any moved MAG, it then rests for the cool-down; after that the policy may move it again.
    """
    plan = RoundBuilder(inputs)
    target, column, unit = plan.row[lma], plan.column[mag], plan.work_per_rate()
    for carrier in dict.fromkeys(carrier for slots in plan.uplinks(mag).values() for carrier in slots):
        if carrier == lma:
            continue
        source = plan.row[carrier]
        rate = float(np.nan_to_num(plan.rates[source, column]))
        slots = plan.carried(mag, carrier)
        reason = "the operator wants it so"
        plan.move(mag, source, target, slots, work=rate * unit, rate=rate, reason=reason, by_hand=True)
    for evacuated in [pair for pair in plan.evacuated if pair[0] == mag]:
        del plan.evacuated[evacuated]
    outcome = plan.result()
    return replace(outcome, memory=replace(outcome.memory, alarms=inputs.memory.alarms))


def if_drained(inputs: Inputs, lmas: frozenset[str]) -> Inputs:
    """Copy of the inputs with those LMAs drained."""
    loads = tuple(
        replace(load, state=LmaState.DRAINING) if load.lma in lmas and load.state is not LmaState.DEAD else load
        for load in inputs.snapshot.lmas
    )
    return replace(inputs, snapshot=replace(inputs.snapshot, lmas=loads))
