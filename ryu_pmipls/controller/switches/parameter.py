"""Parameters of rules: the values that differ between the flow entries of one rule."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Network

from ryu_pmipls.wire import ROUTE_PREFIX_LENGTH

#: The port of the bridge's own interface (OFPP_LOCAL).
LOCAL = 0xFFFFFFFE
#: The port by which the packet came in (OFPP_IN_PORT).
IN_PORT = 0xFFFFFFF8


class Kind(Enum):
    """The values that a parameter takes."""

    PORT = "OpenFlow port"
    GROUP = "group"
    LINK_LAYER_ADDRESS = "link-layer address"  # six octets
    HOME_PREFIX = f"home network prefix, a /{ROUTE_PREFIX_LENGTH}"
    PREFIX = "prefix"
    NUMBER = "number"

    def accepts(self, value: object) -> bool:
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
Number = int | Parameter


def shown(value: object) -> str:
    """A value or a parameter of a rule, as ``docs/pipeline.md`` shows it."""
    if isinstance(value, Parameter):
        return f"*{value.name}*"
    if isinstance(value, bytes):
        return value.hex("-").upper()
    return {LOCAL: "LOCAL", IN_PORT: "the input port"}.get(value, str(value)) if isinstance(value, int) else str(value)
