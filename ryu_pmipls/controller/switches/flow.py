"""The vocabulary of pipelines: tables and their restrictions, rules with parameters, flow entries, groups.

A *rule* is declared once, as data, with parameters for what differs between its flow entries; a *flow entry* is a rule
with values. This module knows neither Ryu nor a connection; actions are in
:mod:`~ryu_pmipls.controller.switches.actions`. Entries that a table does not allow cannot be built: a rule
is checked when it is declared, its values when an entry is made.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from enum import Enum, IntEnum
from functools import cached_property
from ipaddress import IPv6Network
from typing import Any, ClassVar, NamedTuple, TypeVar

from ryu_pmipls.controller.switches.match import Match
from ryu_pmipls.controller.switches.parameter import Bound, Kind, Parameter

T = TypeVar("T")


class PipelineError(ValueError):
    """A rule that its table does not allow, or a value that its parameter cannot take."""


class Owner(IntEnum):
    """The owner of a flow entry; part of its cookie."""

    BASE = 1  # the node itself: present as long as the node
    BINDING = 2  # one mobility binding


class Action(ABC):
    """An action of rules: a frozen dataclass, whose fields are values or parameters.

    ``str()`` gives its text in ``docs/pipeline.md``.
    """

    #: Number of Ryu's actions that it is encoded as.
    encoded: ClassVar[int] = 1

    @abstractmethod
    def encode(self) -> list[Any]:
        """Encode as actions of Ryu; there must be no parameter left."""

    @classmethod
    @abstractmethod
    def decode(cls, *actions: Any) -> Action | None:
        """Decode :attr:`encoded` actions of Ryu; None when they are not of this kind."""


@dataclass(frozen=True, eq=False)
class Table:
    """A flow table, and what its rules may do: match ``match`` (fields of ``Match``), ``actions``, ``next_tables``."""

    number: int
    name: str
    text: str
    match: frozenset[str] = frozenset()
    actions: frozenset[type[Action]] = frozenset()
    next_tables: tuple[Table, ...] = ()

    def __post_init__(self) -> None:
        if not self.match <= {part.name for part in fields(Match)}:
            raise PipelineError(f"table {self}: there is no such field to match: {_listed(self.match)}")
        for table in self.next_tables:
            if table.number <= self.number:
                raise PipelineError(f"table {self} cannot lead back to table {table}")

    def __str__(self) -> str:
        return f"{self.number} {self.name}"


@dataclass(frozen=True, eq=False)
class Rule:
    """Flow entries that differ only in the values of parameters; no action and no ``goto`` means drop (and count).

    An entry ends ``hard_timeout`` seconds after it was written; 0: never. ``PipelineError`` when the table does not
    allow the rule.
    """

    table: Table
    priority: int
    owner: Owner
    match: Match
    actions: tuple[Action, ...] = ()
    goto: Table | None = None
    text: str = ""
    hard_timeout: int = 0

    def __post_init__(self) -> None:
        place = f"a rule of priority {self.priority} in table {self.table}"
        if not 0 <= self.priority < 2**16:
            raise PipelineError(f"{place}: a priority has 16 bits")
        if not self.match.fields <= self.table.match:
            raise PipelineError(f"{place} may not match {_listed(self.match.fields - self.table.match)}")
        actions = {type(action) for action in self.actions}
        if not actions <= self.table.actions:
            raise PipelineError(f"{place} may not {_listed(kind.__name__ for kind in actions - self.table.actions)}")
        if self.goto is not None and self.goto not in self.table.next_tables:
            raise PipelineError(f"{place} may not lead to table {self.goto}")

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The open values, in the order of match and actions."""
        return tuple(dict.fromkeys(_parameters((self.match, *self.actions))))

    def entry(self, **values: Bound) -> FlowEntry:
        """Make the flow entry with these values, by parameter name; ``PipelineError`` when they do not fit."""
        if values.keys() != {parameter.name for parameter in self.parameters}:
            wanted = _listed(parameter.name for parameter in self.parameters)
            raise PipelineError(f"a rule of table {self.table} takes {wanted}, not {_listed(values)}")
        for parameter in self.parameters:
            if not parameter.kind.accepts(values[parameter.name]):
                raise PipelineError(f"{parameter.name} must be: {parameter.kind.value}; not {values[parameter.name]!r}")
        return FlowEntry(self, tuple(values[parameter.name] for parameter in self.parameters))

    def recognise(self, match: Match, actions: tuple[Action | None, ...], next_table: int | None) -> FlowEntry | None:
        """Find this rule's entry with such a match, actions, and number of the next table; None if none fits."""
        if len(actions) != len(self.actions) or next_table != (None if self.goto is None else self.goto.number):
            return None
        values: dict[Parameter, Any] = {}
        for ours, theirs in zip((self.match, *self.actions), (match, *actions), strict=True):
            if type(ours) is not type(theirs):
                return None
            for (_, value), (_, found) in zip(_attributes(ours), _attributes(theirs), strict=True):
                if not isinstance(value, Parameter):
                    if value != found:
                        return None
                elif not value.kind.accepts(found) or values.setdefault(value, found) != found:
                    return None
        return FlowEntry(self, tuple(values[parameter] for parameter in self.parameters))


class FlowEntry(NamedTuple):
    """A flow entry: a rule, and values in the order of its parameters."""

    rule: Rule
    values: tuple[Bound, ...] = ()

    @property
    def match(self) -> Match:
        return self._bound(self.rule.match)

    @property
    def actions(self) -> tuple[Action, ...]:
        return tuple(self._bound(action) for action in self.rule.actions)

    @property
    def key(self) -> tuple[Table, int, Match]:
        """The identity of an entry for a switch: an ADD with an equal key replaces."""
        return self.rule.table, self.rule.priority, self.match

    @property
    def named_values(self) -> dict[str, Bound]:
        """The values by the names of their parameters."""
        return {parameter.name: value for parameter, value in zip(self.rule.parameters, self.values, strict=True)}

    @property
    def home_prefix(self) -> IPv6Network | None:
        """The home network prefix that this entry is for."""
        for parameter, value in zip(self.rule.parameters, self.values, strict=True):
            if parameter.kind is Kind.HOME_PREFIX:
                assert isinstance(value, IPv6Network)
                return value
        return None

    def _bound(self, part: T) -> T:
        """Fill the parameters of a match or an action with values."""
        values: dict[object, Bound] = dict(zip(self.rule.parameters, self.values, strict=True))
        open_: dict[str, Any] = {name: values[value] for name, value in _attributes(part) if value in values}
        return replace(part, **open_) if open_ else part  # type: ignore[type-var]


class GroupKind(Enum):
    """A group's way of choosing among its buckets (OpenFlow 1.3, section 5.6.1)."""

    INDIRECT = "indirect"  # the only one
    SELECT = "select"  # by a hash of the packet's flow
    FAST_FAILOVER = "fast failover"  # the first that is alive


@dataclass(frozen=True)
class Bucket:
    """A group's action on a packet; ``watch`` is the port that must be alive for that, if any."""

    action: Action
    watch: int | None = None


@dataclass(frozen=True)
class Group:
    """A group and its buckets; without buckets it drops."""

    group: int
    kind: GroupKind
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, eq=False)
class Pipeline:
    """The tables of a kind of node, and the rules declared for them, in the order of declaration."""

    name: str
    tables: tuple[Table, ...]
    rules: list[Rule] = field(default_factory=list)

    def rule(
        self,
        text: str,
        table: Table,
        priority: int,
        owner: Owner,
        match: Match,
        actions: tuple[Action, ...] = (),
        goto: Table | None = None,
        hard_timeout: int = 0,
    ) -> Rule:
        """Declare a rule; ``text`` says what it is for."""
        if table not in self.tables:
            raise PipelineError(f"the {self.name} has no table {table}")
        made = Rule(table, priority, owner, match, actions, goto, text, hard_timeout)
        self.rules.append(made)
        return made


def _attributes(part: Any) -> Iterator[tuple[str, object]]:
    for attribute in fields(part):
        yield attribute.name, getattr(part, attribute.name)


def _parameters(parts: tuple[Match | Action, ...]) -> Iterator[Parameter]:
    for part in parts:
        for _, value in _attributes(part):
            if isinstance(value, Parameter):
                yield value


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "nothing"
