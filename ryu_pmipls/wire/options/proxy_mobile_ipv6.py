"""Options of Proxy Mobile IPv6, its heartbeats and its GRE keys (RFC 5213, RFC 5847, RFC 5845)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network

from ryu_pmipls.wire.codepoints import AccessTechnology, HandoffType
from ryu_pmipls.wire.fields import Ipv6, Number, Octets, OptionalNumber, Reserved, Time
from ryu_pmipls.wire.layout import Layout
from ryu_pmipls.wire.options.option import Option, OptionDescription


@dataclass(frozen=True, slots=True)
class HomeNetworkPrefix(Option):
    """A home network prefix; ``::`` asks the LMA for one."""

    prefix: IPv6Address
    length: int

    description = OptionDescription(
        number=22,
        title="Home Network Prefix",
        source="RFC 5213, section 8.3",
        alignment=(8, 4),
        layout=Layout(
            Reserved(1),
            Number(name="length", octets=1, maximum=128, text="prefix length in bits"),
            Ipv6(name="prefix", text="`::` asks for one"),
        ),
    )

    @property
    def network(self) -> IPv6Network:
        """The prefix as a network; bits beyond its length are ignored."""
        return IPv6Network((self.prefix, self.length), strict=False)


@dataclass(frozen=True, slots=True)
class HandoffIndicator(Option):
    """Cause of the registration, such as a handoff (``HandoffType``)."""

    value: int

    description = OptionDescription(
        number=23,
        title="Handoff Indicator",
        source="RFC 5213, section 8.4",
        layout=Layout(Reserved(1), Number(name="value", octets=1, values=HandoffType)),
    )


@dataclass(frozen=True, slots=True)
class AccessTechnologyType(Option):
    """Kind of link over which the mobile node is attached (``AccessTechnology``)."""

    value: int

    description = OptionDescription(
        number=24,
        title="Access Technology Type",
        source="RFC 5213, section 8.5",
        layout=Layout(Reserved(1), Number(name="value", octets=1, values=AccessTechnology)),
    )


@dataclass(frozen=True, slots=True)
class MobileNodeLinkLayerIdentifier(Option):
    """The mobile node's link-layer identifier, as in the link-layer options of neighbour discovery."""

    identifier: bytes

    description = OptionDescription(
        number=25,
        title="Mobile Node Link-layer Identifier",
        source="RFC 5213, section 8.6",
        alignment=(4, 0),
        alignment_by_length={10: (8, 4)},  # an EUI-64 goes on its natural boundary
        layout=Layout(Reserved(2), Octets(name="identifier")),
    )


@dataclass(frozen=True, slots=True)
class LinkLocalAddress(Option):
    """The MAG's link-local address on the link to the mobile node; ``::`` asks the LMA for one."""

    address: IPv6Address

    description = OptionDescription(
        number=26,
        title="Link-local Address",
        source="RFC 5213, section 8.7",
        alignment=(8, 6),
        layout=Layout(Ipv6(name="address")),
    )


@dataclass(frozen=True, slots=True)
class Timestamp(Option):
    """Sending time of the message: 1/65536 s since the start of 1970, UTC (not the format of NTP)."""

    ticks: int

    description = OptionDescription(
        number=27,
        title="Timestamp",
        source="RFC 5213, section 8.8",
        alignment=(8, 2),
        layout=Layout(Time(name="ticks", text="1/65536 s since the start of 1970, UTC")),
    )

    @property
    def seconds(self) -> float:
        """Seconds since the start of 1970."""
        return self.ticks / 65536

    @classmethod
    def of(cls, seconds: float) -> Timestamp:
        """The timestamp of a time in seconds since the start of 1970, rounded down."""
        return cls(int(seconds * 65536))


@dataclass(frozen=True, slots=True)
class RestartCounter(Option):
    """Number of times that the sender has lost its sessions; in Heartbeat responses only."""

    counter: int

    description = OptionDescription(
        number=28,
        title="Restart Counter",
        source="RFC 5847, section 3.4",
        alignment=(4, 2),
        layout=Layout(Number(name="counter", octets=4)),
    )


@dataclass(frozen=True, slots=True)
class GreKey(Option):
    """The GRE key for traffic towards the sender; ``None`` asks for GRE without a key."""

    key: int | None

    description = OptionDescription(
        number=33,
        title="GRE Key",
        source="RFC 5845, section 6.1",
        alignment=(4, 0),
        layout=Layout(Reserved(2), OptionalNumber(name="key")),
    )
