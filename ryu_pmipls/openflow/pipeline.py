"""The OpenFlow pipelines of MAG and LMA as data: tables, rules, groups, cookies.

Nothing here knows Ryu or a connection; :mod:`ryu_pmipls.openflow.encode` turns rules into messages and
:mod:`ryu_pmipls.openflow.rules` says which rules a node needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv6Address, IPv6Network

IPV6 = 0x86DD
ICMPV6 = 58
#: Types 133 to 137: router and neighbour solicitation and advertisement, redirect (RFC 4861).
NEIGHBOUR_DISCOVERY = (133, 134, 135, 136, 137)
#: The port of the bridge's own interface (OFPP_LOCAL).
LOCAL = 0xFFFFFFFE


class MagTable(IntEnum):
    """Tables of a Mobile Access Gateway."""

    CLASSIFY = 0  # by port: access, tunnel
    GUARD = 1  # access port, link-layer address and source prefix must fit a binding
    UPLINK = 2  # home network prefix -> group of its anchor
    DOWNLINK = 3  # home network prefix -> mobile node


class LmaTable(IntEnum):
    """Tables of a Local Mobility Anchor."""

    CLASSIFY = 0  # by port: tunnel, core, the node itself
    UPLINK = 1  # source must be a home network prefix -> core, or back into a tunnel
    DOWNLINK = 2  # home network prefix -> tunnel of the MAG where the mobile node is


Table = MagTable | LmaTable


class Owner(IntEnum):
    """What a rule belongs to; part of its cookie."""

    BASE = 1  # the node itself: there as long as the node
    BINDING = 2  # one mobility binding


#: Our mark in bits 48 to 63 of every cookie; flows without it are not ours and are left alone.
COOKIE_MARK = 0x504D
COOKIE_MARK_MASK = 0xFFFF << 48
#: The generation takes bits 0 to 15: it changes with every reconciliation of a switch.
GENERATION_BITS = 16


def cookie(owner: Owner, generation: int) -> int:
    """The cookie of a rule: mark (16 bits), owner (8 bits), zero, generation (16 bits)."""
    return COOKIE_MARK << 48 | owner << 40 | generation


def sweep_cookies(generation: int) -> list[tuple[int, int]]:
    """(cookie, mask) pairs that together match all of our flows of every generation but this one.

    A masked cookie cannot say "differs"; but what differs does so in at least one bit.
    """
    pairs = []
    for bit in range(GENERATION_BITS):
        flipped = ~generation & 1 << bit
        pairs.append((COOKIE_MARK << 48 | flipped, COOKIE_MARK_MASK | 1 << bit))
    return pairs


@dataclass(frozen=True)
class Match:
    """What a rule matches; ``None`` is a wildcard. A rule with any IPv6 field matches IPv6 only."""

    in_port: int | None = None
    eth_src: bytes | None = None
    ipv6_src: IPv6Network | None = None
    ipv6_dst: IPv6Network | None = None
    icmpv6_type: int | None = None
    ipv6: bool = False


@dataclass(frozen=True)
class SetLinkLayer:
    """Write both link-layer addresses (a packet from a layer 3 tunnel has none)."""

    source: bytes
    destination: bytes


@dataclass(frozen=True)
class DecrementHopLimit:
    """One hop less; a packet whose hop limit is used up is dropped."""


@dataclass(frozen=True)
class ForgetInPort:
    """Let the packet leave by the port it came in by, which OpenFlow forbids otherwise."""


@dataclass(frozen=True)
class Output:
    port: int


@dataclass(frozen=True)
class ToGroup:
    group: int


Action = SetLinkLayer | DecrementHopLimit | ForgetInPort | Output | ToGroup


@dataclass(frozen=True)
class Rule:
    """One flow entry; no action and no ``goto`` means drop (and count)."""

    table: Table
    priority: int
    match: Match
    owner: Owner
    actions: tuple[Action, ...] = ()
    goto: Table | None = None

    @property
    def key(self) -> tuple[Table, int, Match]:
        """What makes two rules the same flow entry: an ADD with an equal key replaces."""
        return self.table, self.priority, self.match


@dataclass(frozen=True)
class Group:
    """An indirect group with one bucket: to a port, or nowhere while there is none."""

    group: int
    port: int | None


def host(address: IPv6Address) -> IPv6Network:
    """The prefix that holds one address."""
    return IPv6Network((address, 128))
