"""Settings for the moves of uplinks between LMAs."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationInfo, create_model, field_validator

from ryu_pmipls.domain.profile.section import Section
from ryu_pmipls.domain.profile.values import Fraction, Seconds
from ryu_pmipls.loadsharing import POLICIES, OverloadRule, PolicyName, Settings


class _CommonLoadSharing(Section):
    """Settings of all policies for the moves of uplinks between LMAs (draft section 3.2, errata E20 to E29)."""

    policy: PolicyName = "draft"
    redirect_new_sessions: bool = True  # from overloaded LMAs to light ones (RFC 6463)
    cpu_threshold: Fraction = 0.8
    packet_threshold: int = Field(default=60000, ge=0)  # packets in a window, at an LMA of capacity 1
    combine: Literal["and", "or"] = "and"
    hysteresis: float = Field(
        default=0.1, ge=0, lt=1, validate_default=True
    )  # below cpu_threshold - hysteresis an overload has ended
    cool_down: float | None = Field(default=None, ge=0, le=86400)  # s that a moved MAG rests
    max_moves: int = Field(default=10, ge=1)  # in a round; what leaves a dead LMA is not counted, nor what draft moves
    spread_uplinks: bool | None = None  # idle uplinks over all LMAs by capacity; null: as the policy wants it
    window: Seconds = 300
    report_interval: Seconds = Field(default=10, validate_default=True)
    evaluation_interval: Seconds = 10

    @field_validator("hysteresis")
    @classmethod
    def _below_threshold(cls, hysteresis: float, info: ValidationInfo) -> float:
        threshold = info.data.get("cpu_threshold", inf)
        if hysteresis >= threshold:
            raise ValueError(f"must be less than cpu_threshold ({threshold:g})")
        return hysteresis

    @field_validator("report_interval")
    @classmethod
    def _within_window(cls, interval: float, info: ValidationInfo) -> float:
        window = info.data.get("window", inf)
        if interval > window:
            raise ValueError(f"must not be longer than window ({window:g})")
        return interval

    @property
    def rest_after_move(self) -> float:
        """Seconds that a moved MAG rests (erratum E25).

        A policy that also acts without an overload waits longer, so as not to move the same MAG to and fro.
        """
        return self._rest_with(self.policy)

    def _rest_with(self, policy: PolicyName) -> float:
        return POLICIES[policy].rest_windows * self.window if self.cool_down is None else self.cool_down

    def settings_with(self, policy: PolicyName) -> Settings:
        """The settings with another policy; uplinks begin as they have begun with the profile's."""
        return replace(self.settings, policy=policy, cool_down=self._rest_with(policy))

    @property
    def settings(self) -> Settings:
        """The settings in the form that policies take."""
        return Settings(
            policy=self.policy,
            rule=OverloadRule(
                cpu_threshold=self.cpu_threshold,
                packet_threshold=self.packet_threshold,
                combine=self.combine,
                hysteresis=self.hysteresis,
            ),
            cool_down=self.rest_after_move,
            own={name: getattr(self, name) for name in _OWN},
            max_moves=self.max_moves,
            spread_uplinks=POLICIES[self.policy].spreads if self.spread_uplinks is None else self.spread_uplinks,
        )


#: Settings of single policies, as they declare them.
_OWN: dict[str, Any] = {
    name: (field.annotation, field)
    for policy in POLICIES.values()
    for name, field in policy.settings.model_fields.items()
}

if TYPE_CHECKING:

    class LoadSharingSettings(_CommonLoadSharing):
        """The section ``load_sharing`` of a profile, with the settings of every policy."""

else:
    LoadSharingSettings = create_model("LoadSharingSettings", __base__=_CommonLoadSharing, __module__=__name__, **_OWN)
