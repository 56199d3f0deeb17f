"""Descriptions of octet layouts, and the functions compiled from them.

A layout is a sequence of fields. All but the last have a fixed width and go through one prebuilt ``struct``; the last
may be a *tail*, which takes the octets that the enclosing length leaves. Every field has a decoder, which turns the
value from ``struct`` into the value in the message object, and an encoder for the way back; ``None`` means that both
values are the same. Both raise ``ValueError`` for a value that the field cannot hold.

From its fields each layout makes the source text of the two functions that parse and build it, as dataclasses do for
their constructors: a loop over descriptions would take several times as long as the work itself
(docs/measurements.md).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import MISSING, dataclass
from dataclasses import fields as dataclass_fields
from datetime import datetime, timedelta
from enum import IntEnum, IntFlag
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from operator import attrgetter
from struct import Struct
from struct import error as StructError  # noqa: N812
from typing import Any, ClassVar, TypeVar

Converter = Callable[[Any], Any]
Record = TypeVar("Record")

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


@dataclass(frozen=True, kw_only=True)
class Repeated(Tail):
    """Any number of records of one class, whose class attribute ``layout`` describes them."""

    record: type[Any]

    kind = "records"

    @property
    def step(self) -> int:
        return self.layout.octets

    @property
    def layout(self) -> Layout:
        layout: Layout = self.record.layout
        return layout

    def decode(self, data: bytes) -> tuple[Any, ...]:
        return self.layout.parse_all(self.record, data)

    def encode(self, value: tuple[Any, ...]) -> bytes:
        return b"".join(map(self.layout.build, value))


class Layout:
    """Fields in the order of the wire, compiled. A layout belongs to one class, a frozen dataclass with slots.

    ``octets`` is the width of all but the tail; ``lengths`` are the lengths up to 255 that the whole can have.
    ``unpack_from(data, start)`` gives the values from ``struct`` for all fields but the tail, and ``build(record)`` the
    octets of an object; ``ValueError`` for a value that its field cannot hold.
    """

    build: Callable[[Any], bytes]

    def __init__(self, *fields: Field | Reserved) -> None:
        self.fields = fields
        last = fields[-1] if fields else None
        self.tail = last if isinstance(last, Tail) else None
        fixed = [field for field in fields if field is not self.tail]
        self._fixed = [field for field in fixed if isinstance(field, Field)]
        self._struct = Struct("!" + "".join(field.code for field in fixed))
        self.octets = self._struct.size
        self.lengths = frozenset(filter(self.fits, range(256)))
        self.unpack_from = self._struct.unpack_from
        self.build = self._compile_builder()

    def fits(self, octets: int) -> bool:
        """True when this layout can have that many octets."""
        rest = octets - self.octets
        return rest == 0 if self.tail is None else rest >= 0 and self.tail.fits(rest)

    @property
    def lengths_text(self) -> str:
        """The lengths in octets that fit, for people."""
        if self.tail is None:
            return str(self.octets)
        if self.tail.allowed:
            return " or ".join(str(self.octets + rest) for rest in self.tail.allowed)
        return f"{self.octets} or more" if self.tail.step == 1 else f"{self.tail.step}n + {self.octets}"

    def parse(self, kind: type[Record], data: bytes, start: int, stop: int, **others: Any) -> Record:
        """The object of the layout's class in ``data[start:stop]``, whose length must fit.

        ``others`` are attributes that are not in the layout; ``ValueError`` for a value that is not allowed.
        """
        # The class was not complete when its layout was made. From now on calls go to the compiled function.
        self._compile_parsers(kind)
        return self.parse(kind, data, start, stop, **others)

    def parse_all(self, kind: type[Record], data: bytes) -> tuple[Record, ...]:
        """The objects of the layout's class that follow each other in ``data``; for a layout without a tail."""
        self._compile_parsers(kind)
        return self.parse_all(kind, data)

    def _compile_builder(self) -> Callable[[Any], bytes]:
        names: dict[str, Any] = {"pack": self._struct.pack, "StructError": StructError}
        values = []
        for field in self._fixed:
            encode = names[f"encode_{field.name}"] = field.encoder()
            values.append(f"encode_{field.name}(record.{field.name})" if encode else f"record.{field.name}")
        octets = f"pack({', '.join(values)})"
        if self.tail is not None:
            names["encode_tail"] = self.tail.encode
            octets += f" + encode_tail(record.{self.tail.name})"
        source = f"""
def build(record):
    try:
        return {octets}
    except StructError as error:
        raise ValueError(f"{{record!r}}: a number does not fit its field: {{error}}") from None
"""
        exec(source, names)
        return names["build"]  # type: ignore[no-any-return]

    def _compile_parsers(self, kind: type[Any]) -> None:
        """Put compiled functions in the place of ``parse`` and ``parse_all``.

        They fill the slots of a new object one by one, and so take half the time of the constructor of a frozen
        dataclass.
        """
        names: dict[str, Any] = {
            "new": object.__new__,
            "unpack_from": self.unpack_from,
            "iter_unpack": self._struct.iter_unpack,
        }
        decoded: dict[str, str] = {}
        for field in self._fixed:
            decode = names[f"decode_{field.name}"] = field.decoder()
            decoded[field.name] = f"decode_{field.name}(raw_{field.name})" if decode else f"raw_{field.name}"
        unpacked = "".join(f"raw_{field.name}, " for field in self._fixed)
        if self.tail is not None:
            names["decode_tail"] = self.tail.decode
            decoded[self.tail.name] = f"decode_tail(data[start + {self.octets}:stop])"
        parameters, made = "", ["record = new(kind)"]
        for attribute in dataclass_fields(kind):
            name = attribute.name
            names[f"set_{name}"] = getattr(kind, name).__set__
            made.append(f"set_{name}(record, {decoded.get(name, name)})")
            if name not in decoded:
                names[f"default_{name}"] = attribute.default
                parameters += f", {name}" + ("" if attribute.default is MISSING else f"=default_{name}")
        if hasattr(kind, "__post_init__"):
            made.append("record.__post_init__()")
        make = "; ".join(made)
        source = f"""
def parse(kind, data, start, stop{", *" if parameters else ""}{parameters}):
    ({unpacked}) = unpack_from(data, start)
    {make}
    return record

def parse_all(kind, data):
    records = []
    for ({unpacked}) in iter_unpack(data):
        {make}
        records.append(record)
    return tuple(records)
"""
        exec(source, names)
        self.parse, self.parse_all = names["parse"], names["parse_all"]  # type: ignore[method-assign]
