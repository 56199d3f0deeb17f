"""Mobility Headers (RFC 6275, section 6.1): octets to messages and back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv6Address

from ryu_pmipls.wire.checksum import checksum
from ryu_pmipls.wire.codepoints import MOBILITY_HEADER, NO_NEXT_HEADER, CodePoints
from ryu_pmipls.wire.messages import Message, RouteAdjust
from ryu_pmipls.wire.options import OPTIONS
from ryu_pmipls.wire.options.mobile_ipv6 import VendorSpecific
from ryu_pmipls.wire.options.option import PAD_1, PAD_N, Option, UnknownOption, parse_fields
from ryu_pmipls.wire.structure import HEADER, check_header, extent, message_class, numbers, option_extents, own_option
from ryu_pmipls.wire.wire_error import WireError

_SHORTEST = 8
#: Padding of 0 to 7 octets: none, Pad1, or PadN.
_PADDING = (b"", bytes([PAD_1]), *(bytes([PAD_N, octets - 2]).ljust(octets, b"\0") for octets in range(2, 8)))
DEFAULT_CODE_POINTS = CodePoints()


def parse(
    data: bytes,
    source: IPv6Address,
    destination: IPv6Address,
    code_points: CodePoints = DEFAULT_CODE_POINTS,
    *,
    lenient: bool = True,
) -> Message:
    """The message in one Mobility Header, which is all octets of the datagram from ``source`` to ``destination``.

    ``WireError`` when it must be dropped, and no other exception, whatever the octets. Options come in the order of the
    message, without padding; unknown ones as ``UnknownOption``. ``lenient`` accepts a Route_adjust with the draft's
    wrong Length (erratum E3). The order of the checks is that of RFC 6275, section 9.2.
    """
    check_size(data)
    check_checksum(data, source, destination)
    kind = message_class(data, code_points)
    check_header(data)
    start, stop, as_drafted = extent(kind, data, lenient)
    vendor_id = code_points.vendor_id
    options = [
        parse_option(number, data, option_start, option_stop, vendor_id)
        for number, _, option_start, option_stop in option_extents(data, stop)
        if number > PAD_N
    ]
    message = parse_message(kind, data, start, stop, tuple(options))
    check_sender(message, source)
    if as_drafted:
        assert isinstance(message, RouteAdjust)
        return replace(message, length_as_drafted=True)
    return message


def build(
    message: Message,
    source: IPv6Address,
    destination: IPv6Address,
    code_points: CodePoints = DEFAULT_CODE_POINTS,
) -> bytes:
    """The Mobility Header of a message, with aligned options, padding and checksum.

    ``ValueError`` when a field cannot hold its value or when the message would be too long.
    """
    description = message.description
    number, inner = numbers(code_points)[type(message)]
    body = description.layout.build(message)
    if description.code_point is not None:
        if len(body) > 255:
            raise ValueError(f"{description.title}: its Length would be {len(body)}; at most 255 octets fit")
        body = bytes((len(body),)) + body
    if inner is not None:
        body = bytes((inner,)) + body
    header = bytes((NO_NEXT_HEADER, 0, number, 0, 0, 0))
    return sealed(with_options(header + body, message.options, code_points.vendor_id), source, destination)


def with_options(data: bytes, options: Iterable[Option], vendor_id: int) -> bytes:
    """A Mobility Header with ``options`` appended, aligned, and padded to a multiple of 8."""
    parts = [data]
    size = len(data)
    for option in options:
        octets, (multiple, offset) = _build_option(option, vendor_id)
        padding = (offset - size) % multiple
        parts += (_PADDING[padding], octets)
        size += padding + len(octets)
    parts.append(_PADDING[-size % 8])
    return b"".join(parts)


def sealed(data: bytes, source: IPv6Address, destination: IPv6Address) -> bytes:
    """A Mobility Header with Header Len and checksum filled in; ``ValueError`` when it would be too long."""
    header_len = len(data) // 8 - 1
    if header_len > 255:
        raise ValueError(f"{len(data)} octets are more than a Mobility Header holds")
    before, after = bytes((data[0], header_len, data[2], data[3])), data[HEADER.octets :]
    sum_ = checksum(source, destination, MOBILITY_HEADER, before + b"\0\0" + after)
    return before + sum_.to_bytes(2, "big") + after


def check_size(data: bytes) -> None:
    """Raise ``WireError`` for too few octets to recognise a message."""
    if len(data) < _SHORTEST:
        raise WireError("truncated", f"{len(data)} octets are no Mobility Header")


def check_checksum(data: bytes, source: IPv6Address, destination: IPv6Address) -> None:
    """Raise ``WireError`` when the checksum is wrong."""
    if checksum(source, destination, MOBILITY_HEADER, data):
        raise WireError("checksum", "the checksum is wrong")


def check_sender(message: Message, source: IPv6Address) -> None:
    """Raise ``WireError`` when the message must name the node that sends it, and names another."""
    description = message.description
    if description.sender is not None:
        sender = getattr(message, description.sender)
        if sender != source:
            raise WireError("source", f"{description.title} names {sender}, but comes from {source}")


def parse_message(kind: type[Message], data: bytes, start: int, stop: int, options: tuple[Option, ...] = ()) -> Message:
    """The message of a class from its fields, and with these options; ``WireError`` for a wrong value."""
    description = kind.description
    try:
        return description.layout.parse(kind, data, start, stop, options=options)
    except ValueError as error:
        raise WireError("value", f"{description.title}: {error}") from None


def parse_option(number: int, data: bytes, start: int, stop: int, vendor_id: int) -> Option:
    """The option of a type from its data; ``WireError`` for a wrong length or value."""
    kind = OPTIONS.get(number)
    if kind is None:
        return UnknownOption(number, data[start:stop])
    if kind is VendorSpecific:
        kind, start = own_option(data, start, stop, vendor_id)
    return parse_fields(kind, data, start, stop)


def _build_option(option: Option, vendor_id: int) -> tuple[bytes, tuple[int, int]]:
    """The octets of an option, and its alignment."""
    if isinstance(option, UnknownOption):
        number, body, alignment = option.type, option.data, (1, 0)
        if not PAD_N < number < 256:
            raise ValueError(f"there is no option of type {number}")
    else:
        description = option.description
        body = description.layout.build(option)
        if description.number is None:
            assert description.subtype is not None
            return _build_option(VendorSpecific(vendor_id, description.subtype, body), vendor_id)
        number = description.number
        alignment = description.alignment_by_length.get(len(body), description.alignment)
    if len(body) > 255:
        raise ValueError(f"{option!r}: an option holds at most 255 octets, not {len(body)}")
    return bytes((number, len(body))) + body, alignment
