"""Which rules and groups a MAG or an LMA needs: pure functions of profile, ports, bindings and uplinks.

Ports come as a mapping of names to OpenFlow port numbers, as the switch reports them. A rule whose port is not
there (yet) is left out: it is added when the port appears.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv6Network

from ryu_pmipls.domain.profile import Lma, Mag, Profile
from ryu_pmipls.openflow.pipeline import (
    LOCAL,
    NEIGHBOUR_DISCOVERY,
    DecrementHopLimit,
    ForgetInPort,
    Group,
    LmaTable,
    MagTable,
    Match,
    Output,
    Owner,
    Rule,
    SetLinkLayer,
    ToGroup,
    host,
)
from ryu_pmipls.routing import Binding

Ports = Mapping[str, int]

#: RFC 6543: every MAG has this link-layer address on its access links, so that the router never changes for an MN.
MAG_LINK_LAYER_ADDRESS = bytes.fromhex("00005e005213")

_LINK_LOCAL = IPv6Network("fe80::/10")
_MULTICAST = IPv6Network("ff00::/8")


def tunnel_port(peer: str) -> str:
    """The name of the port of the tunnel to a peer."""
    return f"t-{peer}"


def group_id(profile: Profile, anchor: str) -> int:
    """The group of a MAG that carries the uplink of the mobile nodes of an anchor: the anchor's place from 1 up."""
    return 1 + next(index for index, lma in enumerate(profile.lmas) if lma.name == anchor)


def mag_base(profile: Profile, mag: Mag, ports: Ports) -> Iterator[Rule]:
    """The rules of a MAG that are there before any mobile node."""
    for table in MagTable:
        yield Rule(table, 0, Match(), Owner.BASE)
    for name in mag.access_ports:
        if name in ports:
            # The agent reads neighbour discovery from the port itself; it never crosses the switch.
            for kind in NEIGHBOUR_DISCOVERY:
                yield Rule(MagTable.CLASSIFY, 20, Match(in_port=ports[name], icmpv6_type=kind), Owner.BASE)
            match = Match(in_port=ports[name], ipv6=True)
            yield Rule(MagTable.CLASSIFY, 10, match, Owner.BASE, goto=MagTable.GUARD)
    for lma in profile.lmas:
        port = ports.get(tunnel_port(lma.name))
        if port is not None:
            match = Match(in_port=port, ipv6=True)
            yield Rule(MagTable.CLASSIFY, 10, match, Owner.BASE, goto=MagTable.DOWNLINK)
    # RFC 5213, section 6.10.5: what is link-local or multicast stays on the access link.
    yield Rule(MagTable.GUARD, 30, Match(ipv6_src=_LINK_LOCAL), Owner.BASE)
    yield Rule(MagTable.GUARD, 30, Match(ipv6_dst=_LINK_LOCAL), Owner.BASE)
    yield Rule(MagTable.GUARD, 30, Match(ipv6_dst=_MULTICAST), Owner.BASE)


def mag_groups(profile: Profile, uplinks: Mapping[str, str], ports: Ports) -> Iterator[Group]:
    """One group per anchor; ``uplinks`` maps each anchor to the LMA that carries its mobile nodes' uplink."""
    for lma in profile.lmas:
        carrier = uplinks[lma.name]
        yield Group(group_id(profile, lma.name), ports.get(tunnel_port(carrier)))


def mag_binding(profile: Profile, mag: Mag, binding: Binding) -> Iterator[Rule]:
    """The rules of one binding at the MAG where the mobile node is; none at other MAGs.

    A MAG that speaks only the draft tells neither port nor link-layer address nor anchor: it has to do without.
    """
    prefix, link_layer, port = binding.prefix, binding.link_layer_address, binding.port
    if binding.mag != mag.name or link_layer is None or port is None or binding.anchor is None:
        return
    yield Rule(
        MagTable.GUARD,
        20,
        Match(in_port=port, eth_src=link_layer, ipv6_src=prefix),
        Owner.BINDING,
        goto=MagTable.UPLINK,
    )
    yield Rule(
        MagTable.UPLINK,
        10,
        Match(ipv6_src=prefix),
        Owner.BINDING,
        (DecrementHopLimit(), ToGroup(group_id(profile, binding.anchor))),
    )
    yield Rule(
        MagTable.DOWNLINK,
        10,
        Match(ipv6_dst=prefix),
        Owner.BINDING,
        (SetLinkLayer(MAG_LINK_LAYER_ADDRESS, link_layer), DecrementHopLimit(), Output(port)),
    )


def lma_base(profile: Profile, lma: Lma, ports: Ports, own: bytes | None, gateway: bytes | None) -> Iterator[Rule]:
    """The rules of an LMA that are there before any mobile node.

    ``own`` is the link-layer address of the bridge's own interface, ``gateway`` that of the core gateway; while the
    latter is unknown nothing can leave towards the core.
    """
    pool = profile.home_prefix_pool
    for table in LmaTable:
        yield Rule(table, 0, Match(), Owner.BASE)
    for mag in profile.mags:
        port = ports.get(tunnel_port(mag.name))
        if port is not None:
            yield Rule(LmaTable.CLASSIFY, 10, Match(in_port=port, ipv6=True), Owner.BASE, goto=LmaTable.UPLINK)
    # Erratum E32: every LMA takes the uplink of every prefix of the domain, whoever anchors it.
    yield Rule(
        LmaTable.UPLINK,
        20,
        Match(ipv6_src=pool, ipv6_dst=pool),
        Owner.BASE,
        (ForgetInPort(),),
        goto=LmaTable.DOWNLINK,
    )
    core = ports.get(lma.core.port)
    if core is None:
        return
    yield Rule(LmaTable.CLASSIFY, 10, Match(in_port=LOCAL), Owner.BASE, (Output(core),))
    for kind in NEIGHBOUR_DISCOVERY:
        match = Match(in_port=core, icmpv6_type=kind)
        yield Rule(LmaTable.CLASSIFY, 20, match, Owner.BASE, (Output(LOCAL),))
    match = Match(in_port=core, ipv6_dst=host(lma.core.address.ip))
    yield Rule(LmaTable.CLASSIFY, 20, match, Owner.BASE, (Output(LOCAL),))
    match = Match(in_port=core, ipv6_dst=pool)
    yield Rule(LmaTable.CLASSIFY, 10, match, Owner.BASE, goto=LmaTable.DOWNLINK)
    if own is not None and gateway is not None:
        yield Rule(
            LmaTable.UPLINK,
            10,
            Match(ipv6_src=pool),
            Owner.BASE,
            (SetLinkLayer(own, gateway), DecrementHopLimit(), Output(core)),
        )


def lma_binding(binding: Binding, ports: Ports) -> Iterator[Rule]:
    """The downlink route of one binding: its prefix into the tunnel of the MAG where the mobile node is."""
    if binding.mag is None:
        return
    port = ports.get(tunnel_port(binding.mag))
    if port is not None:
        actions = (DecrementHopLimit(), Output(port))
        yield Rule(LmaTable.DOWNLINK, 10, Match(ipv6_dst=binding.prefix), Owner.BINDING, actions)
