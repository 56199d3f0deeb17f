"""The OpenFlow pipelines of MAG and LMA as data: tables, and all rules, each declared once.

Messages, templates and ``docs/pipeline.md`` come from these (:mod:`~ryu_pmipls.controller.switches.encoding`);
:mod:`~ryu_pmipls.controller.switches.rules` says which flow entries a node needs. Tables come last to first, because a
rule leads only to later ones. A packet that matches no rule is dropped.
"""

from __future__ import annotations

from ipaddress import IPv6Network

from ryu_pmipls.controller.switches.flow import (
    LOCAL,
    DecrementHopLimit,
    ForgetInPort,
    Kind,
    Match,
    NoteSize,
    Output,
    Owner,
    Parameter,
    Pipeline,
    SetLinkLayer,
    Table,
    ToGroup,
)

#: Types 133 to 137: router and neighbour solicitation and advertisement, redirect (RFC 4861).
NEIGHBOUR_DISCOVERY = (133, 134, 135, 136, 137)
#: Hop limits with which a packet ends at a router (RFC 8200, section 3).
USED_UP = (0, 1)
#: RFC 6543: link-layer address of every MAG on its access links, so that the router never changes for an MN.
MAG_LINK_LAYER_ADDRESS = bytes.fromhex("00005e005213")
#: Seconds for which a MAG forwards late packets for a mobile node that has left (RFC 5949, section 4).
FORWARDING_TIME = 2

_LINK_LOCAL = IPv6Network("fe80::/10")
_MULTICAST = IPv6Network("ff00::/8")

_PREFIX = Parameter("prefix", Kind.HOME_PREFIX, "the mobile node's home network prefix")
_NODE = Parameter("link_layer_address", Kind.LINK_LAYER_ADDRESS, "the mobile node")
_ACCESS = Parameter("port", Kind.PORT, "access port")
_TUNNEL = Parameter("tunnel", Kind.PORT, "tunnel port")
_CORE = Parameter("core", Kind.PORT, "core port")
_OWN = Parameter("own", Kind.LINK_LAYER_ADDRESS, "the bridge's own interface")
_GATEWAY = Parameter("gateway", Kind.LINK_LAYER_ADDRESS, "the core gateway")
_GROUP = Parameter("group", Kind.GROUP, "group of the anchor")
_LINK = Parameter("link", Kind.GROUP, "group of the access port")
_POOL = Parameter("pool", Kind.PREFIX, "the pool of home network prefixes")
_DISCOVERY = Parameter("icmpv6_type", Kind.NUMBER, "each of 133 to 137")
_USED_UP = Parameter("hop_limit", Kind.NUMBER, "each of 0 and 1")
_MTU = Parameter("mtu", Kind.NUMBER, "octets that the node's tunnels take")
_ERRORS = Parameter("errors", Kind.PORT, "port for what cannot be delivered")

# The Mobile Access Gateway.


class MagTable:
    """Tables of a Mobile Access Gateway."""

    DOWNLINK = Table(
        number=4,
        name="downlink",
        text="from a tunnel to the mobile node",
        match=frozenset({"ipv6_dst", "hop_limit"}),
        actions=frozenset({SetLinkLayer, DecrementHopLimit, ForgetInPort, Output, ToGroup}),
    )
    UPLINK = Table(
        number=3,
        name="uplink",
        text="from a mobile node into the tunnel that its anchor's group names",
        match=frozenset({"ipv6_src", "hop_limit", "too_large"}),
        actions=frozenset({DecrementHopLimit, Output, ToGroup}),
    )
    # Behind the guard: Open vSwitch counts a packet in all entries after a NoteSize for both of its outcomes.
    SIZE = Table(
        number=2,
        name="size",
        text="does it fit into the tunnels",
        actions=frozenset({NoteSize}),
        next_tables=(UPLINK,),
    )
    GUARD = Table(
        number=1,
        name="guard",
        text="port, link-layer address and source prefix must fit a binding",
        match=frozenset({"in_port", "eth_src", "ipv6_src", "ipv6_dst"}),
        next_tables=(SIZE,),
    )
    CLASSIFY = Table(
        number=0,
        name="classify",
        text="by port",
        match=frozenset({"in_port", "eth_src", "ipv6", "icmpv6_type", "ipv6_src"}),
        next_tables=(GUARD, UPLINK, DOWNLINK),
    )


MAG = Pipeline("MAG", (MagTable.CLASSIFY, MagTable.GUARD, MagTable.SIZE, MagTable.UPLINK, MagTable.DOWNLINK))

MAG_DISCOVERY = MAG.rule(
    "neighbour discovery is the agent's, which reads it from the port itself; it never crosses the switch",
    MagTable.CLASSIFY,
    20,
    Owner.BASE,
    Match(in_port=_ACCESS, icmpv6_type=_DISCOVERY),
)
MAG_FROM_ACCESS = MAG.rule(
    "what mobile nodes send",
    MagTable.CLASSIFY,
    10,
    Owner.BASE,
    Match(in_port=_ACCESS, ipv6=True),
    goto=MagTable.GUARD,
)
MAG_FROM_TUNNEL = MAG.rule(
    "what comes from an LMA",
    MagTable.CLASSIFY,
    10,
    Owner.BASE,
    Match(in_port=_TUNNEL, ipv6=True),
    goto=MagTable.DOWNLINK,
)
MAG_BUFFERED = MAG.rule(
    "what the agent has kept for a mobile node, with the link-layer address that it got on its way there",
    MagTable.CLASSIFY,
    25,
    Owner.BASE,
    Match(in_port=_ERRORS, eth_src=MAG_LINK_LAYER_ADDRESS, ipv6=True),
    goto=MagTable.DOWNLINK,
)
MAG_ERROR_UPLINK = MAG.rule(
    "what the agent answers to a packet from a tunnel",
    MagTable.CLASSIFY,
    20,
    Owner.BASE,
    Match(in_port=_ERRORS, ipv6_src=_POOL),
    goto=MagTable.UPLINK,
)
MAG_ERROR_DOWNLINK = MAG.rule(
    "what the agent answers to a mobile node",
    MagTable.CLASSIFY,
    15,
    Owner.BASE,
    Match(in_port=_ERRORS, ipv6=True),
    goto=MagTable.DOWNLINK,
)
# RFC 5213, section 6.10.5: link-local and multicast packets stay on the access link.
MAG_LINK_LOCAL = (
    MAG.rule(
        "stays on the link (RFC 5213, section 6.10.5)", MagTable.GUARD, 30, Owner.BASE, Match(ipv6_src=_LINK_LOCAL)
    ),
    MAG.rule("likewise", MagTable.GUARD, 30, Owner.BASE, Match(ipv6_dst=_LINK_LOCAL)),
    MAG.rule("likewise", MagTable.GUARD, 30, Owner.BASE, Match(ipv6_dst=_MULTICAST)),
)
MAG_GUARD = MAG.rule(
    "a mobile node sends from its own port and link-layer address, with its own prefix",
    MagTable.GUARD,
    20,
    Owner.BINDING,
    Match(in_port=_ACCESS, eth_src=_NODE, ipv6_src=_PREFIX),
    goto=MagTable.SIZE,
)
MAG_NOTE_SIZE = MAG.rule(
    "as soon as there is somebody to answer what is too large",
    MagTable.SIZE,
    10,
    Owner.BASE,
    Match(),
    (NoteSize(_MTU),),
    goto=MagTable.UPLINK,
)
MAG_ANY_SIZE = MAG.rule("until then", MagTable.SIZE, 0, Owner.BASE, Match(), goto=MagTable.UPLINK)
MAG_UPLINK = MAG.rule(
    "by way of the group, so that Load_adjust is one message whatever the number of mobile nodes",
    MagTable.UPLINK,
    10,
    Owner.BINDING,
    Match(ipv6_src=_PREFIX),
    (DecrementHopLimit(), ToGroup(_GROUP)),
)
MAG_DOWNLINK = MAG.rule(
    "to the mobile node, or to the agent while the link is down: the group of the port watches it",
    MagTable.DOWNLINK,
    10,
    Owner.BINDING,
    Match(ipv6_dst=_PREFIX),
    (SetLinkLayer(MAG_LINK_LAYER_ADDRESS, _NODE), DecrementHopLimit(), ToGroup(_LINK)),
)
MAG_FORWARDING = MAG.rule(
    "the mobile node has left for another MAG: back to an LMA, whose route leads there; replaces the one above",
    MagTable.DOWNLINK,
    10,
    Owner.BINDING,
    Match(ipv6_dst=_PREFIX),
    (DecrementHopLimit(), ForgetInPort(), ToGroup(_GROUP)),
    hard_timeout=FORWARDING_TIME,
)
MAG_TOO_LARGE = MAG.rule("Packet Too Big", MagTable.UPLINK, 30, Owner.BASE, Match(too_large=True), (Output(_ERRORS),))
MAG_USED_UP = tuple(
    MAG.rule("Time Exceeded", table, 20, Owner.BASE, Match(hop_limit=_USED_UP), (Output(_ERRORS),))
    for table in (MagTable.UPLINK, MagTable.DOWNLINK)
)
MAG_MISS = tuple(
    MAG.rule("nothing else passes", table, 0, Owner.BASE, Match()) for table in MAG.tables if table is not MagTable.SIZE
)

# The Local Mobility Anchor.


class LmaTable:
    """Tables of a Local Mobility Anchor."""

    DOWNLINK = Table(
        number=2,
        name="downlink",
        text="into the tunnel of the MAG where the mobile node is",
        match=frozenset({"ipv6_dst", "hop_limit", "too_large"}),
        actions=frozenset({DecrementHopLimit, Output}),
    )
    UPLINK = Table(
        number=1,
        name="uplink",
        text="the source, or the destination, must be a home network prefix: to the core, or back into a tunnel",
        match=frozenset({"ipv6_src", "ipv6_dst", "hop_limit"}),
        actions=frozenset({ForgetInPort, SetLinkLayer, DecrementHopLimit, Output}),
        next_tables=(DOWNLINK,),
    )
    CLASSIFY = Table(
        number=0,
        name="classify",
        text="by port",
        match=frozenset({"in_port", "ipv6", "icmpv6_type", "ipv6_dst"}),
        actions=frozenset({NoteSize, Output, SetLinkLayer}),
        next_tables=(UPLINK, DOWNLINK),
    )


LMA = Pipeline("LMA", (LmaTable.CLASSIFY, LmaTable.UPLINK, LmaTable.DOWNLINK))

LMA_DISCOVERY = LMA.rule(
    "neighbour discovery of the core link is the host's",
    LmaTable.CLASSIFY,
    20,
    Owner.BASE,
    Match(in_port=_CORE, icmpv6_type=_DISCOVERY),
    (Output(LOCAL),),
)
LMA_TO_HOST = LMA.rule(
    "what is for the LMA's own address on the core link",
    LmaTable.CLASSIFY,
    20,
    Owner.BASE,
    Match(in_port=_CORE, ipv6_dst=Parameter("own_address", Kind.PREFIX, "the LMA's core address, a /128")),
    (Output(LOCAL),),
)
LMA_FROM_HOST = LMA.rule(
    "what the host sends on the core link",
    LmaTable.CLASSIFY,
    10,
    Owner.BASE,
    Match(in_port=LOCAL),
    (Output(_CORE),),
)
LMA_FROM_CORE = LMA.rule(
    "what is for a mobile node",
    LmaTable.CLASSIFY,
    10,
    Owner.BASE,
    Match(in_port=_CORE, ipv6_dst=_POOL),
    goto=LmaTable.DOWNLINK,
)
LMA_NOTE_SIZE = LMA.rule(
    "the same, as soon as there is somebody to answer what is too large",
    LmaTable.CLASSIFY,
    15,
    Owner.BASE,
    Match(in_port=_CORE, ipv6_dst=_POOL),
    (NoteSize(_MTU),),
    goto=LmaTable.DOWNLINK,
)
LMA_FROM_TUNNEL = LMA.rule(
    "what comes from a MAG",
    LmaTable.CLASSIFY,
    10,
    Owner.BASE,
    Match(in_port=_TUNNEL, ipv6=True),
    goto=LmaTable.UPLINK,
)
LMA_ERROR_DOWNLINK = LMA.rule(
    "what the agent answers to a mobile node",
    LmaTable.CLASSIFY,
    20,
    Owner.BASE,
    Match(in_port=_ERRORS, ipv6_dst=_POOL),
    goto=LmaTable.DOWNLINK,
)
LMA_ERROR_TO_CORE = LMA.rule(
    "what the agent answers to others",
    LmaTable.CLASSIFY,
    10,
    Owner.BASE,
    Match(in_port=_ERRORS, ipv6=True),
    (SetLinkLayer(_OWN, _GATEWAY), Output(_CORE)),
)
LMA_BETWEEN_NODES = LMA.rule(
    "between two mobile nodes, perhaps at one MAG; every LMA takes every prefix of the domain (errata E31, E32)",
    LmaTable.UPLINK,
    20,
    Owner.BASE,
    Match(ipv6_src=_POOL, ipv6_dst=_POOL),
    (ForgetInPort(),),
    goto=LmaTable.DOWNLINK,
)
LMA_TO_CORE = LMA.rule(
    "towards the core, as soon as its gateway is known",
    LmaTable.UPLINK,
    10,
    Owner.BASE,
    Match(ipv6_src=_POOL),
    (
        SetLinkLayer(_OWN, _GATEWAY),
        DecrementHopLimit(),
        Output(_CORE),
    ),
)
LMA_FORWARDED = LMA.rule(
    "what a MAG sends on for a mobile node that has left it; never back there, for the input port is not forgotten",
    LmaTable.UPLINK,
    5,
    Owner.BASE,
    Match(ipv6_dst=_POOL),
    goto=LmaTable.DOWNLINK,
)
LMA_ROUTE = LMA.rule(
    "the route of a mobile node: a handoff is this one rule per LMA",
    LmaTable.DOWNLINK,
    10,
    Owner.BINDING,
    Match(ipv6_dst=_PREFIX),
    (DecrementHopLimit(), Output(_TUNNEL)),
)
LMA_TOO_LARGE = LMA.rule("Packet Too Big", LmaTable.DOWNLINK, 30, Owner.BASE, Match(too_large=True), (Output(_ERRORS),))
LMA_USED_UP = (
    LMA.rule(
        "Time Exceeded",
        LmaTable.UPLINK,
        15,
        Owner.BASE,
        Match(ipv6_src=_POOL, hop_limit=_USED_UP),
        (Output(_ERRORS),),
    ),
    LMA.rule(
        "Time Exceeded",
        LmaTable.DOWNLINK,
        20,
        Owner.BASE,
        Match(ipv6_dst=_POOL, hop_limit=_USED_UP),
        (Output(_ERRORS),),
    ),
)
LMA_UNKNOWN = LMA.rule(
    "Destination Unreachable: no mobile node has this prefix",
    LmaTable.DOWNLINK,
    5,
    Owner.BASE,
    Match(ipv6_dst=_POOL),
    (Output(_ERRORS),),
)
LMA_MISS = tuple(LMA.rule("nothing else passes", table, 0, Owner.BASE, Match()) for table in LMA.tables)

PIPELINES = (MAG, LMA)
