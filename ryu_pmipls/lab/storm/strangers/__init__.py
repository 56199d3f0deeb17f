"""Strangers at every port of a domain."""

from __future__ import annotations

from collections.abc import Mapping

from ryu_pmipls.lab.storm.strangers import at_access, at_networks, at_tcp
from ryu_pmipls.lab.storm.strangers.at_networks import REPLAY, ReplayAttack
from ryu_pmipls.lab.storm.strangers.kinds import StrangerKind


def stranger_kinds(replay: ReplayAttack) -> Mapping[str, StrangerKind]:
    """All that strangers do, by its name."""
    return {**at_tcp.KINDS, **at_access.KINDS, **at_networks.KINDS, REPLAY: replay.kind}
