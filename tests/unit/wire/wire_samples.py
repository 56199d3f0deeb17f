"""Addresses, golden vectors and strategies for the tests of wire/."""

from __future__ import annotations

from dataclasses import replace
from enum import IntFlag
from functools import cache, partial
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from hypothesis import strategies as st

from ryu_pmipls import wire
from ryu_pmipls.wire.checksum import checksum
from ryu_pmipls.wire.fields import Flags, Number, Reserved

MAG = IPv6Address("2001:db8:0:1::2")
LMA = IPv6Address("2001:db8::2")
OTHER_LMA = IPv6Address("2001:db8::3")
RMS = IPv6Address("2001:db8::99")
PREFIX = IPv6Address("2001:db8:100::")
NONE = IPv6Address("::")

REGISTRATION = (
    wire.MobileNodeIdentifier(b"mn1@example.net"),
    wire.HomeNetworkPrefix(PREFIX, 64),
    wire.HandoffIndicator(wire.HandoffType.NEW_INTERFACE),
    wire.AccessTechnologyType(wire.AccessTechnology.IEEE_802_11),
    wire.Timestamp.of(1700000000.5),
    wire.MobileNodeLinkLayerIdentifier(bytes.fromhex("020000000001")),
)

#: name -> message, source, destination, Mobility Header; computed independently of this package.
GOLDEN: dict[str, tuple[wire.Message, IPv6Address, IPv6Address, str]] = {
    "PBU": (
        wire.BindingUpdate(7, 900, options=REGISTRATION),
        MAG,
        LMA,
        "3b0a0500bc670007820003840810016d6e31406578616d706c652e6e6574010400000000"
        "1612004020010db8010000000000000000000000170200011802000401001b0800006553f10080001908"
        "00000200000000010100",
    ),
    "PBA": (
        wire.BindingAcknowledgement(wire.BindingStatus.ACCEPTED, 7, 900, options=REGISTRATION),
        LMA,
        MAG,
        "3b0a06003d480020000703840810016d6e31406578616d706c652e6e6574010400000000"
        "1612004020010db8010000000000000000000000170200011802000401001b0800006553f10080001908"
        "00000200000000010100",
    ),
    "Heartbeat request": (wire.Heartbeat(1), MAG, LMA, "3b010d005aed00000000000101020000"),
    "Heartbeat response": (
        wire.Heartbeat(1, wire.HeartbeatFlag.R, (wire.RestartCounter(3),)),
        LMA,
        MAG,
        "3b020d003ddc00010000000101001c040000000301020000",
    ),
    "Tnl_request": (wire.TunnelRequest(MAG), MAG, LMA, "3b020b002f1b011020010db8000000010000000000000002"),
    "Load_info": (
        wire.LoadInfo(0.85000002384185791015625, 70000, (wire.MagLoad(MAG, 1000),)),
        LMA,
        RMS,
        "3b040b003d18031c3f59999a0001117020010db8000000010000000000000002000003e801020000",
    ),
    "Load_adjust": (
        wire.LoadAdjust(LMA, OTHER_LMA),
        RMS,
        MAG,
        "3b040b00fda6042020010db800000000000000000000000220010db8000000000000000000000003",
    ),
    "Route_adjust": (
        wire.RouteAdjust(PREFIX, NONE, MAG),
        MAG,
        RMS,
        "3b060b00fb86053020010db801000000000000000000000000000000000000000000000000000000"
        "20010db8000000010000000000000002",
    ),
}


_CHOSEN: tuple[wire.Option, ...] = (
    wire.AlternateCareOfAddress(IPv6Address("2001:db8:0:2::2")),
    *REGISTRATION,
    wire.MobileNodeLinkLayerIdentifier(bytes.fromhex("0200000000000009")),
    wire.VendorSpecific(9, 7, b"\x01\x02\x03"),
    wire.LinkLocalAddress(IPv6Address("fe80::200:5eff:fe00:5213")),
    wire.RestartCounter(0x01020304),
    wire.GreKey(0x11223344),
    wire.GreKey(None),
    wire.Ipv4HomeAddressRequest(24, IPv4Address("192.0.2.1")),
    wire.Ipv4HomeAddressReply(130, 25, IPv4Address("192.0.2.2")),
    wire.Ipv4DefaultRouterAddress(IPv4Address("192.0.2.254")),
    wire.Ipv4DhcpSupportMode(wire.DhcpSupportFlag.S),
    wire.Ipv4DhcpSupportMode(wire.DhcpSupportFlag(0)),
    wire.RedirectCapability(),
    wire.Redirect(wire.RedirectFlag.K, OTHER_LMA),
    wire.Redirect(wire.RedirectFlag.N, IPv4Address("192.0.2.3")),
    wire.LoadInformation(1, 20, 300, 4000, 50000),
    wire.AlternateIpv4CareOfAddress(IPv4Address("192.0.2.4")),
    wire.UnknownOption(200, b"abc"),
    wire.Attachment(5, LMA),
    wire.CoreGateway(bytes.fromhex("020000000c01")),
    wire.LoadInfoPart(6, 1, 2),
    wire.TunnelStatus(wire.TunnelStatusCode.ACCEPTED, wire.Encapsulation.SRV6),
    wire.UplinkShare(OTHER_LMA, 48),
    wire.Drain(1),
    wire.CoreRoutingStatus(wire.CoreRouting.BGP_DOWN),
    wire.Grant(bytes(range(16))),
    wire.GrantKey(bytes(range(32))),
    wire.RouteSnapshot(0x01020304, 1),
    wire.ReplayProtection(0xE8FE_6F00_8000_0000),
    wire.Authentication(0x1000, bytes(range(12))),
)


def _of_zeros(kind: type[wire.Option]) -> wire.Option:
    """The shortest option of a class, with zeros in all fields."""
    layout = kind.description.layout
    octets = min(layout.lengths)
    return layout.parse(kind, bytes(octets), 0, octets)


#: Every option, those chosen above with all that their descriptions allow for, and one that is not known.
OPTIONS: tuple[wire.Option, ...] = (
    *_CHOSEN,
    *(
        _of_zeros(kind)
        for kind in (*wire.OPTIONS.values(), *wire.OWN_OPTIONS.values())
        if kind not in map(type, _CHOSEN)
    ),
)


def _everything() -> dict[str, tuple[wire.Message, IPv6Address, IPv6Address]]:
    """Every message, with every option, and with each flag."""
    mags = tuple(wire.MagLoad(MAG + index, 1000 + index) for index in range(12))
    one = (REGISTRATION[0],)
    bare: dict[str, tuple[wire.Message, IPv6Address, IPv6Address]] = {
        "BU": (wire.BindingUpdate(0xFEDC, 0xABCD, wire.BindingUpdateFlag(0)), MAG, LMA),
        "BA": (wire.BindingAcknowledgement(0, 0xFEDC, 0xABCD, wire.BindingAcknowledgementFlag(0)), LMA, MAG),
        "BE": (wire.BindingError(2), MAG, LMA),
        "BRI": (wire.BindingRevocationIndication(2, 0xFEDC, wire.RevocationFlag(0)), LMA, MAG),
        "BRA": (wire.BindingRevocationAcknowledgement(128, 0xFEDC, wire.RevocationFlag(0)), MAG, LMA),
        "UPN": (wire.UpdateNotification(0xFEDC, 1, wire.UpdateNotificationFlag(0), one), LMA, MAG),
        "UPA": (wire.UpdateNotificationAcknowledgement(0xFEDC, 128, one), MAG, LMA),
        "Tnl_ack": (wire.TunnelAck(LMA), LMA, MAG),
        "Load_info of 0": (wire.LoadInfo(0, 0), LMA, RMS),
        "Load_info of 12": (wire.LoadInfo(0.5, 70000, mags), LMA, RMS),
        "BE with address": (wire.BindingError(1, MAG), MAG, LMA),
    }
    for name, (message, source, destination, _) in GOLDEN.items():
        bare[name] = message, source, destination
    every = dict(bare)
    for name in ("BU", "BA", "BE", "BRI", "BRA", "UPN", "UPA", "Heartbeat request", "Tnl_ack", "Load_info of 12"):
        message, source, destination = bare[name]
        every[f"{name}, all options"] = (replace(message, options=OPTIONS), source, destination)  # type: ignore[type-var]
        for field in message.description.layout.fields:
            if isinstance(field, Flags):
                for flag in field.values:
                    flagged = replace(message, **{field.name: flag})  # type: ignore[type-var]
                    every[f"{name}, flag {flag.name}"] = (flagged, source, destination)
    return every


#: name -> message, source, destination: what is shown to other implementations.
EVERYTHING = _everything()


def sealed(data: bytes, source: IPv6Address = MAG, destination: IPv6Address = LMA) -> bytes:
    """A Mobility Header with the right Payload Proto, Header Len and checksum, and the rest as given."""
    header = bytes((59, (len(data) // 8 - 1) & 0xFF)) + data[2:4]
    value = checksum(source, destination, 135, header + b"\0\0" + data[6:])
    return header + value.to_bytes(2, "big") + data[6:]


def header(number: int, data: bytes) -> bytes:
    """A Mobility Header of that type, from MAG to LMA, with the message data padded by PadN."""
    missing = -(6 + len(data)) % 8
    padding = b"\0" * missing if missing < 2 else bytes((1, missing - 2)) + b"\0" * (missing - 2)
    return sealed(bytes((59, 0, number, 0, 0, 0)) + data + padding)


_addresses = st.integers(0, 2**128 - 1).map(IPv6Address)
_ipv4_addresses = st.integers(0, 2**32 - 1).map(IPv4Address)
_BY_NAME: dict[str, st.SearchStrategy[object]] = {
    "cpu": st.floats(0, 1, width=32),
    "mags": st.lists(st.builds(wire.MagLoad, mag=_addresses, packets=st.integers(0, 2**32 - 1)), max_size=12).map(
        tuple
    ),
    "data": st.binary(max_size=20),
    "identifier": st.binary(max_size=20),
    "authenticator": st.binary(max_size=20),
    "link_layer_address": st.binary(min_size=6, max_size=6),
    "code": st.binary(min_size=16, max_size=16),
    "secret": st.binary(min_size=32, max_size=32),
    "key": st.none() | st.integers(0, 2**32 - 1),
    "total_packets": st.integers(0, 2**32 - 1),
}


def _union(flags: type[IntFlag], chosen: set[IntFlag]) -> IntFlag:
    return flags(sum(chosen))


def _values(kind: type[wire.Option] | type[wire.Message]) -> dict[str, st.SearchStrategy[object]]:
    values = {}
    for field in kind.description.layout.fields:
        if isinstance(field, Reserved):
            continue
        if field.name in _BY_NAME:
            values[field.name] = _BY_NAME[field.name]
        elif isinstance(field, Flags):
            values[field.name] = st.sets(st.sampled_from(list(field.values))).map(partial(_union, field.values))
        elif isinstance(field, Number):
            highest = (1 << (8 * field.octets - field.shift)) - 1 if field.maximum is None else field.maximum
            values[field.name] = st.integers(0, highest)
        else:
            values[field.name] = _addresses if field.octets == 16 else _ipv4_addresses
    return values


@cache
def options() -> st.SearchStrategy[wire.Option]:
    """Any option, with any values that it can hold."""
    ours = {*wire.OPTIONS.values(), *wire.OWN_OPTIONS.values()} - {wire.Redirect, wire.LoadInfoPart}
    plain = [st.builds(kind, **_values(kind)) for kind in sorted(ours, key=lambda kind: kind.__name__)]
    redirects = st.builds(wire.Redirect, st.just(wire.RedirectFlag.K), _addresses) | st.builds(
        wire.Redirect, st.just(wire.RedirectFlag.N), _ipv4_addresses
    )
    parts = st.integers(1, 255).flatmap(
        lambda count: st.builds(wire.LoadInfoPart, st.integers(0, 2**32 - 1), st.integers(0, count - 1), st.just(count))
    )
    unknown = st.builds(
        wire.UnknownOption,
        st.integers(2, 255).filter(lambda number: number not in wire.OPTIONS),
        st.binary(max_size=255),
    )
    return st.one_of(*plain, redirects, parts, unknown).filter(_is_not_ours_in_disguise)


def _is_not_ours_in_disguise(option: wire.Option) -> bool:
    return not (isinstance(option, wire.VendorSpecific) and option.vendor == wire.CodePoints().vendor_id)


@cache
def messages(kind: Any) -> st.SearchStrategy[wire.Message]:
    """Any message of that type, with up to five options."""
    return st.builds(kind, **_values(kind), options=st.lists(options(), max_size=4).map(tuple))


def _octets(count: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=count, max_size=count)


def _option_octets(kind: type[wire.Option]) -> st.SearchStrategy[bytes]:
    description = kind.description
    head = b"" if description.number is not None else (32473).to_bytes(4, "big") + bytes((description.subtype or 0,))
    number = 19 if description.number is None else description.number
    fitting = sorted(length for length in description.layout.lengths if length < 40)
    return (
        st.sampled_from(fitting).flatmap(_octets).map(lambda data: bytes((number, len(head) + len(data))) + head + data)
    )


@cache
def _area() -> st.SearchStrategy[bytes]:
    """Options with any data of a length that fits, at any offset, and padding of all kinds."""
    padding = st.just(b"\0") | st.binary(max_size=9).map(lambda data: bytes((1, len(data))) + data)
    unknown = st.tuples(st.integers(2, 255), st.binary(max_size=30)).map(
        lambda pair: bytes((pair[0], len(pair[1]))) + pair[1]
    )
    known = [_option_octets(kind) for kind in (*wire.OPTIONS.values(), *wire.OWN_OPTIONS.values())]
    return st.lists(st.one_of(padding, unknown, *known), max_size=6).map(b"".join)


@cache
def octets_of(kind: type[wire.Message]) -> st.SearchStrategy[bytes]:
    """Mobility Headers of that type with any content, from LMA to MAG, as others might build them."""
    description = kind.description
    if description.code_point is None:
        assert description.number is not None
        number, inner = description.number, b"" if description.inner is None else bytes((description.inner,))
        fields = _octets(description.layout.octets).map(lambda data: inner + data)
    else:
        number, inner = 11, bytes((getattr(wire.CodePoints(), description.code_point),))
        fields = (
            st.sampled_from(sorted(description.layout.lengths))
            .flatmap(_octets)
            .map(lambda data: inner + bytes((len(data),)) + data)
        )
    if kind is wire.TunnelAck:  # which has to name its sender
        fields = st.just(inner + b"\x10" + LMA.packed)
    return st.tuples(fields, _area()).map(lambda parts: sealed(header(number, b"".join(parts)), LMA, MAG))


def source_of(message: wire.Message) -> IPv6Address:
    """An address that the message may come from."""
    return message.lma if isinstance(message, wire.TunnelAck) else MAG
