"""Flow tables of a lab's switches, by the account of Open vSwitch itself, in a form that can be compared."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Network

from ovs_setup.node import SERVICE_BRIDGE
from ryu_pmipls.lab.lab import Lab

_COOKIE = re.compile(r"cookie=0x[0-9a-f]+, *")
_PREFIX = re.compile(r"ipv6_(?:src|dst)=([0-9a-f:]+/64)\b")


@dataclass(frozen=True)
class FlowTables:
    """A switch's entries, without cookies and counters: those of the node itself, and those of mobile nodes."""

    base: frozenset[str]
    bindings: frozenset[str]

    @property
    def entries(self) -> int:
        return len(self.base) + len(self.bindings)


def parse_flows(lines: Iterable[str], pool: IPv6Network) -> FlowTables:
    """The tables from the lines of ``ovs-ofctl --names --no-stats dump-flows``, with the pool of home prefixes."""
    base: set[str] = set()
    bindings: set[str] = set()
    for line in lines:
        if "actions=" not in line:
            continue
        text = _COOKIE.sub("", line.strip()).replace('"', "")
        prefix = _PREFIX.search(text)
        of_binding = prefix is not None and IPv6Network(prefix[1]).subnet_of(pool)
        (bindings if of_binding else base).add(text)
    return FlowTables(frozenset(base), frozenset(bindings))


def read_flows(lab: Lab, node: str) -> FlowTables:
    """The flow tables of a node's switch; ``OvsSetupError`` when it does not answer."""
    lines = lab.openvswitch(node).ofctl("--names", "--no-stats", "dump-flows", SERVICE_BRIDGE).splitlines()
    return parse_flows(lines, lab.profile.home_prefix_pool)
