from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_samples import EVERYTHING, GOLDEN, LMA, MAG, header, octets_of, sealed

from ryu_pmipls import wire
from ryu_pmipls.wire import REASONS
from ryu_pmipls.wire.dissection import Part, dissect
from tests.fuzz.dissection import check


def walk(part: Part) -> Iterator[Part]:
    yield part
    for inner in part.parts:
        yield from walk(inner)


@pytest.mark.parametrize("kind", wire.MESSAGES)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_messages_are_covered(kind: Any, data: st.DataObject) -> None:
    octets = data.draw(octets_of(kind))
    check(octets)
    damaged = bytearray(octets)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(6, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    check(sealed(bytes(damaged), LMA, MAG))


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200), st.booleans())
def test_any_octets_are_covered(octets: bytes, seal: bool) -> None:
    check(sealed(octets[: len(octets) // 8 * 8], LMA, MAG) if seal and len(octets) >= 8 else octets)


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_attribute_is_shown(name: str) -> None:
    message, source, destination = EVERYTHING[name]
    whole = dissect(wire.build(message, source, destination), source, destination)
    assert whole.name == message.description.title
    assert not list(whole.faults())
    for record in (message, *message.options):
        if isinstance(record, wire.UnknownOption):
            continue
        title = "fields" if isinstance(record, wire.Message) else record.description.title
        shown = [part for part in whole.parts if part.name == title]
        for field in record.description.layout.fields:
            name_of_field = getattr(field, "name", None)
            if name_of_field is None or name_of_field == "mags":
                continue
            text = field.show(getattr(record, name_of_field))  # type: ignore[union-attr]
            values = [inner.value for part in shown for inner in part.parts if inner.name == name_of_field]
            assert any(value.startswith(text) for value in values) or text in ("", "none"), (title, name_of_field)


def values(part: Part) -> dict[str, str]:
    return {inner.name: inner.value for inner in walk(part)}


def test_values_are_shown_for_people() -> None:
    _, source, destination, octets = GOLDEN["PBU"]
    shown = values(dissect(bytes.fromhex(octets), source, destination))
    assert shown["checksum"] == "0xbc67 [right]"
    assert shown["flags"] == "A, P (0x8200)"
    assert shown["lifetime"] == "900 [units of 4 s; 0 de-registers]"
    assert shown["ticks"] == "111411200032768 (2023-11-14 22:13:20.500000 UTC)"
    assert shown["subtype"] == "1 NAI"
    assert shown["prefix"] == "2001:db8:100::"
    bare = values(dissect(bytes.fromhex(octets)))
    assert bare["checksum"] == "0xbc67 [not verified: source and destination are not known]"


def test_records_are_numbered() -> None:
    message, source, destination = EVERYTHING["Load_info of 12"]
    names = [part.name for part in walk(dissect(wire.build(message, source, destination), source, destination))]
    assert [name for name in names if name.startswith("mags ")] == [f"mags {number}" for number in range(1, 13)]


def test_what_can_be_told_is_told_behind_a_fault() -> None:
    wrong_prefix = b"\x16\x12\x00\x81" + bytes(16)
    octets = header(5, b"\x00\x07\x82\x00\x03\x84" + wrong_prefix + b"\x17\x02\x00\x01")
    whole = dissect(octets[:3] + b"\x01" + octets[4:], LMA, MAG)
    assert [fault.reason for fault in whole.faults()] == ["checksum", "value"]
    assert values(whole)["length"] == "2"
    assert values(whole)["value"] == "1 NEW_INTERFACE"


def test_the_drafted_length_is_told() -> None:
    octets = wire.build(EVERYTHING["Route_adjust"][0], LMA, MAG)
    drafted = sealed(octets[:7] + b"\x20" + octets[8:], LMA, MAG)
    assert values(dissect(drafted, LMA, MAG))["fields"] == "Length is the draft's; it should be 48 (erratum E3)"
    assert [str(fault) for fault in dissect(drafted, LMA, MAG, lenient=False).faults()] == [
        "Route_adjust has Length 32, not 48"
    ]


def test_reasons_are_those_of_the_parser() -> None:
    assert {fault.reason for fault in dissect(b"").faults()} == {"truncated"}
    assert {fault.reason for fault in dissect(bytes(16), MAG, LMA).faults()} <= {*REASONS}


def test_a_time_beyond_the_calendar() -> None:
    octets = wire.build(wire.BindingUpdate(1, 1, options=(wire.Timestamp(2**64 - 1),)), MAG, LMA)
    assert values(dissect(octets))["ticks"] == "18446744073709551615 (after the year 9999)"
