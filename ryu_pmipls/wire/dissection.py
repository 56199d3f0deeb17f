"""Dissection of Mobility Headers for people: every octet, by the descriptions that parse and build, with all faults.

Dissection goes on behind a fault as far as possible, where parsing ends at the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address

from ryu_pmipls.wire.codepoints import CodePoints
from ryu_pmipls.wire.fields import Field, Number, Tail
from ryu_pmipls.wire.layout import Layout, Repeated
from ryu_pmipls.wire.messages import Message
from ryu_pmipls.wire.mobility_header import (
    DEFAULT_CODE_POINTS,
    check_checksum,
    check_sender,
    check_size,
    parse_message,
    parse_option,
)
from ryu_pmipls.wire.options import OPTIONS
from ryu_pmipls.wire.options.mobile_ipv6 import VendorSpecific
from ryu_pmipls.wire.options.option import PAD_1, PAD_N
from ryu_pmipls.wire.structure import (
    HEADER,
    INNER_TYPE,
    TYPE_LENGTH,
    check_header,
    extent,
    message_class,
    option_extents,
    own_option,
)
from ryu_pmipls.wire.wire_error import WireError


@dataclass(frozen=True)
class Part:
    """A stretch of a Mobility Header: its start, length, value and fault.

    Its ``parts`` follow each other without a gap; those of the whole cover it.
    """

    name: str
    offset: int
    octets: int
    value: str = ""
    parts: tuple[Part, ...] = ()
    fault: WireError | None = None

    def faults(self) -> Iterator[WireError]:
        """Faults of the part, in the order of the octets."""
        if self.fault is not None:
            yield self.fault
        for part in self.parts:
            yield from part.faults()


def dissect(
    data: bytes,
    source: IPv6Address | None = None,
    destination: IPv6Address | None = None,
    code_points: CodePoints = DEFAULT_CODE_POINTS,
    *,
    lenient: bool = True,
) -> Part:
    """The parts of a Mobility Header, whatever the octets; it has a fault when, and only when, ``parse`` refuses it.

    Without the addresses, neither the checksum nor the sender that some messages name is verified.
    """
    fault = _fault(check_size, data)
    if fault is not None:
        return Part("Mobility Header", 0, len(data), data.hex(" "), fault=fault)
    end = min(len(data), 8 * data[1] + 8)
    whole, behind = data[:end], data[end:]
    parts = [_header(data, source, destination)]
    title = f"Mobility Header of type {data[2]}"
    try:
        kind = message_class(whole, code_points)
    except WireError as error:
        parts.append(_octets("message data", whole, HEADER.octets, error))
    else:
        title = kind.description.title
        parts += _body(kind, whole, source, code_points, lenient)
    if behind:
        parts.append(_octets("octets behind the Mobility Header", data, end))
    return Part(title, 0, len(data), parts=tuple(parts))


def _header(data: bytes, source: IPv6Address | None, destination: IPv6Address | None) -> Part:
    *fields, checksum = _fields(HEADER, data, 0, HEADER.octets)
    fault = None
    verdict = "not verified: source and destination are not known"
    if source is not None and destination is not None:
        fault = _fault(check_checksum, data, source, destination)
        verdict = "right" if fault is None else "wrong"
    number = int.from_bytes(data[checksum.offset : HEADER.octets], "big")
    checksum = Part(checksum.name, checksum.offset, checksum.octets, f"0x{number:04x} [{verdict}]", fault=fault)
    return Part("header", 0, HEADER.octets, parts=(*fields, checksum), fault=_fault(check_header, data))


def _body(
    kind: type[Message], data: bytes, source: IPv6Address | None, code_points: CodePoints, lenient: bool
) -> Iterator[Part]:
    """The fields of the message, and its options."""
    description = kind.description
    offset = HEADER.octets
    try:
        start, stop, as_drafted = extent(kind, data, lenient)
    except WireError as error:
        yield _octets("fields", data, offset, error)
        return
    parts: list[Part] = []
    if description.code_point is not None:
        parts += _fields(TYPE_LENGTH, data, offset, start)
    elif description.inner is not None:
        parts += _fields(INNER_TYPE, data, offset, start)
    parts += _fields(description.layout, data, start, stop)
    fault = None
    try:
        message = parse_message(kind, data, start, stop)
        if source is not None:
            check_sender(message, source)
    except WireError as error:
        fault = error
    value = f"Length is the draft's; it should be {stop - start} (erratum E3)" if as_drafted else ""
    yield Part("fields", offset, stop - offset, value, tuple(parts), fault)
    yield from _options(data, stop, code_points.vendor_id)


def _options(data: bytes, position: int, vendor_id: int) -> Iterator[Part]:
    try:
        for number, offset, start, stop in option_extents(data, position):
            yield _option(number, data, offset, start, stop, vendor_id)
            position = stop
    except WireError as error:
        yield _octets("options", data, position, error)


def _option(number: int, data: bytes, offset: int, start: int, stop: int, vendor_id: int) -> Part:
    length = stop - offset
    if number == PAD_1:
        return Part("Pad1", offset, length)
    parts = _fields(TYPE_LENGTH, data, offset, start)
    if number == PAD_N:
        parts += [_octets("padding", data[:stop], start)] if stop > start else []
        return Part("PadN", offset, length, parts=tuple(parts))
    fault = _fault(parse_option, number, data, start, stop, vendor_id)
    kind = OPTIONS.get(number)
    if kind is None:
        title = f"option of type {number}, which is not supported"
    else:
        if kind is VendorSpecific:
            kind, behind = own_option(data, start, stop, vendor_id)
            parts += _fields(VendorSpecific.description.layout, data, start, behind) if behind > start else []
            start = behind
        title = kind.description.title
        if stop - start in kind.description.layout.lengths:
            parts += _fields(kind.description.layout, data, start, stop)
            start = stop
    if stop > start:
        parts.append(_octets("data", data[:stop], start))
    return Part(title, offset, length, parts=tuple(parts), fault=fault)


def _fields(layout: Layout, data: bytes, start: int, stop: int) -> list[Part]:
    """The fields of a layout in ``data[start:stop]``, whose length fits."""
    parts = []
    for field in layout.fields:
        octets = stop - start if isinstance(field, Tail) else field.octets
        raw = data[start : start + octets]
        if isinstance(field, Repeated):
            step = field.step
            for number, offset in enumerate(range(start, stop, step), 1):
                inner = tuple(_fields(field.layout, data, offset, offset + step))
                parts.append(Part(f"{field.name} {number}", offset, step, parts=inner))
        elif not isinstance(field, Field):
            parts.append(Part("reserved", start, octets, raw.hex(" ") if any(raw) else ""))
        elif octets:
            parts.append(Part(field.name, start, octets, _shown(field, raw)))
        start += octets
    return parts


def _shown(field: Field, raw: bytes) -> str:
    try:
        text = field.show(field.value(raw))
    except ValueError:
        return raw.hex(" ")
    return f"{text} [{field.text}]" if field.text and isinstance(field, Number) and text.isdigit() else text


def _octets(name: str, data: bytes, offset: int, fault: WireError | None = None) -> Part:
    """All octets from ``offset`` on, not dissected further."""
    return Part(name, offset, len(data) - offset, data[offset:].hex(" "), fault=fault)


def _fault(check: Callable[..., object], *arguments: object) -> WireError | None:
    try:
        check(*arguments)
    except WireError as error:
        return error
    return None
