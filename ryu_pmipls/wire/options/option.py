"""Options: their description, their common base, and the parsing of their fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

from ryu_pmipls.wire.layout import Layout
from ryu_pmipls.wire.wire_error import WireError

#: Types of the padding options: Pad1 is a single octet, PadN has a Length (RFC 6275, sections 6.2.2 and 6.2.3).
PAD_1 = 0
PAD_N = 1


@dataclass(frozen=True)
class OptionDescription:
    """A mobility option: number, name, defining document, and its octets after Type and Length.

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
    """Base of all mobility options."""

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
    """An option of an unsupported type: kept, so that it can be shown, and ignored otherwise.

    It is sent unchanged and unaligned; ``type`` is 2..255.
    """

    type: int
    data: bytes


def parse_fields(kind: type[OptionType], data: bytes, start: int, stop: int) -> OptionType:
    """The option of one kind from its octets after Type and Length; ``WireError`` when they do not fit."""
    description = kind.description
    layout = description.layout
    if stop - start not in layout.lengths and not layout.fits(stop - start):
        raise WireError(
            "option-length", f"{description.title} option has {stop - start} octets, not {layout.lengths_text}"
        )
    try:
        return layout.parse(kind, data, start, stop)
    except ValueError as error:
        raise WireError("value", f"{description.title} option: {error}") from None
