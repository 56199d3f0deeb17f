"""The nftables rules by which no signalling leaves a node, or is accepted there, outside a security association.

They are there before any agent starts, and whether strongSwan runs or not. Pure: :mod:`ovs_setup.ipsec` installs them,
agents and RMS look for them before they start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

from ryu_pmipls.ipsec.pairs import MOBILITY, Associations

#: The table of family ip6 with the rules.
TABLE = "ryu_pmipls_ipsec"
#: Interfaces of kernel-libipsec, which decrypts in user space.
DEVICES = "ipsec*"
_UDP = 17
_PRIORITY = -10  # before the filters that an administrator has
_COUNTER = re.compile(r"counter packets (\d+) bytes \d+ drop")


class Esp(Enum):
    """Where packets are encrypted: by the kernel, or by strongSwan's kernel-libipsec."""

    KERNEL = "kernel"
    USER = "user space"


def rules(node: Associations, esp: Esp) -> str:
    """The table, as nft(8) reads it: a rule must have a line of its own."""
    chains = (("input", _input(node, esp)), ("output", _output(node, esp)))
    lines = [f"table ip6 {TABLE} {{"]
    for hook, found in chains:
        lines += [f"chain {hook} {{", f"type filter hook {hook} priority {_PRIORITY}; policy accept;", *found, "}"]
    return "\n".join((*lines, "}"))


def _input(node: Associations, esp: Esp) -> Iterator[str]:
    to_us = f"ip6 daddr {node.own.address}"
    clear = f'iifname != "{DEVICES}"' if esp is Esp.USER else "meta secpath missing"
    yield f"{to_us} meta l4proto {MOBILITY} {clear} counter drop"
    yield f"{to_us} udp dport {node.port} {clear} counter drop"
    if esp is Esp.USER:  # its associations are for all protocols
        decrypted = f'{to_us} iifname "{DEVICES}"'
        yield f"{decrypted} meta l4proto != {MOBILITY} meta l4proto != {_UDP} counter drop"
        yield f"{decrypted} udp dport != {node.port} counter drop"


def _output(node: Associations, esp: Esp) -> Iterator[str]:
    from_us = f"ip6 saddr {node.own.address}"
    clear = f'oifname != "{DEVICES}"' if esp is Esp.USER else "rt ipsec missing"
    yield f"{from_us} meta l4proto {MOBILITY} {clear} counter drop"
    yield f"{from_us} udp sport {node.port} {clear} counter drop"


def esp_of(listing: str, node: Associations) -> Esp | None:
    """Who encrypts, by the rules in the output of ``nft -n list table``; None when any rule is missing there."""
    there = {_as_listed(_COUNTER.sub("counter drop", line.strip())) for line in listing.splitlines()}
    hooks = {f"type filter hook {hook} priority {_PRIORITY}; policy accept;" for hook in ("input", "output")}
    for esp in Esp:
        wanted = {*hooks, *_input(node, esp), *_output(node, esp)}
        if {_as_listed(rule) for rule in wanted} <= there:
            return esp
    return None


def _as_listed(rule: str) -> str:
    """A rule as ``nft -n`` lists it: it has a name and a number of its own for what is not protected."""
    return rule.replace("meta secpath ", "meta ipsec ").replace("ipsec missing", "ipsec 0")


def dropped(listing: str) -> dict[str, int]:
    """Packets that were dropped because they were not protected: ``received`` and ``sent``."""
    found = {"received": 0, "sent": 0}
    for line in listing.splitlines():
        count = _COUNTER.search(line)
        if count is not None:
            found["sent" if "saddr" in line else "received"] += int(count[1])
    return found
