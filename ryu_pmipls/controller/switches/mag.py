"""The pipeline of a Mobile Access Gateway: tables and rules as data, and the entries and groups that a MAG needs.

Tables come last to first, because a rule leads only to later ones. A packet that matches no rule is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv6Network

from ryu_pmipls.controller.bindings import Binding, BindingTable
from ryu_pmipls.controller.switches.actions import (
    CheckPacketLarger,
    DecrementHopLimit,
    ForgetInPort,
    Output,
    SetLinkLayer,
    ToGroup,
)
from ryu_pmipls.controller.switches.flow import FlowEntry, Group, Owner, Pipeline, Table
from ryu_pmipls.controller.switches.mag_groups import (
    access_group,
    access_groups,
    anchor_group,
    anchor_groups,
    tunnel_groups,
)
from ryu_pmipls.controller.switches.match import Match
from ryu_pmipls.controller.switches.node_pipeline import NodePipeline, RecoveredState
from ryu_pmipls.controller.switches.parameter import Bound, Kind, Parameter
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
from ryu_pmipls.domain.profile import Mag, Profile
from ryu_pmipls.loadsharing import Slots

#: RFC 6543: link-layer address of every MAG on its access links, so that the router never changes for an MN.
MAG_LINK_LAYER_ADDRESS = bytes.fromhex("00005e005213")
#: Seconds for which a MAG forwards late packets for a mobile node that has left (RFC 5949, section 4).
FORWARDING_TIME = 2
_LINK_LOCAL = IPv6Network("fe80::/10")
#: The unspecified and the loopback address, and those with an IPv4 address in them (RFC 4291, section 2.5).
_NO_DESTINATION = IPv6Network("::/16")
_MULTICAST = IPv6Network("ff00::/8")

_NODE = Parameter("link_layer_address", Kind.LINK_LAYER_ADDRESS, "the mobile node")
_ACCESS = Parameter("port", Kind.PORT, "access port")
_GROUP = Parameter("group", Kind.GROUP, "group of the anchor")
_LINK = Parameter("link", Kind.GROUP, "group of the access port")


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
        actions=frozenset({Output}),
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


class MagRule:
    """Rules of a Mobile Access Gateway, in the order of declaration."""

    DISCOVERY = MAG.rule(
        "neighbour discovery is the agent's, which reads it from the port itself; it never crosses the switch",
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
        (Output(ERROR_PORT),),
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


class MagPipeline(NodePipeline):
    """The desired state of a MAG's switch.

    ``uplinks`` maps each MAG to its anchors, and these to the LMAs that carry that uplink, one for each equal slot.
    ``overruled`` are the LMAs whose tunnels are used even if BFD takes them for dead.
    """

    declared = MAG
    downlink_table = MagTable.DOWNLINK

    def __init__(
        self,
        profile: Profile,
        mag: Mag,
        bindings: BindingTable,
        uplinks: Mapping[str, Mapping[str, Slots]],
        overruled: Collection[str] = (),
    ) -> None:
        super().__init__(profile, mag, bindings)
        self._mag = mag
        self._uplinks = uplinks
        self._overruled = overruled

    def base_entries(self, ports: Ports, own: bytes | None) -> Iterator[FlowEntry]:
        """The entries that a MAG needs before any mobile node."""
        for rule in (*MagRule.MISS, *MagRule.LINK_LOCAL, MagRule.IMPOSTOR, MagRule.ANY_SIZE):
            yield rule.entry()
        for port in self._access_ports(ports):
            for kind in NEIGHBOUR_DISCOVERY:
                yield MagRule.DISCOVERY.entry(port=port, icmpv6_type=kind)
            yield MagRule.FROM_ACCESS.entry(port=port)
        for lma in self._profile.lmas:
            tunnel = ports.get(tunnel_port(lma.name))
            if tunnel is not None:
                yield MagRule.FROM_TUNNEL.entry(tunnel=tunnel)
        yield from self._error_entries(ports)

    def _error_entries(self, ports: Ports) -> Iterator[FlowEntry]:
        """The entries by which a MAG answers undeliverable packets."""
        there = error_port(ports)
        if there is None:
            return
        errors, mtu = there
        yield MagRule.CHECK_SIZE.entry(mtu=mtu)
        yield MagRule.FOREIGN.entry(errors=errors)
        yield MagRule.TOO_LARGE.entry(errors=errors)
        for rule in MagRule.USED_UP:
            for hop_limit in LAST_HOP_LIMITS:
                yield rule.entry(hop_limit=hop_limit, errors=errors)
        yield MagRule.BUFFERED.entry(errors=errors)
        yield MagRule.ERROR_UPLINK.entry(errors=errors, pool=self._profile.home_prefix_pool)
        yield MagRule.ERROR_DOWNLINK.entry(errors=errors)

    def groups(self, ports: Ports) -> Iterator[Group]:
        """A group per LMA for its tunnel, one per anchor for the uplink of its mobile nodes, and one per access port.

        A flow keeps to its slot, so that a slot that another LMA takes over moves the flows of that slot only.
        """
        lmas = [lma.name for lma in self._profile.lmas]
        errors = error_port(ports) if self._profile.handoff.buffer else None
        yield from tunnel_groups(lmas, ports, self._overruled)
        yield from anchor_groups(lmas, self._uplinks[self._mag.name])
        yield from access_groups(self._access_ports(ports), None if errors is None else errors[0])

    def binding_entries(self, ports: Ports, binding: Binding) -> Iterator[FlowEntry]:
        """The entries of one binding at a MAG.

        A MAG that the mobile node has left forwards late packets. The handoff writes that entry once; it expires by
        itself.
        """
        shape, prefix, node = self._shape(binding), binding.network, binding.link_layer_address
        if shape is None:
            return
        port, anchor = shape
        group = anchor_group(self._profile, anchor or self._profile.lmas[0].name)
        if port is None:
            if self._profile.handoff.forwarding:
                yield MagRule.FORWARDING.entry(prefix=prefix, group=group)
            return
        assert node is not None
        yield MagRule.GUARD.entry(port=port, link_layer_address=node, prefix=prefix)
        yield MagRule.UPLINK.entry(prefix=prefix, group=group)
        if port in self._access_ports(ports):
            yield MagRule.DOWNLINK.entry(prefix=prefix, link_layer_address=node, link=access_group(port))

    @property
    def shape(self) -> Callable[[Binding], Hashable]:
        return self._shape

    def _shape(self, binding: Binding) -> tuple[int | None, str | None] | None:
        """The access port, None when the mobile node is at another MAG, and the anchor; None without entries.

        There are no entries when the mobile node is detached; or when its MAG speaks only the draft, so that it reports
        neither port nor link-layer address nor anchor, and has to do without.
        """
        if binding.mag is None or binding.mag != self._mag.name:
            return None if binding.mag is None else (None, binding.anchor)
        if binding.link_layer_address is None or binding.port is None or binding.anchor is None:
            return None
        return binding.port, binding.anchor

    def prefixes(self) -> Sequence[bytes]:
        return self.bindings.prefixes(self._mag.name)

    def prefixes_behind(self, ports: Ports, port: str) -> Sequence[bytes]:
        """The prefixes of the mobile nodes at an access port; entries name the groups of tunnels, not their ports."""
        number = ports.get(port) if port in self._mag.access_ports else None
        if number is None:
            return []
        return [binding.prefix for binding in self.bindings.at(self._mag.name) if binding.port == number]

    def recover(self, ports: Ports, entries: Iterable[FlowEntry]) -> RecoveredState:
        """Recover the bindings of the mobile nodes here. The profile identifies a node by its link-layer address."""
        by_prefix: dict[IPv6Network, dict[str, Bound]] = {}
        for entry in entries:
            prefix = entry.home_prefix
            if prefix is not None and entry.rule in (MagRule.GUARD, MagRule.UPLINK):
                by_prefix.setdefault(prefix, {}).update(entry.named_values)
        return RecoveredState([*self._recovered_bindings(by_prefix)])

    def _recovered_bindings(self, by_prefix: Mapping[IPv6Network, Mapping[str, Bound]]) -> Iterator[Binding]:
        """Make bindings of the values of their guard and uplink entries, where both are there."""
        anchors = {anchor_group(self._profile, lma.name): lma.name for lma in self._profile.lmas}
        identifiers = {node.link_layer_address: node.identifier for node in self._profile.mobile_nodes}
        for prefix, values in by_prefix.items():
            address, port, group = (values.get(name) for name in ("link_layer_address", "port", "group"))
            if isinstance(address, bytes) and isinstance(port, int) and isinstance(group, int) and group in anchors:
                yield Binding(
                    prefix=prefix.network_address.packed[:8],
                    mag=self._mag.name,
                    previous_mag=None,
                    identifier=identifiers.get(address),
                    link_layer_address=address,
                    port=port,
                    anchor=anchors[group],
                    timestamp=0,
                )

    def _access_ports(self, ports: Ports) -> list[int]:
        return [ports[name] for name in self._mag.access_ports if name in ports]
