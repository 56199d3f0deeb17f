"""The documents that commands take: pydantic models, and what is said of those that do not fit."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ryu_pmipls.domain.profile import fault_lines
from ryu_pmipls.http.application import RestError


class RequestModel(BaseModel):
    """What a command needs to know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Nothing(RequestModel):
    """A command that needs no more words."""


RequestT = TypeVar("RequestT", bound=RequestModel)


def read(model: type[RequestT], document: dict[str, Any]) -> RequestT:
    """The request in a document; ``RestError`` (400) names each fault, its field, and what is allowed."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise RestError(400, "; ".join(fault_lines(error, model))) from None
