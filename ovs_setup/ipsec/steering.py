"""Routing by which signalling goes into the associations of kernel-libipsec, or nowhere. Pure.

Rules send what is signalling to a table of its own. There a route for each peer leads to the daemon's TUN device, for
as long as the daemon lives, and one of last resort says that the peer is unreachable.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address

from ryu_pmipls.ipsec.pairs import MOBILITY, Associations

#: The routing table of strongSwan, where it has its own routes for associations, with a metric of 1024.
TABLE = 220
#: Preference of the rules.
PREFERENCE = 5213
#: The TUN device of kernel-libipsec.
_DEVICE = "ipsec0"
_METRIC, _LAST_METRIC = 2000, 4000

Command = tuple[str, ...]


def commands(node: Associations) -> Iterator[Command]:
    """The commands that steer a node's signalling, when no rules of this kind are there for it."""
    own = str(node.own.address)
    for peer in node.peers:
        to = str(peer.address)
        yield ("ip", "-6", "route", "replace", "unreachable", to, *_in_table(_LAST_METRIC))
        for traffic in (("ipproto", str(MOBILITY)), ("ipproto", "udp", "sport", str(node.port))):
            yield ("ip", "-6", "rule", "add", "pref", str(PREFERENCE), "from", own, "to", to, *traffic, *_lookup())


def daemon_routes(node: Associations) -> Iterator[Command]:
    """The commands that lead to the daemon's device, which is there as soon as the daemon runs, and goes with it.

    The daemon has routes of its own there, but none while it rekeys.
    """
    for peer in node.peers:
        yield ("ip", "-6", "route", "replace", str(peer.address), "dev", _DEVICE, *_in_table(_METRIC))


def undoing(own: IPv6Address, rules: list[dict[str, object]]) -> Iterator[Command]:
    """The commands that undo :func:`commands`; ``rules`` are all of ``ip -json rule show``."""
    peers = []
    for rule in rules:
        if rule.get("priority") == PREFERENCE and rule.get("src") == str(own):
            to = str(rule["dst"])
            peers.append(to)
            yield ("ip", "-6", "rule", "delete", "pref", str(PREFERENCE), "from", str(own), "to", to)
    for peer in dict.fromkeys(peers):
        yield ("ip", "-6", "route", "delete", "unreachable", peer, *_in_table(_LAST_METRIC))


def _in_table(metric: int) -> Command:
    return ("table", str(TABLE), "metric", str(metric))


def _lookup() -> Command:
    return ("lookup", str(TABLE))
