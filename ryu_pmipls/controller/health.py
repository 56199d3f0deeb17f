"""The health of a domain: texts that say what is wrong with nodes, tunnels and mobile nodes (``docs/health.md``)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from itertools import islice

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.context import Context
from ryu_pmipls.controller.data_path import DataPathFault, NodeFault, TunnelCounters
from ryu_pmipls.controller.node_sweep import NodeSweep
from ryu_pmipls.controller.reasons import Reason, Reasons, Symptom, shown
from ryu_pmipls.controller.switches.inventory import SwitchState
from ryu_pmipls.controller.switches.ports import tunnel_port
from ryu_pmipls.controller.switches.session import CHANGE_TIMEOUT
from ryu_pmipls.controller.switches.switch import Switch
from ryu_pmipls.domain.profile import RMS_NAME, Lma
from ryu_pmipls.ipsec.watch import AssociationWatch
from ryu_pmipls.loadsharing import LmaLoad, LmaState
from ryu_pmipls.pki.own_certificate import OwnCertificate
from ryu_pmipls.wire import CoreRouting, CoreRoutingStatus, LoadInfo

LOG = logging.getLogger(__name__)

#: Seconds that a tunnel may be dead before it is reported: an overloaded switch may miss some of BFD's packets.
_DEAD_TUNNEL = 3.0
#: Seconds that a security association may be away before it is reported: it comes back when a node has restarted.
_LOST_ASSOCIATION = 5.0
#: Seconds that a new BGP session needs to announce its routes, and BFD to watch over it.
_YOUNG_SESSION = 5.0
#: Mobile nodes that are named; the others are only counted.
_NODES = 20
#: Reasons that are logged at a time.
_LOGGED = 10


class HealthControl:
    """Finds out what is wrong in a domain; ``store_failures`` are the present ones, by method."""

    def __init__(self, context: Context, store_failures: Mapping[str, str], associations: AssociationWatch) -> None:
        profile = context.profile
        self._context = context
        self._clock = context.clock
        self._store_failures = store_failures
        self._associations = associations
        self._certificate = OwnCertificate(profile, RMS_NAME)
        self._stale_after = 2 * profile.load_sharing.report_interval
        self._routing: dict[str, tuple[int, float]] = {}  # LMA -> status, and the time of the report
        self._tunnels = TunnelCounters(context.switches.mags, context.switches.lmas)
        self.sweep = NodeSweep(context)
        self._reasons = Reasons()
        self._logged: set[str] = set()

    # Events.

    def update_counters(self, switch: Switch) -> None:
        """Compare a switch's port counters with those of other switches; it has none when it is disconnected."""
        switches = self._context.switches
        peers = switches.mags if switch.name in switches.lmas else switches.lmas
        counters = {peer: (port.rx_packets, port.tx_packets) for peer, port in switch.counters.tunnel_counters(peers)}
        self._tunnels.update(switch.name, counters, self._clock())

    def add_load_info(self, lma: str, message: LoadInfo, now: float) -> None:
        """Keep the core routing that an LMA's agent reports."""
        option = message.option(CoreRoutingStatus)
        if option is not None:
            self._routing[lma] = option.status, now

    # Results.

    def reasons(self) -> list[Reason]:
        """The reasons why the domain is not well now; empty when it is."""
        now = self._clock()
        reasons = self._reasons.update(self._symptoms(), self._clock.wall(now), now)
        return shown(reasons, self._context.profile.domain)

    def downlink(self, lma: str) -> CoreRouting | None:
        """An LMA's core routing, as its agent reports it; None when unknown."""
        status, reported = self._routing.get(lma, (None, 0.0))
        fresh = self._clock() - reported <= self._context.profile.agent_silent_after
        return status if isinstance(status, CoreRouting) and fresh else None

    def log_reasons(self) -> None:
        """Log new reasons, and the end of the last one; call this every second or so."""
        changing = {alarm.reason for alarm in self._context.state.memory.alarms}  # with every round's figures
        reasons = self.reasons()
        texts = {reason.text for reason in reasons} - changing
        for text in [reason.text for reason in reasons if reason.text in texts - self._logged][:_LOGGED]:
            LOG.warning("%s", text)
        if self._logged and not texts:
            LOG.info("all is well again")
        self._logged = texts

    def _symptoms(self) -> Iterator[Symptom]:
        now = self._clock()
        loads = {load.lma: load for load in self._context.load_list.snapshot(now).lmas}
        dead = {name for name, load in loads.items() if load.state is LmaState.DEAD}
        for error in self._store_failures.values():
            yield Symptom(RMS_NAME, f"the RMS's store fails: {error}")
        for text in self._certificate.reasons(self._clock(), self._clock.wall(self._clock())):
            yield Symptom(RMS_NAME, text)
        for text in self._associations.reasons():
            yield Symptom(RMS_NAME, text, patience=_LOST_ASSOCIATION)
        for switch in self._context.switches:
            if switch.state is not SwitchState.READY and switch.name not in dead:
                yield Symptom(switch.name, f"the switch of {switch.name} is {switch.state.value}")
            elif switch.name not in dead and not switch.confirms(CHANGE_TIMEOUT, now):
                yield Symptom(switch.name, f"the switch of {switch.name} answers no barriers: nobody waits for it")
        for lma in self._context.profile.lmas:
            yield from load_symptoms(loads[lma.name], self._stale_after)
            if lma.name not in dead:
                yield from core_symptoms(lma, self.downlink(lma.name))
        yield from self._context.clock_skews.symptoms(now)
        yield from self._domain_symptoms()
        yield from self._tunnel_symptoms(dead)
        yield from self._node_symptoms()
        for alarm in self._context.state.memory.alarms:
            yield Symptom(alarm.lma, alarm.reason, since=self._clock.wall(alarm.since))

    def _domain_symptoms(self) -> Iterator[Symptom]:
        statuses = [self.downlink(lma.name) for lma in self._context.profile.lmas]
        if CoreRouting.DRAINED in statuses and not any(status is None or status.carries_traffic for status in statuses):
            yield Symptom(self._context.profile.domain, "no LMA takes downlink traffic: all are drained, or cannot")

    def _tunnel_symptoms(self, dead: set[str]) -> Iterator[Symptom]:
        for mag, lma, up in self._context.switches.tunnels():
            if SwitchState.DISCONNECTED in (mag.state, lma.state) or lma.name in dead:
                continue
            ends = (mag, lma), (lma, mag)
            if not up:
                missing = " and ".join(end.name for end, peer in ends if tunnel_port(peer.name) not in end.ports)
                yield Symptom(mag.name, f"{mag.name} and {lma.name} have no tunnel: {missing} lacks the port for it")
                continue
            silent = [(end, peer) for end, peer in ends if self._tunnels.silent(end.name, peer.name)]
            for end, peer in silent:
                text = f"nothing that {end.name} sends to {peer.name} by their tunnel arrives"
                yield Symptom(mag.name, text)
            if not silent and not all(tunnel_port(peer.name) in end.live for end, peer in ends):
                text = f"the tunnel of {mag.name} and {lma.name} is dead: BFD's packets get lost"
                yield Symptom(mag.name, text, patience=_DEAD_TUNNEL)

    def _node_symptoms(self) -> Iterator[Symptom]:
        faults = self.sweep.faults
        for prefix, fault in islice(faults, _NODES):
            binding = self._context.state.bindings.get(prefix)
            if binding is not None and binding.mag is not None:
                yield node_symptom(binding, fault)
        if len(faults) > _NODES:
            yield Symptom(self._context.profile.domain, f"{len(faults) - _NODES} other mobile nodes get nothing")


def load_symptoms(load: LmaLoad, stale_after: float) -> Iterator[Symptom]:
    """Find the symptoms in an LMA's entry of the load list; ``stale_after`` is in seconds."""
    if load.state is LmaState.DEAD:
        yield Symptom(load.lma, f"{load.lma} is dead: {load.cause}")
    elif load.state is LmaState.STALE:
        if load.cpu is None or load.cpu_age is None or load.cpu_age > stale_after:
            why = "nothing is heard of its agent"
        else:
            why = "its packets are not counted"
        yield Symptom(load.lma, f"{load.lma} takes part in no load sharing: {why}")


def core_symptoms(lma: Lma, status: CoreRouting | None) -> Iterator[Symptom]:
    """Find the symptom in an agent's core routing status, if the status is a fault."""
    if status is None or not status.is_fault:
        return
    gateway = lma.core.gateway
    causes = {
        CoreRouting.WITHDRAWN: "it cannot forward, for its switch does not run or no MAG answers it",
        CoreRouting.NOT_ANNOUNCED: f"its BGP session with {gateway} announces nothing",
        CoreRouting.BGP_DOWN: f"its BGP session with {gateway} is down",
        CoreRouting.BFD_DOWN: f"its BFD session with {gateway} is down",
        CoreRouting.UNWATCHED: f"its BFD session with {gateway} is down",
        CoreRouting.NO_ANSWER: "its routing daemon bird does not answer",
    }
    unnoticed, nothing = f"the core would not notice the death of {lma.name}", f"{lma.name} gets no downlink"
    young = status in (CoreRouting.NOT_ANNOUNCED, CoreRouting.UNWATCHED)
    text = f"{unnoticed if status.carries_traffic else nothing}: {causes[status]}"
    yield Symptom(lma.name, text, _YOUNG_SESSION if young else 0.0)


def node_symptom(binding: Binding, fault: NodeFault) -> Symptom:
    """The symptom of a mobile node whose downlink does not come through."""
    effects = {
        DataPathFault.NO_ENTRY: f"gets nothing: the switch of {fault.node} has no flow entry for it",
        DataPathFault.NO_ROUTE: f"gets nothing by way of {fault.node}, whose switch has no route for it",
        DataPathFault.LOST: f"gets nothing: what LMAs send to {fault.node} for it "
        "does not come to its flow entry there",
    }
    who = binding.identifier or "the mobile node"
    return Symptom(who, f"{who} ({binding.network}, bound at {binding.mag}) {effects[fault.fault]}")
