"""Where mobile nodes that come new get their session: not at an LMA that has too much to do (RFC 6463)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ryu_pmipls.loadsharing.decision import Inputs
from ryu_pmipls.loadsharing.levels import water_level
from ryu_pmipls.loadsharing.snapshot import LmaLoad, LmaState


class Placement:
    """Tells for each LMA (by name) at which one its new sessions shall be.

    ``targets`` holds every LMA of the domain, in the profile's order; most have their own name there.
    """

    def __init__(self, lmas: Iterable[str]) -> None:
        self.targets = {lma: lma for lma in lmas}
        self._confirmed: dict[str, str] = {}

    def decide(self, inputs: Inputs) -> list[tuple[str, str]]:
        """One round: (LMA, target) for each LMA that has to be told now.

        An LMA that is overloaded, draining or dead sends new sessions to the lightest one; with the policy ``balance``
        one that is above the mean does so too, half a tolerance before uplinks would have to move, and several of them
        choose different ones. Each keeps to its target as long as that may take more, but for those that are to be left
        and send away all: they follow the lightest. They are told in every round, for their agents may have been
        restarted; the others until they have confirmed.
        """
        settings, loads = inputs.settings, inputs.snapshot.lmas
        light = [load for load in loads if load.state is LmaState.LIGHT]
        lightest = sorted(light, key=lambda load: (load.cpu or 0.0, load.packets or 0))
        giving = [load for load in loads if load.state is LmaState.OVERLOADED or load.state.to_be_left]
        taking = lightest[:1]
        if settings.policy == "balance" and light:
            level = _mean(light)
            limit = max(settings.balance_above, level * (1 + settings.tolerance / 2))
            giving += [load for load in light if (load.cpu or 0.0) > limit]
            taking = [load for load in lightest if (load.cpu or 0.0) < level] or taking
        may_take = {load.lma for load in (taking if settings.policy == "balance" else light)}
        chosen = self._choose(giving, [load.lma for load in taking], may_take)
        self.targets = {lma: chosen.get(lma, lma) for lma in self.targets}
        return [
            (lma, target) for lma, target in self.targets.items() if target != lma or self._confirmed.get(lma) != target
        ]

    def confirmed(self, lma: str, target: str) -> bool:
        """The LMA has answered that it does so; tells whether that is new."""
        known, self._confirmed[lma] = self._confirmed.get(lma), target
        return known != target

    def _choose(self, giving: list[LmaLoad], taking: list[str], may_take: set[str]) -> dict[str, str]:
        """The highest first: its target of before if that still may take, else the next of those that take."""
        chosen, number = {}, 0
        for load in sorted(giving, key=lambda load: -(load.cpu or 0.0)):
            present = self.targets[load.lma]
            if present != load.lma and present in may_take and not load.state.to_be_left:
                chosen[load.lma] = present
            elif taking:
                chosen[load.lma] = taking[number % len(taking)]
                number += 1
        return chosen


def _mean(loads: list[LmaLoad]) -> float:
    """The CPU that LMAs would all have if their work were divided evenly."""
    capacities = np.array([load.capacity for load in loads])
    cpu = np.array([load.cpu or 0.0 for load in loads])
    return water_level(np.zeros(len(loads)), np.full(len(loads), np.inf), capacities, float((cpu * capacities).sum()))
