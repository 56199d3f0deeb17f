"""What all sections of a profile have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping in the profile: frozen, and without any key that is not described."""

    model_config = ConfigDict(frozen=True, extra="forbid")
