"""Frames in capture files: pcap, and pcapng with any number of sections and interfaces.

Sources: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

#: Octets of a record or block at most.
_MOST = 2**24
#: Magic numbers of pcap: byte order, and units of time in a second.
_PCAP = {
    b"\xd4\xc3\xb2\xa1": ("<", 10**6),
    b"\xa1\xb2\xc3\xd4": (">", 10**6),
    b"\x4d\x3c\xb2\xa1": ("<", 10**9),
    b"\xa1\xb2\x3c\x4d": (">", 10**9),
}
_PCAP_VERSION = (2, 4)
_SECTION, _BYTE_ORDERS = b"\x0a\x0d\x0d\x0a", {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_SECTION_TYPE, _INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _PACKET = 0x0A0D0D0A, 1, 2, 3, 6
#: Blocks without packets: names, statistics, journal, secrets.
_WITHOUT_PACKETS = {4, 5, 9, 10}
_TIME_RESOLUTION, _FCS_LENGTH, _TIME_OFFSET, _PACKET_FLAGS = 9, 13, 14, 2
#: Bits of pcap's link type: the type, and whether the length of the frame check sequence (in 16 bits) is known.
_LINK_TYPE, _FCS_KNOWN, _FCS_SHIFT = 0xFFFF, 0x0400_0000, 28


class CaptureError(Exception):
    """A file that cannot be read as a capture, or not to its end; the text has the reason."""


class CapturedFrame(NamedTuple):
    """CapturedFrame ``number``, counted from 1, as captured, without its frame check sequence.

    ``time`` is in s since 1970, None when unknown; ``cut`` is true when not all of it was captured.
    """

    number: int
    time: float | None
    link_type: int
    octets: bytes
    cut: bool


@dataclass(frozen=True)
class _Interface:
    """An interface of a section; ``units`` of time in a second, ``offset`` in seconds, ``fcs`` in octets."""

    link_type: int
    snap_length: int = 0  # 0: unlimited
    units: int = 10**6
    offset: int = 0
    fcs: int = 0

    def frame(
        self, number: int, ticks: int | None, octets: bytes, length: int, fcs: int | None = None
    ) -> CapturedFrame:
        """The frame of ``length`` octets on the wire of which ``octets`` were captured."""
        time = None if ticks is None else ticks / self.units + self.offset
        whole = max(length - (self.fcs if fcs is None else fcs), 0)
        return CapturedFrame(number, time, self.link_type, octets[:whole], len(octets) < whole)


class _DamagedError(Exception):
    """Octets that are not those of a capture."""


def frames(file: BinaryIO, unread: Counter[str]) -> Iterator[CapturedFrame]:
    """The frames in a file; ``unread`` counts what is not understood, by its name.

    ``CaptureError`` when it is no capture, or on reaching the place where it is damaged or breaks off.
    """
    magic, number = file.read(4), 0
    try:
        if magic == _SECTION:
            found = _pcapng(file, unread)
        elif magic in _PCAP:
            found = _pcap(file, *_PCAP[magic])
        else:
            raise CaptureError("this is no capture; pcap and pcapng are read")
        for frame in found:
            yield frame
            number = frame.number
    except (_DamagedError, struct.error):
        raise CaptureError(f"the file is damaged, or breaks off, behind packet {number}") from None


def _read(file: BinaryIO, size: int) -> bytes:
    """Read so many octets; ``_DamagedError`` when there are not as many, or they are more than can be."""
    octets = file.read(size) if 0 <= size <= _MOST else b""
    if len(octets) != size:
        raise _DamagedError
    return octets


def _pcap(file: BinaryIO, order: str, units: int) -> Iterator[CapturedFrame]:
    major, minor, _, _, _, network = struct.unpack(f"{order}HHiIII", _read(file, 20))
    if (major, minor) != _PCAP_VERSION:
        raise CaptureError(f"pcap of version {major}.{minor} is not understood, only 2.4")
    fcs = 2 * (network >> _FCS_SHIFT) if network & _FCS_KNOWN else 0
    interface = _Interface(network & _LINK_TYPE, units=units, fcs=fcs)
    number = 0
    while head := file.read(16):
        if len(head) < 16:
            raise _DamagedError
        seconds, parts, captured, length = struct.unpack(f"{order}IIII", head)
        number += 1
        yield interface.frame(number, seconds * units + parts, _read(file, captured), length)


def _pcapng(file: BinaryIO, unread: Counter[str]) -> Iterator[CapturedFrame]:
    """The frames of a file whose first four octets have been read."""
    order, interfaces, number, head = "", list[_Interface](), 0, _SECTION
    while head:
        if head == _SECTION:
            size, magic = _read(file, 4), _read(file, 4)
            if magic not in _BYTE_ORDERS:
                raise _DamagedError
            order, interfaces = _BYTE_ORDERS[magic], []
            major, _ = struct.unpack_from(f"{order}HH", _body(file, order, size, magic), 4)
            if major != 1:
                raise CaptureError(f"pcapng of version {major} is not understood, only 1")
        else:
            kind, body = struct.unpack(f"{order}I", head)[0], _body(file, order, _read(file, 4))
            if kind == _INTERFACE:
                interfaces.append(_interface(order, body))
            elif kind in (_PACKET, _OLD_PACKET, _SIMPLE_PACKET):
                number += 1
                yield _packet(order, kind, body, interfaces, number)
            elif kind not in _WITHOUT_PACKETS:
                unread[f"a block of type {kind:#x}"] += 1
        head = file.read(4)
        if 0 < len(head) < 4:
            raise _DamagedError


def _body(file: BinaryIO, order: str, size: bytes, begin: bytes = b"") -> bytes:
    """Read the body of a block, of which ``begin`` has been read, and its length at the end."""
    (length,) = struct.unpack(f"{order}I", size)
    if length % 4 or length < 12 + len(begin):
        raise _DamagedError
    body = begin + _read(file, length - 12 - len(begin))
    if _read(file, 4) != size:
        raise _DamagedError
    return body


def _options(order: str, octets: bytes) -> dict[int, bytes]:
    """The first option of each code."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(octets):
        code, length = struct.unpack_from(f"{order}HH", octets, at)
        if code == 0:
            break
        if at + 4 + length > len(octets):
            raise _DamagedError
        found.setdefault(code, octets[at + 4 : at + 4 + length])
        at += 4 + (length + 3) // 4 * 4
    return found


def _interface(order: str, body: bytes) -> _Interface:
    link_type, snap_length = struct.unpack_from(f"{order}HxxI", body)
    options = _options(order, body[8:])
    resolution = options.get(_TIME_RESOLUTION, b"\6")[:1] or b"\6"
    units = (2 if resolution[0] & 0x80 else 10) ** (resolution[0] & 0x7F)
    offset = struct.unpack(f"{order}q", options.get(_TIME_OFFSET, bytes(8)))[0]
    # The length of the frame check sequence is in octets for Wireshark, in bits for the draft: 4 and 32.
    fcs = (options.get(_FCS_LENGTH, b"\0")[:1] or b"\0")[0]
    return _Interface(link_type, snap_length, units, offset, fcs if fcs < 8 else fcs // 8)


def _packet(order: str, kind: int, body: bytes, interfaces: list[_Interface], number: int) -> CapturedFrame:
    if kind == _SIMPLE_PACKET:
        (length,) = struct.unpack_from(f"{order}I", body)
        interface = _at(interfaces, 0)
        captured = min(length, interface.snap_length or length)
        return interface.frame(number, None, _part(body, 4, captured), length)
    form = "IIIII" if kind == _PACKET else "HxxIIII"
    index, high, low, captured, length = struct.unpack_from(f"{order}{form}", body)
    options = _options(order, body[20 + (captured + 3) // 4 * 4 :])
    flags = int.from_bytes(options.get(_PACKET_FLAGS, b""), "little" if order == "<" else "big")
    fcs = flags >> 5 & 0xF or None
    return _at(interfaces, index).frame(number, high << 32 | low, _part(body, 20, captured), length, fcs)


def _at(interfaces: list[_Interface], index: int) -> _Interface:
    if index >= len(interfaces):
        raise _DamagedError
    return interfaces[index]


def _part(body: bytes, begin: int, size: int) -> bytes:
    if begin + size > len(body):
        raise _DamagedError
    return body[begin : begin + size]
