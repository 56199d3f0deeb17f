"""OpenFlow messages by their octets, right ones and crafted ones."""

from __future__ import annotations

import struct

HEADER = struct.Struct("!BBHI")
VERSION = 4
(
    HELLO,
    ERROR,
    ECHO_REQUEST,
    ECHO_REPLY,
    EXPERIMENTER,
    FEATURES_REQUEST,
    FEATURES_REPLY,
    CONFIG_REQUEST,
    CONFIG_REPLY,
) = range(9)
PACKET_IN, FLOW_REMOVED, PORT_STATUS, FLOW_MOD, MULTIPART_REPLY, BARRIER_REPLY = 10, 11, 12, 14, 19, 21
FLOW, AGGREGATE, PORT_STATISTICS, GROUP, GROUP_DESCRIPTION, PORT_DESCRIPTION = 1, 2, 4, 6, 7, 13
MORE = 1


def message(kind: int, body: bytes = b"", xid: int = 1, version: int = VERSION) -> bytes:
    return HEADER.pack(version, kind, HEADER.size + len(body), xid) + body


def hello(*elements: bytes, version: int = VERSION) -> bytes:
    return message(HELLO, b"".join(elements), version=version)


def features(datapath_id: int) -> bytes:
    return message(FEATURES_REPLY, struct.pack("!QIBB2xII", datapath_id, 0, 254, 0, 0x4F, 0))


def multipart(kind: int, body: bytes = b"", flags: int = 0, xid: int = 1) -> bytes:
    return message(MULTIPART_REPLY, struct.pack("!HH4x", kind, flags) + body, xid)


def port(number: int, name: bytes = b"p") -> bytes:
    return struct.pack("!I4x6s2x16sIIIIIIII", number, b"\2\0\0\0\0\1", name, 0, 4, *[0] * 6)


def port_status(number: int, reason: int = 0, name: bytes = b"p") -> bytes:
    return message(PORT_STATUS, bytes([reason]) + bytes(7) + port(number, name))


def entry(match: bytes = b"\0\1\0\4\0\0\0\0", instructions: bytes = b"") -> bytes:
    """A flow entry of a reply."""
    length = 48 + len(match) + len(instructions)
    return struct.pack("!HBxIIHHHH4xQQQ", length, 0, 1, 0, 100, 0, 0, 0, 7, 8, 9) + match + instructions


def actions_instruction(actions: bytes, length: int | None = None) -> bytes:
    return struct.pack("!HH4x", 4, 8 + len(actions) if length is None else length) + actions


def output(number: int) -> bytes:
    return struct.pack("!HHIH6x", 0, 16, number, 0xFFFF)


def group(buckets: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("!HBxI", 8 + len(buckets) if length is None else length, 2, 5) + buckets


def bucket(actions: bytes = b"", length: int | None = None) -> bytes:
    size = 16 + len(actions) if length is None else length
    return struct.pack("!HHII4x", size, 0, 0xFFFFFFFF, 0xFFFFFFFF) + actions
