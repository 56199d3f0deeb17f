"""Fields that flow entries match, each with its name in OpenFlow, prerequisites, encoding and text.

A new field is one line of :class:`Match`: Ryu encodes and decodes it by its OXM name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv6Address, IPv6Network
from typing import Annotated, Any, get_type_hints

from ryu_pmipls.controller.switches.parameter import LinkLayer, Number, Port, Prefix, SubnetRouters, shown
from ryu_pmipls.wire import ROUTE_PREFIX_LENGTH

_IPV6 = 0x86DD
_ICMPV6 = 58
_IPV6_ONLY = {"eth_type": _IPV6}
_ICMPV6_ONLY = _IPV6_ONLY | {"ip_proto": _ICMPV6}
#: A field of Nicira's, which Ryu puts before those of OpenFlow: its prerequisite must come before it, too.
_NICIRA_ETHERTYPE = "eth_type_nxm"


@dataclass(frozen=True)
class Oxm:
    """A field as an OpenFlow extensible match (A.2.3): Ryu's name of it, and what must be matched besides.

    ``encode`` and ``decode`` convert between our value and Ryu's; the latter raises ``ValueError`` for a mask that
    none of ours has. A ``text`` stands for the field in place of name and value.
    """

    name: str
    needs: Mapping[str, int] = field(default_factory=dict)
    encode: Callable[[Any], Any] = lambda value: value
    decode: Callable[[Any], Any] = lambda value: value
    text: str = ""

    def show(self, name: str, value: object) -> str:
        """The match of a field called ``name`` in words."""
        return self.text or f"`{name}` {shown(value)}"


def _link_layer(value: str | tuple[str, str]) -> bytes:
    if isinstance(value, tuple):
        raise ValueError(f"{value[0]} has a mask")
    return bytes.fromhex(value.replace(":", ""))


#: The bits of an address behind its home network prefix.
_INTERFACE = (1 << (128 - ROUTE_PREFIX_LENGTH)) - 1


def _masked(prefix: IPv6Network | SubnetRouters) -> str | tuple[str, str]:
    if isinstance(prefix, SubnetRouters):
        return str(prefix.pool.network_address), str(IPv6Address(int(prefix.pool.netmask) | _INTERFACE))
    if prefix.prefixlen == 128:
        return str(prefix.network_address)
    return str(prefix.network_address), str(prefix.netmask)


def _prefix(value: str | tuple[str, str]) -> IPv6Network | SubnetRouters:
    address, mask = value if isinstance(value, tuple) else (value, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
    bits = int(IPv6Address(mask))
    if bits & _INTERFACE == _INTERFACE and bits.bit_count() < 128:
        return SubnetRouters(_network(address, bits ^ _INTERFACE))
    return _network(address, bits)


def _network(address: str, bits: int) -> IPv6Network:
    length = bits.bit_count()
    if bits != int(IPv6Network((0, length)).netmask):
        raise ValueError(f"{IPv6Address(bits)} is no prefix length")
    return IPv6Network((address, length))


def _flag(name: str, value: int, text: str) -> Oxm:
    """A field that has one value, or is a wildcard."""
    return Oxm(name, {}, lambda flag: value, lambda found: found == value, text)


@dataclass(frozen=True)
class Match:
    """The match of a rule; ``None`` or ``False`` is a wildcard. A rule with any IPv6 field matches IPv6 only."""

    in_port: Annotated[Port | None, Oxm("in_port")] = None
    eth_src: Annotated[LinkLayer | None, Oxm("eth_src", {}, lambda address: address.hex(":"), _link_layer)] = None
    ipv6_src: Annotated[Prefix | None, Oxm("ipv6_src", _IPV6_ONLY, _masked, _prefix)] = None
    ipv6_dst: Annotated[Prefix | None, Oxm("ipv6_dst", _IPV6_ONLY, _masked, _prefix)] = None
    icmpv6_type: Annotated[Number | None, Oxm("icmpv6_type", _ICMPV6_ONLY)] = None
    icmpv6_code: Annotated[Number | None, Oxm("icmpv6_code", _ICMPV6_ONLY)] = None
    nd_target: Annotated[Prefix | None, Oxm("ipv6_nd_target", _ICMPV6_ONLY, _masked, _prefix)] = None
    # The address in the source link-layer address option of a neighbour solicitation; zeros when there is none.
    nd_source: Annotated[
        LinkLayer | None, Oxm("ipv6_nd_sll", _ICMPV6_ONLY, lambda address: address.hex(":"), _link_layer)
    ] = None
    hop_limit: Annotated[Number | None, Oxm("nw_ttl", {_NICIRA_ETHERTYPE: _IPV6})] = None
    too_large: Annotated[bool, _flag("reg0", 1, "too large")] = False  # as a CheckPacketLarger has found
    ipv6: Annotated[bool, _flag("eth_type", _IPV6, "IPv6")] = False  # False beside fields that need it

    @property
    def fields(self) -> frozenset[str]:
        """The names of the fields that are not wildcards."""
        return frozenset(part.name for part in fields(self) if not _is_wildcard(getattr(self, part.name)))

    def encode(self) -> dict[str, Any]:
        """The match by Ryu's names of fields, prerequisites included."""
        found: dict[str, Any] = {}
        for name, oxm in _OXM.items():
            value = getattr(self, name)
            if not _is_wildcard(value):
                found |= {**oxm.needs, oxm.name: oxm.encode(value)}
        if _NICIRA_ETHERTYPE in found:
            found.pop("eth_type", None)
        return found

    @classmethod
    def decode(cls, match: Any) -> Match:
        """Decode an ``OFPMatch``; ``ValueError`` for a mask that none of ours has."""
        theirs = dict(match.items())
        found = {name: oxm.decode(theirs[oxm.name]) for name, oxm in _OXM.items() if oxm.name in theirs}
        if any(not _is_wildcard(value) and _OXM[name].needs for name, value in found.items()):
            found["ipv6"] = False  # it goes without saying
        return cls(**found)

    def __str__(self) -> str:
        parts = [_OXM[name].show(name, getattr(self, name)) for name in _OXM if name in self.fields]
        return ", ".join(parts) or "anything"


#: The fields by their names in :class:`Match`.
_OXM: dict[str, Oxm] = {name: hint.__metadata__[0] for name, hint in get_type_hints(Match, include_extras=True).items()}


def _is_wildcard(value: object) -> bool:
    return value is None or value is False
