"""The Route Management Server: a Ryu application, started with ``ryu-manager ryu_pmipls.rms``.

Handlers and wiring only: what is decided, is decided in :mod:`ryu_pmipls.loadsharing` and
:mod:`ryu_pmipls.routing`; what the switches need, in :mod:`ryu_pmipls.openflow`.

The profile is ``$PMIPLS_PROFILE`` or the default one; options of ``ryu-manager`` win over what it says.
"""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Mapping
from ipaddress import IPv6Address, IPv6Network
from typing import Any, ClassVar

from ryu_pmipls.clock import SteadyClock
from ryu_pmipls.domain.profile import Profile, ProfileError, load_profile
from ryu_pmipls.framework import (
    CONFIGURATION,
    DEAD_DISPATCHER,
    MAIN_DISPATCHER,
    Datapath,
    RyuApp,
    WSGIServer,
    hub,
    ofp_event,
    ofproto_v1_3,
    set_ev_cls,
)
from ryu_pmipls.loadsharing import (
    Answer,
    Decision,
    Journal,
    LoadList,
    Outcome,
    OverloadRule,
    Placement,
    make_policy,
)
from ryu_pmipls.openflow.network import CHANGE_TIMEOUT, Network
from ryu_pmipls.openflow.rules import tunnel_port
from ryu_pmipls.openflow.session import Outcome as SwitchOutcome
from ryu_pmipls.openflow.switch import Switch
from ryu_pmipls.rest.application import RestApplication
from ryu_pmipls.rest.resources import Resources
from ryu_pmipls.routing import BindingTable, Result, RouteChange
from ryu_pmipls.signalling import Endpoint, Role
from ryu_pmipls.store import SqliteStore, StoreError
from ryu_pmipls.wire import (
    Attachment,
    CoreGateway,
    LoadAdjust,
    LoadInfo,
    LoadInfoMerger,
    Message,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    RouteAdjust,
    Timestamp,
)

LOG = logging.getLogger(__name__)

_PREFIX_LENGTH = 64  # erratum E14


def _configure() -> Profile:
    """Read the profile and let it set what the command line does not; ends the process if it is faulty."""
    try:
        profile = load_profile()
    except ProfileError as error:
        sys.exit(f"ryu_pmipls.rms: {error}")
    CONFIGURATION.set_default("ofp_listen_host", profile.rms.openflow.host)
    CONFIGURATION.set_default("ofp_tcp_listen_port", profile.rms.openflow.port)
    CONFIGURATION.set_default("wsapi_host", profile.rms.rest.host)
    CONFIGURATION.set_default("wsapi_port", profile.rms.rest.port)
    CONFIGURATION.set_default("echo_request_interval", profile.timers.openflow_echo_interval)
    CONFIGURATION.set_default("maximum_unreplied_echo_requests", 3)
    return profile


PROFILE = _configure()


class RouteManagementServer(RyuApp):
    """Load list, decisions and binding table of one domain, over the switches of its MAGs and LMAs."""

    OFP_VERSIONS: ClassVar = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.profile = profile = PROFILE
        self.clock = SteadyClock()
        self.store = self._open_store()
        self.bindings = BindingTable(self.store.load_bindings())
        self.gateways = self.store.load_core_gateways()
        self.journal = Journal(self.store.load_decisions())
        stored = self.store.load_uplinks()
        self.uplinks = {mag.name: _uplinks(profile, stored.get(mag.name, {})) for mag in profile.mags}
        self.network = Network(profile, self.bindings, self.uplinks, self.gateways)
        settings = profile.load_sharing
        rule = OverloadRule(
            cpu_threshold=settings.cpu_threshold,
            packet_threshold=settings.packet_threshold,
            combine=settings.combine,
            hysteresis=settings.hysteresis,
        )
        self.load_list = LoadList(
            [lma.name for lma in profile.lmas],
            [mag.name for mag in profile.mags],
            rule=rule,
            window=settings.window,
            report_interval=settings.report_interval,
        )
        self.policy = make_policy(settings.policy, rule, settings.rest_after_move)
        self.placement = Placement(lma.name for lma in profile.lmas)
        self.merger = LoadInfoMerger()
        self.refused: Counter[str] = Counter()
        self.endpoint = self._open_endpoint()
        self._names = {node.address: node.name for node in (*profile.lmas, *profile.mags)}
        self._awaited: dict[tuple[IPv6Address, Message], Any] = {}
        self._routing: dict[IPv6Network, tuple[RouteAdjust, IPv6Address]] = {}  # what is being put into force
        self.rest = RestApplication()
        Resources(
            profile,
            self.clock.now,
            self.load_list,
            self.policy,
            self.journal,
            self.bindings,
            self.network,
            self.uplinks,
            self.placement,
            self.refused,
        ).register(self.rest)

    def start(self) -> None:
        super().start()
        # Ryu itself would start a WSGI application of its own class only.
        for loop in (WSGIServer(self.rest), self._receive, self._poll_statistics, self._evaluate):
            self.threads.append(hub.spawn(loop))

    def stop(self) -> None:
        for thread in self.threads:  # Ryu only waits for them, and these do not end by themselves
            hub.kill(thread)
        super().stop()

    def _open_store(self) -> SqliteStore:
        try:
            return SqliteStore(self.profile.rms.state_directory)
        except StoreError as error:
            sys.exit(f"ryu_pmipls.rms: {error}")

    def _open_endpoint(self) -> Endpoint:
        try:
            return Endpoint(self.profile, Role.RMS, self.profile.rms.address, self.refused)
        except OSError as error:
            way = "raw sockets need root or CAP_NET_RAW" if isinstance(error, PermissionError) else "is the port taken?"
            sys.exit(f"ryu_pmipls.rms: signalling at {self.profile.rms.address} cannot be opened: {error}; {way}")

    # OpenFlow.

    def _switch(self, datapath: Datapath) -> Switch | None:
        switch = self.network.by_datapath_id.get(datapath.id)
        return switch if switch is not None and switch.serves(datapath) else None

    @set_ev_cls(ofp_event.EventOFPStateChange, [MAIN_DISPATCHER, DEAD_DISPATCHER])
    def _state_changed(self, event: Any) -> None:
        datapath = event.datapath
        if event.state == MAIN_DISPATCHER:
            switch = self.network.by_datapath_id.get(datapath.id)
            if switch is None:
                self.refused["openflow: unknown datapath id"] += 1
                LOG.warning("a switch with the datapath id %016x, which no node of the profile has", datapath.id)
                datapath.close()
                return
            LOG.info("%s: connected from %s", switch.name, datapath.address[0])
            switch.connected(datapath)
        else:
            switch = self._switch(datapath)
            if switch is not None:
                LOG.warning("%s: disconnected", switch.name)
                switch.disconnected()
                if switch.name in self.network.lmas:
                    self.load_list.switch_lost(switch.name)

    @set_ev_cls(ofp_event.EventOFPPortDescStatsReply, MAIN_DISPATCHER)
    def _ports_described(self, event: Any) -> None:
        switch = self._switch(event.msg.datapath)
        if switch is not None:
            switch.ports_described(event.msg.body)

    @set_ev_cls(ofp_event.EventOFPGroupDescStatsReply, MAIN_DISPATCHER)
    def _groups_described(self, event: Any) -> None:
        switch = self._switch(event.msg.datapath)
        if switch is not None:
            switch.groups_described(event.msg.body)

    @set_ev_cls(ofp_event.EventOFPPortStatus, MAIN_DISPATCHER)
    def _port_changed(self, event: Any) -> None:
        message = event.msg
        switch = self._switch(message.datapath)
        if switch is None:
            return
        switch.port_changed(message.desc, message.reason == ofproto_v1_3.OFPPR_DELETE)
        if switch.name in self.network.lmas:
            for mag in self.network.mags:
                if tunnel_port(mag) not in switch.ports:
                    self.load_list.port_lost(switch.name, mag)

    @set_ev_cls(ofp_event.EventOFPBarrierReply, MAIN_DISPATCHER)
    def _barrier_replied(self, event: Any) -> None:
        switch = self._switch(event.msg.datapath)
        if switch is not None:
            switch.barrier_reply(event.msg.xid)

    @set_ev_cls(ofp_event.EventOFPErrorMsg, MAIN_DISPATCHER)
    def _error(self, event: Any) -> None:
        switch = self._switch(event.msg.datapath)
        if switch is not None:
            switch.error(event.msg.xid, f"error type {event.msg.type}, code {event.msg.code}")

    @set_ev_cls(ofp_event.EventOFPPortStatsReply, MAIN_DISPATCHER)
    def _statistics(self, event: Any) -> None:
        switch = self._switch(event.msg.datapath)
        if switch is None:
            return
        switch.statistics(event.msg.body)
        if switch.name in self.network.lmas:
            now = self.clock.now()
            for mag, counters in switch.tunnel_counters(self.network.mags):
                self.load_list.port_sample(switch.name, mag, counters.rx_packets, counters.rx_octets, now)

    def _poll_statistics(self) -> None:
        switches = list(self.network)
        while True:
            for switch in switches:
                switch.request_statistics()
                hub.sleep(self.profile.load_sharing.report_interval / len(switches))

    # Signalling.

    def _receive(self) -> None:
        for message, source in self.endpoint.messages():
            try:
                self._handle(message, source)
            except Exception:
                self.refused["failed"] += 1
                LOG.exception("handling %s from %s failed", type(message).__name__, source)

    def _handle(self, message: Message, source: IPv6Address) -> None:
        answered = self._awaited.get((source, message))
        if answered is not None:
            answered.set()
        elif isinstance(message, LoadInfo):
            self._load_reported(message, source)
        elif isinstance(message, RouteAdjust) and self._names[source] in self.network.mags:
            self._route_adjusted(message, source)
        else:
            self.refused["nothing to answer"] += 1

    def _load_reported(self, message: LoadInfo, source: IPv6Address) -> None:
        lma, now = self._names[source], self.clock.now()
        report = self.merger.add(source, message)
        if report is not None:
            counts = {self._names[load.mag]: load.packets for load in report.mags if load.mag in self._names}
            counts = {name: packets for name, packets in counts.items() if name in self.network.mags}
            self.load_list.load_info(lma, report.cpu, report.total_packets, counts, now)
        gateway = message.option(CoreGateway)
        if gateway is not None and self.gateways.get(lma) != gateway.link_layer_address:
            self.gateways[lma] = gateway.link_layer_address
            self.store.save_core_gateway(lma, gateway.link_layer_address)
            self.network.lmas[lma].refresh()

    def _route_adjusted(self, message: RouteAdjust, source: IPv6Address) -> None:
        prefix = IPv6Network((message.prefix, _PREFIX_LENGTH), strict=False)
        if not prefix.subnet_of(self.profile.home_prefix_pool):
            self.refused["route_adjust: prefix is not of the domain"] += 1
            return
        now = self.clock.now()
        update = self.bindings.update(self._route_change(message, prefix, now), now)
        if update.result is Result.CHANGED and update.binding is not None:
            self.store.save_bindings([update.binding])
        elif update.result is Result.TOO_NEW:
            self.refused["route_adjust: timestamp in the future"] += 1
            return
        elif update.result in (Result.NOT_CURRENT, Result.STALE):
            self._answer(message, source)  # what is in force is newer: there is nothing to repeat the message for
            return
        elif prefix in self._routing:
            return  # a repetition of what is under way
        under_way = prefix in self._routing
        self._routing[prefix] = message, source
        if not under_way:
            hub.spawn(self._route, prefix)

    def _route_change(self, message: RouteAdjust, prefix: IPv6Network, now: float) -> RouteChange:
        timestamp = message.option(Timestamp) or Timestamp.of(now)
        identifier = message.option(MobileNodeIdentifier)
        link_layer = message.option(MobileNodeLinkLayerIdentifier)
        attachment = message.option(Attachment)
        return RouteChange(
            prefix=prefix,
            old_mag=self._mag_at(message.old_mag),
            new_mag=self._mag_at(message.new_mag),
            timestamp=timestamp.ticks,
            identifier=None if identifier is None else identifier.identifier.decode("utf-8", "replace"),
            link_layer_address=None if link_layer is None else link_layer.identifier,
            port=None if attachment is None else attachment.port,
            anchor=None if attachment is None else self._lma_at(attachment.anchor),
        )

    def _route(self, prefix: IPv6Network) -> None:
        """Put the present binding into force; answer its sender when it is so; tell the LMAs (draft section 3.3)."""
        while True:
            latest = self._routing[prefix]
            binding = self.bindings.get(prefix)
            assert binding is not None
            outcomes = self.network.route(binding)
            if self._routing[prefix] is latest:
                del self._routing[prefix]
                break
        message, source = latest
        # A switch that is away gets the route when it returns, before it gets traffic (erratum E39).
        failed = {name: o.value for name, o in outcomes.items() if o in (SwitchOutcome.ERROR, SwitchOutcome.TIMEOUT)}
        if failed or SwitchOutcome.ACKED not in outcomes.values():
            LOG.error("route of %s to %s is not in force: %s", prefix, binding.mag, failed or "no switch is connected")
            return
        LOG.info("route of %s to %s is in force on %s", prefix, binding.mag, ", ".join(outcomes))
        self._answer(message, source)
        for lma in self.profile.lmas:
            hub.spawn(self._confirmed, message, lma.address)

    def _answer(self, message: Message, destination: IPv6Address) -> None:
        """Acknowledge: the same message, to a sender that gave a Timestamp to know it by (erratum E37)."""
        if message.option(Timestamp) is not None:
            self.endpoint.send(message, destination)

    def _confirmed(self, message: Message, destination: IPv6Address) -> bool:
        """Send until the peer answers with the same message; waits, so not to be called in a handler."""
        answered = self._awaited[destination, message] = hub.Event()
        try:
            timeout = self.profile.timers.adjust_timeout
            for _ in range(self.profile.timers.adjust_tries):
                self.endpoint.send(message, destination)
                if answered.wait(timeout):
                    return True
                timeout *= 2
            return False
        finally:
            del self._awaited[destination, message]

    # Load sharing.

    def _evaluate(self) -> None:
        while True:
            hub.sleep(self.profile.load_sharing.evaluation_interval)
            now = self.clock.now()
            try:
                snapshot = self.load_list.snapshot(now)
                for decision in self.policy.decide(snapshot, self.uplinks, now):
                    LOG.info("decision %s: %s", decision.id, decision.reason)
                    self._adjust(decision)
                if self.profile.load_sharing.redirect_new_sessions:
                    for lma, target in self.placement.decide(snapshot):
                        hub.spawn(self._place, lma, target, now)
                self.store.delete_bindings(self.bindings.expire(now))
            except Exception:
                LOG.exception("evaluating the load list failed")

    def _place(self, lma: str, target: str, now: float) -> None:
        """Tell an LMA where its new sessions shall be: a Load_adjust about its own (RFC 6463)."""
        address, new = self.profile.lma(lma).address, self.profile.lma(target).address
        told = self._confirmed(LoadAdjust(address, new, options=(Timestamp.of(now),)), address)
        if told and self.placement.confirmed(lma, target):
            LOG.info("new sessions of %s are at %s", lma, target)

    def _adjust(self, decision: Decision) -> None:
        self.uplinks[decision.mag].update(dict.fromkeys(decision.anchors, decision.new_lma))
        self.store.save_uplinks(decision.mag, self.uplinks[decision.mag])
        self.store.save_decision(self.journal.add(decision))
        hub.spawn(self._enforce, decision)
        hub.spawn(self._notify, decision)

    def _enforce(self, decision: Decision) -> None:
        transaction = self.network.adjust(decision.mag)
        outcome = SwitchOutcome.DISCONNECTED if transaction is None else transaction.wait(CHANGE_TIMEOUT)
        self._note(decision, f"switch of {decision.mag}", _OUTCOMES[outcome], outcome.value)

    def _notify(self, decision: Decision) -> None:
        addresses = {name: address for address, name in self._names.items()}
        old, new, mag = addresses[decision.old_lma], addresses[decision.new_lma], addresses[decision.mag]
        message = LoadAdjust(old, new, options=(Timestamp.of(decision.time),))
        outcome = Outcome.ACKNOWLEDGED if self._confirmed(message, mag) else Outcome.TIMED_OUT
        self._note(decision, f"agent of {decision.mag}", outcome, "")

    def _note(self, decision: Decision, by: str, outcome: Outcome, detail: str) -> None:
        answer = Answer(by, outcome, self.clock.now(), detail)
        self.store.save_decision(self.journal.answer(decision.id, answer))
        LOG.info("decision %s: %s: %s %s", decision.id, by, outcome.value, detail)

    def _mag_at(self, address: IPv6Address) -> str | None:
        name = self._names.get(address)
        return name if name in self.network.mags else None

    def _lma_at(self, address: IPv6Address) -> str | None:
        name = self._names.get(address)
        return name if name in self.network.lmas else None


_OUTCOMES = {
    SwitchOutcome.ACKED: Outcome.ACKNOWLEDGED,
    SwitchOutcome.ERROR: Outcome.REFUSED,
    SwitchOutcome.TIMEOUT: Outcome.TIMED_OUT,
    SwitchOutcome.DISCONNECTED: Outcome.TIMED_OUT,
}


def _uplinks(profile: Profile, stored: Mapping[str, str]) -> dict[str, str]:
    """Anchor -> LMA that carries its uplink: itself, unless the store names another that still exists."""
    names = [lma.name for lma in profile.lmas]
    return {name: stored[name] if stored.get(name) in names else name for name in names}
