"""The sound parts of a faulty document, so that disagreement between them is reported with all other faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from types import NoneType, SimpleNamespace
from typing import Annotated, Any, Final, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from ryu_pmipls.domain.profile.faults import Place

#: Mark of a value that is missing or faulty.
UNSOUND: Final = object()

_Salvage = Callable[[Any], Any]


def sound_parts(model: type[BaseModel], document: Any) -> Any:
    """A document that is not a valid ``model``, as validation would give it, but with ``UNSOUND`` for each fault."""
    return _salvage_of(model)(document)


def values(sound: Any, path: str) -> Iterator[tuple[Place, Any]]:
    """The sound values, each with its place, at a path such as ``lmas.*.core.address``; ``*`` stands for all items."""
    return _walk(sound, path.split("."), ())


def _walk(node: Any, steps: list[str], place: Place) -> Iterator[tuple[Place, Any]]:
    for number, step in enumerate(steps):
        if step == "*":
            rest = steps[number + 1 :]
            items = node.items() if isinstance(node, dict) else enumerate(node if isinstance(node, tuple) else ())
            for key, item in items:
                yield from _walk(item, rest, (*place, key))
            return
        node = getattr(node, step, UNSOUND)
        place = (*place, step)
    if node is not UNSOUND:
        yield place, node


@cache
def _salvage_of(model: type[BaseModel]) -> _Salvage:
    fields = {name: (field, _salvage(field.rebuild_annotation())) for name, field in model.model_fields.items()}

    def salvage(value: Any) -> Any:
        if not isinstance(value, dict):
            return UNSOUND
        parts = SimpleNamespace()
        for name, (field, part) in fields.items():
            absent = UNSOUND if field.is_required() else field.get_default(call_default_factory=True)
            setattr(parts, name, part(value[name]) if name in value else absent)
        return parts

    return salvage


def _salvage(kind: Any) -> _Salvage:
    whole = TypeAdapter(kind).validate_python
    parts = _salvage_parts(kind)

    def salvage(value: Any) -> Any:
        try:
            return whole(value)
        except ValidationError:
            return parts(value)

    return salvage


def _salvage_parts(kind: Any) -> _Salvage:
    """Function that salvages the sound parts of a value that is faulty as a whole."""
    arguments = [argument for argument in get_args(kind) if argument is not NoneType]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _salvage_of(kind)
    if get_origin(kind) is tuple:
        item = _salvage(arguments[0])
        return lambda value: tuple(map(item, value)) if isinstance(value, list) else UNSOUND
    if get_origin(kind) is dict:
        return _entries(TypeAdapter(kind).validate_python)
    if get_origin(kind) is Annotated or len(arguments) == 1:
        return _salvage_parts(arguments[0])
    return lambda value: UNSOUND


def _entries(whole: _Salvage) -> _Salvage:
    """Function that salvages the sound entries of a mapping with any keys."""

    def salvage(value: Any) -> Any:
        sound: dict[Any, Any] = {}
        for key in value if isinstance(value, dict) else ():
            with suppress(ValidationError):
                sound |= whole({key: value[key]})
        return sound

    return salvage
