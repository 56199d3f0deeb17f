"""The tables of a Mobile Access Gateway's pipeline, last to first: a table leads only to later ones."""

from __future__ import annotations

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
from ryu_pmipls.controller.switches.flow import Table


class MagTable:
    """Tables of a Mobile Access Gateway."""

    # Apart from the table before: Open vSwitch has the target's link-layer address only in an advertisement.
    ADVERTISED = Table(
        number=6,
        name="advertised",
        text="the option of the router's advertisement",
        match=frozenset({"icmpv6_type"}),
        actions=frozenset({NameTarget, Output}),
    )
    SOLICITED = Table(
        number=5,
        name="solicited",
        text="the router's answer to a neighbour solicitation for its address, also while the agent is away",
        match=frozenset({"icmpv6_type", "ipv6_src", "nd_source", "nd_target"}),
        actions=frozenset({ReturnToSender, ToAddress, BecomeAdvertisement, Output}),
        next_tables=(ADVERTISED,),
    )
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
    # Behind the guard: Open vSwitch counts a packet in all entries after a CheckPacketLarger for both of its outcomes.
    SIZE = Table(
        number=2,
        name="size",
        text="does it fit into the tunnels",
        actions=frozenset({CheckPacketLarger}),
        next_tables=(UPLINK,),
    )
    GUARD = Table(
        number=1,
        name="guard",
        text="port, link-layer address and source prefix must fit a binding",
        match=frozenset({"in_port", "eth_src", "ipv6_src", "ipv6_dst"}),
        actions=frozenset({ToLinkLayer, Output}),
        next_tables=(SIZE,),
    )
    CLASSIFY = Table(
        number=0,
        name="classify",
        text="by port",
        match=frozenset(
            {
                "in_port",
                "eth_src",
                "ipv6",
                "icmpv6_type",
                "icmpv6_code",
                "ipv6_src",
                "ipv6_dst",
                "nd_target",
                "hop_limit",
            }
        ),
        actions=frozenset({ReturnToSender, ExchangeAddresses, BecomeEchoReply, ForgetInPort, Output}),
        next_tables=(GUARD, UPLINK, DOWNLINK, SOLICITED),
    )
