"""Mobility options: what each holds, and the one description of its octets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import ClassVar, TypeVar

from ryu_pmipls.wire.codepoints import (
    AccessTechnology,
    DhcpSupportFlag,
    Encapsulation,
    Handoff,
    IdentifierSubtype,
    Ipv4HomeAddressStatus,
    RedirectFlag,
    TunnelStatusCode,
)
from ryu_pmipls.wire.errors import WireError
from ryu_pmipls.wire.layout import (
    EitherAddress,
    Flags,
    Ipv4,
    Ipv6,
    Layout,
    LinkLayer,
    Number,
    Octets,
    OptionalNumber,
    Reserved,
    Text,
    Time,
)

#: Types of the padding options: Pad1 is a single octet, PadN has a Length (RFC 6275, sections 6.2.2 and 6.2.3).
PAD_1 = 0
PAD_N = 1


@dataclass(frozen=True)
class OptionDescription:
    """A mobility option: number, name, where it is defined, and its octets after Type and Length.

    ``alignment`` (x, y) means that Type is sent at a multiple of x, plus y, from the start of the Mobility Header;
    ``alignment_by_length`` has exceptions for some values of Length. On receipt any offset is accepted.
    An option of our own has no ``number``: it is the sub-type ``subtype`` of the vendor-specific option.
    """

    title: str
    source: str
    layout: Layout
    number: int | None = None
    subtype: int | None = None
    alignment: tuple[int, int] = (1, 0)
    alignment_by_length: Mapping[int, tuple[int, int]] = field(default_factory=dict)


class Option:
    """What all mobility options have in common."""

    __slots__ = ()

    description: ClassVar[OptionDescription]


OptionType = TypeVar("OptionType", bound=Option)


class HasOptions:
    """A message with options."""

    __slots__ = ()

    options: tuple[Option, ...]

    def option(self, kind: type[OptionType]) -> OptionType | None:
        """The first option of that type, or ``None``."""
        for option in self.options:
            if isinstance(option, kind):
                return option
        return None

    def all(self, kind: type[OptionType]) -> tuple[OptionType, ...]:
        """The options of that type, in the order of the message."""
        return tuple(option for option in self.options if isinstance(option, kind))


@dataclass(frozen=True, slots=True)
class UnknownOption(Option):
    """An option of a type that is not spoken here: kept, so that it can be shown, and to be ignored otherwise.

    It is sent as it is, unaligned; ``type`` is 2..255.
    """

    type: int
    data: bytes


@dataclass(frozen=True, slots=True)
class AlternateCareOfAddress(Option):
    """The care-of address to be used instead of the source address."""

    address: IPv6Address

    description = OptionDescription(
        number=3,
        title="Alternate Care-of Address",
        source="RFC 6275, section 6.2.5",
        alignment=(8, 6),
        layout=Layout(Ipv6(name="address")),
    )


@dataclass(frozen=True, slots=True)
class MobileNodeIdentifier(Option):
    """Who the mobile node is; by default a network access identifier such as ``mn1@example.net``."""

    identifier: bytes
    subtype: int = IdentifierSubtype.NAI

    description = OptionDescription(
        number=8,
        title="Mobile Node Identifier",
        source="RFC 4283, section 3",
        layout=Layout(Number(name="subtype", octets=1, values=IdentifierSubtype), Text(name="identifier")),
    )


@dataclass(frozen=True, slots=True)
class Authentication(Option):
    """A message authentication code over what precedes it, so it comes last. Sub-type 1: MN-HA."""

    spi: int
    authenticator: bytes
    subtype: int = 1

    description = OptionDescription(
        number=9,
        title="Mobility Message Authentication",
        source="RFC 4285, section 5",
        alignment=(4, 1),
        layout=Layout(
            Number(name="subtype", octets=1, text="1 MN-HA, 2 MN-AAA"),
            Number(name="spi", octets=4, text="security parameter index"),
            Octets(name="authenticator"),
        ),
    )


@dataclass(frozen=True, slots=True)
class ReplayProtection(Option):
    """When an authenticated message was sent: 1/2**32 s since the start of 1900, modulo 2**64 (the format of NTP)."""

    timestamp: int

    description = OptionDescription(
        number=10,
        title="Mobility Message Replay Protection",
        source="RFC 4285, section 6",
        alignment=(8, 2),
        layout=Layout(Number(name="timestamp", octets=8, text="1/2**32 s since the start of 1900, as in NTP")),
    )


@dataclass(frozen=True, slots=True)
class VendorSpecific(Option):
    """An option of a vendor (its enterprise number) that is not one of ours, or not known."""

    vendor: int
    subtype: int
    data: bytes

    description = OptionDescription(
        number=19,
        title="Vendor Specific",
        source="RFC 5094, section 3",
        alignment=(4, 2),
        layout=Layout(
            Number(name="vendor", octets=4, text="IANA enterprise number"),
            Number(name="subtype", octets=1, text="chosen by the vendor"),
            Octets(name="data"),
        ),
    )


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
    """Whether the registration is due to a handoff (``Handoff``)."""

    value: int

    description = OptionDescription(
        number=23,
        title="Handoff Indicator",
        source="RFC 5213, section 8.4",
        layout=Layout(Reserved(1), Number(name="value", octets=1, values=Handoff)),
    )


@dataclass(frozen=True, slots=True)
class AccessTechnologyType(Option):
    """Over which kind of link the mobile node is attached (``AccessTechnology``)."""

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
    """When the message was sent: 1/65536 s since the start of 1970, UTC (not the format of NTP)."""

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
    """How often the sender has lost its sessions; in Heartbeat responses only."""

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


@dataclass(frozen=True, slots=True)
class Ipv4HomeAddressRequest(Option):
    """The IPv4 home address that is asked for; 0.0.0.0 asks the LMA for one."""

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
    """Whether the MAG is the mobile node's DHCP server (flag S) or a relay."""

    flags: DhcpSupportFlag

    description = OptionDescription(
        number=39,
        title="IPv4 DHCP Support Mode",
        source="RFC 5844, section 3.3.4",
        layout=Layout(Flags(name="flags", octets=2, values=DhcpSupportFlag)),
    )


@dataclass(frozen=True, slots=True)
class RedirectCapability(Option):
    """In a PBU: the MAG can be redirected to another LMA."""

    description = OptionDescription(
        number=46,
        title="Redirect-Capability",
        source="RFC 6463, section 4.1",
        alignment=(4, 0),
        layout=Layout(Reserved(2)),
    )


@dataclass(frozen=True, slots=True)
class Redirect(Option):
    """In a PBA: the LMA that holds the session. ``ValueError`` when ``flags`` name the other address family."""

    flags: RedirectFlag
    address: IPv6Address | IPv4Address

    description = OptionDescription(
        number=47,
        title="Redirect",
        source="RFC 6463, section 4.2",
        alignment=(4, 0),
        layout=Layout(Flags(name="flags", octets=2, values=RedirectFlag), EitherAddress(name="address")),
    )

    def __post_init__(self) -> None:
        if self.flags != (RedirectFlag.K if self.address.version == 6 else RedirectFlag.N):
            raise ValueError("flags and length of the address disagree")


@dataclass(frozen=True, slots=True)
class LoadInformation(Option):
    """An LMA's load as RFC 6463 has it; not to be confused with the draft's ``LoadInfo`` message."""

    priority: int
    sessions: int
    maximum_sessions: int
    used_capacity: int
    maximum_capacity: int

    description = OptionDescription(
        number=48,
        title="Load Information",
        source="RFC 6463, section 4.3",
        alignment=(4, 0),
        layout=Layout(
            Number(name="priority", octets=2, text="the lower, the better"),
            Number(name="sessions", octets=4, text="in use"),
            Number(name="maximum_sessions", octets=4),
            Number(name="used_capacity", octets=4, text="kB/s"),
            Number(name="maximum_capacity", octets=4, text="kB/s"),
        ),
    )


@dataclass(frozen=True, slots=True)
class AlternateIpv4CareOfAddress(Option):
    """The IPv4 care-of address to be used with the LMA that a MAG was redirected to."""

    address: IPv4Address

    description = OptionDescription(
        number=49,
        title="Alternate IPv4 Care-of Address",
        source="RFC 6463, section 4.4",
        alignment=(4, 2),
        layout=Layout(Ipv4(name="address")),
    )


@dataclass(frozen=True, slots=True)
class Attachment(Option):
    """In Route_adjust: the OpenFlow port of the mobile node at its MAG, and the LMA that anchors it."""

    port: int
    anchor: IPv6Address

    description = OptionDescription(
        subtype=1,
        title="Attachment",
        source="docs/architecture.md",
        layout=Layout(
            Number(name="port", octets=4, text="OpenFlow port at the new MAG"),
            Ipv6(name="anchor", text="LMA that holds the binding"),
        ),
    )


@dataclass(frozen=True, slots=True)
class CoreGateway(Option):
    """In Load_info: the link-layer address to which an LMA sends what leaves the domain."""

    link_layer_address: bytes

    description = OptionDescription(
        subtype=2,
        title="Core Gateway",
        source="docs/architecture.md",
        layout=Layout(LinkLayer(name="link_layer_address")),
    )


@dataclass(frozen=True, slots=True)
class LoadInfoPart(Option):
    """In Load_info: this is part ``index`` (from 0) of ``count`` of the report on ``window`` (erratum E5).

    ``ValueError`` unless ``index`` is less than ``count``.
    """

    window: int
    index: int
    count: int

    description = OptionDescription(
        subtype=3,
        title="Load Info Part",
        source="erratum E5",
        layout=Layout(
            Number(name="window", octets=4, text="number of the measuring window"),
            Number(name="index", octets=1, text="from 0"),
            Number(name="count", octets=1, text="parts of the report"),
        ),
    )

    def __post_init__(self) -> None:
        if not self.index < self.count:
            raise ValueError(f"part {self.index} of {self.count} does not exist, counted from 0")


@dataclass(frozen=True, slots=True)
class TunnelStatus(Option):
    """In Tnl_ack: whether the LMA accepts the tunnel, and how it encapsulates (erratum E13)."""

    status: int
    encapsulation: int

    description = OptionDescription(
        subtype=4,
        title="Tunnel Status",
        source="erratum E13",
        layout=Layout(
            Number(name="status", octets=1, values=TunnelStatusCode),
            Number(name="encapsulation", octets=1, values=Encapsulation),
        ),
    )


@dataclass(frozen=True, slots=True)
class UplinkShare(Option):
    """In Load_adjust, once for each LMA: how many ``slots`` of all of the MAG's uplink it carries from now on."""

    lma: IPv6Address
    slots: int

    description = OptionDescription(
        subtype=5,
        title="Uplink Share",
        source="erratum E34",
        layout=Layout(
            Ipv6(name="lma", text="LMA that carries it"),
            Number(name="slots", octets=2, text="of as many as all these options name"),
        ),
    )


@dataclass(frozen=True, slots=True)
class Drain(Option):
    """In Load_adjust to an LMA: whether it shall give up all its sessions and take none, on the operator's word."""

    draining: int

    description = OptionDescription(
        subtype=6,
        title="Drain",
        source="docs/architecture.md",
        layout=Layout(Number(name="draining", octets=1, text="1: have no sessions; 0: take them again")),
    )


#: The options that are spoken here, by Type.
OPTIONS: dict[int, type[Option]] = {
    option.description.number: option
    for option in (
        AlternateCareOfAddress,
        MobileNodeIdentifier,
        Authentication,
        ReplayProtection,
        VendorSpecific,
        HomeNetworkPrefix,
        HandoffIndicator,
        AccessTechnologyType,
        MobileNodeLinkLayerIdentifier,
        LinkLocalAddress,
        Timestamp,
        RestartCounter,
        GreKey,
        Ipv4HomeAddressRequest,
        Ipv4HomeAddressReply,
        Ipv4DefaultRouterAddress,
        Ipv4DhcpSupportMode,
        RedirectCapability,
        Redirect,
        LoadInformation,
        AlternateIpv4CareOfAddress,
    )
    if option.description.number is not None
}

#: Our own vendor-specific options, by sub-type.
OWN_OPTIONS: dict[int, type[Option]] = {
    option.description.subtype: option
    for option in (Attachment, CoreGateway, LoadInfoPart, TunnelStatus, UplinkShare, Drain)
    if option.description.subtype is not None
}


def parse_fields(kind: type[OptionType], data: bytes, start: int, stop: int) -> OptionType:
    """The option of one kind from its octets after Type and Length; ``WireError`` when they do not fit."""
    description = kind.description
    layout = description.layout
    if stop - start not in layout.lengths:
        raise WireError(
            "option-length", f"{description.title} option has {stop - start} octets, not {layout.lengths_text}"
        )
    try:
        return layout.parse(kind, data, start, stop)
    except ValueError as error:
        raise WireError("value", f"{description.title} option: {error}") from None
