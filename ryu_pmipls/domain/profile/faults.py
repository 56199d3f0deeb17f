"""Faults of a document, in words for the person who wrote it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

#: Path to a value of a document: keys of mappings and indices of lists.
Place = tuple[int | str, ...]
#: Type of the one error by which a model tells that its sections disagree.
INCONSISTENT = "inconsistent"
#: Octets of a person's text that a message repeats at most.
_MOST_REPEATED = 60


class ProfileError(Exception):
    """A profile cannot be used. Its text has one line per fault: file, line, place, allowed values."""


class NoProfileError(ProfileError):
    """No profile has been named."""


class Fault(NamedTuple):
    """A fault at a place; the message ends with ``other``, the place of the value that it collides with."""

    place: Place
    message: str
    other: Place | None = None

    def __str__(self) -> str:
        other = "" if self.other is None else f" {dotted(self.other)}"
        return f"{dotted(self.place)}: {self.message}{other}" if self.place else self.message + other


def dotted(place: Iterable[int | str]) -> str:
    """A place in one word, such as ``lmas.0.core.port``."""
    return ".".join(map(str, place))


def fault_lines(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line for each fault of a document that should be a ``model``, with its place."""
    return [str(fault) for fault in field_faults(error, model)]


def field_faults(error: ValidationError, model: type[BaseModel]) -> list[Fault]:
    """The faults of single fields, and of fields within one section, in a document that should be a ``model``."""
    return [
        Fault(tuple(step for step in fault["loc"] if step != "[key]"), _message(fault, model))
        for fault in error.errors(include_url=False)
        if fault["type"] != INCONSISTENT and not _long_enough(fault)
    ]


def _long_enough(fault: ErrorDetails) -> bool:
    """True when a list is called too short only because faulty items, reported themselves, do not count."""
    return fault["type"] == "too_short" and len(fault["input"]) >= fault["ctx"]["min_length"]


def _message(fault: ErrorDetails, model: type[BaseModel]) -> str:
    if fault["type"] == "extra_forbidden":
        return f"unknown key; allowed: {', '.join(_keys_at(model, fault['loc'][:-1]))}"
    if fault["type"] == "model_type":
        return f"must be a mapping with the keys {', '.join(_keys_at(model, fault['loc']))}"
    if fault["type"] == "string_pattern_mismatch":
        return f"{shortened(fault['input'])!r} does not match {fault['ctx']['pattern']}"
    return fault["msg"].removeprefix("Value error, ")


def shortened(text: str) -> str:
    """A person's text, cut off where it is too long for a message."""
    return text if len(text) <= _MOST_REPEATED else f"{text[:_MOST_REPEATED]}..."


def _keys_at(model: type[BaseModel], location: Place) -> list[str]:
    schema: dict[str, Any] = model.model_json_schema()
    node = schema
    for step in location:
        node = node["items"] if isinstance(step, int) else node["properties"][step]
        while "$ref" in node or "anyOf" in node:
            node = node["anyOf"][0] if "anyOf" in node else schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return list(node["properties"])
