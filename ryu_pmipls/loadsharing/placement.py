"""Where mobile nodes that come new get their session: not at an LMA that is overloaded or is to be left (RFC 6463)."""

from __future__ import annotations

from collections.abc import Iterable

from ryu_pmipls.loadsharing.snapshot import LmaLoad, LmaState, LoadSnapshot

_AVOIDED = (LmaState.OVERLOADED, LmaState.DRAINING, LmaState.DEAD)


class Placement:
    """Tells for each LMA (by name) at which one its new sessions shall be.

    ``targets`` holds every LMA of the domain, in the profile's order; most have their own name there.
    """

    def __init__(self, lmas: Iterable[str]) -> None:
        self.targets = {lma: lma for lma in lmas}
        self._confirmed: dict[str, str] = {}

    def decide(self, snapshot: LoadSnapshot) -> list[tuple[str, str]]:
        """One round: (LMA, target) for each LMA that has to be told now.

        An LMA that is overloaded, draining or dead (it may be its switch alone) sends new sessions to the lightest one,
        and keeps to it as long as that is light. It is told in every round, for its agent may have been restarted; the
        others until they have confirmed.
        """
        light = [load for load in snapshot.lmas if load.state is LmaState.LIGHT]
        for load in snapshot.lmas:
            self.targets[load.lma] = self._target(load, light)
        return [
            (lma, target) for lma, target in self.targets.items() if target != lma or self._confirmed.get(lma) != target
        ]

    def confirmed(self, lma: str, target: str) -> bool:
        """The LMA has answered that it does so; tells whether that is new."""
        known, self._confirmed[lma] = self._confirmed.get(lma), target
        return known != target

    def _target(self, load: LmaLoad, light: list[LmaLoad]) -> str:
        if load.state not in _AVOIDED or not light:
            return load.lma
        present = self.targets[load.lma]
        if present in [other.lma for other in light]:
            return present
        # min() takes the first of equals, in the profile's order.
        return min(light, key=lambda other: (other.cpu or 0.0, other.packets or 0)).lma
