"""All switches of the domain, and the two changes that load sharing and handoffs make to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from ryu_pmipls.controller.bindings import Binding, BindingTable
from ryu_pmipls.controller.fast.binding_encoder import BindingEncoder, RouteUpdate
from ryu_pmipls.controller.switches import pipeline, rules
from ryu_pmipls.controller.switches.flow import FlowEntry, Group
from ryu_pmipls.controller.switches.reconciler import State
from ryu_pmipls.controller.switches.route_batch import RouteBatch
from ryu_pmipls.controller.switches.session import Transaction
from ryu_pmipls.controller.switches.switch import Desired, FlowCounters, Switch
from ryu_pmipls.domain.profile import Lma, Mag, Profile
from ryu_pmipls.loadsharing import Slots


class Switches:
    """The switches by name and by datapath id.

    ``uplinks`` (MAG -> anchor -> slots), ``gateways`` (LMA -> link-layer address of its core gateway) and ``bindings``
    belong to the RMS; this class reads them whenever it computes the desired state of a switch.

    ``recover`` takes over a switch's entries, which come in pieces, before anything is written to it. It returns the
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
        self._bindings = bindings
        self._uplinks = uplinks
        self._gateways = gateways
        self._recover = recover
        desired = Desired(
            self._base,
            self._groups,
            self._encoder,
            self._entries,
            self._prefixes,
            self._behind,
            bindings.get,
            self._read,
        )
        audit_interval = profile.timers.audit_interval
        self.mags = {mag.name: Switch(mag, desired, audit_interval) for mag in profile.mags}
        self.lmas = {lma.name: Switch(lma, desired, audit_interval) for lma in profile.lmas}
        self.by_datapath_id = {switch.node.datapath_id: switch for switch in self}
        self._silent: set[str] = set()  # switches that are connected and do not answer
        self._batches: set[RouteBatch] = set()  # those under way

    def __iter__(self) -> Iterator[Switch]:
        yield from self.mags.values()
        yield from self.lmas.values()

    def adjust(self, mag: str) -> Transaction | None:
        """Bring a MAG's groups in line with ``uplinks`` (Load_adjust); None when the MAG is not connected."""
        return self.mags[mag].refresh_groups()

    def route(
        self,
        updates: Iterable[RouteUpdate],
        done: Callable[[RouteBatch], None],
        forwarding: Callable[[str, Sequence[RouteUpdate]], None],
    ) -> None:
        """Put bindings into force, make before break (:class:`RouteBatch`); return at once.

        Updates to one MAG go together, so that a slow MAG does not hold up another.
        """
        by_mag: dict[str | None, list[RouteUpdate]] = {}
        for update in updates:
            mag = update.binding.mag
            by_mag.setdefault(mag if mag in self.mags and self.mags[mag].contents else None, []).append(update)

        def finished(batch: RouteBatch) -> None:
            self._batches.discard(batch)
            done(batch)

        for mag, together in by_mag.items():
            batch = RouteBatch(together, self.mags, self.lmas, self._silent, finished, forwarding)
            self._batches.add(batch)
            batch.start(mag)

    def expire(self, now: float) -> None:
        """Give up changes that switches have not acknowledged in time; ``now`` is of the monotonic clock.

        Nothing waits that long for a switch that does not even answer echo requests.
        """
        missing_allowed = self._profile.failure.missing_echoes_allowed
        for switch in self:
            switch.expire(now)
            if switch.state is State.DISCONNECTED or switch.answers(missing_allowed):
                self._silent.discard(switch.name)
            else:
                self._silent.add(switch.name)
        if self._silent:
            for batch in [*self._batches]:
                batch.leave_behind()

    def tunnels(self) -> Iterator[tuple[Switch, Switch, bool]]:
        """Yield (MAG, LMA, true if both ends of their tunnel are there) for every pair."""
        for mag in self.mags.values():
            for lma in self.lmas.values():
                up = rules.tunnel_port(lma.name) in mag.ports and rules.tunnel_port(mag.name) in lma.ports
                yield mag, lma, up

    def traffic(self, binding: Binding) -> tuple[FlowCounters | None, FlowCounters | None]:
        """A mobile node's traffic since its attachment, sent and received; waits for the switch of its MAG.

        None is unknown.
        """
        mag = None if binding.mag is None else self.mags.get(binding.mag)
        if mag is None or not isinstance(mag.node, Mag):
            return None, None
        entries = {entry.rule: entry for entry in rules.mag_binding(self._profile, mag.node, mag.ports, binding)}
        if not {pipeline.MAG_GUARD, pipeline.MAG_DOWNLINK} <= entries.keys():
            return None, None
        up, down = mag.traffic([entries[pipeline.MAG_GUARD], entries[pipeline.MAG_DOWNLINK]])
        return up, down

    def forwarded(self, lma: str) -> int | None:
        """Count the packets that an LMA's switch took from MAGs or the core to forward; waits for the switch.

        None is unknown. Unlike port counters, the number does not include BFD's packets.
        """
        switch = self.lmas[lma]
        from_where = pipeline.LMA_FROM_TUNNEL, pipeline.LMA_FROM_CORE
        entries = [entry for entry in self._base(switch) if entry.rule in from_where]
        counted = switch.traffic(entries)
        packets = [traffic.packets for traffic in counted if traffic is not None]
        return sum(packets) if packets and len(packets) == len(entries) else None

    # The desired state of a switch (:class:`~ryu_pmipls.controller.switches.switch.Desired`).

    def _base(self, switch: Switch) -> Iterator[FlowEntry]:
        if isinstance(switch.node, Mag):
            return rules.mag_base(self._profile, switch.node, switch.ports)
        gateway = self._gateways.get(switch.name)
        return rules.lma_base(self._profile, switch.node, switch.ports, switch.link_layer_address, gateway)

    def _groups(self, switch: Switch) -> Iterator[Group]:
        if isinstance(switch.node, Lma):
            return iter(())
        return rules.mag_groups(self._profile, switch.node, self._uplinks[switch.name], switch.ports)

    def _encoder(self, switch: Switch, generation: int) -> BindingEncoder:
        node, ports = switch.node, dict(switch.ports)
        if isinstance(node, Mag):
            entries = partial(rules.mag_binding, self._profile, node, ports)
            return BindingEncoder(entries, partial(rules.mag_shape, node), generation)
        return BindingEncoder(partial(rules.lma_binding, ports), rules.lma_shape, generation)

    def _entries(self, switch: Switch, binding: Binding) -> Iterator[FlowEntry]:
        if isinstance(switch.node, Mag):
            return rules.mag_binding(self._profile, switch.node, switch.ports, binding)
        return rules.lma_binding(switch.ports, binding)

    def _prefixes(self, switch: Switch) -> list[bytes]:
        if isinstance(switch.node, Mag):
            return self._bindings.prefixes(switch.name)
        return self._bindings.prefixes()

    def _behind(self, switch: Switch, port: str) -> list[bytes]:
        if isinstance(switch.node, Mag):
            number = switch.ports.get(port) if port in switch.node.access_ports else None  # tunnels are named by group
            if number is None:
                return []
            return [binding.prefix for binding in self._bindings.at(switch.name) if binding.port == number]
        return [
            prefix for mag in self.mags if rules.tunnel_port(mag) == port for prefix in self._bindings.prefixes(mag)
        ]

    def _read(self, switch: Switch, entries: Iterator[list[FlowEntry]]) -> bool:
        moved = self._recover(switch, entries)
        if moved:
            for other in self:
                if other is not switch:
                    other.reconcile()
        return moved is not None
