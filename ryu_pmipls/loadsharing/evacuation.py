"""Evacuation of dead and draining LMAs, and the return of their uplinks: before any policy, and for every policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from ryu_pmipls.loadsharing.levels import water_level
from ryu_pmipls.loadsharing.round_builder import RoundBuilder
from ryu_pmipls.loadsharing.snapshot import LmaLoad, LmaState

#: Multiple of the mean that a target may reach, so that a MAG need not be divided.
_SLACK = 1.05


def evacuate(plan: RoundBuilder) -> None:
    """Move every uplink away from LMAs that are dead or draining, at once and completely, resting or not.

    The biggest MAG goes first, to the LMA that is the lightest then; it is divided only where it would bring its
    target far above the mean. Where no LMA may take anything, all uplinks stay, and an alarm stands.
    """
    for row, load in enumerate(plan.snapshot.lmas):
        if not load.state.to_be_left:
            continue
        leaving = [mag for mag in plan.snapshot.mags if plan.carried(mag, load.lma)]
        if leaving and plan.may_take.any():
            _spread(plan, row, leaving)
        elif leaving:
            reason = f"{_what(load)} and carries uplinks of {len(leaving)} MAGs; no LMA may take them"
            plan.alarm(load.lma, reason)


def bring_back(plan: RoundBuilder) -> None:
    """Send uplinks that had to leave their anchor back while it is light, ``max_moves`` of them in a round."""
    settings, unit = plan.settings, plan.work_per_rate()
    resting = {move.mag for move in (*plan.recent(settings.cool_down), *plan.decisions)}
    budget = settings.max_moves
    for mag, lma in tuple(plan.evacuated):
        home = plan.row.get(lma)
        away = [carrier for carrier in dict.fromkeys(plan.uplinks(mag).get(lma, ())) if carrier != lma]
        if home is None or not away:
            del plan.evacuated[mag, lma]
            continue
        if plan.snapshot.lmas[home].state is not LmaState.LIGHT or mag in resting or len(away) > budget:
            continue
        for carrier in away:
            numbers = plan.carried(mag, carrier)
            rate = plan.part(mag, {lma: numbers[lma]}, numbers) * float(
                np.nan_to_num(plan.rates[plan.row[carrier], plan.column[mag]])
            )
            work = rate * unit
            if plan.cpu[home] + work / plan.capacity[home] >= settings.rule.cool_below:
                break
            plan.move(
                mag,
                plan.row[carrier],
                home,
                {lma: numbers[lma]},
                work=work,
                rate=rate,
                reason=f"{lma} is light again and anchors this uplink of {mag}, which had to leave it",
            )
            budget -= 1


def _spread(plan: RoundBuilder, source: int, mags: Iterable[str]) -> None:
    """Deal out the MAGs' traffic through an LMA over the LMAs that may take it."""
    load, unit = plan.snapshot.lmas[source], plan.work_per_rate()
    rates = _estimated_rates(plan, source)
    total = sum(rates[mag] for mag in mags) * unit
    may_take = np.flatnonzero(plan.may_take)
    cpu, capacity = plan.cpu[may_take], plan.capacity[may_take]
    level = _SLACK * water_level(cpu, np.full(len(cpu), np.inf), capacity, total)
    given = np.zeros(len(plan.names))  # slots, to deal out also what carries nothing now
    for mag in sorted(mags, key=lambda mag: -rates[mag]):
        carried = plan.carried(mag, load.lma)
        if load.lma in carried:
            plan.evacuated[mag, load.lma] = None
        weights = plan.weights(mag, carried)
        left = {anchor: numbers for anchor, numbers in carried.items() if weights[anchor].any()}
        idle = {anchor: numbers for anchor, numbers in carried.items() if anchor not in left}
        of_slots = np.concatenate([weights[anchor][list(numbers)] for anchor, numbers in left.items()])
        of_slots = of_slots * (rates[mag] / of_slots.sum()) if of_slots.any() else np.zeros(len(of_slots))
        while left:
            work = float(of_slots.mean()) * unit  # of a slot
            after = (plan.cpu + work / plan.capacity)[may_take]
            dealt = (given / plan.capacity)[may_take]
            target = int(may_take[np.lexsort((dealt, after) if work > 0 else (after, dealt))[0]])
            room = max(0.0, (level - plan.cpu[target]) * plan.capacity[target])
            part = max(1, int(np.searchsorted(of_slots.cumsum() * unit, room * (1 + 1e-9), side="right")))
            slots, left = _split(left, part)
            rate, of_slots = float(of_slots[:part].sum()), of_slots[part:]
            given[target] += part
            plan.move(
                mag,
                source,
                target,
                slots | idle,
                work=rate * unit,
                rate=rate,
                reason=f"{_what(load)}; {plan.names[target]} is the lightest, with CPU "
                f"{plan.cpu[target]:.0%} before the move",
                evacuation=True,
            )
            idle = {}


def _what(load: LmaLoad) -> str:
    cause = "" if load.cause is None else f" ({load.cause})"
    return f"{load.lma} is {load.state.value}{cause}"


def _estimated_rates(plan: RoundBuilder, row: int) -> dict[str, float]:
    """Packets per second from each MAG; an unknown rate is taken to be the average of the others."""
    rates = plan.rates[row]
    mean = float(np.nanmean(rates)) if np.isfinite(rates).any() else 0.0
    return dict(zip(plan.snapshot.mags, np.nan_to_num(rates, nan=mean).tolist(), strict=True))


def _split(
    slots: Mapping[str, tuple[int, ...]], left: int
) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """The first slots, ``left`` of them, and the rest."""
    first, rest = {}, {}
    for anchor, numbers in slots.items():
        if left:
            first[anchor] = numbers[:left]
        if len(numbers) > left:
            rest[anchor] = numbers[left:]
        left = max(0, left - len(numbers))
    return first, rest
