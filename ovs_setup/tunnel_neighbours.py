"""Link-layer addresses behind which the userspace datapath believes its tunnels' peers.

Open vSwitch takes the link-layer source of any packet that looks like a tunnel's for that of the peer, and goes on
believing it: one packet with a forged IPv6 source, from anywhere, turns all that goes to that peer away. The kernel
believes neighbour discovery alone, which cannot come from off the link (RFC 4861, section 7.1).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from ovs_setup.node import UNDERLAY_BRIDGE
from ovs_setup.vswitch import OpenVSwitch


def correct_neighbours(ovs: OpenVSwitch) -> dict[str, str]:
    """Tell Open vSwitch the kernel's link-layer address of each next hop of which it believes another.

    Return those next hops, with what was believed. ``OvsSetupError`` when the switch does not answer.
    """
    believed = dict(_believed(ovs.appctl("tnl/neigh/show")))
    if not believed:
        return {}
    entries = json.loads(ovs.execute("ip", "-6", "-json", "neighbour", "show", "dev", UNDERLAY_BRIDGE))
    known = {entry["dst"]: entry["lladdr"] for entry in entries if "lladdr" in entry}
    wrong = {address: mac for address, mac in believed.items() if known.get(address, mac) != mac}
    for address in wrong:
        ovs.appctl("tnl/neigh/set", UNDERLAY_BRIDGE, address, known[address])
    return wrong


def _believed(table: str) -> Iterator[tuple[str, str]]:
    """Address and link-layer address of the entries of Open vSwitch's table that are for the underlay bridge."""
    for line in table.splitlines():
        words = line.split()
        if len(words) == 3 and words[2] == UNDERLAY_BRIDGE:
            yield words[0], words[1]
