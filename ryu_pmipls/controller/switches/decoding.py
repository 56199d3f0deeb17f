"""Decoding of flow entries from a switch into entries of our rules: the reverse of ``encode``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ryu_pmipls.controller.ryu import ofproto_v1_3 as ofp
from ryu_pmipls.controller.ryu import ofproto_v1_3_parser as parser
from ryu_pmipls.controller.switches import encoding as encode
from ryu_pmipls.controller.switches.actions import decode_actions
from ryu_pmipls.controller.switches.flow import Action, Bucket, FlowEntry, Group, Rule
from ryu_pmipls.controller.switches.match import Match


def entry(stats: Any, rules: Iterable[Rule]) -> FlowEntry | None:
    """Decode an ``OFPFlowStats`` into an entry of one of ``rules``; None when it matches no rule."""
    candidates = [rule for rule in rules if (rule.table.number, rule.priority) == (stats.table_id, stats.priority)]
    if not candidates:
        return None
    try:
        match = Match.decode(stats.match)
    except ValueError:
        return None
    goto = None
    actions: tuple[Action | None, ...] = ()
    for instruction in stats.instructions:
        if isinstance(instruction, parser.OFPInstructionGotoTable):
            goto = instruction.table_id
        elif instruction.type == ofp.OFPIT_APPLY_ACTIONS:
            actions = tuple(decode_actions(instruction.actions))
    found = (rule.recognise(match, actions, goto) for rule in candidates)
    return next((entry for entry in found if entry is not None), None)


def group(stats: Any) -> Group | None:
    """Decode an ``OFPGroupDescStats`` into a group; None when it is not like any of ours."""
    kind = next((kind for kind, number in encode.GROUP_KINDS.items() if number == stats.type), None)
    buckets = [_bucket(bucket) for bucket in stats.buckets]
    if kind is None or None in buckets:
        return None
    return Group(stats.group_id, kind, tuple(bucket for bucket in buckets if bucket is not None))


def _bucket(stats: Any) -> Bucket | None:
    actions = [*decode_actions(stats.actions)]
    if len(actions) != 1 or actions[0] is None:
        return None
    return Bucket(actions[0], None if stats.watch_port == ofp.OFPP_ANY else stats.watch_port)
