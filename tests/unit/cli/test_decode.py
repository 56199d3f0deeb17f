from __future__ import annotations

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw
from scapy.utils import wrpcap

from ryu_pmipls import wire
from ryu_pmipls.cli import main
from ryu_pmipls.domain.profile import SHIPPED_PROFILES
from tests.unit.wire.wire_samples import EVERYTHING, GOLDEN, LMA, MAG, NONE, PREFIX, RMS

_, SOURCE, DESTINATION, PBU = GOLDEN["PBU"]
ADDRESSES = ("--source", str(SOURCE), "--destination", str(DESTINATION))


def decode(*arguments: str) -> Result:
    return CliRunner().invoke(main, ("decode", *arguments))


def test_octets_in_hexadecimal_digits() -> None:
    result = decode(*ADDRESSES, PBU)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0] == "    0   88  Binding Update"
    assert "    4    2      checksum: 0xbc67 [right]" in lines
    assert "    8    2      flags: A, P (0x8200)" in lines
    assert "   15   15      identifier: mn1@example.net" in lines
    assert "   30    6    PadN" in lines
    assert "   59    1      value: 1 NEW_INTERFACE" in lines
    assert "!" not in result.output


@pytest.mark.parametrize(
    "written",
    [
        ("3b010d00", "5aed0000", "00000001", "01020000"),
        ("3b:01:0d:00:5a:ed:00:00:00:00:00:01:01:02:00:00",),
        ("0x3b010d005aed00000000000101020000",),
        ("3B 01 0D 00 5A ED 00 00\n00 00 00 01 01 02 00 00",),
    ],
)
def test_octets_as_other_tools_write_them(written: tuple[str, ...]) -> None:
    result = decode(*ADDRESSES, *written)
    assert (result.exit_code, result.output.splitlines()[0]) == (0, "    0   16  Heartbeat")


def test_without_addresses_the_checksum_is_not_verified_and_that_is_said() -> None:
    result = decode(PBU[:8] + "1234" + PBU[12:])
    assert result.exit_code == 0
    assert "checksum: 0x1234 [not verified: source and destination are not known]" in result.output


def test_what_is_malformed_has_its_reason_below_it() -> None:
    result = decode(*ADDRESSES, PBU[:8] + "1234" + PBU[12:])
    assert result.exit_code == 1
    lines = result.output.splitlines()
    at = next(index for index, line in enumerate(lines) if "checksum" in line)
    assert lines[at : at + 2] == [
        "    4    2      checksum: 0x1234 [wrong]",
        "              ! the checksum is wrong (checksum)",
    ]


def test_too_little_for_a_message() -> None:
    result = decode("3b02")
    assert (result.exit_code, result.output.splitlines()[1].strip()) == (
        1,
        "! 2 octets are no Mobility Header (truncated)",
    )


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """All examples, by turns over IPv6 and in UDP, and a damaged one."""
    packets = []
    for index, (message, source, destination) in enumerate(EVERYTHING.values()):
        octets = Raw(wire.build(message, source, destination))
        address = IPv6(src=str(source), dst=str(destination), nh=17 if index % 2 else 135)
        packets.append(address / UDP(sport=5436, dport=5436) / octets if index % 2 else address / octets)
    packets.append(IPv6(src=str(MAG), dst=str(LMA), nh=135) / Raw(b"\x3b\x02\x0b\x00\x2f\x1c" + bytes(18)))
    path = tmp_path / "all.pcap"
    wrpcap(str(path), packets)
    return path


def test_a_capture_is_a_line_a_message(capture: Path) -> None:
    result = decode(str(capture))
    assert result.exit_code == 1
    *lines, end = result.output.splitlines()
    assert len(lines) == len(EVERYTHING) + 1
    assert end == f"{len(EVERYTHING) + 1} Mobility Headers, 1 of them malformed."
    for number, (line, (message, source, destination)) in enumerate(zip(lines, EVERYTHING.values(), strict=False), 1):
        assert re.fullmatch(rf" *{number}  \d\d:\d\d:\d\d\.\d{{6}}  {source} > {destination}  .*", line)
        assert f"  {message.description.title}" in line
        assert "!" not in line
    assert " ! the checksum is wrong (checksum)" in lines[-1]


def test_a_line_says_who_is_meant_and_leaves_out_what_every_message_has(tmp_path: Path) -> None:
    path = tmp_path / "one.pcap"
    wrpcap(str(path), [IPv6(src=str(SOURCE), dst=str(DESTINATION), nh=135) / Raw(bytes.fromhex(PBU))])
    line = decode(str(path)).output.splitlines()[0]
    assert "  Binding Update: sequence " in line
    assert "; Mobile Node Identifier mn1@example.net; " in line
    for left_out in ("Pad", "checksum", "Timestamp", "type", "length"):
        assert left_out not in line


def test_a_capture_field_by_field(capture: Path) -> None:
    result = decode("--verbose", str(capture))
    assert result.exit_code == 1
    assert result.output.endswith(f"\n{len(EVERYTHING) + 1} Mobility Headers, 1 of them malformed.\n")
    assert result.output.count("[right]") == len(EVERYTHING)
    headings = [line for line in result.output.splitlines() if line.startswith("Packet ")]
    assert [heading.rpartition(", ")[2] for heading in headings[:2]] == ["IPv6", "UDP"]
    assert f" {MAG} > {LMA}, " in headings[0]
    for kind in wire.MESSAGES:
        assert f"  {kind.description.title}\n" in result.output
    for option in (*wire.OPTIONS.values(), *wire.OWN_OPTIONS.values()):
        assert f"    {option.description.title}\n" in result.output


def test_a_capture_without_fault(tmp_path: Path) -> None:
    path = tmp_path / "one.pcap"
    wrpcap(str(path), [IPv6(src=str(SOURCE), dst=str(DESTINATION), nh=135) / Raw(bytes.fromhex(PBU))])
    assert decode(str(path)).exit_code == 0


def test_a_capture_comes_from_standard_input_or_a_pipe(capture: Path, tmp_path: Path) -> None:
    expected = decode(str(capture)).output
    assert CliRunner().invoke(main, ["decode", "-"], input=capture.read_bytes()).output == expected
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as pool:
        pool.submit((tmp_path / "pipe").write_bytes, capture.read_bytes())
        assert decode(str(tmp_path / "pipe")).output == expected
    result = CliRunner().invoke(main, ["decode", "-"], input=b"no capture")
    assert result.exit_code == 2
    assert result.stderr == "Error: -: this is no capture; pcap and pcapng are read\n"


def test_a_capture_as_a_document(capture: Path) -> None:
    result = decode("--json", str(capture))
    assert result.exit_code == 1
    documents = json.loads(result.stdout)
    assert [document["packet"] for document in documents] == [*range(1, len(EVERYTHING) + 2)]
    assert documents[0]["message"]["parts"][0]["name"] == "header"
    assert documents[-1]["message"]["parts"][0]["parts"][-1]["fault"]["reason"] == "checksum"


def test_a_capture_without_messages_is_an_empty_list(tmp_path: Path) -> None:
    wrpcap(str(tmp_path / "none.pcap"), [IPv6(src=str(SOURCE), dst=str(DESTINATION), nh=59)])
    result = decode("--json", str(tmp_path / "none.pcap"))
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])


def test_octets_as_a_document() -> None:
    result = decode("--json", *ADDRESSES, PBU)
    assert (result.exit_code, json.loads(result.stdout)["name"]) == (0, "Binding Update")


def test_numbers_of_the_profile(tmp_path: Path) -> None:
    text = (SHIPPED_PROFILES / "two-lma.yaml").read_text(encoding="utf-8")
    (tmp_path / "other.yaml").write_text(
        text + "\nsignalling:\n  mobility_header_type: 200\n  inner_types: {route_adjust: 9}\n  lenient: false\n",
        encoding="utf-8",
    )
    chosen = wire.CodePoints(mobility_header_type=200, route_adjust=9)
    octets = wire.build(wire.RouteAdjust(PREFIX, NONE, MAG), MAG, RMS, chosen)
    profile = ("--profile", str(tmp_path / "other.yaml"))
    assert decode(*profile, octets.hex()).output.startswith("    0   56  Route_adjust\n")
    assert decode(octets.hex()).exit_code == 1
    drafted = octets[:7] + b"\x20" + octets[8:]
    assert "Route_adjust has Length 32, not 48 (length)" in decode(*profile, drafted.hex()).output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing argument 'FILE|-|HEX...'"),
        (("missing.pcap",), "missing.pcap: is neither a file nor octets in hexadecimal digits"),
        (("3b0",), "3b0: is neither a file nor octets in hexadecimal digits"),
        (("--source", "::1", "3b"), "The checksum needs --source and --destination, or neither of them."),
        (("--source", "mag1", "3b"), "Invalid value for '--source': mag1 is no IPv6 address"),
    ],
)
def test_wrong_input_is_one_message_and_exit_code_2(arguments: tuple[str, ...], message: str) -> None:
    result = decode(*arguments)
    assert (result.exit_code, message in result.stderr) == (2, True), result.output


def test_addresses_are_not_for_captures(capture: Path) -> None:
    result = decode(*ADDRESSES, str(capture))
    assert (result.exit_code, "a capture has its own" in result.stderr) == (2, True)


def test_a_file_that_is_no_capture(tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_text("no capture", encoding="utf-8")
    result = decode(str(path))
    assert result.exit_code == 2
    assert result.stderr == f"Error: {path}: this is no capture; pcap and pcapng are read\n"


def test_a_capture_that_breaks_off_is_printed_as_far_as_it_goes(capture: Path) -> None:
    capture.write_bytes(capture.read_bytes()[:-70])
    result = decode(str(capture))
    assert result.exit_code == 2
    assert len(result.stdout.splitlines()) == len(EVERYTHING)
    assert f"the file is damaged, or breaks off, behind packet {len(EVERYTHING)}" in result.stderr
