"""The documents that commands take: pydantic models, and texts for the faults of others."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ryu_pmipls.domain.profile import fault_lines
from ryu_pmipls.http.application import RestError


class RequestModel(BaseModel):
    """The arguments of a command."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Nothing(RequestModel):
    """The arguments of a command that has none."""


RequestT = TypeVar("RequestT", bound=RequestModel)


def read(model: type[RequestT], document: dict[str, Any]) -> RequestT:
    """Validate the request in a document; ``RestError`` (400) names each fault, its field, and what is allowed."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise RestError(400, "; ".join(fault_lines(error, model))) from None
