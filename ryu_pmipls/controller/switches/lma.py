"""The pipeline of a Local Mobility Anchor: tables and rules as data, and the entries that an LMA needs.

Tables come last to first, because a rule leads only to later ones. A packet that matches no rule is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv6Network
from operator import attrgetter

from ryu_pmipls.controller.bindings import Binding, BindingTable
from ryu_pmipls.controller.switches.actions import (
    CheckPacketLarger,
    DecrementHopLimit,
    ForgetInPort,
    Output,
    SetLinkLayer,
)
from ryu_pmipls.controller.switches.flow import FlowEntry, Group, Owner, Pipeline, Table
from ryu_pmipls.controller.switches.match import Match
from ryu_pmipls.controller.switches.node_pipeline import NodePipeline, RecoveredState
from ryu_pmipls.controller.switches.parameter import LOCAL, Kind, Parameter
from ryu_pmipls.controller.switches.ports import Ports, error_port, tunnel_port
from ryu_pmipls.controller.switches.shared_parameters import (
    DISCOVERY_TYPE,
    ERROR_PORT,
    HOME_PREFIX,
    LAST_HOP_LIMIT,
    LAST_HOP_LIMITS,
    MTU,
    NEIGHBOUR_DISCOVERY,
    POOL,
    TUNNEL,
)
from ryu_pmipls.domain.profile import Lma, Profile

_CORE = Parameter("core", Kind.PORT, "core port")
_OWN = Parameter("own", Kind.LINK_LAYER_ADDRESS, "the bridge's own interface")
_GATEWAY = Parameter("gateway", Kind.LINK_LAYER_ADDRESS, "the core gateway")
_MARTIAN = Parameter(
    "martian", Kind.PREFIX, "the pool of home network prefixes, and each of ::/16, fe80::/10, ff00::/8"
)

#: Sources that no packet for a mobile node has, besides the pool: packets between mobile nodes never cross the core.
#: ::/16 has the unspecified and the loopback address, and those with an IPv4 address in them (RFC 4291, sections 2.5.2
#: to 2.5.5); the well-known prefix of NAT64, 64:ff9b::/96, is outside. Short prefixes keep entries of the flow cache
#: wide.
MARTIAN_SOURCES = tuple(IPv6Network(prefix) for prefix in ("::/16", "fe80::/10", "ff00::/8"))


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
        match=frozenset({"in_port", "ipv6", "icmpv6_type", "ipv6_src", "ipv6_dst"}),
        actions=frozenset({CheckPacketLarger, Output, SetLinkLayer}),
        next_tables=(UPLINK, DOWNLINK),
    )


LMA = Pipeline("LMA", (LmaTable.CLASSIFY, LmaTable.UPLINK, LmaTable.DOWNLINK))


class LmaRule:
    """Rules of a Local Mobility Anchor, in the order of declaration."""

    DISCOVERY = LMA.rule(
        "neighbour discovery of the core link is the host's",
        LmaTable.CLASSIFY,
        20,
        Owner.BASE,
        Match(in_port=_CORE, icmpv6_type=DISCOVERY_TYPE),
        (Output(LOCAL),),
    )
    TO_HOST = LMA.rule(
        "what is for the LMA's own address on the core link",
        LmaTable.CLASSIFY,
        20,
        Owner.BASE,
        Match(in_port=_CORE, ipv6_dst=Parameter("own_address", Kind.PREFIX, "the LMA's core address, a /128")),
        (Output(LOCAL),),
    )
    MARTIAN = LMA.rule(
        "no packet from the core has such a source: it is forged (RFC 2827, RFC 3704)",
        LmaTable.CLASSIFY,
        17,  # in front of what is for mobile nodes, behind what is for the host
        Owner.BASE,
        # Not the destination as well: who counts what is for mobile nodes, by its match, would count this with it.
        Match(in_port=_CORE, ipv6_src=_MARTIAN),
    )
    FROM_HOST = LMA.rule(
        "what the host sends on the core link",
        LmaTable.CLASSIFY,
        10,
        Owner.BASE,
        Match(in_port=LOCAL),
        (Output(_CORE),),
    )
    FROM_CORE = LMA.rule(
        "what is for a mobile node",
        LmaTable.CLASSIFY,
        10,
        Owner.BASE,
        Match(in_port=_CORE, ipv6_dst=POOL),
        goto=LmaTable.DOWNLINK,
    )
    CHECK_SIZE = LMA.rule(
        "the same, as soon as there is somebody to answer what is too large",
        LmaTable.CLASSIFY,
        15,
        Owner.BASE,
        Match(in_port=_CORE, ipv6_dst=POOL),
        (CheckPacketLarger(MTU),),
        goto=LmaTable.DOWNLINK,
    )
    FROM_TUNNEL = LMA.rule(
        "what comes from a MAG",
        LmaTable.CLASSIFY,
        10,
        Owner.BASE,
        Match(in_port=TUNNEL, ipv6=True),
        goto=LmaTable.UPLINK,
    )
    ERROR_DOWNLINK = LMA.rule(
        "what the agent answers to a mobile node",
        LmaTable.CLASSIFY,
        20,
        Owner.BASE,
        Match(in_port=ERROR_PORT, ipv6_dst=POOL),
        goto=LmaTable.DOWNLINK,
    )
    ERROR_TO_CORE = LMA.rule(
        "what the agent answers to others",
        LmaTable.CLASSIFY,
        10,
        Owner.BASE,
        Match(in_port=ERROR_PORT, ipv6=True),
        (SetLinkLayer(_OWN, _GATEWAY), Output(_CORE)),
    )
    BETWEEN_NODES = LMA.rule(
        "between two mobile nodes, perhaps at one MAG; every LMA takes every prefix of the domain (errata E31, E32)",
        LmaTable.UPLINK,
        20,
        Owner.BASE,
        Match(ipv6_src=POOL, ipv6_dst=POOL),
        (ForgetInPort(),),
        goto=LmaTable.DOWNLINK,
    )
    TO_CORE = LMA.rule(
        "towards the core, as soon as its gateway is known",
        LmaTable.UPLINK,
        10,
        Owner.BASE,
        Match(ipv6_src=POOL),
        (
            SetLinkLayer(_OWN, _GATEWAY),
            DecrementHopLimit(),
            Output(_CORE),
        ),
    )
    FORWARDED = LMA.rule(
        "what a MAG sends on for a mobile node that has left it; never back there, for the input port is not forgotten",
        LmaTable.UPLINK,
        5,
        Owner.BASE,
        Match(ipv6_dst=POOL),
        goto=LmaTable.DOWNLINK,
    )
    ROUTE = LMA.rule(
        "the route of a mobile node: a handoff is this one rule per LMA",
        LmaTable.DOWNLINK,
        10,
        Owner.BINDING,
        Match(ipv6_dst=HOME_PREFIX),
        (DecrementHopLimit(), Output(TUNNEL)),
    )
    TOO_LARGE = LMA.rule(
        "Packet Too Big", LmaTable.DOWNLINK, 30, Owner.BASE, Match(too_large=True), (Output(ERROR_PORT),)
    )
    USED_UP = (
        LMA.rule(
            "Time Exceeded",
            LmaTable.UPLINK,
            15,
            Owner.BASE,
            Match(ipv6_src=POOL, hop_limit=LAST_HOP_LIMIT),
            (Output(ERROR_PORT),),
        ),
        LMA.rule(
            "Time Exceeded",
            LmaTable.DOWNLINK,
            20,
            Owner.BASE,
            Match(ipv6_dst=POOL, hop_limit=LAST_HOP_LIMIT),
            (Output(ERROR_PORT),),
        ),
    )
    UNKNOWN = LMA.rule(
        "Destination Unreachable: no mobile node has this prefix",
        LmaTable.DOWNLINK,
        5,
        Owner.BASE,
        Match(ipv6_dst=POOL),
        (Output(ERROR_PORT),),
    )
    MISS = tuple(LMA.rule("nothing else passes", table, 0, Owner.BASE, Match()) for table in LMA.tables)


#: The part of a binding, besides its prefix, on which its entries at an LMA depend: the mobile node's MAG.
_shape: Callable[[Binding], str | None] = attrgetter("mag")


class LmaPipeline(NodePipeline):
    """The desired state of an LMA's switch.

    ``gateways`` maps LMAs to the link-layer addresses of their core gateways; while that is unknown nothing can leave
    towards the core.
    """

    declared = LMA
    downlink_table = LmaTable.DOWNLINK

    def __init__(self, profile: Profile, lma: Lma, bindings: BindingTable, gateways: Mapping[str, bytes]) -> None:
        super().__init__(profile, lma, bindings)
        self._lma = lma
        self._gateways = gateways

    def base_entries(self, ports: Ports, own: bytes | None) -> Iterator[FlowEntry]:
        """The entries that an LMA needs before any mobile node."""
        pool = self._profile.home_prefix_pool
        for rule in LmaRule.MISS:
            yield rule.entry()
        for mag in self._profile.mags:
            tunnel = ports.get(tunnel_port(mag.name))
            if tunnel is not None:
                yield LmaRule.FROM_TUNNEL.entry(tunnel=tunnel)
        yield LmaRule.BETWEEN_NODES.entry(pool=pool)
        if self._profile.handoff.forwarding:
            yield LmaRule.FORWARDED.entry(pool=pool)
        core = ports.get(self._lma.core.port)
        if core is not None:
            yield from self._core_entries(ports, core, own)

    def _core_entries(self, ports: Ports, core: int, own: bytes | None) -> Iterator[FlowEntry]:
        """The entries of the core link, and those by which an LMA answers undeliverable packets."""
        pool, gateway = self._profile.home_prefix_pool, self._gateways.get(self._lma.name)
        yield LmaRule.FROM_HOST.entry(core=core)
        for kind in NEIGHBOUR_DISCOVERY:
            yield LmaRule.DISCOVERY.entry(core=core, icmpv6_type=kind)
        yield LmaRule.TO_HOST.entry(core=core, own_address=IPv6Network(self._lma.core.address.ip))
        for martian in (pool, *MARTIAN_SOURCES):
            yield LmaRule.MARTIAN.entry(core=core, martian=martian)
        yield LmaRule.FROM_CORE.entry(core=core, pool=pool)
        if own is not None and gateway is not None:
            yield LmaRule.TO_CORE.entry(pool=pool, own=own, gateway=gateway, core=core)
        there = error_port(ports)
        if there is None:
            return
        errors, mtu = there
        yield LmaRule.CHECK_SIZE.entry(core=core, pool=pool, mtu=mtu)
        yield LmaRule.TOO_LARGE.entry(errors=errors)
        for rule in LmaRule.USED_UP:
            for hop_limit in LAST_HOP_LIMITS:
                yield rule.entry(pool=pool, hop_limit=hop_limit, errors=errors)
        yield LmaRule.UNKNOWN.entry(pool=pool, errors=errors)
        yield LmaRule.ERROR_DOWNLINK.entry(errors=errors, pool=pool)
        if own is not None and gateway is not None:
            yield LmaRule.ERROR_TO_CORE.entry(errors=errors, own=own, gateway=gateway, core=core)

    def groups(self, ports: Ports) -> Iterable[Group]:
        return ()

    def binding_entries(self, ports: Ports, binding: Binding) -> Iterator[FlowEntry]:
        """The downlink route of one binding: its prefix into the tunnel of its MAG."""
        tunnel = None if binding.mag is None else ports.get(tunnel_port(binding.mag))
        if tunnel is not None:
            yield LmaRule.ROUTE.entry(prefix=binding.network, tunnel=tunnel)

    @property
    def shape(self) -> Callable[[Binding], Hashable]:
        return _shape

    def prefixes(self) -> Sequence[bytes]:
        return self.bindings.prefixes()

    def prefixes_behind(self, ports: Ports, port: str) -> Sequence[bytes]:
        mags = [mag.name for mag in self._profile.mags if tunnel_port(mag.name) == port]
        return [prefix for mag in mags for prefix in self.bindings.prefixes(mag)]

    def recover(self, ports: Ports, entries: Iterable[FlowEntry]) -> RecoveredState:
        """Recover where mobile nodes are, and nothing else of their bindings; and the core gateway."""
        mags: dict[object, str] = {
            ports[tunnel_port(mag.name)]: mag.name for mag in self._profile.mags if tunnel_port(mag.name) in ports
        }
        bindings, gateways = [], []
        for entry in entries:
            values, prefix = entry.named_values, entry.home_prefix
            if entry.rule is LmaRule.TO_CORE:
                gateways.append(values["gateway"])
            elif entry.rule is LmaRule.ROUTE and prefix is not None and values["tunnel"] in mags:
                mag = mags[values["tunnel"]]
                bindings.append(Binding(prefix.network_address.packed[:8], mag, None, None, None, None, None, 0))
        gateway = gateways[0] if gateways else None
        assert gateway is None or isinstance(gateway, bytes)
        return RecoveredState(bindings, gateway)
