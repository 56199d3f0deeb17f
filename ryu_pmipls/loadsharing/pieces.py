"""Pieces of uplinks: the choice of slots whose work comes nearest to what is wanted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf

#: Relative excess of a sum that is due to rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Uplink:
    """Slots of one anchor that can move, with the work of each; ``whole`` when they are all slots of the anchor."""

    anchor: str
    slots: Mapping[int, float]
    whole: bool

    @property
    def work(self) -> float:
        return sum(self.slots.values())


def chosen(uplinks: Iterable[Uplink], wanted: float, slack: float, dividing: bool) -> dict[str, tuple[int, ...]]:
    """Choose slots by anchor, of no more than the ``wanted`` work; all of them if that is infinite.

    Whole uplinks come first, the largest one first, and may exceed it by the ``slack``; then the largest slots, first
    of divided uplinks, and of whole ones only when ``dividing``. Slots without work stay where they are.
    """
    found: dict[str, list[int]] = {}
    left = wanted
    movable = list(uplinks)
    for uplink in sorted((uplink for uplink in movable if uplink.whole), key=lambda uplink: -uplink.work):
        if uplink.work <= left * (1 + _ROUNDING) + slack:
            found[uplink.anchor] = [*uplink.slots]
            left -= uplink.work
    divisible = [
        (not uplink.whole, work, uplink.anchor, number)
        for uplink in movable
        if uplink.anchor not in found and (dividing or not uplink.whole)
        for number, work in uplink.slots.items()
        if work > 0 or wanted == inf
    ]
    for _, work, anchor, number in sorted(divisible, key=lambda slot: slot[:2], reverse=True):
        if work <= left * (1 + _ROUNDING):
            found.setdefault(anchor, []).append(number)
            left -= work
    return {anchor: tuple(sorted(numbers)) for anchor, numbers in found.items()}


def smallest(uplinks: Iterable[Uplink], above: float = 0.0) -> dict[str, tuple[int, ...]]:
    """Choose the one slot that has the least work, of those that have more than that."""
    slots = [(work, uplink.anchor, number) for uplink in uplinks for number, work in uplink.slots.items()]
    slots = [slot for slot in slots if slot[0] > above]
    least = min(slots, key=lambda slot: slot[0], default=None)
    return {} if least is None else {least[1]: (least[2],)}
