"""Whole Ethernet frames of neighbour discovery (RFC 4861)."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network
from struct import Struct

from ryu_pmipls.wire.checksum import checksum
from ryu_pmipls.wire.neighbour_discovery import (
    DISCOVERY_OPTIONS,
    FRAMES,
    UNSPECIFIED,
    Frame,
    NeighbourAdvertisement,
    NeighbourFlag,
    NeighbourSolicitation,
    RouterAdvertisement,
    RouterSolicitation,
    SourceLinkLayerAddress,
)
from ryu_pmipls.wire.options.option import Option, parse_fields
from ryu_pmipls.wire.wire_error import WireError

_SOLICITED_NODES = IPv6Network("ff02::1:ff00:0/104")

_ETHERTYPE_IPV6 = 0x86DD
_ICMPV6 = 58
#: Hop limit of neighbour discovery, so that no message from off the link is believed.
_HOP_LIMIT = 255

#: Ethernet destination, source, type; then the IPv6 header.
_HEADERS = Struct("!6s6sH IHBB16s16s")
_IPV6_VERSION = 6 << 28
_ICMPV6_HEADER = Struct("!BBH")


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
