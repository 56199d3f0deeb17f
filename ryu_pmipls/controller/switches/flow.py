"""The vocabulary of pipelines: tables and their restrictions, rules with parameters, flow entries, groups.

A *rule* is declared once, as data, with parameters for what differs between its flow entries; a *flow entry* is a rule
with values. This module knows neither Ryu nor a connection. Entries that a table does not allow cannot be built: a rule
is checked when it is declared, its values when an entry is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from enum import Enum, IntEnum
from functools import cached_property
from ipaddress import IPv6Network
from typing import Any, NamedTuple, TypeVar

from ryu_pmipls.wire import ROUTE_PREFIX_LENGTH

#: The port of the bridge's own interface (OFPP_LOCAL).
LOCAL = 0xFFFFFFFE

T = TypeVar("T")


class PipelineError(ValueError):
    """A rule that its table does not allow, or a value that its parameter cannot take."""


class Kind(Enum):
    """The values that a parameter takes."""

    PORT = "OpenFlow port"
    GROUP = "group"
    LINK_LAYER_ADDRESS = "link-layer address"  # six octets
    HOME_PREFIX = f"home network prefix, a /{ROUTE_PREFIX_LENGTH}"
    PREFIX = "prefix"
    NUMBER = "number"

    def takes(self, value: object) -> bool:
        """True when ``value`` is of this kind."""
        if self is Kind.LINK_LAYER_ADDRESS:
            return isinstance(value, bytes) and len(value) == 6
        if self is Kind.PREFIX:
            return isinstance(value, IPv6Network)
        if self is Kind.HOME_PREFIX:
            return isinstance(value, IPv6Network) and value.prefixlen == ROUTE_PREFIX_LENGTH
        return isinstance(value, int) and 0 <= value < 2**32


@dataclass(frozen=True, eq=False)
class Parameter:
    """An open value of a rule; ``text`` says what it stands for."""

    name: str
    kind: Kind
    text: str


Bound = int | bytes | IPv6Network
Port = int | Parameter
LinkLayer = bytes | Parameter
Prefix = IPv6Network | Parameter


class Owner(IntEnum):
    """The owner of a flow entry; part of its cookie."""

    BASE = 1  # the node itself: present as long as the node
    BINDING = 2  # one mobility binding


@dataclass(frozen=True)
class Match:
    """The match of a rule; ``None`` is a wildcard. A rule with any IPv6 field matches IPv6 only."""

    in_port: Port | None = None
    eth_src: LinkLayer | None = None
    ipv6_src: Prefix | None = None
    ipv6_dst: Prefix | None = None
    icmpv6_type: int | Parameter | None = None
    hop_limit: int | Parameter | None = None
    too_large: bool = False  # as a NoteSize has noted
    ipv6: bool = False

    @property
    def fields(self) -> frozenset[str]:
        """The names of the fields that are not wildcards."""
        return frozenset(
            part.name for part in fields(self) if not any(getattr(self, part.name) is no for no in (None, False))
        )


@dataclass(frozen=True)
class SetLinkLayer:
    """Write both link-layer addresses (a packet from a layer 3 tunnel has none)."""

    source: LinkLayer
    destination: LinkLayer


@dataclass(frozen=True)
class NoteSize:
    """Mark a packet larger than ``mtu`` octets, for later tables to match (a Nicira extension)."""

    mtu: int | Parameter


@dataclass(frozen=True)
class DecrementHopLimit:
    """Decrement the hop limit; a packet whose hop limit is used up is dropped."""


@dataclass(frozen=True)
class ForgetInPort:
    """Let the packet leave by the port it came in by, which OpenFlow forbids otherwise (a Nicira extension)."""


@dataclass(frozen=True)
class Output:
    port: Port


@dataclass(frozen=True)
class ToGroup:
    group: int | Parameter


Action = SetLinkLayer | NoteSize | DecrementHopLimit | ForgetInPort | Output | ToGroup


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
            if not parameter.kind.takes(values[parameter.name]):
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
                elif not value.kind.takes(found) or values.setdefault(value, found) != found:
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

    action: Output | ToGroup
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
