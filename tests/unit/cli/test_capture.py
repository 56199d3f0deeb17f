from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from ipaddress import IPv6Address
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import (
    HAO,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    RouterAlert,
)
from scapy.layers.ipsec import AH
from scapy.layers.l2 import ARP, CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw
from scapy.utils import PcapNgWriter, wrpcap

from ryu_pmipls.cli.capture import Captured, captured
from ryu_pmipls.cli.capture import read_capture as read_all
from ryu_pmipls.cli.capture_file import CaptureError
from ryu_pmipls.wire import build, parse
from tests.unit.wire.wire_samples import GOLDEN

PORT = 5436
MESSAGE, SOURCE, DESTINATION, HEX = GOLDEN["PBU"]
OCTETS = bytes.fromhex(HEX)
HOME = IPv6Address("2001:db8:100::1")


def read_capture(path: Path, port: int, unread: Counter[str] | None = None) -> Iterator[Captured]:
    """Read a file of which nothing, or just what ``unread`` is for, is not understood."""
    counted: Counter[str] = Counter() if unread is None else unread
    yield from read_all(path, port, counted)
    assert unread is not None or not counted


def ip(next_header: int = 135) -> Packet:
    return IPv6(src=str(SOURCE), dst=str(DESTINATION), nh=next_header)


HEADER = ip() / Raw(OCTETS)
IN_UDP = ip(17) / UDP(sport=40000, dport=PORT) / Raw(OCTETS)
ETHERNET = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
#: name -> link type, packet
CARRIED: dict[str, tuple[int, Packet]] = {
    "Ethernet": (1, ETHERNET / HEADER),
    "Ethernet, a frame that is filled up": (1, ETHERNET / ip() / Raw(OCTETS + bytes(20))),
    "Ethernet, VLAN": (1, ETHERNET / Dot1Q(vlan=5) / HEADER),
    "Ethernet, two VLAN tags": (1, ETHERNET / Dot1AD(vlan=5) / Dot1Q(vlan=6) / HEADER),
    "Linux cooked": (113, CookedLinux() / HEADER),
    "Linux cooked v2": (276, CookedLinuxV2() / HEADER),
    "raw IP": (101, HEADER),
    "raw IPv6": (229, HEADER),
    "hop-by-hop options": (1, ETHERNET / ip(0) / IPv6ExtHdrHopByHop(nh=135, options=[RouterAlert()]) / Raw(OCTETS)),
    "destination options": (1, ETHERNET / ip(60) / IPv6ExtHdrDestOpt(nh=135) / Raw(OCTETS)),
    "several extension headers": (
        1,
        ETHERNET
        / ip(0)
        / IPv6ExtHdrHopByHop(nh=60)
        / IPv6ExtHdrDestOpt(nh=51)
        / AH(nh=135, payloadlen=4, icv=bytes(12))
        / Raw(OCTETS),
    ),
    "a fragment that is all": (1, ETHERNET / ip(44) / IPv6ExtHdrFragment(nh=135) / Raw(OCTETS)),
    "UDP": (1, ETHERNET / IN_UDP),
    "UDP, from the port": (1, ETHERNET / ip(17) / UDP(sport=PORT, dport=40000) / Raw(OCTETS)),
    "UDP behind an extension header": (
        113,
        CookedLinux() / ip(0) / IPv6ExtHdrHopByHop(nh=17) / UDP(sport=PORT, dport=PORT) / Raw(OCTETS),
    ),
}


def written(path: Path, link_type: int, *packets: Packet) -> Path:
    wrpcap(str(path), [Raw(bytes(packet)) for packet in packets], linktype=link_type)
    return path


@pytest.mark.parametrize("name", CARRIED)
def test_headers_are_found_in_every_carrier(name: str, tmp_path: Path) -> None:
    link_type, packet = CARRIED[name]
    if "filled up" in name:
        packet[IPv6].plen = len(OCTETS)
    (found,) = read_capture(written(tmp_path / "one.pcap", link_type, packet), PORT)
    assert (found.number, found.source, found.destination) == (1, SOURCE, DESTINATION)
    assert (found.carrier, found.incomplete) == ("UDP" if "UDP" in name else "IPv6", None)
    assert parse(found.data, found.source, found.destination) == MESSAGE


OTHERS: dict[str, Packet] = {
    "ARP": ETHERNET / ARP(),
    "IPv4": ETHERNET / IP() / UDP(sport=PORT, dport=PORT) / Raw(OCTETS),
    "another UDP port": ETHERNET / ip(17) / UDP(sport=1, dport=2) / Raw(OCTETS),
    "TCP": ETHERNET / ip(6) / Raw(bytes(20)),
    "ESP": ETHERNET / ip(50) / Raw(OCTETS),
    "a later fragment": ETHERNET / ip(44) / IPv6ExtHdrFragment(nh=135, offset=3) / Raw(OCTETS),
    "an empty frame": Raw(b""),
    "a cut extension header": ETHERNET / ip(0) / Raw(b"\x87"),
    "a cut UDP header": ETHERNET / ip(17) / Raw(b"\x15\x3c\x15"),
    "a cut IPv6 header": Raw(bytes(ETHERNET / ip())[:50]),
    "another version": Raw(bytes(ETHERNET) + b"\x86\xdd" + bytes(60)),
}


def test_all_else_is_passed_over_and_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "many.pcap", 1, *OTHERS.values(), ETHERNET / HEADER)
    assert [found.number for found in read_capture(path, PORT)] == [len(OTHERS) + 1]


def test_the_port_may_be_another(tmp_path: Path) -> None:
    path = written(tmp_path / "udp.pcap", 1, ETHERNET / IN_UDP)
    assert not list(read_capture(path, 9999))


def test_a_home_address_counts_for_the_checksum(tmp_path: Path) -> None:
    """As RFC 6275 has it for mobile nodes that do their signalling themselves."""
    update = build(MESSAGE, HOME, DESTINATION)
    answer = build(MESSAGE, SOURCE, HOME)
    away = ip(60) / IPv6ExtHdrDestOpt(nh=135, options=[HAO(hoa=str(HOME))]) / Raw(update)
    routed = ip(43) / IPv6ExtHdrRouting(nh=135, type=2, segleft=1, addresses=[str(HOME)]) / Raw(answer)
    there, back = read_capture(written(tmp_path / "home.pcap", 101, away, routed), PORT)
    assert (there.source, there.destination) == (HOME, DESTINATION)
    assert (back.source, back.destination) == (SOURCE, HOME)
    assert parse(there.data, there.source, there.destination) == parse(back.data, back.source, back.destination)


def test_what_is_not_whole_says_so(tmp_path: Path) -> None:
    cut = Raw(bytes(HEADER)[:-8])
    fragment = ip(44) / IPv6ExtHdrFragment(nh=135, m=1) / Raw(OCTETS[:64])
    found = list(read_capture(written(tmp_path / "cut.pcap", 101, cut, fragment), PORT))
    assert [each.incomplete for each in found] == [
        "only 80 of 88 octets were captured",
        "a fragment; the others are not put together with it",
    ]


def test_pcapng(tmp_path: Path) -> None:
    path = tmp_path / "next.pcapng"
    writer = PcapNgWriter(str(path))
    for packet in (ETHERNET / HEADER, ETHERNET / ARP(), ETHERNET / IN_UDP):
        packet.time = 1_700_000_000.5
        writer.write(packet)
    writer.close()
    found = list(read_capture(path, PORT))
    assert [(each.number, each.carrier) for each in found] == [(1, "IPv6"), (3, "UDP")]
    assert found[0].time == pytest.approx(1_700_000_000.5)


@pytest.mark.parametrize("nanoseconds", [False, True])
def test_times(nanoseconds: bool, tmp_path: Path) -> None:
    packet = ETHERNET / HEADER
    packet.time = 1_700_000_000.25
    wrpcap(str(tmp_path / "time.pcap"), [packet], nano=nanoseconds)
    (found,) = read_capture(tmp_path / "time.pcap", PORT)
    assert found.time == 1_700_000_000.25


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "this is no capture; pcap and pcapng are read"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "this is no capture"),
        (b"domain: two-lma\nrms:\n  address: fd00::1\n", "this is no capture"),
        (bytes.fromhex("d4c3b2a1020003000000000000000000ffff000001000000"), r"version 2\.3 is not understood"),
        (bytes.fromhex("0a0d0d0a1c0000004d3c2b1a02000000ffffffffffffffff1c000000"), "version 2 is not understood"),
        (
            bytes.fromhex("0a0d0d0a1c0000004d3c2b1b01000000ffffffffffffffff1c000000"),
            "damaged, or breaks off, behind packet 0",
        ),
    ],
)
def test_files_that_are_no_captures(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(CaptureError, match=message) as caught:
        list(read_capture(path, PORT))
    assert str(caught.value).startswith(f"{path}: ")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="No such file"):
        list(read_capture(tmp_path / "missing.pcap", PORT))


def test_a_file_that_breaks_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = written(tmp_path / "broken.pcap", 1, ETHERNET / HEADER, ETHERNET / HEADER)
    path.write_bytes(path.read_bytes()[: -len(ETHERNET / HEADER) - 6])
    found: list[Captured] = []
    with pytest.raises(CaptureError, match="damaged, or breaks off, behind packet 1"):
        found.extend(read_capture(path, PORT))
    assert [each.number for each in found] == [1]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """One of each format."""
    directory = tmp_path_factory.mktemp("files")
    wrpcap(str(directory / "pcap"), [ETHERNET / HEADER, ETHERNET / IN_UDP])
    writer = PcapNgWriter(str(directory / "pcapng"))
    writer.write(ETHERNET / HEADER)
    writer.close()
    return [path.read_bytes() for path in sorted(directory.iterdir())]


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 1), st.data())
def test_damaged_files_raise_nothing_but_capture_error(files: list[bytes], which: int, data: st.DataObject) -> None:
    damaged = bytearray(files[which])
    for _ in range(data.draw(st.integers(0, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.integers(0, len(damaged))) :]
    try:
        list(captured(BytesIO(bytes(damaged)), PORT, Counter()))
    except CaptureError as error:
        assert str(error)
