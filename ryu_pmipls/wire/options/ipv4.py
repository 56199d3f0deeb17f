"""Options for IPv4 in Proxy Mobile IPv6 (RFC 5844)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from ryu_pmipls.wire.codepoints import DhcpSupportFlag, Ipv4HomeAddressStatus
from ryu_pmipls.wire.fields import Flags, Ipv4, Number, Reserved
from ryu_pmipls.wire.layout import Layout
from ryu_pmipls.wire.options.option import Option, OptionDescription


@dataclass(frozen=True, slots=True)
class Ipv4HomeAddressRequest(Option):
    """The requested IPv4 home address; 0.0.0.0 asks the LMA for one."""

    prefix_length: int
    address: IPv4Address

    description = OptionDescription(
        number=36,
        title="IPv4 Home Address Request",
        source="RFC 5844, section 3.3.1",
        alignment=(4, 0),
        layout=Layout(
            Number(name="prefix_length", octets=2, shift=10, maximum=32, text="the upper 6 bits, in bits"),
            Ipv4(name="address", text="0.0.0.0 asks for one"),
        ),
    )


@dataclass(frozen=True, slots=True)
class Ipv4HomeAddressReply(Option):
    """The answer to an IPv4 Home Address Request."""

    status: int
    prefix_length: int
    address: IPv4Address

    description = OptionDescription(
        number=37,
        title="IPv4 Home Address Reply",
        source="RFC 5844, section 3.3.2",
        alignment=(4, 0),
        layout=Layout(
            Number(name="status", octets=1, values=Ipv4HomeAddressStatus),
            Number(name="prefix_length", octets=1, shift=2, maximum=32, text="the upper 6 bits, in bits"),
            Ipv4(name="address"),
        ),
    )


@dataclass(frozen=True, slots=True)
class Ipv4DefaultRouterAddress(Option):
    """The mobile node's IPv4 default router."""

    address: IPv4Address

    description = OptionDescription(
        number=38,
        title="IPv4 Default-Router Address",
        source="RFC 5844, section 3.3.3",
        alignment=(4, 0),
        layout=Layout(Reserved(2), Ipv4(name="address")),
    )


@dataclass(frozen=True, slots=True)
class Ipv4DhcpSupportMode(Option):
    """Role of the MAG for the mobile node: DHCP server (flag S) or relay."""

    flags: DhcpSupportFlag

    description = OptionDescription(
        number=39,
        title="IPv4 DHCP Support Mode",
        source="RFC 5844, section 3.3.4",
        layout=Layout(Flags(name="flags", octets=2, values=DhcpSupportFlag)),
    )
