"""Neighbour discovery (RFC 4861): router and neighbour solicitations and advertisements, and their options.

To a mobile node all MAGs of the domain are one router, with the link-local and link-layer address of RFC 6543.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntFlag
from ipaddress import IPv6Address, IPv6Network
from typing import ClassVar

from ryu_pmipls.wire.dns_options import DnsConfiguration, DnsSearchList, RecursiveDnsServer
from ryu_pmipls.wire.fields import Flags, Ipv6, LinkLayer, Number, Reserved
from ryu_pmipls.wire.layout import Layout
from ryu_pmipls.wire.options.option import HasOptions, Option, OptionDescription

#: The MAG's address on every link to a mobile node (RFC 6543, section 5).
ROUTER_ADDRESS = IPv6Address("fe80::200:5eff:fe00:5213")
#: The MAG's link-layer address on every link to a mobile node (RFC 6543, section 5).
ROUTER_LINK_LAYER_ADDRESS = bytes.fromhex("00005e005213")

#: The link-layer destination that a MAG's switch gives packets whose source it refuses, on their way to the agent.
REFUSED_LINK_LAYER_ADDRESS = bytes.fromhex("02005e005213")

ALL_NODES = IPv6Address("ff02::1")
ALL_ROUTERS = IPv6Address("ff02::2")
UNSPECIFIED = IPv6Address("::")

_NO_DNS = DnsConfiguration()

#: Longest router lifetime that fits, in seconds (RFC 8319).
_LONGEST_ROUTER_LIFETIME = 65535


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
    kind.description.number: kind
    for kind in (
        SourceLinkLayerAddress,
        TargetLinkLayerAddress,
        PrefixInformation,
        Mtu,
        RecursiveDnsServer,
        DnsSearchList,
    )
}


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
    dns: DnsConfiguration = _NO_DNS,
) -> RouterAdvertisement:
    """The MAG's advertisement to one mobile node: its home network prefixes, for ``lifetime`` seconds.

    A lifetime of 0 withdraws the prefixes, the router and ``dns``; ``withdrawn`` are prefixes that end while the router
    stays (RFC 5213, section 6.12). The IPv6 destination is all nodes, but the link-layer destination one node, so that
    no other node on the link learns the prefixes (RFC 6085). ``mtu`` in octets.
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
        options=(SourceLinkLayerAddress(ROUTER_LINK_LAYER_ADDRESS), Mtu(mtu), *information, *dns.options(seconds)),
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


def multicast_link_layer(group: IPv6Address) -> bytes:
    """The Ethernet address of an IPv6 multicast group (RFC 2464, section 7)."""
    return b"\x33\x33" + group.packed[-4:]
