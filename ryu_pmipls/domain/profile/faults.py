"""What is wrong with a document, in words for the person who wrote it."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError


class ProfileError(Exception):
    """A profile cannot be used. Its text has one line per fault: file, key path, what is allowed."""


def fault_lines(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """What is wrong with a document that should be a ``model``: a line for each fault, with its place in it."""
    lines = []
    for fault in error.errors():
        if fault["type"] == "too_short" and len(fault["input"]) >= fault["ctx"]["min_length"]:
            continue  # it is long enough: what is wrong in it, and told for itself, was not counted
        place = ".".join(str(step) for step in fault["loc"])
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            message = f"unknown key; allowed: {', '.join(_keys_at(model, fault['loc'][:-1]))}"
        elif fault["type"] == "model_type":
            message = f"must be a mapping with the keys {', '.join(_keys_at(model, fault['loc']))}"
        elif fault["type"] == "string_pattern_mismatch":
            message = f"{fault['input']!r} does not match {fault['ctx']['pattern']}"
        lines += [f"{place}: {line}" if place else line for line in message.splitlines()]
    return lines


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    schema = model.model_json_schema()
    node = schema
    for step in location:
        node = node["items"] if isinstance(step, int) else node["properties"][step]
        while "$ref" in node or "anyOf" in node:
            node = node["anyOf"][0] if "anyOf" in node else schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return list(node["properties"])
