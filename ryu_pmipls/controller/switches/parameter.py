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
    SUBNET_ROUTERS = "subnet-router anycast addresses"
    NUMBER = "number"

    def accepts(self, value: object) -> bool:
        """True when ``value`` is of this kind."""
        if self is Kind.LINK_LAYER_ADDRESS:
            return isinstance(value, bytes) and len(value) == 6
        if self is Kind.PREFIX:
            return isinstance(value, IPv6Network)
        if self is Kind.SUBNET_ROUTERS:
            return isinstance(value, SubnetRouters) or (isinstance(value, IPv6Network) and value.prefixlen == 128)
        if self is Kind.HOME_PREFIX:
            return isinstance(value, IPv6Network) and value.prefixlen == ROUTE_PREFIX_LENGTH
        return isinstance(value, int) and 0 <= value < 2**32


@dataclass(frozen=True, eq=False)
class Parameter:
    """An open value of a rule; ``text`` says what it stands for."""

    name: str
    kind: Kind
    text: str


@dataclass(frozen=True)
class SubnetRouters:
    """The subnet-router anycast addresses of all home network prefixes of ``pool`` (RFC 4291, section 2.6.1)."""

    pool: IPv6Network

    def __str__(self) -> str:
        return f"subnet-router anycast addresses of {self.pool}"


def subnet_routers(pool: IPv6Network) -> SubnetRouters | IPv6Network:
    """The subnet-router anycast addresses of a pool; a single address when it has one prefix."""
    alone = pool.prefixlen == ROUTE_PREFIX_LENGTH
    return IPv6Network((pool.network_address, 128)) if alone else SubnetRouters(pool)


Bound = int | bytes | IPv6Network | SubnetRouters
Port = int | Parameter
LinkLayer = bytes | Parameter
Prefix = IPv6Network | SubnetRouters | Parameter
Number = int | Parameter


def shown(value: object) -> str:
    """A value or a parameter of a rule, as ``docs/pipeline.md`` shows it."""
    if isinstance(value, Parameter):
        return f"*{value.name}*"
    if isinstance(value, bytes):
        return value.hex("-").upper()
    return {LOCAL: "LOCAL", IN_PORT: "the input port"}.get(value, str(value)) if isinstance(value, int) else str(value)
