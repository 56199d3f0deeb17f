"""Fast parsing, in about a microsecond, of messages that differ only in the values of some fields.

A node sends the same message again and again, with the same options in the same order. The places of the fields in one
parsed message hold for all that are like it: equal in every octet but those of the fields and the checksum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from struct import Struct
from typing import Any

from ryu_pmipls.wire.codepoints import CodePoints
from ryu_pmipls.wire.fields import Ipv6, Number, Octets, Reserved
from ryu_pmipls.wire.layout import Layout
from ryu_pmipls.wire.options import OPTIONS
from ryu_pmipls.wire.options.mobile_ipv6 import VendorSpecific
from ryu_pmipls.wire.options.option import PAD_N, Option
from ryu_pmipls.wire.structure import extent, message_class, option_extents, own_option

#: A field of the message itself (None), or of the first option of a class; and its name.
Place = tuple[type[Option] | None, str]

_CHECKSUM = range(4, 6)


class Pattern:
    """Parses the fields at ``places``, two or more, from messages like ``data``, which was parsed.

    They must be fields that may have any value: addresses, plain numbers, octets; ``ValueError`` otherwise.
    """

    def __init__(self, data: bytes, code_points: CodePoints, places: Sequence[Place]) -> None:
        found = {octets: (place, code) for place, octets, code in _fields(data, code_points) if place in places}
        codes: list[str] = []
        order: list[Place] = []
        mask = bytearray(b"\xff" * len(data))  # of what does not change
        mask[_CHECKSUM.start : _CHECKSUM.stop] = bytes(len(_CHECKSUM))
        position = 0
        for octets in sorted(found, key=lambda octets: octets.start):
            place, code = found[octets]
            if not code:
                raise ValueError(f"{place[1]} may not have any value")
            codes += [f"{octets.start - position}x", code]
            order.append(place)
            mask[octets.start : octets.stop] = bytes(len(octets))
            position = octets.stop
        self._struct = Struct(f"!{''.join(codes)}{len(data) - position}x")
        # An absent option has the place of a None behind all fields.
        self._values = itemgetter(*(order.index(place) if place in order else len(order) for place in places))
        self._behind = () if {*places} <= {*order} else (None,)
        self._mask = int.from_bytes(mask, "big")
        self._like = int.from_bytes(data, "big") & self._mask

    def parse(self, data: bytes) -> tuple[Any, ...] | None:
        """The fields: addresses and octets as octets, numbers, None for a missing one; None if ``data`` is not alike.

        The checksum is not checked.
        """
        if len(data) != self._struct.size or int.from_bytes(data, "big") & self._mask != self._like:
            return None
        values: tuple[Any, ...] = self._values(self._struct.unpack(data) + self._behind)
        return values


def _fields(data: bytes, code_points: CodePoints) -> Iterator[tuple[Place, range, str]]:
    """The fields of a message and of the first option of each class: place, octets, and ``struct`` code.

    The code is empty for a field whose value is not simply its octets.
    """
    kind = message_class(data, code_points)
    start, stop, _ = extent(kind, data, lenient=False)
    yield from _of_layout(None, kind.description.layout, start, stop)
    seen = set()
    for number, _, data_start, option_stop in option_extents(data, stop):
        if number > PAD_N:
            option, start = OPTIONS.get(number), data_start
            if option is VendorSpecific:
                option, start = own_option(data, data_start, option_stop, code_points.vendor_id)
            if option is not None and option not in seen:
                seen.add(option)
                yield from _of_layout(option, option.description.layout, start, option_stop)


def _of_layout(kind: type[Option] | None, layout: Layout, start: int, stop: int) -> Iterator[tuple[Place, range, str]]:
    for field in layout.fields:
        octets = range(start, stop if field is layout.tail else start + field.octets)
        start = octets.stop
        if isinstance(field, Reserved):
            continue
        if isinstance(field, (Ipv6, Octets)):
            code = f"{len(octets)}s"
        else:
            code = field.code if isinstance(field, Number) and field.decoder() is None else ""
        yield (kind, field.name), octets, code
