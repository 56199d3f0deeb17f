"""Strict parsing of what comes from a switch: expected messages only, and none with lengths that do not fit.

Ryu's parsers trust all lengths, and loop for ever on some. So they get only messages whose lengths have been checked,
and only of the types that the RMS asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum
from struct import Struct
from typing import Any

from ryu.ofproto import ofproto_v1_3, ofproto_v1_3_parser
from ryu.ofproto.ofproto_protocol import ProtocolDesc

from ryu_pmipls.controller.ryu.connection_errors import MalformedError, UnexpectedError, VersionError

HEADER = Struct("!BBHI")
_ELEMENT, _ERROR, _MULTIPART = Struct("!HH"), Struct("!HH"), Struct("!HH4x")
_BODY = HEADER.size + _MULTIPART.size
#: Octets of messages and of structures in them: OpenFlow 1.3, A.3.1, A.4.3, A.2.1, A.3.5.
_FEATURES, _BARRIER, _PORT, _PORT_STATUS = 32, 8, 64, 80
_AGGREGATE, _PORT_STATISTICS, _GROUP_STATISTICS, _BUCKET_COUNTER = 24, 112, 40, 16
#: Octets of the part of an experimenter error that is fixed.
_EXPERIMENTER_ERROR = 16


class Phase(IntEnum):
    """The phase of a connection; it says which messages are expected."""

    HELLO = 0
    FEATURES = 1  # the versions agree
    IDENTIFIED = 2  # its features reply has come


def parse(datapath: ProtocolDesc, phase: Phase, version: int, kind: int, xid: int, octets: bytes) -> Any:
    """Parse one whole message into Ryu's.

    ``UnexpectedError`` when it is not expected, ``MalformedError`` when it is not what its type says.
    """
    if kind == ofproto_v1_3.OFPT_HELLO and phase is Phase.HELLO:
        return _hello(datapath, version, xid, octets)
    if kind not in _EXPECTED[phase]:
        raise UnexpectedError(f"a message of type {kind} {_WHEN[phase]}")
    if version != ofproto_v1_3.OFP_VERSION:
        raise UnexpectedError(f"a message of version {version}")
    _CHECKS[kind](octets)
    try:
        return ofproto_v1_3_parser.msg_parser(datapath, version, kind, len(octets), xid, octets)
    except Exception as error:  # any that Ryu meets
        raise MalformedError(f"a message of type {kind} that cannot be parsed: {error}") from None


def _hello(datapath: ProtocolDesc, version: int, xid: int, octets: bytes) -> Any:
    """Parse a HELLO of any version into one that offers ours (OpenFlow 1.3, 6.3.1); ``VersionError`` if it does not.

    The first bitmap counts, up to version 31.
    """
    offered = version >= ofproto_v1_3.OFP_VERSION
    bitmaps = [octets[at + _ELEMENT.size :][:4] for kind, at, length in _elements(octets) if _is_bitmap(kind, length)]
    if bitmaps:
        offered = bool(int.from_bytes(bitmaps[0], "big") >> ofproto_v1_3.OFP_VERSION & 1)
    if not offered:
        raise VersionError("the switch does not offer OpenFlow 1.3")
    hello = ofproto_v1_3_parser.OFPHello(datapath)
    hello.set_headers(ofproto_v1_3.OFP_VERSION, ofproto_v1_3.OFPT_HELLO, len(octets), xid)
    return hello


def _elements(octets: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (type, offset, length) of a HELLO's elements, which are padded (A.5.1)."""
    at = HEADER.size
    while at < len(octets):
        if at + _ELEMENT.size > len(octets):
            raise MalformedError("an incomplete element of a HELLO")
        kind, length = _ELEMENT.unpack_from(octets, at)
        if length < _ELEMENT.size or at + length > len(octets):
            raise MalformedError(f"an element of {length} octets in a HELLO")
        yield kind, at, length
        at += (length + 7) // 8 * 8


def _is_bitmap(kind: int, length: int) -> bool:
    return bool(kind == ofproto_v1_3.OFPHET_VERSIONBITMAP) and length >= _ELEMENT.size + 4


def _any(octets: bytes) -> None:
    """Accept: the type is nothing but octets behind the header."""


def _sized(size: int) -> Callable[[bytes], None]:
    def check(octets: bytes) -> None:
        if len(octets) != size:
            raise MalformedError(f"a message of type {octets[1]} with {len(octets)} octets, not {size}")

    return check


def _error(octets: bytes) -> None:
    """Check an error: it must quote at least the header of what was refused (A.4.4)."""
    if len(octets) < HEADER.size + _ERROR.size:
        raise MalformedError("an error without a type and a code")
    kind, _ = _ERROR.unpack_from(octets, HEADER.size)
    if kind == ofproto_v1_3.OFPET_HELLO_FAILED:
        raise UnexpectedError("the switch has no version in common")
    fixed = _EXPERIMENTER_ERROR if kind == ofproto_v1_3.OFPET_EXPERIMENTER else HEADER.size + _ERROR.size + HEADER.size
    if len(octets) < fixed:
        raise MalformedError("an error that does not quote what was refused")


def _port_status(octets: bytes) -> None:
    _sized(_PORT_STATUS)(octets)
    if octets[HEADER.size] > ofproto_v1_3.OFPPR_MODIFY:
        raise MalformedError("a port status without a reason")


def _multipart(octets: bytes) -> None:
    if len(octets) < _BODY:
        raise MalformedError("a multipart reply without a type")
    kind, _ = _MULTIPART.unpack_from(octets, HEADER.size)
    check = _REPLIES.get(kind)
    if check is None:
        raise UnexpectedError(f"a multipart reply of type {kind}")
    check(octets)


def _many(size: int) -> Callable[[bytes], None]:
    def check(octets: bytes) -> None:
        if (len(octets) - _BODY) % size:
            raise MalformedError(f"a multipart reply that does not consist of {size} octets each")

    return check


def _group_statistics(octets: bytes) -> None:
    at = _BODY
    while at < len(octets):
        length = int.from_bytes(octets[at : at + 2], "big")
        counters = length - _GROUP_STATISTICS
        if counters < 0 or counters % _BUCKET_COUNTER or at + length > len(octets):
            raise MalformedError(f"statistics of a group with {length} octets")
        at += length


#: Multipart replies that the RMS asks for. Entries and groups are checked when they are cut out
#: (:mod:`~ryu_pmipls.controller.ryu.described_state`).
_REPLIES: dict[int, Callable[[bytes], None]] = {
    ofproto_v1_3.OFPMP_FLOW: _any,
    ofproto_v1_3.OFPMP_AGGREGATE: _sized(_BODY + _AGGREGATE),
    ofproto_v1_3.OFPMP_PORT_STATS: _many(_PORT_STATISTICS),
    ofproto_v1_3.OFPMP_GROUP: _group_statistics,
    ofproto_v1_3.OFPMP_GROUP_DESC: _any,
    ofproto_v1_3.OFPMP_PORT_DESC: _many(_PORT),
}
_CHECKS: dict[int, Callable[[bytes], None]] = {
    ofproto_v1_3.OFPT_ERROR: _error,
    ofproto_v1_3.OFPT_ECHO_REQUEST: _any,
    ofproto_v1_3.OFPT_ECHO_REPLY: _any,
    ofproto_v1_3.OFPT_FEATURES_REPLY: _sized(_FEATURES),
    ofproto_v1_3.OFPT_PORT_STATUS: _port_status,
    ofproto_v1_3.OFPT_MULTIPART_REPLY: _multipart,
    ofproto_v1_3.OFPT_BARRIER_REPLY: _sized(_BARRIER),
}
_ALWAYS = {ofproto_v1_3.OFPT_ERROR, ofproto_v1_3.OFPT_ECHO_REQUEST, ofproto_v1_3.OFPT_ECHO_REPLY}
_EXPECTED = {
    Phase.HELLO: _ALWAYS,
    # A port may change as soon as the versions agree; nobody gets to know, for all ports are asked for afterwards.
    Phase.FEATURES: _ALWAYS | {ofproto_v1_3.OFPT_FEATURES_REPLY, ofproto_v1_3.OFPT_PORT_STATUS},
    Phase.IDENTIFIED: _CHECKS.keys() - {ofproto_v1_3.OFPT_FEATURES_REPLY},
}
_WHEN = {
    Phase.HELLO: "before any HELLO",
    Phase.FEATURES: "before the features reply",
    Phase.IDENTIFIED: "that nobody asked for",
}
