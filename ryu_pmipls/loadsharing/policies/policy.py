"""A policy as one object: its name, its settings, its choice of uplinks to move and of targets for new sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from ryu_pmipls.loadsharing.decision import Settings
from ryu_pmipls.loadsharing.round_builder import RoundBuilder
from ryu_pmipls.loadsharing.snapshot import LmaLoad


class PolicySettings(BaseModel):
    """The settings of one policy alone: keys of ``load_sharing`` in the profile, each with a default.

    No two policies have a setting of the same name.
    """

    model_config = ConfigDict(frozen=True)


OwnT = TypeVar("OwnT", bound=PolicySettings)


@dataclass(frozen=True, slots=True)
class NewSessionRanking:
    """LMAs that send new sessions away although they are light, and those that get them.

    ``taking`` are the ones to choose from, the best first; one of ``keeping`` stays chosen if it was in the last round.
    """

    giving: Sequence[LmaLoad]
    taking: Sequence[LmaLoad]
    keeping: Sequence[LmaLoad]


def lightest_first(loads: Sequence[LmaLoad]) -> list[LmaLoad]:
    """LMAs by their CPU, then by their packets."""
    return sorted(loads, key=lambda load: (load.cpu or 0.0, load.packets or 0))


def to_the_lightest(light: Sequence[LmaLoad], own: PolicySettings) -> NewSessionRanking:
    """Send the new sessions of LMAs that are not light to the lightest one."""
    return NewSessionRanking(giving=(), taking=lightest_first(light)[:1], keeping=light)


@dataclass(frozen=True)
class Policy(Generic[OwnT]):
    """A way to share load, registered as ``POLICY`` of a module in this package.

    ``move`` adds the moves of one round to the plan, after those that must leave an LMA. ``new_sessions`` is given
    the light LMAs, in the profile's order. A moved MAG rests for ``rest_windows``, and uplinks that carry
    nothing yet are spread out over all LMAs if the policy ``spreads`` them, unless the profile says otherwise.
    """

    name: str
    settings: type[OwnT]
    move: Callable[[RoundBuilder, OwnT], None]
    new_sessions: Callable[[Sequence[LmaLoad], OwnT], NewSessionRanking] = to_the_lightest
    rest_windows: int = 1
    spreads: bool = False

    def own(self, settings: Settings) -> OwnT:
        """The settings of this policy among all, by default where they are missing; ``ValueError`` if out of range."""
        given = {name: settings.own[name] for name in self.settings.model_fields if name in settings.own}
        return self.settings.model_validate(given)
