"""Kinds of tunnels between MAGs and LMAs, by the names that a profile has for them.

Each has a number for Tnl_ack, too: ``ryu_pmipls.wire.codepoints.Encapsulation``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Version = tuple[int, ...]


@dataclass(frozen=True)
class TunnelKind:
    """Tunnels as Open vSwitch makes them.

    ``overhead`` is the number of octets that they add to a packet, ``options`` are those of a tunnel port beside its
    addresses. Open vSwitch has them from version ``since`` on, with ``userspace`` in its userspace datapath only.
    """

    overhead: int
    since: Version
    userspace: bool = False
    options: Mapping[str, str] = field(default_factory=dict)

    def offered(self, version: Version, userspace: bool) -> bool:
        """True when an Open vSwitch of that version, and with that datapath, can make such tunnels."""
        return version >= self.since and (userspace or not self.userspace)


#: Kinds by their names, which are the types of Open vSwitch's interfaces; ``auto`` takes the first that is offered.
TUNNEL_KINDS: dict[str, TunnelKind] = {
    # IPv6 in IPv6 (RFC 2473) with a segment routing header of one segment (RFC 8754).
    "srv6": TunnelKind(overhead=40 + 24, since=(3, 2, 0), userspace=True),
    # IPv6 in GRE over IPv6 (RFC 2784) with a key (RFC 5845).
    "gre": TunnelKind(overhead=40 + 8, since=(2, 8, 0), options={"packet_type": "legacy_l3", "key": "flow"}),
}


def possible_kinds(wanted: str) -> list[TunnelKind]:
    """The kinds that may come of a profile's ``tunnel.type``."""
    return [kind for name, kind in TUNNEL_KINDS.items() if wanted in ("auto", name)]
