"""Kinds of fields in octet layouts.

Every field has a decoder, which turns the value from ``struct`` into the value in the message object, and an encoder
for the way back; ``None`` means that both values are the same. Both raise ``ValueError`` for a value that the field
cannot hold.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, IntFlag
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from operator import attrgetter
from struct import Struct
from typing import Any, ClassVar

Converter = Callable[[Any], Any]

#: Cache of addresses: they are immutable and recur, and making one is the most expensive step of parsing.
_ipv6 = lru_cache(maxsize=4096)(IPv6Address)

_EPOCH = datetime(1970, 1, 1)
_UNSIGNED = {1: "B", 2: "H", 4: "I", 8: "Q"}


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field: the attribute that holds it, its ``struct`` code, its width, and words for the reference."""

    name: str
    octets: int = 0
    text: str = ""

    #: Name of this kind of field in the reference.
    kind: ClassVar[str]

    @property
    def code(self) -> str:
        return f"{self.octets}s"

    def decoder(self) -> Converter | None:
        return None

    def encoder(self) -> Converter | None:
        return None

    def value(self, data: bytes) -> Any:
        """Value that the message object holds for these octets; ``ValueError`` for a value that is not allowed."""
        (raw,) = Struct(f"!{self.code}").unpack(data)
        decode = self.decoder()
        return raw if decode is None else decode(raw)

    def show(self, value: Any) -> str:
        """A value for people."""
        return str(value)


@dataclass(frozen=True)
class Reserved:
    """Octets that are sent as zero and ignored on receipt."""

    octets: int

    @property
    def code(self) -> str:
        return f"{self.octets}x"


@dataclass(frozen=True, kw_only=True)
class Number(Field):
    """An unsigned number, ``shift`` bits left of the end of its octets; the bits to its right are reserved.

    ``values`` lists the numbers that have names; others stay plain ``int``.
    """

    values: type[IntEnum] | None = None
    shift: int = 0
    maximum: int | None = None

    kind = "number"

    @property
    def code(self) -> str:
        return _UNSIGNED[self.octets]

    def decoder(self) -> Converter | None:
        if self.values is not None:
            named: dict[int, int] = {member.value: member for member in self.values}
            return lambda raw: named.get(raw, raw)
        return None if self._plain else lambda raw: self._checked(raw >> self.shift)

    def encoder(self) -> Converter | None:
        return None if self._plain else lambda value: self._checked(value) << self.shift

    def show(self, value: int) -> str:
        return f"{value:d} {value.name}" if isinstance(value, IntEnum) else str(value)

    @property
    def _plain(self) -> bool:
        return self.maximum is None and not self.shift

    def _checked(self, value: int) -> int:
        if self.maximum is not None and value > self.maximum:
            raise ValueError(f"{self.name} is {value}, more than {self.maximum}")
        return value


@dataclass(frozen=True, kw_only=True)
class Time(Number):
    """1/65536 s since the start of 1970, UTC (RFC 5213, section 8.8)."""

    octets: int = 8

    kind = "time"

    def show(self, value: int) -> str:
        try:
            time = _EPOCH + timedelta(microseconds=value * 10**6 >> 16)
        except OverflowError:
            return f"{value} (after the year 9999)"
        return f"{value} ({time:%Y-%m-%d %H:%M:%S.%f} UTC)"


@dataclass(frozen=True, kw_only=True)
class Flags(Field):
    """Single bits; those without a name are reserved."""

    values: type[IntFlag]

    kind = "flags"

    @property
    def code(self) -> str:
        return _UNSIGNED[self.octets]

    def decoder(self) -> Converter:
        known = sum(self.values)
        sets = _FlagSets(self.values)
        return lambda raw: sets[raw & known]

    def show(self, value: IntFlag) -> str:
        names = ", ".join(str(flag.name) for flag in self.values if flag in value)
        return f"{names or 'none'} (0x{value:0{2 * self.octets}x})"


class _FlagSets(dict[int, IntFlag]):
    """The sets of flags by their numbers: a look-up is far quicker than a call of the class."""

    def __init__(self, flags: type[IntFlag]) -> None:
        self._flags = flags

    def __missing__(self, number: int) -> IntFlag:
        flags = self[number] = self._flags(number)
        return flags


@dataclass(frozen=True, kw_only=True)
class Counter(Field):
    """A count of 32 bits that stays at its largest value instead of wrapping (erratum E16)."""

    octets: int = 4

    kind = "count"
    code = "I"

    def encoder(self) -> Converter:
        return lambda value: min(value, 0xFFFFFFFF)


@dataclass(frozen=True, kw_only=True)
class Fraction(Field):
    """IEEE 754 binary32 from 0 to 1 (erratum E9)."""

    octets: int = 4

    kind = "fraction"
    code = "f"

    def decoder(self) -> Converter:
        return self._checked

    def encoder(self) -> Converter:
        return self._checked

    def _checked(self, value: float) -> float:
        if not 0 <= value <= 1:  # NaN compares false, so it is refused too
            raise ValueError(f"{self.name} is {value}, not from 0 to 1")
        return value


@dataclass(frozen=True, kw_only=True)
class Ipv6(Field):
    """An IPv6 address."""

    octets: int = 16

    kind = "IPv6 address"

    def decoder(self) -> Converter:
        return _ipv6

    def encoder(self) -> Converter:
        return attrgetter("packed")


@dataclass(frozen=True, kw_only=True)
class LinkLayer(Field):
    """An Ethernet address."""

    octets: int = 6

    kind = "link-layer address"

    def encoder(self) -> Converter:
        return self._checked

    def _checked(self, value: bytes) -> bytes:
        if len(value) != self.octets:
            raise ValueError(f"{self.name} has {len(value)} octets, not {self.octets}")
        return value

    def show(self, value: bytes) -> str:
        return value.hex(":")


@dataclass(frozen=True, kw_only=True)
class Ipv4(Field):
    """An IPv4 address."""

    octets: int = 4

    kind = "IPv4 address"

    def decoder(self) -> Converter:
        return IPv4Address

    def encoder(self) -> Converter:
        return attrgetter("packed")


class Tail(Field, ABC):
    """The last field of a layout, which takes the remaining octets: n times ``step``, or one of ``allowed``."""

    allowed: ClassVar[tuple[int, ...]] = ()

    @property
    def step(self) -> int:
        return 1

    def fits(self, octets: int) -> bool:
        """True when the field can be that long."""
        return octets in self.allowed if self.allowed else octets % self.step == 0

    def value(self, data: bytes) -> Any:
        return self.decode(data)

    @abstractmethod
    def decode(self, data: bytes) -> Any:
        """Value that the message object holds for these octets."""

    @abstractmethod
    def encode(self, value: Any) -> bytes:
        """The octets for a value in the message object."""


class Octets(Tail):
    """Any number of octets."""

    kind = "octets"

    def decode(self, data: bytes) -> bytes:
        return data

    def encode(self, value: bytes) -> bytes:
        return value

    def show(self, value: bytes) -> str:
        return value.hex(":")


class Octets16(Octets):
    """Sixteen octets."""

    kind = "16 octets"
    allowed = (16,)

    def encode(self, value: bytes) -> bytes:
        if not self.fits(len(value)):
            raise ValueError(f"{self.name} has {len(value)} octets, not {self.allowed[0]}")
        return value


class Octets32(Octets16):
    """Thirty-two octets."""

    kind = "32 octets"
    allowed = (32,)


class Text(Octets):
    """Any number of octets that are text more often than not."""

    kind = "text or octets"

    def show(self, value: bytes) -> str:
        text = value.decode("utf-8", "replace")
        return text if text.isprintable() and "\ufffd" not in text else value.hex(":")


class OptionalNumber(Tail):
    """Four octets, or none when the attribute is ``None``."""

    kind = "number, optional"
    allowed = (0, 4)

    def decode(self, data: bytes) -> int | None:
        return int.from_bytes(data, "big") if data else None

    def encode(self, value: int | None) -> bytes:
        if value is None:
            return b""
        if not 0 <= value < 2**32:
            raise ValueError(f"{self.name} is {value}, not a number of 32 bits")
        return value.to_bytes(4, "big")

    def show(self, value: int | None) -> str:
        return "none" if value is None else str(value)


class EitherAddress(Tail):
    """An IPv4 or an IPv6 address."""

    kind = "IPv4 or IPv6 address"
    allowed = (4, 16)

    def decode(self, data: bytes) -> IPv4Address | IPv6Address:
        return IPv6Address(data) if len(data) == 16 else IPv4Address(data)

    def encode(self, value: IPv4Address | IPv6Address) -> bytes:
        return value.packed
