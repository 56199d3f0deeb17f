"""Flow-mods of one rule as prepared octets with holes: a handoff only fills them, in half a microsecond.

Ryu's encoding makes the template: Ryu serialises the message of the rule with the lowest and with the highest value of
each parameter, and the octets where the two differ are its hole. So there is no second encoder, and declaring a rule is
enough to have its template. The octets are a ``bytes`` format (``%(name)b`` for each hole), which Python fills fastest.
For many copies at once, :class:`ManyFiller` fills hole by hole. The result equals
:func:`~ryu_pmipls.controller.switches.encoding.add_flow` and ``delete_flow``, octet by octet
(``tests/unit/switches/test_template.py``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Network
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from ryu_pmipls.controller.switches import encoding as encode
from ryu_pmipls.controller.switches.flow import FlowEntry, PipelineError, Rule
from ryu_pmipls.controller.switches.parameter import Bound, Kind
from ryu_pmipls.wire import ROUTE_PREFIX_LENGTH

#: Rows of octets.
Octets = npt.NDArray[np.uint8]

#: Octets of the holes ``xid`` and ``cookie`` in every template.
_XID = range(4, 8)
_COOKIE = range(8, 16)
#: Tokens of a format that are not literals.
_TOKEN = re.compile(rb"%(?:%|\((\w+)\)b)")

_ENDS: dict[Kind, tuple[Bound, Bound]] = {
    Kind.PORT: (0, 2**32 - 1),
    Kind.GROUP: (0, 2**32 - 1),
    Kind.NUMBER: (0, 2**32 - 1),
    Kind.LINK_LAYER_ADDRESS: (bytes(6), b"\xff" * 6),
    Kind.HOME_PREFIX: (
        IPv6Network((0, ROUTE_PREFIX_LENGTH)),
        IPv6Network(((2**ROUTE_PREFIX_LENGTH - 1) << 128 - ROUTE_PREFIX_LENGTH, ROUTE_PREFIX_LENGTH)),
    ),
}


def octets_of(value: Bound) -> bytes:
    """Encode a value for the hole of its parameter: a number in four octets, a home network prefix in eight."""
    if isinstance(value, int):
        return value.to_bytes(4, "big")
    if isinstance(value, bytes):
        return value
    assert isinstance(value, IPv6Network)  # parameters of bindings are no others
    return value.network_address.packed[: ROUTE_PREFIX_LENGTH // 8]


@dataclass(frozen=True)
class Template:
    """Flow-mods with holes: ``octets % values`` fills them, with a mapping of their names (bytes) to octets.

    The holes are ``xid`` (four octets), ``cookie`` (eight octets; only in an OFPFC_ADD), and the parameters of the
    rule, whose values :func:`octets_of` gives.
    """

    octets: bytes
    holes: frozenset[str]

    def bind(self, **values: Bound) -> Template:
        """Give values to parameters, by name; return the template with the remaining holes."""
        filled = {name.encode(): _literal(octets_of(value)) for name, value in values.items()}
        left = self.holes - values.keys()
        octets = self.octets.replace(b"%%", b"%%%%")  # the result must be a format again
        return Template(octets % (filled | {name.encode(): _hole(name) for name in left}), left)


class Filler:
    """Fills the holes of a format by position: ``names`` lists the holes in the order of the values.

    This needs a third of the time that a mapping needs.
    """

    def __init__(self, octets: bytes, names: Sequence[str]) -> None:
        literals: list[bytes] = []
        order: list[int] = []
        for literal, name in _parts(octets):
            order.append(len(names) + len(literals))
            literals.append(literal)
            if name is not None:
                order.append(names.index(name))
        self._literals = tuple(literals)
        self._arranged = itemgetter(*order) if len(order) > 1 else itemgetter(slice(len(names), None))

    def __call__(self, values: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Return the octets, in pieces."""
        pieces: tuple[bytes, ...] = self._arranged(values + self._literals)
        return pieces


class ManyFiller:
    """Fills the holes of a format many times at once, each hole in all copies before the next.

    ``widths`` maps the name of each hole to its number of octets.
    """

    def __init__(self, octets: bytes, widths: Mapping[str, int]) -> None:
        #: Names of the holes in the format, each with its places.
        self.holes: dict[str, list[slice]] = {}
        blank = b""
        for literal, name in _parts(octets):
            blank += literal
            if name is not None:
                self.holes.setdefault(name, []).append(slice(len(blank), len(blank) + widths[name]))
                blank += bytes(widths[name])
        self._blank = np.frombuffer(blank, np.uint8)

    def __call__(self, count: int, columns: Mapping[str, Octets]) -> bytes:
        """Return ``count`` copies; a column has one row per copy, with the octets for the hole in that copy."""
        filled = np.empty((count, len(self._blank)), np.uint8)
        filled[:] = self._blank
        for name, places in self.holes.items():
            for place in places:
                filled[:, place] = columns[name]
        return filled.tobytes()


def add_template(rule: Rule) -> Template:
    """OFPFC_ADD of a rule."""
    return _template(rule, lambda entry: encode.add_flow(entry, 0), {_XID: "xid", _COOKIE: "cookie"})


def delete_template(rule: Rule) -> Template:
    """OFPFC_DELETE_STRICT of a rule, if its cookie is ours; the holes are ``xid`` and the parameters of the match."""
    return _template(rule, encode.delete_flow, {_XID: "xid"})


def _template(rule: Rule, message: Callable[[FlowEntry], Any], fixed: dict[range, str]) -> Template:
    for parameter in rule.parameters:
        if parameter.kind not in _ENDS:
            raise PipelineError(f"{parameter.name}: a {parameter.kind.value} has no fixed place in a template")
    lowest = {parameter.name: _ENDS[parameter.kind][0] for parameter in rule.parameters}
    base = encode.octets(message(rule.entry(**lowest)), 0)
    holes = [*fixed.items()]
    for parameter in rule.parameters:
        highest = _ENDS[parameter.kind][1]
        other = encode.octets(message(rule.entry(**(lowest | {parameter.name: highest}))), 0)
        for place in _differences(base, other):
            if len(place) != len(octets_of(highest)):
                raise PipelineError(f"{parameter.name} has no octets to itself in the message")
            holes.append((place, parameter.name))
    octets, position = b"", 0
    for place, name in sorted(holes, key=lambda hole: hole[0].start):
        octets += _literal(base[position : place.start]) + _hole(name)
        position = place.stop
    return Template(octets + _literal(base[position:]), frozenset(name for _, name in holes))


def _differences(one: bytes, other: bytes) -> Iterator[range]:
    """Find the runs of octets behind the cookie in which two messages of equal length differ."""
    begin = None
    for place in range(_COOKIE.stop, len(one) + 1):
        differs = place < len(one) and one[place] != other[place]
        if differs and begin is None:
            begin = place
        elif not differs and begin is not None:
            yield range(begin, place)
            begin = None


def _parts(octets: bytes) -> Iterator[tuple[bytes, str | None]]:
    """Split a format into its literals, each with the name of the hole behind it; None behind the last."""
    literal, position = b"", 0
    for token in _TOKEN.finditer(octets):
        literal += octets[position : token.start()]
        position = token.end()
        if token[1] is None:
            literal += b"%"
        else:
            yield literal, token[1].decode()
            literal = b""
    yield literal + octets[position:], None


def _literal(octets: bytes) -> bytes:
    """Escape octets so that filling a format leaves them as they are."""
    return octets.replace(b"%", b"%%")


def _hole(name: str) -> bytes:
    return b"%%(%b)b" % name.encode()
