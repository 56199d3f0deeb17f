"""Mobility Headers in capture files: pcap and pcapng, over IPv6 (protocol 135) or in UDP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from typing import BinaryIO

from ryu_pmipls.cli.capture_file import CaptureError, frames
from ryu_pmipls.wire.codepoints import MOBILITY_HEADER

#: Link types: name, offset of the Ethernet type, if there is one, and offset of the packet.
_LINKS: dict[int, tuple[str, int | None, int]] = {
    1: ("Ethernet", 12, 14),
    12: ("raw IP", None, 0),
    14: ("raw IP", None, 0),
    101: ("raw IP", None, 0),
    113: ("Linux cooked", 14, 16),
    229: ("raw IPv6", None, 0),
    276: ("Linux cooked v2", 0, 20),
}
_KNOWN_LINKS = ", ".join(dict.fromkeys(name for name, *_ in _LINKS.values()))
_ETHERTYPE_IPV6 = b"\x86\xdd"
_ETHERTYPES_OF_TAGS = (b"\x81\x00", b"\x88\xa8")
_IPV6_HEADER = 40
_UDP_HEADER = 8
_HOP_BY_HOP, _UDP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION_OPTIONS = 0, 17, 43, 44, 51, 60
_EXTENSION_HEADERS = (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION_OPTIONS)
#: Option and routing header by which a mobile node's home address takes the place of its care-of address in the
#: checksum (RFC 6275, sections 6.3 and 6.4). Proxy Mobile IPv6 does without them.
_HOME_ADDRESS_OPTION, _HOME_ADDRESS_ROUTING = 201, 2


@dataclass(frozen=True)
class Captured:
    """A Mobility Header: in packet ``number``, counted from 1, at ``time``, in s since 1970, None when unknown.

    The addresses are those of the checksum. ``incomplete`` is the reason that octets are missing, if some are.
    """

    number: int
    time: float | None
    source: IPv6Address
    destination: IPv6Address
    carrier: str
    data: bytes
    incomplete: str | None


def read_capture(path: Path, udp_port: int, unread: Counter[str]) -> Iterator[Captured]:
    """The Mobility Headers in a file, those in UDP by that port; ``unread`` counts what is not understood, by name.

    ``CaptureError`` on reaching a fault.
    """
    try:
        with path.open("rb") as file:
            yield from captured(file, udp_port, unread)
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror}") from None
    except CaptureError as error:
        raise CaptureError(f"{path}: {error}") from None


def captured(file: BinaryIO, udp_port: int, unread: Counter[str]) -> Iterator[Captured]:
    """The Mobility Headers in an open file, as of ``read_capture``."""
    for frame in frames(file, unread):
        if frame.link_type not in _LINKS:
            unread[f"a packet of link type {frame.link_type} ({_KNOWN_LINKS} are understood)"] += 1
            continue
        try:
            packet = _ipv6_packet(frame.link_type, frame.octets)
            found = None if packet is None else _mobility_header(packet, udp_port)
        except _ShortError:
            if frame.cut:
                unread["a packet of which too little was captured to tell whether it has a Mobility Header"] += 1
            continue
        if found is not None:
            yield Captured(frame.number, frame.time, *found)


class _ShortError(Exception):
    """A packet ends where a header should go on."""


def _ipv6_packet(link_type: int, frame: bytes) -> bytes | None:
    """The IPv6 packet in a frame, from its header on; ``None`` when the frame holds something else."""
    _, type_offset, start = _LINKS[link_type]
    if type_offset is not None:
        ethertype = frame[type_offset : type_offset + 2]
        while ethertype in _ETHERTYPES_OF_TAGS:
            ethertype = frame[start + 2 : start + 4]
            start += 4
        if len(ethertype) < 2:
            raise _ShortError
        if ethertype != _ETHERTYPE_IPV6:
            return None
    packet = frame[start:]
    if packet and packet[0] >> 4 != 6:
        return None
    if len(packet) < _IPV6_HEADER:
        raise _ShortError
    return packet


def _mobility_header(packet: bytes, udp_port: int) -> tuple[IPv6Address, IPv6Address, str, bytes, str | None] | None:
    """Source, destination, carrier, octets, and reason for missing ones; ``None`` without a Mobility Header."""
    length, next_header = int.from_bytes(packet[4:6], "big"), packet[6]
    source, destination = packet[8:24], packet[24:40]
    payload = packet[_IPV6_HEADER : _IPV6_HEADER + length]
    incomplete = f"only {len(payload)} of {length} octets were captured" if len(payload) < length else None
    while next_header in _EXTENSION_HEADERS:
        if len(payload) < 8:
            raise _ShortError
        size = {_FRAGMENT: 8, _AUTHENTICATION: 4 * payload[1] + 8}.get(next_header, 8 * payload[1] + 8)
        extension = payload[:size]
        if next_header == _FRAGMENT:
            fragment = int.from_bytes(extension[2:4], "big")
            if fragment >> 3:
                return None
            incomplete = "a fragment; the others are not put together with it" if fragment & 1 else incomplete
        elif next_header == _ROUTING and extension[2] == _HOME_ADDRESS_ROUTING and len(extension) >= 24:
            destination = extension[8:24]
        elif next_header == _DESTINATION_OPTIONS:
            source = _home_address(extension[2:]) or source
        next_header, payload = extension[0], payload[size:]
    if next_header == MOBILITY_HEADER:
        return IPv6Address(source), IPv6Address(destination), "IPv6", payload, incomplete
    if next_header == _UDP:
        if len(payload) < _UDP_HEADER:
            raise _ShortError
        ports = (int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:4], "big"))
        if udp_port in ports:
            data = payload[_UDP_HEADER : int.from_bytes(payload[4:6], "big")]
            return IPv6Address(source), IPv6Address(destination), "UDP", data, incomplete
    return None


def _home_address(options: bytes) -> bytes | None:
    """The home address in destination options, if there is one."""
    while len(options) >= 2:
        if options[0] == _HOME_ADDRESS_OPTION and len(options) >= 18:
            return options[2:18]
        options = options[2 + options[1] :] if options[0] else options[1:]
    return None
