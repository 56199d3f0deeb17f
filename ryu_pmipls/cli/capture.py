"""Mobility Headers in capture files: pcap and pcapng, over IPv6 (protocol 135) or in UDP."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from typing import BinaryIO

import dpkt

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
_ETHERTYPE_IPV6 = b"\x86\xdd"
_ETHERTYPES_OF_TAGS = (b"\x81\x00", b"\x88\xa8")
_IPV6_HEADER = 40
_UDP_HEADER = 8
_HOP_BY_HOP, _UDP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION_OPTIONS = 0, 17, 43, 44, 51, 60
_EXTENSION_HEADERS = (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION_OPTIONS)
#: Option and routing header by which a mobile node's home address takes the place of its care-of address in the
#: checksum (RFC 6275, sections 6.3 and 6.4). Proxy Mobile IPv6 does without them.
_HOME_ADDRESS_OPTION, _HOME_ADDRESS_ROUTING = 201, 2


class CaptureError(Exception):
    """A file that cannot be read as a capture, or not to its end; the text has the reason."""


@dataclass(frozen=True)
class Captured:
    """A Mobility Header: in packet ``number``, counted from 1, at ``time``, in s since 1970.

    The addresses are those of the checksum. ``incomplete`` is the reason that octets are missing, if some are.
    """

    number: int
    time: float
    source: IPv6Address
    destination: IPv6Address
    carrier: str
    data: bytes
    incomplete: str | None


def read_capture(path: Path, udp_port: int) -> Iterator[Captured]:
    """The Mobility Headers in a file, those in UDP by that port; raises ``CaptureError`` on reaching a fault."""
    try:
        with path.open("rb") as file:
            yield from captured(file, udp_port)
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror}") from None
    except CaptureError as error:
        raise CaptureError(f"{path}: {error}") from None


def captured(file: BinaryIO, udp_port: int) -> Iterator[Captured]:
    """The Mobility Headers in an open file, as of ``read_capture``."""
    try:
        reader = dpkt.pcap.UniversalReader(file)
    except (dpkt.Error, ValueError, struct.error):
        raise CaptureError("this is no capture; pcap and pcapng are read") from None
    link_type = reader.datalink()
    if link_type not in _LINKS:
        known = ", ".join(sorted({name for name, *_ in _LINKS.values()}))
        raise CaptureError(f"packets of link type {link_type} are not understood, only {known}")
    number = 0
    try:
        for number, (time, frame) in enumerate(reader, 1):
            packet = _ipv6_packet(link_type, frame)
            found = None if packet is None else _mobility_header(packet, udp_port)
            if found is not None:
                yield Captured(number, float(time), *found)
    except (dpkt.Error, ValueError, struct.error):
        raise CaptureError(f"the file is damaged behind packet {number}") from None


def _ipv6_packet(link_type: int, frame: bytes) -> bytes | None:
    """The IPv6 packet in a frame, from its header on; ``None`` when the frame holds something else."""
    _, type_offset, start = _LINKS[link_type]
    if type_offset is not None:
        ethertype = frame[type_offset : type_offset + 2]
        while ethertype in _ETHERTYPES_OF_TAGS:
            ethertype = frame[start + 2 : start + 4]
            start += 4
        if ethertype != _ETHERTYPE_IPV6:
            return None
    packet = frame[start:]
    return packet if len(packet) >= _IPV6_HEADER and packet[0] >> 4 == 6 else None


def _mobility_header(packet: bytes, udp_port: int) -> tuple[IPv6Address, IPv6Address, str, bytes, str | None] | None:
    """Source, destination, carrier, octets, and reason for missing ones; ``None`` without a Mobility Header."""
    length, next_header = int.from_bytes(packet[4:6], "big"), packet[6]
    source, destination = packet[8:24], packet[24:40]
    payload = packet[_IPV6_HEADER : _IPV6_HEADER + length]
    incomplete = f"only {len(payload)} of {length} octets were captured" if len(payload) < length else None
    while next_header in _EXTENSION_HEADERS:
        if len(payload) < 8:
            return None
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
    if next_header == _UDP and len(payload) >= _UDP_HEADER:
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
