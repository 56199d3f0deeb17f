"""Captures of several interfaces and sections, clocks, and lengths; tshark reads the same."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ryu_pmipls.cli import main
from ryu_pmipls.cli.capture import captured
from ryu_pmipls.cli.capture_file import CapturedFrame, CaptureError, frames
from tests.unit.wire.wire_samples import GOLDEN

_, SOURCE, DESTINATION, HEX = GOLDEN["PBU"]
MESSAGE = bytes.fromhex(HEX)
PACKET = struct.pack("!IHBB", 6 << 28, len(MESSAGE), 135, 64) + SOURCE.packed + DESTINATION.packed + MESSAGE
FRAME = b"\2\0\0\0\0\2\2\0\0\0\0\1\x86\xdd" + PACKET
ETHERNET, RAW, WIRELESS = 1, 101, 105
SECONDS = 1_700_000_000
RESOLUTION, FCS, OFFSET, FLAGS = 9, 13, 14, 2


class Writer:
    """Octets of a pcapng file."""

    def __init__(self, order: str = "<") -> None:
        self._order = order

    def pack(self, form: str, *values: Any) -> bytes:
        return struct.pack(self._order + form, *values)

    def block(self, kind: int, body: bytes) -> bytes:
        length = self.pack("I", len(body) + -len(body) % 4 + 12)
        return self.pack("I", kind) + length + body + bytes(-len(body) % 4) + length

    def options(self, *options: tuple[int, bytes]) -> bytes:
        made = (self.pack("HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in options)
        return b"".join(made) + (bytes(4) if options else b"")

    def section(self) -> bytes:
        return self.block(0x0A0D0D0A, self.pack("IHHq", 0x1A2B3C4D, 1, 0, -1))

    def interface(self, link_type: int, *options: tuple[int, bytes], snap_length: int = 0) -> bytes:
        return self.block(1, self.pack("HHI", link_type, 0, snap_length) + self.options(*options))

    def packet(
        self, interface: int, octets: bytes, ticks: int = SECONDS * 10**6, *options: tuple[int, bytes], more: int = 0
    ) -> bytes:
        """``more``: octets that were not captured."""
        head = self.pack("IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(octets), len(octets) + more)
        return self.block(6, head + octets + bytes(-len(octets) % 4) + self.options(*options))


LITTLE, BIG = Writer(), Writer(">")


def read(octets: bytes) -> tuple[list[CapturedFrame], Counter[str]]:
    unread: Counter[str] = Counter()
    return [*frames(BytesIO(octets), unread)], unread


def messages(octets: bytes) -> list[tuple[int, float | None]]:
    """Number and time of each Mobility Header, all of which are the same."""
    unread: Counter[str] = Counter()
    found = [*captured(BytesIO(octets), 5436, unread)]
    assert not unread
    assert all((each.data, each.source, each.incomplete) == (MESSAGE, SOURCE, None) for each in found)
    return [(each.number, each.time) for each in found]


def pcap(network: int, *records: bytes, head: bytes = b"\xd4\xc3\xb2\xa1") -> bytes:
    return head + struct.pack("<HHiIII", 2, 4, 0, 0, 65535, network) + b"".join(records)


def record(octets: bytes, more: int = 0) -> bytes:
    return struct.pack("<IIII", SECONDS, 5, len(octets), len(octets) + more) + octets


TWO_INTERFACES = (
    LITTLE.section(),
    LITTLE.interface(ETHERNET),
    LITTLE.packet(0, FRAME),
    LITTLE.interface(RAW),
    LITTLE.packet(1, PACKET),
    LITTLE.packet(0, FRAME),
)
TWO_SECTIONS = (
    LITTLE.section(),
    LITTLE.interface(ETHERNET),
    LITTLE.packet(0, FRAME),
    BIG.section(),
    BIG.interface(RAW),
    BIG.packet(0, PACKET),
)
CLOCKS = (
    LITTLE.section(),
    LITTLE.interface(RAW, (RESOLUTION, b"\x09")),
    LITTLE.packet(0, PACKET, SECONDS * 10**9 + 250_000_000),
    LITTLE.interface(RAW, (RESOLUTION, b"\x8a"), (OFFSET, struct.pack("<q", 1000))),  # 1/1024 s
    LITTLE.packet(1, PACKET, (SECONDS - 1000) * 1024 + 256),
    LITTLE.interface(RAW, (RESOLUTION, b"\x00")),
    LITTLE.packet(2, PACKET, SECONDS),
)


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        (TWO_INTERFACES, [(number, SECONDS) for number in (1, 2, 3)]),
        (TWO_SECTIONS, [(number, SECONDS) for number in (1, 2)]),
        (CLOCKS, [(1, SECONDS + 0.25), (2, SECONDS + 0.25), (3, SECONDS)]),
    ],
)
def test_each_packet_is_read_as_its_interface_says(
    blocks: tuple[bytes, ...], expected: list[tuple[int, float]], tmp_path: Path
) -> None:
    octets = b"".join(blocks)
    assert messages(octets) == expected
    if shutil.which("tshark"):
        path = tmp_path / "capture"
        path.write_bytes(octets)
        command = [
            "tshark",
            "-r",
            str(path),
            "-Y",
            "mipv6",
            "-T",
            "fields",
            "-e",
            "frame.number",
            "-e",
            "frame.time_epoch",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        told = [line.split() for line in done.stdout.splitlines()]
        assert [(int(number), float(time)) for number, time in told] == expected


def test_old_and_simple_packets() -> None:
    old = LITTLE.pack("HHIIII", 0, 0, *divmod(SECONDS * 10**6, 2**32), len(PACKET), len(PACKET)) + PACKET
    simple = LITTLE.pack("I", len(PACKET)) + PACKET
    octets = LITTLE.section() + LITTLE.interface(RAW) + LITTLE.block(2, old) + LITTLE.block(3, simple)
    assert messages(octets) == [(1, SECONDS), (2, None)]


def test_a_simple_packet_is_cut_at_the_snap_length() -> None:
    octets = LITTLE.section() + LITTLE.interface(RAW, snap_length=50)
    (found,), _ = read(octets + LITTLE.block(3, LITTLE.pack("I", len(PACKET)) + PACKET[:50]))
    assert (found.octets, found.cut, found.time) == (PACKET[:50], True, None)


@pytest.mark.parametrize(
    "octets",
    [
        pcap(ETHERNET | 0x0400_0000 | 2 << 28, record(FRAME + b"fcs!")),
        LITTLE.section() + LITTLE.interface(ETHERNET, (FCS, b"\4")) + LITTLE.packet(0, FRAME + b"fcs!"),
        LITTLE.section() + LITTLE.interface(ETHERNET, (FCS, b"\x20")) + LITTLE.packet(0, FRAME + b"fcs!"),
        LITTLE.section()
        + LITTLE.interface(ETHERNET)
        + LITTLE.packet(0, FRAME + b"fcs!", SECONDS, (FLAGS, struct.pack("<I", 4 << 5))),
    ],
)
def test_a_frame_check_sequence_is_no_part_of_the_frame(octets: bytes) -> None:
    (found,), unread = read(octets)
    assert (found.octets, found.cut, found.link_type) == (FRAME, False, ETHERNET)
    assert not unread and len(messages(octets)) == 1


def test_a_frame_that_lacks_only_its_check_sequence_is_whole() -> None:
    (found,), _ = read(pcap(ETHERNET | 0x0400_0000 | 2 << 28, record(FRAME, more=4)))
    assert (found.octets, found.cut) == (FRAME, False)


def test_blocks_without_packets_are_passed_over_and_unknown_ones_counted() -> None:
    known = b"".join(LITTLE.block(kind, bytes(8)) for kind in (4, 5, 9, 10))
    octets = (
        LITTLE.section() + known + LITTLE.interface(RAW) + LITTLE.block(0xBAD, bytes(12)) + LITTLE.packet(0, PACKET)
    )
    found, unread = read(octets)
    assert (len(found), unread) == (1, {"a block of type 0xbad": 1})


def test_a_file_that_breaks_off_anywhere_says_so() -> None:
    for parts in (TWO_SECTIONS, (pcap(RAW), record(PACKET), record(PACKET))):
        whole = b"".join(parts)
        ends = {sum(map(len, parts[:count])) for count in range(len(parts) + 1)}
        for size in {*range(4, len(whole))} - ends:
            with pytest.raises(CaptureError, match="breaks off"):
                read(whole[:size])


@pytest.mark.parametrize(
    "octets",
    [
        LITTLE.section() + LITTLE.packet(0, PACKET),  # no such interface
        LITTLE.section() + struct.pack("<III", 6, 8, 8),
        LITTLE.section() + struct.pack("<II", 6, 2**31),
        LITTLE.section() + LITTLE.interface(RAW) + LITTLE.block(6, LITTLE.pack("IIIII", 0, 0, 0, 999, 999)),
        LITTLE.section() + LITTLE.interface(RAW)[:-4] + b"\0\0\0\0",
        pcap(RAW, struct.pack("<IIII", 0, 0, 2**31, 2**31)),
    ],
)
def test_lengths_that_do_not_fit(octets: bytes) -> None:
    with pytest.raises(CaptureError, match="behind packet 0"):
        read(octets)


# What decode says of it.


@pytest.fixture
def decode(tmp_path: Path) -> Callable[[bytes], tuple[int, str, str]]:
    def run(octets: bytes) -> tuple[int, str, str]:
        path = tmp_path / "capture"
        path.write_bytes(octets)
        result = CliRunner().invoke(main, ("decode", str(path)))
        return result.exit_code, result.stdout, result.stderr

    return run


def test_all_of_a_capture_of_two_interfaces_is_printed(decode: Callable[[bytes], tuple[int, str, str]]) -> None:
    code, text, _ = decode(b"".join(TWO_INTERFACES))
    assert (code, text.splitlines()[-1]) == (0, "3 Mobility Headers, 0 of them malformed.")


@pytest.mark.parametrize(
    ("octets", "what"),
    [
        (b"".join(TWO_INTERFACES) + LITTLE.interface(WIRELESS) + LITTLE.packet(2, FRAME), "a packet of link type 105"),
        (pcap(WIRELESS, record(FRAME)), "a packet of link type 105 (Ethernet, raw IP,"),
        (pcap(RAW, record(PACKET[:-8], more=8)), "a Mobility Header that is not whole"),
        (pcap(ETHERNET, record(FRAME[:50], more=100)), "of which too little was captured"),
        (pcap(ETHERNET, record(FRAME[:13], more=100)), "of which too little was captured"),
        (pcap(RAW, record(PACKET))[:-3], "the file is damaged, or breaks off, behind packet 0"),
        (LITTLE.section() + LITTLE.block(0xBAD, bytes(12)), "a block of type 0xbad"),
    ],
)
def test_what_is_not_understood_is_said_with_status_2(
    decode: Callable[[bytes], tuple[int, str, str]], octets: bytes, what: str
) -> None:
    code, _, errors = decode(octets)
    assert code == 2 and what in errors
