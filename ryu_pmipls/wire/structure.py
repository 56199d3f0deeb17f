"""Structure of a Mobility Header (RFC 6275, section 6.1), common to parsing, building and dissection.

A message of the draft is its TLV directly behind the checksum (errata E1 and E2): the inner type, a Length, the body;
mobility options may follow it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from ryu_pmipls.wire.codepoints import NO_NEXT_HEADER, CodePoints, MobilityHeaderType
from ryu_pmipls.wire.fields import Number, Reserved
from ryu_pmipls.wire.layout import Layout
from ryu_pmipls.wire.messages import MESSAGES, Message
from ryu_pmipls.wire.options import OWN_OPTIONS
from ryu_pmipls.wire.options.mobile_ipv6 import VendorSpecific
from ryu_pmipls.wire.options.option import PAD_1, Option
from ryu_pmipls.wire.wire_error import WireError

#: The Mobility Header before the message data.
HEADER = Layout(
    Number(name="payload_proto", octets=1, text="nothing follows if 59"),
    Number(name="header_len", octets=1, text="units of 8 octets after the first"),
    Number(name="type", octets=1, values=MobilityHeaderType),
    Reserved(1),
    Number(name="checksum", octets=2),
)
#: Start of a message of the draft, and of every option but Pad1.
TYPE_LENGTH = Layout(Number(name="type", octets=1), Number(name="length", octets=1))
#: Start of a message that shares its Mobility Header type with another.
INNER_TYPE = Layout(Number(name="type", octets=1))


@lru_cache(maxsize=16)
def numbers(code_points: CodePoints) -> dict[type[Message], tuple[int, int | None]]:
    """The Mobility Header type of each message, and its inner type or ``None``."""
    found: dict[type[Message], tuple[int, int | None]] = {}
    for kind in MESSAGES:
        description = kind.description
        if description.code_point is not None:
            found[kind] = code_points.mobility_header_type, getattr(code_points, description.code_point)
        else:
            assert description.number is not None
            found[kind] = description.number, description.inner
    return found


@lru_cache(maxsize=16)
def _kinds(code_points: CodePoints) -> dict[int, dict[int | None, type[Message]]]:
    """The messages by Mobility Header type and inner type."""
    kinds: dict[int, dict[int | None, type[Message]]] = {}
    for kind, (number, inner) in numbers(code_points).items():
        kinds.setdefault(number, {})[inner] = kind
    return kinds


def message_class(data: bytes, code_points: CodePoints) -> type[Message]:
    """Class of the message; ``WireError`` for an unsupported one."""
    kinds = _kinds(code_points).get(data[2])
    if kinds is None:
        raise WireError("unknown-type", f"Mobility Header type {data[2]} is not supported")
    kind = kinds.get(None) or kinds.get(data[HEADER.octets])
    if kind is None:
        raise WireError("unknown-inner-type", f"Mobility Header type {data[2]} has no inner type {data[HEADER.octets]}")
    return kind


def check_header(data: bytes) -> None:
    """Raise ``WireError`` if anything follows the Mobility Header, by Payload Proto or by Header Len."""
    if data[0] != NO_NEXT_HEADER:
        raise WireError("payload-proto", f"Payload Proto is {data[0]}, not {NO_NEXT_HEADER}")
    if len(data) != 8 * data[1] + 8:
        raise WireError("length", f"Header Len {data[1]} says {8 * data[1] + 8} octets, there are {len(data)}")


def extent(kind: type[Message], data: bytes, lenient: bool) -> tuple[int, int, bool]:
    """Start and stop of a message's fields, and true if its Length was the draft's wrong one (erratum E3)."""
    description = kind.description
    layout = description.layout
    if description.code_point is None:
        start = HEADER.octets + (description.inner is not None)
        stop = start + layout.octets
        if stop > len(data):
            raise WireError("length", f"{description.title} has {len(data)} octets, fewer than {stop}")
        return start, stop, False
    start, length = HEADER.octets + 2, data[HEADER.octets + 1]
    # A message of the drafted length would lack a field that the drawing and the text have.
    as_drafted = lenient and length == description.drafted_length and start + layout.octets <= len(data)
    if as_drafted:
        length = layout.octets
    if length not in layout.lengths:
        raise WireError("length", f"{description.title} has Length {length}, not {layout.lengths_text}")
    if start + length > len(data):
        raise WireError("length", f"{description.title} has Length {length}, which runs past the end")
    return start, start + length, as_drafted


def option_extents(data: bytes, position: int) -> Iterator[tuple[int, int, int, int]]:
    """The options from ``position`` on, with padding: Type, position, start and stop of the data.

    ``WireError`` when one runs past the end.
    """
    end = len(data)
    while position < end:
        number = data[position]
        if number == PAD_1:
            start = stop = position + 1
        else:
            start = position + 2
            if start > end:
                raise WireError("option-length", f"option {number} at offset {position} has no Length")
            stop = start + data[position + 1]
            if stop > end:
                raise WireError("option-length", f"option {number} at offset {position} runs past the end")
        yield number, position, start, stop
        position = stop


def own_option(data: bytes, start: int, stop: int, vendor_id: int) -> tuple[type[Option], int]:
    """Class of our own option in a vendor-specific one, and the start of its fields, behind vendor and sub-type.

    ``VendorSpecific`` itself, and ``start``, when it carries none.
    """
    layout = VendorSpecific.description.layout
    if stop - start >= layout.octets:
        vendor, subtype = layout.unpack_from(data, start)
        own = OWN_OPTIONS.get(subtype) if vendor == vendor_id else None
        if own is not None:
            return own, start + layout.octets
    return VendorSpecific, start
