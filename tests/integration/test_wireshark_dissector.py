"""``docs/pmipls.lua`` in tshark: it shows the draft's messages, and leaves all others as they are."""

from __future__ import annotations

import re
import shutil
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from tshark_helpers import Shown, in_udp, number, over_ipv6, tshark

from ryu_pmipls import wire
from ryu_pmipls.wire.fields import EitherAddress, Field, Flags, Fraction
from ryu_pmipls.wire.layout import Repeated
from tests.unit.wire.wire_samples import EVERYTHING, GOLDEN, LMA, MAG, OPTIONS, header

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "pmipls.lua"

DRAFT = {name: example for name, example in EVERYTHING.items() if example[0].description.code_point is not None}
DRAFT |= {
    f"{name}, all options": (replace(message, options=OPTIONS), source, destination)  # type: ignore[type-var]
    for name, (message, source, destination, _) in GOLDEN.items()
    if message.description.code_point is not None
}
INNER = {wire.TunnelRequest: 1, wire.TunnelAck: 2, wire.LoadInfo: 3, wire.LoadAdjust: 4, wire.RouteAdjust: 5}


def expected(record: Any, title: str | None = None) -> Iterator[tuple[str, int]]:
    """The script's fields and their values, for the fields of a message, option or record in the order of the wire."""
    prefix = title or f"pmipls.{re.sub('[^a-z0-9]+', '_', record.description.title.lower())}"
    layout = record.layout if title else record.description.layout
    for field in layout.fields:
        if not isinstance(field, Field):
            continue
        name, value = f"{prefix}.{field.name}", getattr(record, field.name)
        if isinstance(field, Repeated):
            for each in value:
                yield from expected(each, name)
        elif isinstance(field, Flags):
            yield name, value
            yield from ((f"{name}.{flag.name}", flag in value) for flag in field.values)
        elif isinstance(field, EitherAddress):
            yield f"{name}.ipv{value.version}", number(value)
        elif isinstance(field, Fraction):
            yield name, number(struct.pack("!f", value))
        elif value not in (None, b""):
            yield name, number(value)


def all_expected(message: wire.Message) -> Iterator[tuple[str, int]]:
    yield "pmipls.type", INNER[type(message)]
    yield "pmipls.length", len(message.description.layout.build(message))
    yield from expected(message)
    for option in message.options:
        if isinstance(option, wire.UnknownOption):
            yield "pmipls.option.data", number(option.data)
        else:
            if option.description.subtype is not None:
                yield from expected(wire.VendorSpecific(32473, option.description.subtype, b""))
            yield from expected(option)


def found(fields: list[Shown]) -> list[tuple[str, int]]:
    """The script's fields and their octets as numbers; flags by their text."""
    return [
        (shown.name, shown.text in ("1", "True") if re.search(r"\.[A-Z]$", shown.name) else int(shown.value, 16))
        for shown in fields
        if shown.name.startswith("pmipls.")
    ]


@pytest.fixture(scope="module")
def with_script() -> Iterator[tuple[str, str]]:
    """tshark's option, and the script where any user may read it."""
    with TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        script = Path(shutil.copyfile(SCRIPT, f"{directory}/pmipls.lua"))
        script.chmod(0o644)
        yield "-X", f"lua_script:{script}"


@pytest.fixture(scope="module", params=["IPv6", "UDP"])
def dissected(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, with_script: tuple[str, str]
) -> dict[str, list[Shown]]:
    carry = in_udp if request.param == "UDP" else over_ipv6
    packets = [carry(wire.build(*example), *example[1:]) for example in DRAFT.values()]
    shown = tshark(tmp_path_factory.mktemp("tshark"), packets, "pmipls", *with_script)
    return dict(zip(DRAFT, shown, strict=True))


def test_all_five_messages_are_tried() -> None:
    assert {type(message) for message, *_ in DRAFT.values()} == {*INNER}


@pytest.mark.parametrize("name", DRAFT)
def test_every_field_and_option_is_shown(name: str, dissected: dict[str, list[Shown]]) -> None:
    assert found(dissected[name]) == list(all_expected(DRAFT[name][0]))


def test_other_messages_are_left_as_they_are(tmp_path: Path, with_script: tuple[str, str]) -> None:
    others = [example for name, example in EVERYTHING.items() if name not in DRAFT]
    packets = [carry(wire.build(*example), *example[1:]) for example in others for carry in (over_ipv6, in_udp)]
    assert tshark(tmp_path, packets, "mipv6", *with_script) == tshark(tmp_path, packets, "mipv6")
    assert tshark(tmp_path, packets, "pmipls", *with_script) == [[]] * len(packets)


MALFORMED = {
    "an inner type that is not known": (b"\x09\x00" + bytes(8), "inner type 9 is not known"),
    "a Length that does not fit": (b"\x01\x0f" + bytes(16), "Tnl_request cannot have 15 octets"),
    "a Length past the end": (b"\x04\x20" + bytes(8), "Load_adjust has a Length that runs past the end"),
    "an option past the end": (b"\x01\x10" + MAG.packed + b"\xc8\x40\x00\x00", "option 200 runs past the end"),
    "an option that is too short": (b"\x01\x10" + MAG.packed + b"\x1b\x02\x00\x00", "Timestamp cannot have 2 octets"),
}


def test_what_is_malformed_is_marked(tmp_path: Path, with_script: tuple[str, str]) -> None:
    packets = [over_ipv6(header(11, data), MAG, LMA) for data, _ in MALFORMED.values()]
    shown = tshark(tmp_path, packets, "pmipls", *with_script)
    for (_, text), fields in zip(MALFORMED.values(), shown, strict=True):
        assert text in [field.text for field in fields if field.name == "_ws.expert.message"]


def test_e03_the_drafted_length_is_understood(tmp_path: Path, with_script: tuple[str, str]) -> None:
    message, source, destination = EVERYTHING["Route_adjust"]
    octets = wire.build(message, source, destination)
    packets = [over_ipv6(octets[:7] + b"\x20" + octets[8:], source, destination)]
    ((_, _, *fields),) = [found(each) for each in tshark(tmp_path, packets, "pmipls", *with_script)]
    assert fields == list(expected(message))


def test_the_numbers_are_preferences(tmp_path: Path, with_script: tuple[str, str]) -> None:
    chosen = wire.CodePoints(mobility_header_type=200, tunnel_request=77, vendor_id=9)
    message = wire.TunnelRequest(MAG, (wire.TunnelStatus(0, 1),))
    packets = [over_ipv6(wire.build(message, MAG, LMA, chosen), MAG, LMA)]
    preferences = (
        "-o",
        "pmipls.mobility_header_type:200",
        "-o",
        "pmipls.tunnel_request:77",
        "-o",
        "pmipls.vendor_id:9",
    )
    (fields,) = tshark(tmp_path, packets, "pmipls", *with_script, *preferences)
    names = [name for name, _ in found(fields)]
    assert ("pmipls.tnl_request.mag", number(MAG)) in found(fields)
    assert names[-2:] == ["pmipls.tunnel_status.status", "pmipls.tunnel_status.encapsulation"]
    assert tshark(tmp_path, packets, "pmipls", *with_script) == [[]]
