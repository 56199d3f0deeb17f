"""The baseline: uplinks stay where they are."""

from __future__ import annotations

from ryu_pmipls.loadsharing.evacuation import bring_back
from ryu_pmipls.loadsharing.policies.policy import Policy, PolicySettings
from ryu_pmipls.loadsharing.round_builder import RoundBuilder


def static(plan: RoundBuilder, own: PolicySettings) -> None:
    """Move nothing that can stay; evacuated uplinks go back."""
    bring_back(plan)


POLICY = Policy("static", PolicySettings, static)
