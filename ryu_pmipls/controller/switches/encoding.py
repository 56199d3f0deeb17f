"""Flow entries and groups as OpenFlow 1.3 messages of Ryu, unsent.

Ryu's classes need some 80 us for a flow-mod. So entries of mobile nodes come from the templates of
:mod:`ryu_pmipls.controller.fast.flow_mod_template`, which are made from these messages.
"""

from __future__ import annotations

import struct
from ipaddress import IPv6Network
from typing import Any

from ryu_pmipls.controller.ryu import ProtocolDesc, nicira_ext
from ryu_pmipls.controller.ryu import ofproto_v1_3 as ofp
from ryu_pmipls.controller.ryu import ofproto_v1_3_parser as parser
from ryu_pmipls.controller.switches.cookies import MARK, MARK_MASK, cookie, slice_of, sweep_cookies
from ryu_pmipls.controller.switches.flow import (
    Action,
    DecrementHopLimit,
    FlowEntry,
    ForgetInPort,
    Group,
    GroupKind,
    Match,
    NoteSize,
    Output,
    SetLinkLayer,
    ToGroup,
)

IPV6 = 0x86DD
ICMPV6 = 58

GROUP_KINDS = {
    GroupKind.INDIRECT: ofp.OFPGT_INDIRECT,
    GroupKind.SELECT: ofp.OFPGT_SELECT,
    GroupKind.FAST_FAILOVER: ofp.OFPGT_FF,
}
#: The register whose bit 0 marks a packet as too large.
TOO_LARGE = "reg0"
CHECK_PKT_LARGER = 49  # NXAST_CHECK_PKT_LARGER, which Ryu does not know
ETHERNET_HEADER = 14  # octets, which CHECK_PKT_LARGER counts

#: Replacement for a connection, which Ryu's messages want even while unsent.
PROTOCOL = ProtocolDesc(ofp.OFP_VERSION)


def add_flow(entry: FlowEntry, generation: int) -> Any:
    """OFPFC_ADD of an entry: replaces the entry with the same table, priority and match."""
    rule = entry.rule
    instructions = []
    if rule.actions:
        actions = [encoded for action in entry.actions for encoded in _actions(action)]
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
        match=_match(entry.match),
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
        match=_match(entry.match),
    )


def ask_counters(entry: FlowEntry) -> Any:
    """The request for an entry's counters, if it is there and ours."""
    return parser.OFPAggregateStatsRequest(
        PROTOCOL,
        0,
        entry.rule.table.number,
        ofp.OFPP_ANY,
        ofp.OFPG_ANY,
        MARK,
        MARK_MASK,
        _match(entry.match),
    )


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


def set_group(group: Group, exists: bool) -> Any:
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
                actions=_actions(bucket.action),
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


def _match(match: Match) -> Any:
    fields: dict[str, Any] = {}
    if match.in_port is not None:
        fields["in_port"] = match.in_port
    if match.eth_src is not None:
        fields["eth_src"] = _link_layer(match.eth_src)
    if match.ipv6 or match.ipv6_src or match.ipv6_dst or (match.icmpv6_type, match.hop_limit) != (None, None):
        fields["eth_type"] = IPV6
    if match.ipv6_src is not None:
        fields["ipv6_src"] = _masked(match.ipv6_src)
    if match.ipv6_dst is not None:
        fields["ipv6_dst"] = _masked(match.ipv6_dst)
    if match.icmpv6_type is not None:
        fields["ip_proto"] = ICMPV6
        fields["icmpv6_type"] = match.icmpv6_type
    if match.hop_limit is not None:
        # A Nicira field, which Ryu puts before those of OpenFlow: its prerequisite must come before it, too.
        fields["eth_type_nxm"] = fields.pop("eth_type")
        fields["nw_ttl"] = match.hop_limit
    if match.too_large:
        fields[TOO_LARGE] = 1
    return parser.OFPMatch(**fields)


def _link_layer(address: object) -> str:
    assert isinstance(address, bytes)
    return address.hex(":")


def _masked(prefix: object) -> str | tuple[str, str]:
    assert isinstance(prefix, IPv6Network)
    if prefix.prefixlen == 128:
        return str(prefix.network_address)
    return str(prefix.network_address), str(prefix.netmask)


def _actions(action: Action) -> list[Any]:
    if isinstance(action, SetLinkLayer):
        return [
            parser.OFPActionSetField(eth_src=_link_layer(action.source)),
            parser.OFPActionSetField(eth_dst=_link_layer(action.destination)),
        ]
    if isinstance(action, NoteSize):
        assert isinstance(action.mtu, int)
        return [parser.NXActionUnknown(CHECK_PKT_LARGER, _check_pkt_larger(action.mtu + ETHERNET_HEADER))]
    if isinstance(action, DecrementHopLimit):
        return [parser.OFPActionDecNwTtl()]
    if isinstance(action, ForgetInPort):
        # ofs_nbits: bits 0 to 31 of the OpenFlow 1.1+ port number.
        register = nicira_ext.ofs_nbits(0, 31)
        return [parser.NXActionRegLoad(ofs_nbits=register, dst="in_port", value=0)]
    if isinstance(action, Output):
        return [parser.OFPActionOutput(action.port)]
    assert isinstance(action, ToGroup)
    return [parser.OFPActionGroup(action.group)]


def _check_pkt_larger(octets: int) -> bytes:
    """The body of the action: the size, the bit number, and the register."""
    body = bytearray(struct.pack("!HH", octets, 0))
    ofp.oxm_serialize_header(ofp.oxm_from_user_header(TOO_LARGE), body, len(body))
    return bytes(body)
