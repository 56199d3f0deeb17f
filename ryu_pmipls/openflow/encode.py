"""Rules and groups as OpenFlow 1.3 messages of Ryu, unsent."""

from __future__ import annotations

from ipaddress import IPv6Network
from typing import Any

from ryu_pmipls.framework import Datapath, nicira_ext
from ryu_pmipls.framework import ofproto_v1_3 as ofp
from ryu_pmipls.framework import ofproto_v1_3_parser as parser
from ryu_pmipls.openflow.pipeline import (
    COOKIE_MARK,
    COOKIE_MARK_MASK,
    ICMPV6,
    IPV6,
    Action,
    DecrementHopLimit,
    ForgetInPort,
    Group,
    Match,
    Output,
    Rule,
    SetLinkLayer,
    ToGroup,
    cookie,
    sweep_cookies,
)

_IDLE_FOREVER = 0


def add_flow(datapath: Datapath, rule: Rule, generation: int) -> Any:
    """OFPFC_ADD of a rule: replaces the flow entry with the same table, priority and match."""
    instructions = []
    if rule.actions:
        actions = [encoded for action in rule.actions for encoded in _actions(action)]
        instructions.append(parser.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, actions))
    if rule.goto is not None:
        instructions.append(parser.OFPInstructionGotoTable(int(rule.goto)))
    return parser.OFPFlowMod(
        datapath,
        cookie=cookie(rule.owner, generation),
        table_id=int(rule.table),
        command=ofp.OFPFC_ADD,
        idle_timeout=_IDLE_FOREVER,
        priority=rule.priority,
        match=_match(rule.match),
        instructions=instructions,
    )


def delete_flow(datapath: Datapath, rule: Rule) -> Any:
    """OFPFC_DELETE_STRICT of a rule, if it is ours."""
    return parser.OFPFlowMod(
        datapath,
        cookie=COOKIE_MARK << 48,
        cookie_mask=COOKIE_MARK_MASK,
        table_id=int(rule.table),
        command=ofp.OFPFC_DELETE_STRICT,
        priority=rule.priority,
        out_port=ofp.OFPP_ANY,
        out_group=ofp.OFPG_ANY,
        match=_match(rule.match),
    )


def sweep(datapath: Datapath, generation: int) -> list[Any]:
    """OFPFC_DELETE of all of our flows that bear another generation."""
    return [
        parser.OFPFlowMod(
            datapath,
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


def set_group(datapath: Datapath, group: Group, exists: bool) -> Any:
    """OFPGC_ADD, or OFPGC_MODIFY when the switch has a group of that number."""
    actions = [] if group.port is None else [parser.OFPActionOutput(group.port)]
    return parser.OFPGroupMod(
        datapath,
        command=ofp.OFPGC_MODIFY if exists else ofp.OFPGC_ADD,
        type_=ofp.OFPGT_INDIRECT,
        group_id=group.group,
        buckets=[parser.OFPBucket(actions=actions)],
    )


def _match(match: Match) -> Any:
    fields: dict[str, Any] = {}
    if match.in_port is not None:
        fields["in_port"] = match.in_port
    if match.eth_src is not None:
        fields["eth_src"] = match.eth_src.hex(":")
    if match.ipv6 or match.ipv6_src or match.ipv6_dst or match.icmpv6_type is not None:
        fields["eth_type"] = IPV6
    if match.ipv6_src is not None:
        fields["ipv6_src"] = _masked(match.ipv6_src)
    if match.ipv6_dst is not None:
        fields["ipv6_dst"] = _masked(match.ipv6_dst)
    if match.icmpv6_type is not None:
        fields["ip_proto"] = ICMPV6
        fields["icmpv6_type"] = match.icmpv6_type
    return parser.OFPMatch(**fields)


def _masked(prefix: IPv6Network) -> str | tuple[str, str]:
    if prefix.prefixlen == 128:
        return str(prefix.network_address)
    return str(prefix.network_address), str(prefix.netmask)


def _actions(action: Action) -> list[Any]:
    if isinstance(action, SetLinkLayer):
        return [
            parser.OFPActionSetField(eth_src=action.source.hex(":")),
            parser.OFPActionSetField(eth_dst=action.destination.hex(":")),
        ]
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
