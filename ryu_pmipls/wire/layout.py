"""Descriptions of octet layouts, and the functions compiled from them.

A layout is a sequence of fields. All but the last have a fixed width and go through one prebuilt ``struct``; the last
may be a *tail*, which takes the octets that the enclosing length leaves.

From its fields each layout makes the source text of the two functions that parse and build it, as dataclasses do for
their constructors: a loop over descriptions would take several times as long as the work itself
(docs/measurements.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass
from dataclasses import fields as dataclass_fields
from struct import Struct
from struct import error as StructError  # noqa: N812
from typing import Any, TypeVar

from ryu_pmipls.wire.fields import Field, Reserved, Tail

Record = TypeVar("Record")


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
