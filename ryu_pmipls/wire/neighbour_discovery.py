"""Neighbour discovery (RFC 4861) in whole Ethernet frames: router and neighbour solicitations and advertisements.

To a mobile node all MAGs of the domain are one router, with the link-local and link-layer address of RFC 6543.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntFlag
from ipaddress import IPv6Address, IPv6Network
from struct import Struct
from typing import ClassVar

from ryu_pmipls.wire.checksum import checksum
from ryu_pmipls.wire.layout import Flags, Ipv6, Layout, LinkLayer, Number, Reserved
from ryu_pmipls.wire.options.option import HasOptions, Option, OptionDescription, parse_fields
from ryu_pmipls.wire.wire_error import WireError

#: The MAG's address on every link to a mobile node (RFC 6543, section 5).
ROUTER_ADDRESS = IPv6Address("fe80::200:5eff:fe00:5213")
#: The MAG's link-layer address on every link to a mobile node (RFC 6543, section 5).
ROUTER_LINK_LAYER_ADDRESS = bytes.fromhex("00005e005213")

ALL_NODES = IPv6Address("ff02::1")
ALL_ROUTERS = IPv6Address("ff02::2")
UNSPECIFIED = IPv6Address("::")
_SOLICITED_NODES = IPv6Network("ff02::1:ff00:0/104")

_ETHERTYPE_IPV6 = 0x86DD
_ICMPV6 = 58
#: Hop limit of neighbour discovery, so that no message from off the link is believed.
_HOP_LIMIT = 255
#: Longest router lifetime that fits, in seconds (RFC 8319).
_LONGEST_ROUTER_LIFETIME = 65535

#: Ethernet destination, source, type; then the IPv6 header.
_HEADERS = Struct("!6s6sH IHBB16s16s")
_IPV6_VERSION = 6 << 28
_ICMPV6_HEADER = Struct("!BBH")


class RouterFlag(IntFlag):
    """Flags of a router advertisement."""

    M = 0x80  # addresses by DHCPv6
    O = 0x40  # other configuration by DHCPv6  # noqa: E741


class NeighbourFlag(IntFlag):
    """Flags of a neighbour advertisement."""

    R = 0x80  # router
    S = 0x40  # solicited
    O = 0x20  # override  # noqa: E741


class PrefixFlag(IntFlag):
    """Flags of the prefix information option."""

    L = 0x80  # on-link
    A = 0x40  # autonomous address configuration


_NO_ROUTER_FLAGS = RouterFlag(0)


@dataclass(frozen=True, slots=True)
class SourceLinkLayerAddress(Option):
    """The sender's link-layer address."""

    address: bytes

    description = OptionDescription(
        number=1,
        title="Source Link-layer Address",
        source="RFC 4861, section 4.6.1",
        layout=Layout(LinkLayer(name="address")),
    )


@dataclass(frozen=True, slots=True)
class TargetLinkLayerAddress(Option):
    """The target's link-layer address."""

    address: bytes

    description = OptionDescription(
        number=2,
        title="Target Link-layer Address",
        source="RFC 4861, section 4.6.1",
        layout=Layout(LinkLayer(name="address")),
    )


@dataclass(frozen=True, slots=True)
class PrefixInformation(Option):
    """A prefix of the link; lifetimes in seconds, 2**32 - 1 for ever."""

    prefix: IPv6Address
    length: int
    valid_lifetime: int
    preferred_lifetime: int
    flags: PrefixFlag = PrefixFlag.L | PrefixFlag.A

    description = OptionDescription(
        number=3,
        title="Prefix Information",
        source="RFC 4861, section 4.6.2",
        layout=Layout(
            Number(name="length", octets=1, maximum=128, text="prefix length in bits"),
            Flags(name="flags", octets=1, values=PrefixFlag),
            Number(name="valid_lifetime", octets=4, text="seconds"),
            Number(name="preferred_lifetime", octets=4, text="seconds"),
            Reserved(4),
            Ipv6(name="prefix"),
        ),
    )


@dataclass(frozen=True, slots=True)
class Mtu(Option):
    """The MTU of the link in octets."""

    mtu: int

    description = OptionDescription(
        number=5,
        title="MTU",
        source="RFC 4861, section 4.6.4",
        layout=Layout(Reserved(2), Number(name="mtu", octets=4, text="octets")),
    )


@dataclass(frozen=True)
class FrameDescription:
    """A neighbour discovery message: ICMPv6 type, name, defining document, and its octets after the checksum."""

    number: int
    title: str
    source: str
    layout: Layout


class Frame(HasOptions):
    """Base of all neighbour discovery messages."""

    __slots__ = ()

    description: ClassVar[FrameDescription]
    link_layer_source: bytes
    link_layer_destination: bytes
    source: IPv6Address
    destination: IPv6Address


@dataclass(frozen=True, slots=True)
class RouterSolicitation(Frame):
    """A node asks for router advertisements."""

    link_layer_source: bytes
    link_layer_destination: bytes
    source: IPv6Address
    destination: IPv6Address
    options: tuple[Option, ...] = ()

    description = FrameDescription(
        number=133, title="Router Solicitation", source="RFC 4861, section 4.1", layout=Layout(Reserved(4))
    )


@dataclass(frozen=True, slots=True)
class RouterAdvertisement(Frame):
    """A router describes itself and the link; ``router_lifetime`` in seconds, 0: not a default router."""

    link_layer_source: bytes
    link_layer_destination: bytes
    source: IPv6Address
    destination: IPv6Address
    router_lifetime: int
    hop_limit: int = 64
    flags: RouterFlag = _NO_ROUTER_FLAGS
    reachable_time: int = 0
    retransmission_timer: int = 0
    options: tuple[Option, ...] = ()

    description = FrameDescription(
        number=134,
        title="Router Advertisement",
        source="RFC 4861, section 4.2",
        layout=Layout(
            Number(name="hop_limit", octets=1, text="for packets of the node; 0: unspecified"),
            Flags(name="flags", octets=1, values=RouterFlag),
            Number(name="router_lifetime", octets=2, text="seconds"),
            Number(name="reachable_time", octets=4, text="milliseconds; 0: unspecified"),
            Number(name="retransmission_timer", octets=4, text="milliseconds; 0: unspecified"),
        ),
    )


@dataclass(frozen=True, slots=True)
class NeighbourSolicitation(Frame):
    """A node asks for the link-layer address of ``target``; from ``::``, it asks if any other node has that address."""

    link_layer_source: bytes
    link_layer_destination: bytes
    source: IPv6Address
    destination: IPv6Address
    target: IPv6Address
    options: tuple[Option, ...] = ()

    description = FrameDescription(
        number=135,
        title="Neighbour Solicitation",
        source="RFC 4861, section 4.3",
        layout=Layout(Reserved(4), Ipv6(name="target")),
    )


@dataclass(frozen=True, slots=True)
class NeighbourAdvertisement(Frame):
    """A node tells the link-layer address of ``target``."""

    link_layer_source: bytes
    link_layer_destination: bytes
    source: IPv6Address
    destination: IPv6Address
    target: IPv6Address
    flags: NeighbourFlag
    options: tuple[Option, ...] = ()

    description = FrameDescription(
        number=136,
        title="Neighbour Advertisement",
        source="RFC 4861, section 4.4",
        layout=Layout(Flags(name="flags", octets=1, values=NeighbourFlag), Reserved(3), Ipv6(name="target")),
    )


#: The messages by ICMPv6 type.
FRAMES: dict[int, type[Frame]] = {
    kind.description.number: kind
    for kind in (RouterSolicitation, RouterAdvertisement, NeighbourSolicitation, NeighbourAdvertisement)
}

#: Supported options by type; others are skipped.
DISCOVERY_OPTIONS: dict[int | None, type[Option]] = {
    kind.description.number: kind for kind in (SourceLinkLayerAddress, TargetLinkLayerAddress, PrefixInformation, Mtu)
}


def parse_frame(frame: bytes) -> Frame | None:
    """The neighbour discovery message in an Ethernet frame; ``None`` when it holds something else.

    ``WireError`` when RFC 4861 (sections 6.1 and 7.1) has it dropped, and no other exception, whatever the octets.
    Frames with a VLAN tag and packets with extension headers count as something else.
    """
    start = _HEADERS.size
    if len(frame) <= start:
        return None
    to, sender, ethertype, version, length, next_header, hop_limit, raw_source, raw_destination = _HEADERS.unpack_from(
        frame
    )
    kind = FRAMES.get(frame[start])
    if ethertype != _ETHERTYPE_IPV6 or version >> 28 != 6 or next_header != _ICMPV6 or kind is None:
        return None
    title, layout = kind.description.title, kind.description.layout
    body = start + _ICMPV6_HEADER.size
    options = body + layout.octets
    if len(frame) < start + length:
        raise WireError("truncated", f"{title}: the IPv6 header says {length} octets, there are {len(frame) - start}")
    if start + length < options:
        raise WireError("length", f"{title} has {length} octets, fewer than {options - start}")
    if hop_limit != _HOP_LIMIT:
        raise WireError("hop-limit", f"{title} has hop limit {hop_limit}, not {_HOP_LIMIT}")
    source, destination = IPv6Address(raw_source), IPv6Address(raw_destination)
    data = frame[start : start + length]
    if checksum(source, destination, _ICMPV6, data):
        raise WireError("checksum", f"{title}: the checksum is wrong")
    if data[1] != 0:
        raise WireError("value", f"{title} has code {data[1]}, not 0")
    message = layout.parse(
        kind,
        frame,
        body,
        options,
        link_layer_source=sender,
        link_layer_destination=to,
        source=source,
        destination=destination,
        options=_parse_options(title, frame[options : start + length]),
    )
    fault = _fault(message)
    if fault is not None:
        raise WireError("value", f"{title} {fault}")
    return message


def build_frame(message: Frame) -> bytes:
    """The Ethernet frame of a message; ``ValueError`` when a field cannot hold its value."""
    for address in (message.link_layer_source, message.link_layer_destination):
        if len(address) != 6:
            raise ValueError(f"link-layer address {address.hex(':')} has {len(address)} octets, not 6")
    body = message.description.layout.build(message) + b"".join(map(_build_option, message.options))
    number = message.description.number
    data = _ICMPV6_HEADER.pack(number, 0, 0) + body
    sum_ = checksum(message.source, message.destination, _ICMPV6, data)
    headers = _HEADERS.pack(
        message.link_layer_destination,
        message.link_layer_source,
        _ETHERTYPE_IPV6,
        _IPV6_VERSION,
        len(data),
        _ICMPV6,
        _HOP_LIMIT,
        message.source.packed,
        message.destination.packed,
    )
    return headers + _ICMPV6_HEADER.pack(number, 0, sum_) + body


def router_solicitation(link_layer_source: bytes, source: IPv6Address = UNSPECIFIED) -> RouterSolicitation:
    """The solicitation that a mobile node sends after it has attached."""
    options = () if source == UNSPECIFIED else (SourceLinkLayerAddress(link_layer_source),)
    return RouterSolicitation(link_layer_source, multicast_link_layer(ALL_ROUTERS), source, ALL_ROUTERS, options)


def router_advertisement(
    link_layer_destination: bytes,
    prefixes: Iterable[IPv6Network],
    lifetime: int,
    mtu: int,
    withdrawn: Iterable[IPv6Network] = (),
) -> RouterAdvertisement:
    """The MAG's advertisement to one mobile node: its home network prefixes, for ``lifetime`` seconds.

    A lifetime of 0 withdraws the prefixes and the router; ``withdrawn`` are prefixes that end while the router stays
    (RFC 5213, section 6.12). The IPv6 destination is all nodes, but the link-layer destination one node, so that no
    other node on the link learns the prefixes (RFC 6085). ``mtu`` in octets.
    """
    seconds = min(lifetime, 0xFFFFFFFF)
    lifetimes = [(prefix, seconds) for prefix in prefixes] + [(prefix, 0) for prefix in withdrawn]
    information = (PrefixInformation(prefix.network_address, prefix.prefixlen, end, end) for prefix, end in lifetimes)
    return RouterAdvertisement(
        ROUTER_LINK_LAYER_ADDRESS,
        link_layer_destination,
        ROUTER_ADDRESS,
        ALL_NODES,
        router_lifetime=min(lifetime, _LONGEST_ROUTER_LIFETIME),
        options=(SourceLinkLayerAddress(ROUTER_LINK_LAYER_ADDRESS), Mtu(mtu), *information),
    )


def neighbour_advertisement(solicitation: NeighbourSolicitation) -> NeighbourAdvertisement:
    """The MAG's answer to a solicitation for ``ROUTER_ADDRESS``.

    In answer to duplicate address detection (source ``::``) it goes to all nodes and is not marked solicited (RFC 4861,
    section 7.2.4). The caller makes sure that the target is the router: a MAG may answer for no other.
    """
    flags = NeighbourFlag.R | NeighbourFlag.O
    if solicitation.source == UNSPECIFIED:
        destination = ALL_NODES
    else:
        destination = solicitation.source
        flags |= NeighbourFlag.S
    return NeighbourAdvertisement(
        ROUTER_LINK_LAYER_ADDRESS,
        solicitation.link_layer_source,
        ROUTER_ADDRESS,
        destination,
        ROUTER_ADDRESS,
        flags,
        (TargetLinkLayerAddress(ROUTER_LINK_LAYER_ADDRESS),),
    )


def neighbour_solicitation(link_layer_destination: bytes, target: IPv6Address) -> NeighbourSolicitation:
    """The MAG's probe for the presence of the node with the address ``target`` (RFC 4861, section 7.3.3)."""
    return NeighbourSolicitation(
        ROUTER_LINK_LAYER_ADDRESS,
        link_layer_destination,
        ROUTER_ADDRESS,
        target,
        target,
        (SourceLinkLayerAddress(ROUTER_LINK_LAYER_ADDRESS),),
    )


def link_local_address(link_layer_address: bytes) -> IPv6Address:
    """The link-local address that a node makes of its Ethernet address (RFC 2464, section 5)."""
    first, *rest = link_layer_address
    identifier = bytes((first ^ 2, *rest[:2], 0xFF, 0xFE, *rest[2:]))
    return IPv6Address(b"\xfe\x80" + bytes(6) + identifier)


def multicast_link_layer(group: IPv6Address) -> bytes:
    """The Ethernet address of an IPv6 multicast group (RFC 2464, section 7)."""
    return b"\x33\x33" + group.packed[-4:]


def _parse_options(title: str, data: bytes) -> tuple[Option, ...]:
    options: list[Option] = []
    position = 0
    while position < len(data):
        length = 8 * data[position + 1] if position + 1 < len(data) else 0
        if length == 0 or position + length > len(data):
            raise WireError("option-length", f"{title}: option {data[position]} is empty or runs past the end")
        kind = DISCOVERY_OPTIONS.get(data[position])
        if kind is not None:
            options.append(parse_fields(kind, data, position + 2, position + length))
        position += length
    return tuple(options)


def _build_option(option: Option) -> bytes:
    body = option.description.layout.build(option)
    assert option.description.number is not None
    return bytes((option.description.number, (2 + len(body)) // 8)) + body


def _fault(message: Frame) -> str | None:
    """Property of the message that RFC 4861 forbids for this kind; None if it has none."""
    unspecified = message.source == UNSPECIFIED
    if isinstance(message, (NeighbourSolicitation, NeighbourAdvertisement)) and message.target.is_multicast:
        return f"has the multicast target {message.target}"
    if isinstance(message, (RouterSolicitation, NeighbourSolicitation)) and unspecified:
        if message.option(SourceLinkLayerAddress) is not None:
            return "comes from :: and yet has a source link-layer address"
        if isinstance(message, NeighbourSolicitation) and message.destination not in _SOLICITED_NODES:
            return f"comes from :: and goes to {message.destination}, not to a solicited-node address"
    if isinstance(message, RouterAdvertisement) and not message.source.is_link_local:
        return f"comes from {message.source}, not from a link-local address"
    if (
        isinstance(message, NeighbourAdvertisement)
        and message.destination.is_multicast
        and message.flags & NeighbourFlag.S
    ):
        return f"goes to {message.destination} and yet says that it was solicited"
    return None
