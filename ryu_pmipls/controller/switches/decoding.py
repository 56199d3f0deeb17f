"""Decoding of flow entries from a switch into entries of our rules: the reverse of ``encode``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from ryu_pmipls.controller.ryu import ofproto_v1_3 as ofp
from ryu_pmipls.controller.ryu import ofproto_v1_3_parser as parser
from ryu_pmipls.controller.switches import encoding as encode
from ryu_pmipls.controller.switches.cookies import MARK, MARK_MASK, SLICES, slice_cookie
from ryu_pmipls.controller.switches.flow import (
    Action,
    Bucket,
    DecrementHopLimit,
    FlowEntry,
    ForgetInPort,
    Group,
    Match,
    NoteSize,
    Output,
    Rule,
    SetLinkLayer,
    ToGroup,
)


def request(slice_: int, slices: int = SLICES, table: int = ofp.OFPTT_ALL) -> Any:
    """The request for our entries of a slice, of one table or of all."""
    cookie, mask = slice_cookie(slice_, slices)
    return parser.OFPFlowStatsRequest(
        encode.PROTOCOL, 0, table, ofp.OFPP_ANY, ofp.OFPG_ANY, cookie, mask, parser.OFPMatch()
    )


def classified() -> Any:
    """The request for those of our entries that admit IPv6 packets by their port, with their counters."""
    match = parser.OFPMatch(eth_type=encode.IPV6)
    return parser.OFPFlowStatsRequest(encode.PROTOCOL, 0, 0, ofp.OFPP_ANY, ofp.OFPG_ANY, MARK, MARK_MASK, match)


def census() -> Any:
    """The request for the number of our entries."""
    return parser.OFPAggregateStatsRequest(
        encode.PROTOCOL, 0, ofp.OFPTT_ALL, ofp.OFPP_ANY, ofp.OFPG_ANY, MARK, MARK_MASK, parser.OFPMatch()
    )


def entry(told: Any, rules: Iterable[Rule]) -> FlowEntry | None:
    """Decode an ``OFPFlowStats`` into an entry of one of ``rules``; None when it matches no rule."""
    candidates = [rule for rule in rules if (rule.table.number, rule.priority) == (told.table_id, told.priority)]
    if not candidates:
        return None
    try:
        match = _match(told.match)
    except ValueError:
        return None
    goto = None
    actions: tuple[Action | None, ...] = ()
    for instruction in told.instructions:
        if isinstance(instruction, parser.OFPInstructionGotoTable):
            goto = instruction.table_id
        elif instruction.type == ofp.OFPIT_APPLY_ACTIONS:
            actions = tuple(_actions(instruction.actions))
    found = (rule.recognise(match, actions, goto) for rule in candidates)
    return next((entry for entry in found if entry is not None), None)


def group(told: Any) -> Group | None:
    """Decode an ``OFPGroupDescStats`` into a group; None when it is not like any of ours."""
    kind = next((kind for kind, number in encode.GROUP_KINDS.items() if number == told.type), None)
    buckets = [_bucket(bucket) for bucket in told.buckets]
    if kind is None or None in buckets:
        return None
    return Group(told.group_id, kind, tuple(bucket for bucket in buckets if bucket is not None))


def _bucket(told: Any) -> Bucket | None:
    actions = [*_actions(told.actions)]
    if len(actions) != 1 or not isinstance(actions[0], (Output, ToGroup)):
        return None
    return Bucket(actions[0], None if told.watch_port == ofp.OFPP_ANY else told.watch_port)


def _match(match: Any) -> Match:
    """Decode a match; ``ValueError`` for a mask that none of ours has."""
    source, destination = _prefix(match.get("ipv6_src")), _prefix(match.get("ipv6_dst"))
    icmpv6_type, hop_limit = match.get("icmpv6_type"), match.get("nw_ttl")
    return Match(
        in_port=match.get("in_port"),
        eth_src=_link_layer(match.get("eth_src")),
        ipv6_src=source,
        ipv6_dst=destination,
        icmpv6_type=icmpv6_type,
        hop_limit=hop_limit,
        too_large=match.get(encode.TOO_LARGE) == 1,
        ipv6=match.get("eth_type") == encode.IPV6 and source is destination is icmpv6_type is hop_limit is None,
    )


def _prefix(value: str | tuple[str, str] | None) -> IPv6Network | None:
    if value is None:
        return None
    address, mask = value if isinstance(value, tuple) else (value, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
    bits = int(IPv6Address(mask))
    length = bits.bit_count()
    if bits != int(IPv6Network((0, length)).netmask):
        raise ValueError(f"{mask} is no prefix length")
    return IPv6Network((address, length))


def _link_layer(value: str | tuple[str, str] | None) -> bytes | None:
    if isinstance(value, tuple):
        raise ValueError(f"{value[0]} has a mask")
    return None if value is None else bytes.fromhex(value.replace(":", ""))


def _actions(actions: Iterable[Any]) -> Iterator[Action | None]:
    """Decode actions; None for one that we have no use for."""
    source: bytes | None = None
    for action in actions:
        if isinstance(action, parser.OFPActionSetField) and action.key == "eth_src":
            source = _link_layer(action.value)
        elif isinstance(action, parser.OFPActionSetField) and action.key == "eth_dst" and source is not None:
            destination = _link_layer(action.value)
            assert destination is not None
            yield SetLinkLayer(source, destination)
        elif isinstance(action, parser.NXActionUnknown) and action.subtype == encode.CHECK_PKT_LARGER:
            yield NoteSize(int.from_bytes(action.data[:2], "big") - encode.ETHERNET_HEADER)
        elif isinstance(action, parser.OFPActionDecNwTtl):
            yield DecrementHopLimit()
        elif isinstance(action, parser.OFPActionOutput):
            yield Output(action.port)
        elif isinstance(action, parser.OFPActionGroup):
            yield ToGroup(action.group_id)
        elif isinstance(action, parser.NXActionRegLoad) and action.dst == "in_port" and action.value == 0:
            yield ForgetInPort()
        else:
            yield None
