"""Flow entries and groups as OpenFlow 1.3 messages of Ryu, unsent.

Ryu's classes need some 80 us for a flow-mod. So entries of mobile nodes come from the templates of
:mod:`ryu_pmipls.controller.fast.flow_mod_template`, which are made from these messages.
"""

from __future__ import annotations

from typing import Any

from ryu_pmipls.controller.ryu import ProtocolDesc
from ryu_pmipls.controller.ryu import ofproto_v1_3 as ofp
from ryu_pmipls.controller.ryu import ofproto_v1_3_parser as parser
from ryu_pmipls.controller.switches.cookies import (
    MARK,
    MARK_MASK,
    SLICES,
    cookie,
    slice_cookie,
    slice_of,
    sweep_cookies,
)
from ryu_pmipls.controller.switches.flow import FlowEntry, Group, GroupKind
from ryu_pmipls.controller.switches.match import Match

GROUP_KINDS = {
    GroupKind.INDIRECT: ofp.OFPGT_INDIRECT,
    GroupKind.SELECT: ofp.OFPGT_SELECT,
    GroupKind.FAST_FAILOVER: ofp.OFPGT_FF,
}

#: Replacement for a connection, which Ryu's messages want even while unsent.
PROTOCOL = ProtocolDesc(ofp.OFP_VERSION)


def add_flow(entry: FlowEntry, generation: int) -> Any:
    """OFPFC_ADD of an entry: replaces the entry with the same table, priority and match."""
    rule = entry.rule
    instructions = []
    if rule.actions:
        actions = [encoded for action in entry.actions for encoded in action.encode()]
        instructions.append(parser.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, actions))
    if rule.goto is not None:
        instructions.append(parser.OFPInstructionGotoTable(rule.goto.number))
    return parser.OFPFlowMod(
        PROTOCOL,
        cookie=_cookie(entry, generation),
        table_id=rule.table.number,
        command=ofp.OFPFC_ADD,
        hard_timeout=rule.hard_timeout,
        priority=rule.priority,
        match=parser.OFPMatch(**entry.match.encode()),
        instructions=instructions,
    )


def delete_flow(entry: FlowEntry) -> Any:
    """OFPFC_DELETE_STRICT of an entry, if its cookie is ours."""
    return parser.OFPFlowMod(
        PROTOCOL,
        cookie=MARK,
        cookie_mask=MARK_MASK,
        table_id=entry.rule.table.number,
        command=ofp.OFPFC_DELETE_STRICT,
        priority=entry.rule.priority,
        out_port=ofp.OFPP_ANY,
        out_group=ofp.OFPG_ANY,
        match=parser.OFPMatch(**entry.match.encode()),
    )


def aggregate_stats_request(entry: FlowEntry) -> Any:
    """The request for an entry's counters, if it is there and ours."""
    return parser.OFPAggregateStatsRequest(
        PROTOCOL,
        0,
        entry.rule.table.number,
        ofp.OFPP_ANY,
        ofp.OFPG_ANY,
        MARK,
        MARK_MASK,
        parser.OFPMatch(**entry.match.encode()),
    )


def entry_count_request() -> Any:
    """The request for the number of our entries."""
    return parser.OFPAggregateStatsRequest(
        PROTOCOL, 0, ofp.OFPTT_ALL, ofp.OFPP_ANY, ofp.OFPG_ANY, MARK, MARK_MASK, parser.OFPMatch()
    )


def flow_stats_request(slice_: int, slices: int = SLICES, table: int = ofp.OFPTT_ALL) -> Any:
    """The request for our entries of a slice, of one table or of all."""
    cookie, mask = slice_cookie(slice_, slices)
    return parser.OFPFlowStatsRequest(PROTOCOL, 0, table, ofp.OFPP_ANY, ofp.OFPG_ANY, cookie, mask, parser.OFPMatch())


def classifying_stats_request() -> Any:
    """The request for those of our entries that admit IPv6 packets by their port, with their counters."""
    match = parser.OFPMatch(**Match(ipv6=True).encode())
    return parser.OFPFlowStatsRequest(PROTOCOL, 0, 0, ofp.OFPP_ANY, ofp.OFPG_ANY, MARK, MARK_MASK, match)


def sweep(generation: int) -> list[Any]:
    """OFPFC_DELETE of all of our entries that bear another generation."""
    return [
        parser.OFPFlowMod(
            PROTOCOL,
            cookie=value,
            cookie_mask=mask,
            table_id=ofp.OFPTT_ALL,
            command=ofp.OFPFC_DELETE,
            out_port=ofp.OFPP_ANY,
            out_group=ofp.OFPG_ANY,
            match=parser.OFPMatch(),
        )
        for value, mask in sweep_cookies(generation)
    ]


def group_mod(group: Group, exists: bool) -> Any:
    """OFPGC_ADD, or OFPGC_MODIFY when the switch has a group of that number."""
    return parser.OFPGroupMod(
        PROTOCOL,
        command=ofp.OFPGC_MODIFY if exists else ofp.OFPGC_ADD,
        type_=GROUP_KINDS[group.kind],
        group_id=group.group,
        buckets=[
            parser.OFPBucket(
                weight=int(group.kind is GroupKind.SELECT),  # buckets of a select group are equal
                watch_port=ofp.OFPP_ANY if bucket.watch is None else bucket.watch,
                watch_group=ofp.OFPG_ANY,
                actions=bucket.action.encode(),
            )
            for bucket in group.buckets
        ],
    )


def barrier() -> Any:
    """The request that the switch answers when it has done everything before it."""
    return parser.OFPBarrierRequest(PROTOCOL)


def octets(message: Any, xid: int) -> bytes:
    """Encode a message with that transaction id."""
    message.xid = xid
    message.serialize()
    return bytes(message.buf)


def _cookie(entry: FlowEntry, generation: int) -> int:
    prefix = entry.home_prefix
    return cookie(entry.rule.owner, generation, 0 if prefix is None else slice_of(prefix.network_address.packed[:8]))
