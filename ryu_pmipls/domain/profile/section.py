"""Sections of a profile, and whole documents whose sections must agree."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from ryu_pmipls.domain.profile.faults import INCONSISTENT, Fault


class Section(BaseModel):
    """A mapping in the profile: frozen, and without any key that is not described."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WholeDocument(Section):
    """The whole content of a file."""

    @classmethod
    def inconsistencies(cls, sound: Any) -> Iterable[Fault]:
        """Values that do not agree with others, among the sound parts of a document (:mod:`.sound_parts`)."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _consistent(self) -> WholeDocument:
        faults = "\n".join(map(str, self.inconsistencies(self)))
        if faults:
            raise PydanticCustomError(INCONSISTENT, "{faults}", {"faults": faults})
        return self
