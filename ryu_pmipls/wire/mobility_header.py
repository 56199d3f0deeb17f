"""Mobility Headers (RFC 6275, section 6.1): octets to messages and back.

A message of the draft is its TLV directly behind the checksum (errata E1 and E2): the inner type, a Length, the body;
mobility options may follow it.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address
from typing import Any

from ryu_pmipls.wire.checksum import checksum
from ryu_pmipls.wire.codepoints import MOBILITY_HEADER, NO_NEXT_HEADER, CodePoints
from ryu_pmipls.wire.errors import WireError
from ryu_pmipls.wire.messages import MESSAGES, Message
from ryu_pmipls.wire.options import (
    OPTIONS,
    OWN_OPTIONS,
    PAD_1,
    PAD_N,
    Option,
    UnknownOption,
    VendorSpecific,
    parse_fields,
)

#: Octets of the Mobility Header before the message data.
_HEADER = 6
_SHORTEST = 8
#: Padding of 0 to 7 octets: none, Pad1, or PadN.
_PADDING = (b"", bytes([PAD_1]), *(bytes([PAD_N, octets - 2]).ljust(octets, b"\0") for octets in range(2, 8)))
_DEFAULT = CodePoints()


def parse(
    data: bytes,
    source: IPv6Address,
    destination: IPv6Address,
    code_points: CodePoints = _DEFAULT,
    *,
    lenient: bool = True,
) -> Message:
    """The message in one Mobility Header, which is all octets of the datagram from ``source`` to ``destination``.

    ``WireError`` when it is to be dropped, and nothing else, whatever the octets. Options come in the order of the
    message, without padding; unknown ones as ``UnknownOption``. ``lenient`` accepts a Route_adjust with the draft's
    wrong Length (erratum E3). The order of the checks is that of RFC 6275, section 9.2.
    """
    if len(data) < _SHORTEST:
        raise WireError("truncated", f"{len(data)} octets are no Mobility Header")
    if checksum(source, destination, MOBILITY_HEADER, data):
        raise WireError("checksum", "the checksum is wrong")
    kind = _kind(data, code_points)
    _check_header(data)
    start, stop, as_drafted = _extent(kind, data, lenient)
    description = kind.description
    others: dict[str, Any] = {"options": _parse_options(data, stop, code_points.vendor_id)}
    if as_drafted:
        others["length_as_drafted"] = True
    try:
        message = description.layout.parse(kind, data, start, stop, **others)
    except ValueError as error:
        raise WireError("value", f"{description.title}: {error}") from None
    if description.sender is not None:
        sender = getattr(message, description.sender)
        if sender != source:
            raise WireError("source", f"{description.title} names {sender}, but comes from {source}")
    return message


def build(message: Message, source: IPv6Address, destination: IPv6Address, code_points: CodePoints = _DEFAULT) -> bytes:
    """The Mobility Header of a message, with aligned options, padding and checksum.

    ``ValueError`` when a field cannot hold its value or when the message would be too long.
    """
    description = message.description
    number, inner = _numbers(code_points)[type(message)]
    body = description.layout.build(message)
    if description.code_point is not None:
        if len(body) > 255:
            raise ValueError(f"{description.title}: its Length would be {len(body)}; at most 255 octets fit")
        body = bytes((len(body),)) + body
    if inner is not None:
        body = bytes((inner,)) + body
    parts = [body]
    size = _HEADER + len(body)
    for option in message.options:
        octets, (multiple, offset) = _build_option(option, code_points.vendor_id)
        padding = (offset - size) % multiple
        parts += (_PADDING[padding], octets)
        size += padding + len(octets)
    parts.append(_PADDING[-size % 8])
    data = b"".join(parts)
    header_len = (_HEADER + len(data)) // 8 - 1
    if header_len > 255:
        raise ValueError(f"{description.title}: {size} octets are more than a Mobility Header holds")
    header = bytes((NO_NEXT_HEADER, header_len, number, 0))
    sum_ = checksum(source, destination, MOBILITY_HEADER, header + b"\0\0" + data)
    return header + sum_.to_bytes(2, "big") + data


@lru_cache(maxsize=16)
def _numbers(code_points: CodePoints) -> dict[type[Message], tuple[int, int | None]]:
    """The Mobility Header type of each message, and its inner type or ``None``."""
    numbers: dict[type[Message], tuple[int, int | None]] = {}
    for kind in MESSAGES:
        description = kind.description
        if description.code_point is not None:
            numbers[kind] = code_points.mobility_header_type, getattr(code_points, description.code_point)
        else:
            assert description.number is not None
            numbers[kind] = description.number, description.inner
    return numbers


@lru_cache(maxsize=16)
def _kinds(code_points: CodePoints) -> dict[int, dict[int | None, type[Message]]]:
    """The messages by Mobility Header type and inner type."""
    kinds: dict[int, dict[int | None, type[Message]]] = {}
    for kind, (number, inner) in _numbers(code_points).items():
        kinds.setdefault(number, {})[inner] = kind
    return kinds


def _kind(data: bytes, code_points: CodePoints) -> type[Message]:
    """Which message it is."""
    kinds = _kinds(code_points).get(data[2])
    if kinds is None:
        raise WireError("unknown-type", f"Mobility Header type {data[2]} is not spoken here")
    kind = kinds.get(None) or kinds.get(data[_HEADER])
    if kind is None:
        raise WireError("unknown-inner-type", f"Mobility Header type {data[2]} has no inner type {data[_HEADER]}")
    return kind


def _check_header(data: bytes) -> None:
    if data[0] != NO_NEXT_HEADER:
        raise WireError("payload-proto", f"Payload Proto is {data[0]}, not {NO_NEXT_HEADER}")
    if len(data) != 8 * data[1] + 8:
        raise WireError("length", f"Header Len {data[1]} says {8 * data[1] + 8} octets, there are {len(data)}")


def _extent(kind: type[Message], data: bytes, lenient: bool) -> tuple[int, int, bool]:
    """Where the fields of a message start and stop, and whether its Length was the draft's wrong one."""
    description = kind.description
    layout = description.layout
    if description.code_point is None:
        start = _HEADER + (description.inner is not None)
        stop = start + layout.octets
        if stop > len(data):
            raise WireError("length", f"{description.title} has {len(data)} octets, fewer than {stop}")
        return start, stop, False
    start, length = _HEADER + 2, data[_HEADER + 1]
    # A message of the drafted length would lack a field that the drawing and the text have.
    as_drafted = lenient and length == description.drafted_length and start + layout.octets <= len(data)
    if as_drafted:
        length = layout.octets
    if length not in layout.lengths:
        raise WireError("length", f"{description.title} has Length {length}, not {layout.lengths_text}")
    if start + length > len(data):
        raise WireError("length", f"{description.title} has Length {length}, which runs past the end")
    return start, start + length, as_drafted


def _parse_options(data: bytes, position: int, vendor_id: int) -> tuple[Option, ...]:
    options: list[Option] = []
    end = len(data)
    while position < end:
        number = data[position]
        if number == PAD_1:
            position += 1
            continue
        if position + 2 > end:
            raise WireError("option-length", f"option {number} at offset {position} has no Length")
        start = position + 2
        position = start + data[position + 1]
        if position > end:
            raise WireError("option-length", f"option {number} at offset {start - 2} runs past the end")
        if number == PAD_N:
            continue
        kind = OPTIONS.get(number)
        if kind is None:
            options.append(UnknownOption(number, data[start:position]))
        elif kind is VendorSpecific:
            options.append(_parse_vendor_specific(data, start, position, vendor_id))
        else:
            options.append(parse_fields(kind, data, start, position))
    return tuple(options)


def _parse_vendor_specific(data: bytes, start: int, stop: int, vendor_id: int) -> Option:
    """The option, or the one of ours that it carries."""
    layout = VendorSpecific.description.layout
    if stop - start in layout.lengths:
        vendor, subtype = layout.unpack_from(data, start)
        own = OWN_OPTIONS.get(subtype) if vendor == vendor_id else None
        if own is not None:
            return parse_fields(own, data, start + layout.octets, stop)
    return parse_fields(VendorSpecific, data, start, stop)


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
