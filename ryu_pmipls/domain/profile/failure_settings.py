"""Settings for the death of an LMA."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ryu_pmipls.domain.profile.section import Section
from ryu_pmipls.domain.profile.values import Seconds

SignsOfDeath = Annotated[tuple[Literal["switch", "tunnels", "agent"], ...], Field(min_length=1)]


class Failure(Section):
    """Death of an LMA: all signs of one of the combinations in ``dead_when`` show (``docs/failure.md``)."""

    dead_when: Annotated[tuple[SignsOfDeath, ...], Field(min_length=1)] | None = None
    missing_echoes_allowed: int = Field(default=2, ge=1, le=10)  # a switch that leaves more unanswered is silent
    agent_silent_after: Seconds | None = None  # three report intervals unless given
