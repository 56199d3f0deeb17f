"""All switches of the domain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ryu_pmipls.controller.bindings import Binding, BindingTable
from ryu_pmipls.controller.switches.counters import FlowCounters
from ryu_pmipls.controller.switches.flow import FlowEntry
from ryu_pmipls.controller.switches.lma import LmaPipeline, LmaRule
from ryu_pmipls.controller.switches.mag import MagPipeline
from ryu_pmipls.controller.switches.mag_rules import MagRule
from ryu_pmipls.controller.switches.node_pipeline import NodePipeline
from ryu_pmipls.controller.switches.ports import tunnel_port
from ryu_pmipls.controller.switches.route_batch import RouteBatches
from ryu_pmipls.controller.switches.session import Transaction
from ryu_pmipls.controller.switches.switch import Switch
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.loadsharing import Slots


class Switches:
    """The switches by name and by datapath id.

    ``uplinks`` (MAG -> anchor -> slots), ``gateways`` (LMA -> link-layer address of its core gateway) and ``bindings``
    belong to the RMS; the pipelines of the switches read them whenever they compute a desired state.

    ``recover`` gets a switch's entries, which come in pieces, before anything is written to it. It returns the
    number of prefixes for which other switches must follow, or None when it has failed and must be tried again.
    """

    def __init__(
        self,
        profile: Profile,
        bindings: BindingTable,
        uplinks: Mapping[str, Mapping[str, Slots]],
        gateways: Mapping[str, bytes],
        recover: Callable[[Switch, Iterator[list[FlowEntry]]], int | None],
    ) -> None:
        self._profile = profile
        self._recover_bindings = recover
        #: MAG -> LMAs whose tunnels it must use, whatever BFD says.
        self.overruled: dict[str, set[str]] = {mag.name: set() for mag in profile.mags}
        self.mags = {
            mag.name: self._switch(MagPipeline(profile, mag, bindings, uplinks, self.overruled[mag.name]))
            for mag in profile.mags
        }
        self.lmas = {lma.name: self._switch(LmaPipeline(profile, lma, bindings, gateways)) for lma in profile.lmas}
        self.by_datapath_id = {switch.node.datapath_id: switch for switch in self}
        #: Bindings on their way into force.
        self.batches = RouteBatches(
            self.mags, self.lmas, profile.failure.missing_echoes_allowed, profile.timers.openflow_echo_interval
        )

    def _switch(self, pipeline: NodePipeline) -> Switch:
        return Switch(pipeline, self._recover, self._profile.timers.audit_interval)

    def __iter__(self) -> Iterator[Switch]:
        yield from self.mags.values()
        yield from self.lmas.values()

    def adjust(self, mag: str) -> Transaction | None:
        """Bring a MAG's groups in line with ``uplinks`` (Load_adjust); None when the MAG is not connected."""
        return self.mags[mag].refresh_groups()

    def expire(self, now: float) -> None:
        """Give up changes that switches have not acknowledged in time; ``now`` is of the monotonic clock."""
        for switch in self:
            switch.expire(now)
        self.batches.leave_silent_behind(now)

    def tunnels(self) -> Iterator[tuple[Switch, Switch, bool]]:
        """Yield (MAG, LMA, true if both ends of their tunnel are there) for every pair."""
        for mag in self.mags.values():
            for lma in self.lmas.values():
                up = tunnel_port(lma.name) in mag.ports and tunnel_port(mag.name) in lma.ports
                yield mag, lma, up

    def traffic(self, binding: Binding) -> tuple[FlowCounters | None, FlowCounters | None]:
        """A mobile node's traffic since its attachment, sent and received; waits for the switch of its MAG.

        None is unknown.
        """
        mag = None if binding.mag is None else self.mags.get(binding.mag)
        if mag is None:
            return None, None
        entries = {entry.rule: entry for entry in mag.pipeline.binding_entries(mag.ports, binding)}
        if not {MagRule.GUARD, MagRule.DOWNLINK} <= entries.keys():
            return None, None
        up, down = mag.counters.traffic([entries[MagRule.GUARD], entries[MagRule.DOWNLINK]])
        return up, down

    def forwarded(self, lma: str) -> int | None:
        """Count the packets that an LMA's switch took from MAGs or the core to forward; waits for the switch.

        None is unknown. Unlike port counters, the number does not include BFD's packets.
        """
        switch = self.lmas[lma]
        base = switch.pipeline.base_entries(switch.ports, switch.inventory.link_layer_address)
        entries = [entry for entry in base if entry.rule in (LmaRule.FROM_TUNNEL, LmaRule.FROM_CORE)]
        counted = switch.counters.traffic(entries)
        packets = [traffic.packets for traffic in counted if traffic is not None]
        return sum(packets) if packets and len(packets) == len(entries) else None

    def _recover(self, switch: Switch, entries: Iterator[list[FlowEntry]]) -> bool:
        moved = self._recover_bindings(switch, entries)
        if moved:
            for other in self:
                if other is not switch:
                    other.reconcile()
        return moved is not None
