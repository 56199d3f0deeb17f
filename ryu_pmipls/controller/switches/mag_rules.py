"""The pipeline of a Mobile Access Gateway: its rules as data. A packet that matches none is dropped."""

from __future__ import annotations

from ipaddress import IPv6Network

from ryu_pmipls.controller.switches.actions import (
    BecomeAdvertisement,
    BecomeEchoReply,
    CheckPacketLarger,
    DecrementHopLimit,
    ExchangeAddresses,
    ForgetInPort,
    NameTarget,
    Output,
    ReturnToSender,
    SetLinkLayer,
    ToAddress,
    ToGroup,
    ToLinkLayer,
)
from ryu_pmipls.controller.switches.flow import Owner, Pipeline
from ryu_pmipls.controller.switches.mag_tables import MagTable
from ryu_pmipls.controller.switches.match import Match
from ryu_pmipls.controller.switches.parameter import IN_PORT, Kind, Parameter
from ryu_pmipls.controller.switches.shared_parameters import (
    DISCOVERY_TYPE,
    ERROR_PORT,
    HOME_PREFIX,
    LAST_HOP_LIMIT,
    MTU,
    POOL,
    SUBNET_ROUTERS,
    TUNNEL,
)
from ryu_pmipls.wire.neighbour_discovery import (
    ALL_NODES,
    REFUSED_LINK_LAYER_ADDRESS,
    ROUTER_ADDRESS,
    ROUTER_LINK_LAYER_ADDRESS,
    UNSPECIFIED,
    NeighbourAdvertisement,
    NeighbourFlag,
    NeighbourSolicitation,
)

#: Link-layer and link-local address of every MAG on its access links, so that a mobile node's router never changes.
MAG_LINK_LAYER_ADDRESS, _ROUTER = ROUTER_LINK_LAYER_ADDRESS, IPv6Network(ROUTER_ADDRESS)
#: Seconds for which a MAG forwards late packets for a mobile node that has left (RFC 5949, section 4).
FORWARDING_TIME = 2
_LINK_LOCAL = IPv6Network("fe80::/10")
#: The unspecified and the loopback address, and those with an IPv4 address in them (RFC 4291, section 2.5).
_NO_DESTINATION = IPv6Network("::/16")
_MULTICAST = IPv6Network("ff00::/8")
_UNSPECIFIED, _ALL_NODES = IPv6Network(UNSPECIFIED), IPv6Network(ALL_NODES)
_SOLICITATION, _ADVERTISEMENT = NeighbourSolicitation.description.number, NeighbourAdvertisement.description.number
_ECHO_REQUEST = 128
#: Hop limit of neighbour discovery, so that no message from off the link is answered (RFC 4861, section 7.1.1).
_ON_LINK = 255
_NO_OPTION = bytes(6)
_ANYCAST_FLAGS = NeighbourFlag.R | NeighbourFlag.S
_SOLICITED_FLAGS = _ANYCAST_FLAGS | NeighbourFlag.O

_NODE = Parameter("link_layer_address", Kind.LINK_LAYER_ADDRESS, "the mobile node")
_ACCESS = Parameter("port", Kind.PORT, "access port")
_GROUP = Parameter("group", Kind.GROUP, "group of the anchor")
_LINK = Parameter("link", Kind.GROUP, "group of the access port")


MAG = Pipeline(
    "MAG",
    (
        MagTable.CLASSIFY,
        MagTable.GUARD,
        MagTable.SIZE,
        MagTable.UPLINK,
        MagTable.DOWNLINK,
        MagTable.SOLICITED,
        MagTable.ADVERTISED,
    ),
)


class MagRule:
    """Rules of a Mobile Access Gateway, in the order of declaration."""

    # With their code: what Open vSwitch remembers of a message with another one would hold for all solicitations.
    SOLICITATION = MAG.rule(
        "a solicitation for the router's address; the agent hears of it as well",
        MagTable.CLASSIFY,
        30,
        Owner.BASE,
        Match(in_port=_ACCESS, icmpv6_type=_SOLICITATION, icmpv6_code=0, nd_target=_ROUTER, hop_limit=_ON_LINK),
        goto=MagTable.SOLICITED,
    )
    ANYCAST_SOLICITATION = MAG.rule(
        "one for the anycast address of the routers of a home network, which is on the link to a host",
        MagTable.CLASSIFY,
        30,
        Owner.BASE,
        Match(in_port=_ACCESS, icmpv6_type=_SOLICITATION, icmpv6_code=0, nd_target=SUBNET_ROUTERS, hop_limit=_ON_LINK),
        goto=MagTable.SOLICITED,
    )
    # RFC 4443, section 4.2. From other sources nothing is answered: they are of no node of this link.
    ECHO = tuple(
        MAG.rule(
            "an echo request to the router itself",
            MagTable.CLASSIFY,
            20,
            Owner.BASE,
            Match(in_port=_ACCESS, icmpv6_type=_ECHO_REQUEST, ipv6_src=source, ipv6_dst=_ROUTER),
            (ReturnToSender(MAG_LINK_LAYER_ADDRESS, _ROUTER), BecomeEchoReply(), Output(IN_PORT)),
        )
        for source in (_LINK_LOCAL, POOL)
    )
    ANYCAST_ECHO = MAG.rule(
        "one to the anycast address of a home network; an LMA has sent it to where the mobile node is",
        MagTable.CLASSIFY,
        20,
        Owner.BASE,
        Match(in_port=TUNNEL, icmpv6_type=_ECHO_REQUEST, ipv6_dst=SUBNET_ROUTERS),
        (ExchangeAddresses(), BecomeEchoReply(), ForgetInPort()),
        goto=MagTable.UPLINK,
    )
    DISCOVERY = MAG.rule(
        "all other neighbour discovery is the agent's, which reads it from the port itself; it never crosses the "
        "switch",
        MagTable.CLASSIFY,
        20,
        Owner.BASE,
        Match(in_port=_ACCESS, icmpv6_type=DISCOVERY_TYPE),
    )
    FROM_ACCESS = MAG.rule(
        "what mobile nodes send",
        MagTable.CLASSIFY,
        10,
        Owner.BASE,
        Match(in_port=_ACCESS, ipv6=True),
        goto=MagTable.GUARD,
    )
    FROM_TUNNEL = MAG.rule(
        "what comes from an LMA",
        MagTable.CLASSIFY,
        10,
        Owner.BASE,
        Match(in_port=TUNNEL, ipv6=True),
        goto=MagTable.DOWNLINK,
    )
    BUFFERED = MAG.rule(
        "what the agent has kept for a mobile node, with the link-layer address that it got on its way there",
        MagTable.CLASSIFY,
        25,
        Owner.BASE,
        Match(in_port=ERROR_PORT, eth_src=MAG_LINK_LAYER_ADDRESS, ipv6=True),
        goto=MagTable.DOWNLINK,
    )
    ERROR_UPLINK = MAG.rule(
        "what the agent answers to a packet from a tunnel",
        MagTable.CLASSIFY,
        20,
        Owner.BASE,
        Match(in_port=ERROR_PORT, ipv6_src=POOL),
        goto=MagTable.UPLINK,
    )
    ERROR_DOWNLINK = MAG.rule(
        "what the agent answers to a mobile node",
        MagTable.CLASSIFY,
        15,
        Owner.BASE,
        Match(in_port=ERROR_PORT, ipv6=True),
        goto=MagTable.DOWNLINK,
    )
    # RFC 4861, section 7.2.4. The checksum of what is answered is not verified.
    ADVERTISEMENTS = (
        MAG.rule(
            "to a node that tries whether it may have that address",
            MagTable.SOLICITED,
            30,
            Owner.BASE,
            Match(icmpv6_type=_SOLICITATION, ipv6_src=_UNSPECIFIED),
            (
                ReturnToSender(MAG_LINK_LAYER_ADDRESS, _ROUTER),
                ToAddress(_ALL_NODES),
                BecomeAdvertisement(NeighbourFlag.R | NeighbourFlag.O),
                Output(IN_PORT),
            ),
        ),
        MAG.rule(
            "to a node that asks whether the router is still there, and names no link-layer address",
            MagTable.SOLICITED,
            20,
            Owner.BASE,
            Match(icmpv6_type=_SOLICITATION, nd_source=_NO_OPTION),
            (
                ReturnToSender(MAG_LINK_LAYER_ADDRESS, _ROUTER),
                BecomeAdvertisement(_SOLICITED_FLAGS),
                Output(IN_PORT),
            ),
        ),
        MAG.rule(
            "to any other",
            MagTable.SOLICITED,
            10,
            Owner.BASE,
            Match(icmpv6_type=_SOLICITATION),
            (ReturnToSender(MAG_LINK_LAYER_ADDRESS, _ROUTER), BecomeAdvertisement(_SOLICITED_FLAGS)),
            goto=MagTable.ADVERTISED,
        ),
        MAG.rule(
            "with the router's link-layer address, where that of the node was",
            MagTable.ADVERTISED,
            10,
            Owner.BASE,
            Match(icmpv6_type=_ADVERTISEMENT),
            (NameTarget(MAG_LINK_LAYER_ADDRESS), Output(IN_PORT)),
        ),
    )
    # There may be other routers with that address: no Override flag (RFC 4861, section 7.2.7).
    ANYCAST_ADVERTISEMENTS = (
        MAG.rule(
            "to one that asks for the anycast address, and names no link-layer address",
            MagTable.SOLICITED,
            25,
            Owner.BASE,
            Match(icmpv6_type=_SOLICITATION, nd_source=_NO_OPTION, nd_target=SUBNET_ROUTERS),
            (
                ReturnToSender(MAG_LINK_LAYER_ADDRESS, _ROUTER),
                BecomeAdvertisement(_ANYCAST_FLAGS),
                Output(IN_PORT),
            ),
        ),
        MAG.rule(
            "to any other that asks for it",
            MagTable.SOLICITED,
            15,
            Owner.BASE,
            Match(icmpv6_type=_SOLICITATION, nd_target=SUBNET_ROUTERS),
            (ReturnToSender(MAG_LINK_LAYER_ADDRESS, _ROUTER), BecomeAdvertisement(_ANYCAST_FLAGS)),
            goto=MagTable.ADVERTISED,
        ),
    )
    # RFC 5213, section 6.10.5: link-local and multicast packets stay on the access link.
    LINK_LOCAL = (
        MAG.rule(
            "stays on the link (RFC 5213, section 6.10.5)", MagTable.GUARD, 30, Owner.BASE, Match(ipv6_src=_LINK_LOCAL)
        ),
        MAG.rule("likewise", MagTable.GUARD, 30, Owner.BASE, Match(ipv6_dst=_LINK_LOCAL)),
        MAG.rule("likewise", MagTable.GUARD, 30, Owner.BASE, Match(ipv6_dst=_MULTICAST)),
        MAG.rule(
            "never leaves a node (RFC 4291, section 2.5)",
            MagTable.GUARD,
            30,
            Owner.BASE,
            Match(ipv6_dst=_NO_DESTINATION),
        ),
    )
    GUARD = MAG.rule(
        "a mobile node sends from its own port and link-layer address, with its own prefix",
        MagTable.GUARD,
        20,
        Owner.BINDING,
        Match(in_port=_ACCESS, eth_src=_NODE, ipv6_src=HOME_PREFIX),
        goto=MagTable.SIZE,
    )
    FOREIGN = MAG.rule(
        "a source of somebody else, or of nobody any more: the agent tells the mobile node",
        MagTable.GUARD,
        10,
        Owner.BASE,
        Match(),
        (ToLinkLayer(REFUSED_LINK_LAYER_ADDRESS), Output(ERROR_PORT)),
    )
    IMPOSTOR = MAG.rule(
        "nobody on an access link is the router: to the agent this would be a packet that it keeps for a mobile node",
        MagTable.GUARD,
        15,
        Owner.BASE,
        Match(eth_src=MAG_LINK_LAYER_ADDRESS),
    )
    CHECK_SIZE = MAG.rule(
        "as soon as there is somebody to answer what is too large",
        MagTable.SIZE,
        10,
        Owner.BASE,
        Match(),
        (CheckPacketLarger(MTU),),
        goto=MagTable.UPLINK,
    )
    ANY_SIZE = MAG.rule("until then", MagTable.SIZE, 0, Owner.BASE, Match(), goto=MagTable.UPLINK)
    UPLINK = MAG.rule(
        "by way of the group, so that Load_adjust is one message whatever the number of mobile nodes",
        MagTable.UPLINK,
        10,
        Owner.BINDING,
        Match(ipv6_src=HOME_PREFIX),
        (DecrementHopLimit(), ToGroup(_GROUP)),
    )
    DOWNLINK = MAG.rule(
        "to the mobile node, or to the agent while the link is down: the group of the port watches it",
        MagTable.DOWNLINK,
        10,
        Owner.BINDING,
        Match(ipv6_dst=HOME_PREFIX),
        (SetLinkLayer(MAG_LINK_LAYER_ADDRESS, _NODE), DecrementHopLimit(), ToGroup(_LINK)),
    )
    FORWARDING = MAG.rule(
        "the mobile node has left for another MAG: back to an LMA, whose route leads there; replaces the one above",
        MagTable.DOWNLINK,
        10,
        Owner.BINDING,
        Match(ipv6_dst=HOME_PREFIX),
        (DecrementHopLimit(), ForgetInPort(), ToGroup(_GROUP)),
        hard_timeout=FORWARDING_TIME,
    )
    TOO_LARGE = MAG.rule(
        "Packet Too Big", MagTable.UPLINK, 30, Owner.BASE, Match(too_large=True), (Output(ERROR_PORT),)
    )
    USED_UP = tuple(
        MAG.rule("Time Exceeded", table, 20, Owner.BASE, Match(hop_limit=LAST_HOP_LIMIT), (Output(ERROR_PORT),))
        for table in (MagTable.UPLINK, MagTable.DOWNLINK)
    )
    MISS = tuple(
        MAG.rule("nothing else passes", table, 0, Owner.BASE, Match())
        for table in MAG.tables
        if table is not MagTable.SIZE
    )
