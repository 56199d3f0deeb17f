"""Targets of new sessions: an overloaded LMA sends new mobile nodes to another (RFC 6463)."""

from __future__ import annotations

from collections.abc import Iterable

from ryu_pmipls.loadsharing.decision import Inputs
from ryu_pmipls.loadsharing.policies import policy_of
from ryu_pmipls.loadsharing.snapshot import LmaLoad, LmaState


class NewSessionTargets:
    """Chooses for each LMA (by name) the one that gets its new sessions.

    ``targets`` holds every LMA of the domain, in the profile's order; most have their own name there.
    """

    def __init__(self, lmas: Iterable[str]) -> None:
        self.targets = {lma: lma for lma in lmas}
        self._confirmed: dict[str, str] = {}

    def decide(self, inputs: Inputs) -> list[tuple[str, str]]:
        """One round: (LMA, target) for each LMA that must be notified now.

        An LMA that is overloaded, draining or dead sends new sessions elsewhere, and so does one that the policy names.
        Where the policy has several LMAs take them, they choose different ones. Each keeps its target as long as that
        may take more, except draining and dead LMAs, which send all sessions away. LMAs with another target than
        themselves are notified in every round, for their agents may have been restarted; the others until they confirm.
        """
        policy, loads = policy_of(inputs.settings), inputs.snapshot.lmas
        light = [load for load in loads if load.state is LmaState.LIGHT]
        by_policy = policy.new_sessions(light, policy.own(inputs.settings))
        giving = [load for load in loads if load.state is LmaState.OVERLOADED or load.state.to_be_left]
        giving += by_policy.giving
        may_take = {load.lma for load in by_policy.keeping}
        chosen = self._choose(giving, [load.lma for load in by_policy.taking], may_take)
        self.targets = {lma: chosen.get(lma, lma) for lma in self.targets}
        return [
            (lma, target) for lma, target in self.targets.items() if target != lma or self._confirmed.get(lma) != target
        ]

    def confirm(self, lma: str, target: str) -> bool:
        """Record the LMA's confirmation of its target; true if that is new."""
        known, self._confirmed[lma] = self._confirmed.get(lma), target
        return known != target

    def _choose(self, giving: list[LmaLoad], taking: list[str], may_take: set[str]) -> dict[str, str]:
        """Target of each giving LMA, the highest first: its former one if that may still take, else the next."""
        chosen, number = {}, 0
        for load in sorted(giving, key=lambda load: -(load.cpu or 0.0)):
            present = self.targets[load.lma]
            if present != load.lma and present in may_take and not load.state.to_be_left:
                chosen[load.lma] = present
            elif taking:
                chosen[load.lma] = taking[number % len(taking)]
                number += 1
        return chosen
