"""Flow entries and groups as a switch tells them, with strict lengths: Ryu's parsers loop for ever on some."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Any, NamedTuple

from ryu.ofproto import nicira_ext, ofproto_common, ofproto_v1_3, ofproto_v1_3_parser

from ryu_pmipls.controller.ryu.connection_errors import MalformedError

_LENGTH, _TYPE_LENGTH = Struct("!H"), Struct("!HH")
#: Parts of an entry: OpenFlow 1.3, A.3.5.2 (48 octets, and the match).
_HARD_TIMEOUT, _COUNTERS, _FIELD = Struct("!H"), Struct("!QQHH"), Struct("!I")
_MATCH = 48
#: A field with a header and a value of 4 octets each.
_INPUT_PORT = Struct("!II")
#: The header of ``OXM_OF_IPV6_DST_W`` (A.2.3.7), and the mask of a /64.
_DESTINATION_PREFIX, _MASK_64 = 0x80003720, b"\xff" * 8 + bytes(8)
#: A group description (A.3.5.9) and a bucket (A.3.4.2) up to their lists.
_GROUP, _BUCKET = Struct("!HBxI"), Struct("!HHII4x")
#: Statistics of a group, and of a bucket (A.3.5.8): number and packets.
_GROUP_COUNTERS, _BUCKET_COUNTERS = Struct("!4xI8xQ16x"), Struct("!Q8x")
#: An experimenter action (A.2.5) with Nicira's subtype.
_EXPERIMENTER = Struct("!4xIH")
#: Octets of Nicira's actions that Ryu's parsers are trusted with, by subtype. It keeps unknown ones as octets.
_NICIRA_ACTIONS = {nicira_ext.NXAST_REG_LOAD: 24, nicira_ext.NXAST_REG_MOVE: 24}
#: Octets of actions of a fixed size, by type: all of OpenFlow 1.3 (A.2.5).
_ACTIONS = {
    getattr(ofproto_v1_3, f"OFPAT_{name}"): 8
    for name in (
        "COPY_TTL_OUT",
        "COPY_TTL_IN",
        "SET_MPLS_TTL",
        "DEC_MPLS_TTL",
        "PUSH_VLAN",
        "POP_VLAN",
        "PUSH_MPLS",
        "POP_MPLS",
        "SET_QUEUE",
        "GROUP",
        "SET_NW_TTL",
        "DEC_NW_TTL",
        "PUSH_PBB",
        "POP_PBB",
    )
} | {ofproto_v1_3.OFPAT_OUTPUT: 16}
_ACTION_LISTS = frozenset(
    {ofproto_v1_3.OFPIT_WRITE_ACTIONS, ofproto_v1_3.OFPIT_APPLY_ACTIONS, ofproto_v1_3.OFPIT_CLEAR_ACTIONS}
)


class ForeignError(ValueError):
    """Well-formed, but with a part that nothing of ours has; Ryu's parser for it is not trusted."""


class ToldEntry(NamedTuple):
    """An unparsed flow entry from a switch's reply (OpenFlow 1.3, A.3.5.2), and its length in octets.

    Ryu needs 70 us to parse one, and would parse all of a 64 KiB message before any other green thread has its turn.
    """

    octets: bytes
    length: int

    @classmethod
    def parser(cls, octets: bytes, offset: int) -> ToldEntry:
        """Cut one entry from a message, called by Ryu; ``MalformedError`` when the entry is incomplete."""
        length = _length(octets, offset, len(octets), ofproto_v1_3.OFP_FLOW_STATS_SIZE)
        return cls(octets[offset : offset + length], length)

    def parsed(self) -> Any:
        """Parse into an ``OFPFlowStats``; None when malformed, or with an instruction or action that is never ours."""
        try:
            _check_instructions(self.octets, self._check_match())
            return ofproto_v1_3_parser.OFPFlowStats.parser(self.octets, 0)
        except Exception:  # any error that Ryu meets
            return None

    def _check_match(self) -> int:
        """Check the lengths of the match and its fields; return the offset of the instructions."""
        length: int = _TYPE_LENGTH.unpack_from(self.octets, _MATCH)[1]
        at, end = _MATCH + _TYPE_LENGTH.size, _MATCH + length
        if length < _TYPE_LENGTH.size or (behind := _MATCH + (length + 7) // 8 * 8) > self.length:
            raise MalformedError(f"a match of {length} octets")
        while at + _FIELD.size <= end:
            at += _FIELD.size + self.octets[at + 3]
        if at != end:
            raise MalformedError("a field beyond its match")
        return behind

    def counted(self) -> tuple[bytes, int] | None:
        """The destination prefix (8 octets) that the entry matches, and its packet counter.

        None when the entry matches no /64 of destinations, or has a hard timeout. Needs a thirtieth of the time of
        ``parsed``.
        """
        octets = self.octets
        (hard_timeout,) = _HARD_TIMEOUT.unpack_from(octets, 16)
        if hard_timeout:
            return None
        packets, _, _, match_length = _COUNTERS.unpack_from(octets, 32)
        at, end = 52, min(_MATCH + match_length, self.length)
        while at + 4 <= end:
            (field,) = _FIELD.unpack_from(octets, at)
            if field == _DESTINATION_PREFIX and octets[at + 20 : at + 36] == _MASK_64:
                return bytes(octets[at + 4 : at + 12]), packets
            at += 4 + (field & 0xFF)
        return None

    def counted_from_port(self) -> tuple[int, int, int] | None:
        """The input port that the entry matches, and its packet and octet counters; None without a port.

        A switch reports the fields of a match in the order of their numbers; that of the input port is 0.
        """
        packets, octets, _, match_length = _COUNTERS.unpack_from(self.octets, 32)
        if match_length < 12 or self.length < 60:
            return None
        field, port = _INPUT_PORT.unpack_from(self.octets, 52)
        return (port, packets, octets) if field == ofproto_v1_3.OXM_OF_IN_PORT else None


class ToldGroup(NamedTuple):
    """A group from a switch's reply (OpenFlow 1.3, A.3.5.9); ``type`` is a member of OFPGT_*."""

    length: int
    type: int
    group_id: int
    buckets: tuple[ToldBucket, ...]

    @classmethod
    def parser(cls, octets: bytes, offset: int) -> ToldGroup:
        """Parse a group, called by Ryu; ``MalformedError`` when a length is wrong."""
        length = _length(octets, offset, len(octets), _GROUP.size)
        _, kind, group = _GROUP.unpack_from(octets, offset)
        return cls(length, kind, group, tuple(_buckets(octets, offset + _GROUP.size, offset + length)))


class ToldGroupCounters(NamedTuple):
    """Packets that a group and each of its buckets have sent on (OpenFlow 1.3, A.3.5.8), by a switch's reply."""

    length: int
    group_id: int
    packet_count: int
    buckets: tuple[int, ...]

    @classmethod
    def parser(cls, octets: bytes, offset: int) -> ToldGroupCounters:
        """Parse a group's statistics, called by Ryu; ``MalformedError`` when a length is wrong."""
        length = _length(octets, offset, len(octets), _GROUP_COUNTERS.size)
        begin = offset + _GROUP_COUNTERS.size
        if (offset + length - begin) % _BUCKET_COUNTERS.size:
            raise MalformedError(f"statistics of a group with {length} octets")
        group, packets = _GROUP_COUNTERS.unpack_from(octets, offset)
        counted = _BUCKET_COUNTERS.iter_unpack(octets[begin : offset + length])
        return cls(length, group, packets, tuple(each for (each,) in counted))


class ToldBucket(NamedTuple):
    """A bucket of a group: its actions as Ryu's, or one None in place of actions that are not ours."""

    watch_port: int
    actions: tuple[Any, ...]


# Flow statistics, group descriptions and group statistics of Ryu consist of these.
ofproto_v1_3_parser.OFPFlowStatsReply.cls_stats_body_cls = ToldEntry
ofproto_v1_3_parser.OFPGroupDescStatsReply.cls_stats_body_cls = ToldGroup
ofproto_v1_3_parser.OFPGroupStatsReply.cls_stats_body_cls = ToldGroupCounters


def _length(octets: bytes, at: int, end: int, least: int) -> int:
    """The length that begins a structure; ``MalformedError`` when it is below ``least`` or leads beyond ``end``."""
    if at + least > end:
        raise MalformedError("an incomplete flow entry, group or bucket")
    (length,) = _LENGTH.unpack_from(octets, at)
    if length < least or at + length > end:
        raise MalformedError(f"a flow entry, group or bucket of {length} octets")
    return int(length)


def _elements(octets: bytes, at: int, end: int, least: int) -> Iterator[tuple[int, int, int]]:
    """Yield (type, offset, length) of the actions or instructions, multiples of 8 octets, that fill up to ``end``."""
    while at < end:
        if at + least > end:
            raise MalformedError("an incomplete action or instruction")
        kind, length = _TYPE_LENGTH.unpack_from(octets, at)
        if length < least or length % 8 or at + length > end:
            raise MalformedError(f"an action or instruction of {length} octets")
        yield kind, at, length
        at += length


def _check_instructions(octets: bytes, begin: int) -> None:
    for kind, at, length in _elements(octets, begin, len(octets), 8):
        if kind in _ACTION_LISTS:
            _check_actions(octets, at + 8, at + length)
        elif kind != ofproto_v1_3.OFPIT_GOTO_TABLE or length != 8:
            raise ForeignError(f"an instruction of type {kind}")


def _check_actions(octets: bytes, begin: int, end: int) -> list[int]:
    """Check all actions; return their offsets."""
    offsets = []
    for kind, at, length in _elements(octets, begin, end, 8):
        if kind == ofproto_v1_3.OFPAT_SET_FIELD:
            known = length == (_FIELD.size + _FIELD.size + octets[at + 7] + 7) // 8 * 8
        elif kind == ofproto_v1_3.OFPAT_EXPERIMENTER:
            known = _is_nicira(octets, at, length)
        else:
            known = length == _ACTIONS.get(kind)
        if not known:
            raise ForeignError(f"an action of type {kind}, {length} octets")
        offsets.append(at)
    return offsets


def _is_nicira(octets: bytes, at: int, length: int) -> bool:
    if length < _EXPERIMENTER.size:
        return False
    experimenter, subtype = _EXPERIMENTER.unpack_from(octets, at)
    unknown = subtype not in ofproto_v1_3_parser.NXAction._subtypes
    trusted = unknown or length == _NICIRA_ACTIONS.get(subtype)
    return bool(experimenter == ofproto_common.NX_EXPERIMENTER_ID and trusted)


def _buckets(octets: bytes, at: int, end: int) -> Iterator[ToldBucket]:
    while at < end:
        length = _length(octets, at, end, _BUCKET.size)
        _, _, watch_port, _ = _BUCKET.unpack_from(octets, at)
        yield ToldBucket(watch_port, _bucket_actions(octets, at + _BUCKET.size, at + length))
        at += length


def _bucket_actions(octets: bytes, begin: int, end: int) -> tuple[Any, ...]:
    try:
        offsets = _check_actions(octets, begin, end)
        return tuple(ofproto_v1_3_parser.OFPAction.parser(octets, at) for at in offsets)
    except MalformedError:
        raise
    except Exception:  # foreign, or any error that Ryu meets
        return (None,)
