"""YAML documents as mappings and lists that know the line of everything in them."""

from __future__ import annotations

import re
from array import array
from typing import Any, NamedTuple

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    MappingStartEvent,
    ScalarEvent,
    StreamEndEvent,
)
from yaml.nodes import ScalarNode
from yaml.resolver import Resolver

from ryu_pmipls.domain.profile.faults import Place, shortened

#: Loader with libyaml's parser, which takes a tenth of the time of the one in Python; that one where PyYAML lacks it.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: Levels of nested mappings and lists at most.
_MOST_LEVELS = 32
#: Values that all aliases of a document together may expand to: a small file could expand to any number otherwise.
_MOST_REPEATED = 1_000_000
_MERGE = "<<"
#: Tags, with their patterns, that plain text may have by its first character.
_IMPLICIT: dict[str, list[tuple[str, re.Pattern[str]]]] = Resolver.yaml_implicit_resolvers


class LinedMapping(dict[str, Any]):
    """A mapping that begins at ``line``, with the line of each key in the order of the keys; lines count from 1."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        self.line = line
        self.lines = array("L")


class LinedList(list[Any]):
    """A list that begins at ``line``, with the line of each item; lines count from 1."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        self.line = line
        self.lines = array("L")


class YamlFault(NamedTuple):
    """A fault of the text itself, at a line of the file."""

    line: int
    message: str


class YamlError(Exception):
    """A text that is no YAML document, or one beyond the limits."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.fault = YamlFault(line, message)


def parse(text: str) -> tuple[Any, list[YamlFault]]:
    """The document in a text (``None`` if there is none), and the keys given twice in it; raises ``YamlError``."""
    builder = _Builder()
    try:
        builder.build(_LOADER(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 0 if mark is None else mark.line
        raise YamlError(line + 1, _not_yaml(text, line, error)) from None
    except yaml.YAMLError as error:
        found = yaml.reader.Reader.NON_PRINTABLE.search(text)
        line = 0 if found is None else text.count("\n", 0, found.start())
        what = str(error).splitlines()[0] if found is None else f"the control character {found[0]!r} is not allowed"
        raise YamlError(line + 1, f"is not YAML: {what}") from None
    return builder.document, builder.faults


def line_of(document: Any, place: Place) -> int:
    """The line of a place in a document; where that is missing, the line of the innermost value around it."""
    line, node = getattr(document, "line", 1), document
    for step in place:
        if isinstance(node, LinedMapping) and step in node:
            line = node.lines[list(node).index(str(step))]
        elif isinstance(node, LinedList) and isinstance(step, int) and step < len(node):
            line = node.lines[step]
        else:
            return line
        node = node[step]
    return line


def _not_yaml(text: str, line: int, error: yaml.MarkedYAMLError) -> str:
    lines = text.splitlines()
    start = lines[line] if line < len(lines) else ""
    if "\t" in start[: len(start) - len(start.lstrip())]:
        return "is not YAML: a tab indents this line; only spaces may"
    problem = ": ".join(part for part in (error.context, error.problem) if part)
    return f"is not YAML: {problem}"


class _Open(NamedTuple):
    """A mapping or list whose end has not come yet, with the key that its parent has for it.

    ``before`` is the number of values before its start.
    """

    node: LinedMapping | LinedList
    key: str | None
    anchor: str | None
    before: int


class _Builder:
    """A document, made from the events of a YAML parser."""

    def __init__(self) -> None:
        self.document: Any = None
        self.faults: list[YamlFault] = []
        self._scalars = yaml.constructor.SafeConstructor()
        self._open: list[_Open] = []
        self._mapping: LinedMapping | None = None  # the innermost open one, unless that is a list
        self._key: str | None = None  # of its entry, once it has come
        self._anchored: dict[str, tuple[Any, int]] = {}  # value, and how many values it consists of
        self._values = self._repeated = self._documents = 0

    def build(self, parser: Any) -> None:
        """Handle all events of a parser; raises ``YamlError`` and the parser's own exceptions."""
        next_event, handle = parser.get_event, self._handle
        while type(event := next_event()) is not StreamEndEvent:
            handle(event)

    def _handle(self, event: Any) -> None:
        """Take the next event; ``YamlError`` if the document cannot go on with it."""
        kind = type(event)
        if kind is ScalarEvent:
            mapping = self._mapping
            if mapping is not None and self._key is None:
                self._key = event.value
                if self._key in mapping:
                    self._repeated_key(mapping, event)
                else:
                    mapping.lines.append(event.start_mark.line + 1)
            else:
                value = self._scalar(event)
                self._values += 1
                if event.anchor is not None:
                    self._anchored[event.anchor] = value, 1
                self._add(value, event.start_mark.line + 1)
        elif issubclass(kind, CollectionStartEvent):
            self._begin(event)
        elif issubclass(kind, CollectionEndEvent):
            self._end()
        elif kind is AliasEvent:
            self._alias(event)
        elif kind is DocumentStartEvent:
            self._documents += 1
            if self._documents > 1:
                raise YamlError(_line(event), "a second document begins here; one is allowed")

    def _repeated_key(self, mapping: LinedMapping, event: Any) -> None:
        first = line_of(mapping, (event.value,))
        message = f"the key {shortened(event.value)!r} is given twice, first in line {first}"
        self.faults.append(YamlFault(_line(event), message))

    def _begin(self, event: Any) -> None:
        self._require_key(event)
        line = _line(event)
        if len(self._open) == _MOST_LEVELS:
            raise YamlError(line, f"more than {_MOST_LEVELS} levels of mappings and lists")
        if event.tag not in (None, "!"):
            raise YamlError(line, f"the tag {event.tag} is not allowed")
        self._mapping = LinedMapping(line) if type(event) is MappingStartEvent else None
        node = LinedList(line) if self._mapping is None else self._mapping
        self._open.append(_Open(node, self._key, event.anchor, self._values))
        self._key = None

    def _end(self) -> None:
        node, self._key, anchor, before = self._open.pop()
        parent = self._open[-1].node if self._open else None
        self._mapping = parent if isinstance(parent, LinedMapping) else None
        if isinstance(node, LinedMapping) and _MERGE in node:
            _merge(node)
        self._values += 1
        if anchor is not None:
            self._anchored[anchor] = node, self._values - before
        self._add(node, node.line)

    def _alias(self, event: Any) -> None:
        self._require_key(event)
        if event.anchor not in self._anchored:
            raise YamlError(_line(event), f"the alias *{event.anchor} stands for nothing that is complete before it")
        value, count = self._anchored[event.anchor]
        self._values += count
        self._repeated += count
        if self._repeated > _MOST_REPEATED:
            raise YamlError(_line(event), f"aliases stand for more than {_MOST_REPEATED} values")
        self._add(value, _line(event))

    def _require_key(self, event: Any) -> None:
        if self._key is None and self._mapping is not None:
            raise YamlError(_line(event), "a key must be plain text")

    def _add(self, value: Any, line: int) -> None:
        mapping, key = self._mapping, self._key
        if mapping is not None and key is not None:
            mapping[key] = value
            self._key = None
        elif self._open:
            items = self._open[-1].node
            items.lines.append(line)
            items.append(value)  # type: ignore[union-attr]
        else:
            self.document = value

    def _scalar(self, event: Any) -> Any:
        """The value of a scalar by YAML 1.1; text in most cases."""
        text: str = event.value
        tag = event.tag
        if tag is None or tag == "!":
            if not event.implicit[0]:  # in quotes
                return text
            tag = next((tag for tag, pattern in _IMPLICIT.get(text[:1], ()) if pattern.match(text)), None)
            if tag is None:
                return text
        try:
            return self._scalars.construct_object(ScalarNode(tag, text, event.start_mark, event.end_mark))
        except (ValueError, ArithmeticError) as error:
            raise YamlError(_line(event), f"{shortened(text)!r} cannot be read: {error}") from None


def _merge(mapping: LinedMapping) -> None:
    """Take over entries that ``<<`` names (YAML merge keys), except for keys that the mapping has itself."""
    line = mapping.lines.pop(list(mapping).index(_MERGE))
    merged = mapping.pop(_MERGE)
    for source in merged if isinstance(merged, LinedList) else [merged]:
        if not isinstance(source, LinedMapping):
            raise YamlError(line, "<< takes a mapping or a list of mappings")
        for (key, value), there in zip(source.items(), source.lines, strict=True):
            if key not in mapping:
                mapping.lines.append(there)
                mapping[key] = value


def _line(event: Any) -> int:
    line: int = event.start_mark.line + 1
    return line
