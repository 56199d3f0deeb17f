"""The documents that commands take: pydantic models, and texts for the faults of others."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ryu_pmipls.domain.profile import fault_lines
from ryu_pmipls.domain.profile.faults import shortened
from ryu_pmipls.http.application import RestError

#: Keys of a document, and items of a list in it, at most: each fault of one takes time to describe.
_MAX_KEYS, _MAX_LIST = 16, 1000


class RequestModel(BaseModel):
    """The arguments of a command."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Nothing(RequestModel):
    """The arguments of a command that has none."""


RequestT = TypeVar("RequestT", bound=RequestModel)


def read(model: type[RequestT], document: dict[str, Any]) -> RequestT:
    """Validate the request in a document; ``RestError`` (400) names each fault, its field, and what is allowed."""
    if len(document) > _MAX_KEYS:
        raise RestError(400, f"the document has more than {_MAX_KEYS} keys")
    for key, value in document.items():
        if isinstance(value, list) and len(value) > _MAX_LIST:
            raise RestError(400, f"{shortened(key)}: has more than {_MAX_LIST} items")
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise RestError(400, "; ".join(fault_lines(error, model))) from None
