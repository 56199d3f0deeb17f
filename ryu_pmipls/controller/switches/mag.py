"""The pipeline of a Mobile Access Gateway: the entries and groups that a MAG needs, by its rules."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv6Network

from ryu_pmipls.controller.bindings import Binding, BindingTable
from ryu_pmipls.controller.switches.flow import FlowEntry, Group
from ryu_pmipls.controller.switches.mag_groups import (
    access_group,
    access_groups,
    anchor_group,
    anchor_groups,
    tunnel_groups,
)
from ryu_pmipls.controller.switches.mag_rules import MAG, MagRule
from ryu_pmipls.controller.switches.mag_tables import MagTable
from ryu_pmipls.controller.switches.node_pipeline import NodePipeline, RecoveredState
from ryu_pmipls.controller.switches.parameter import Bound, subnet_routers
from ryu_pmipls.controller.switches.ports import Ports, error_port, tunnel_port
from ryu_pmipls.controller.switches.shared_parameters import LAST_HOP_LIMITS, NEIGHBOUR_DISCOVERY
from ryu_pmipls.domain.profile import Mag, Profile
from ryu_pmipls.loadsharing import Slots


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
        for rule in (
            *MagRule.MISS,
            *MagRule.ADVERTISEMENTS,
            *MagRule.LINK_LOCAL,
            MagRule.IMPOSTOR,
            MagRule.ANY_SIZE,
        ):
            yield rule.entry()
        pool = self._profile.home_prefix_pool
        anycast = subnet_routers(pool)
        for rule in MagRule.ANYCAST_ADVERTISEMENTS:
            yield rule.entry(subnet_routers=anycast)
        for port in self._access_ports(ports):
            for kind in NEIGHBOUR_DISCOVERY:
                yield MagRule.DISCOVERY.entry(port=port, icmpv6_type=kind)
            yield MagRule.SOLICITATION.entry(port=port)
            yield MagRule.ANYCAST_SOLICITATION.entry(port=port, subnet_routers=anycast)
            yield MagRule.ECHO[0].entry(port=port)
            yield MagRule.ECHO[1].entry(port=port, pool=pool)
            yield MagRule.FROM_ACCESS.entry(port=port)
        for lma in self._profile.lmas:
            tunnel = ports.get(tunnel_port(lma.name))
            if tunnel is not None:
                yield MagRule.FROM_TUNNEL.entry(tunnel=tunnel)
                yield MagRule.ANYCAST_ECHO.entry(tunnel=tunnel, subnet_routers=anycast)
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
