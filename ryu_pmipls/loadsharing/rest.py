"""Rest after moves: what was moved lately, and how often, so that moves come to an end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from ryu_pmipls.loadsharing.round_builder import RoundBuilder

#: Windows after a move within which what it brought is measured and corrected.
_CORRECTED = 2


class Rest:
    """The moves within the cool-down; those that had to leave an LMA do not count.

    ``places`` has the number of rounds that have moved something of a MAG to or from an LMA, by (MAG, LMA). ``rounds``
    has that of the policy's rounds, by LMA; one more when the last of them is so long ago that it has been corrected,
    for what is seen then is mostly noise. What the operator moves rests as well, but is no round.
    """

    def __init__(self, plan: RoundBuilder) -> None:
        places: dict[tuple[str, str], set[str]] = {}
        rounds: dict[str, set[str]] = {}
        self._moved_to: dict[tuple[str, str], dict[str, set[int]]] = {}
        for move in plan.recent(plan.settings.cool_down):
            if move.evacuation:
                continue
            for lma in (move.old_lma, move.new_lma):
                places.setdefault((move.mag, lma), set()).add(move.round)
                if not move.by_hand:
                    rounds.setdefault(lma, set()).add(move.round)
            if not move.by_hand:
                there = self._moved_to.setdefault((move.mag, move.new_lma), {})
                for anchor, numbers in move.slots.items():
                    there.setdefault(anchor, set()).update(numbers)
        lately = {move.round for move in plan.recent(_CORRECTED * plan.snapshot.window)}
        self.places = {place: len(found) for place, found in places.items()}
        self.rounds = Counter({lma: len(found) + found.isdisjoint(lately) for lma, found in rounds.items()})

    def slots(self, mag: str, lma: str) -> Mapping[str, Collection[int]]:
        """Anchor -> slots of a MAG that the policy has moved to an LMA."""
        return self._moved_to.get((mag, lma), {})
