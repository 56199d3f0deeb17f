"""The Route Management Server: a Ryu application, started with ``ryu-manager ryu_pmipls.rms``.

This module has only handlers and wiring; :mod:`ryu_pmipls.controller` does the work, and :mod:`ryu_pmipls.loadsharing`
has the policies of load sharing.

The profile is ``$PMIPLS_PROFILE``, else ``/etc/pmipls/domain.yaml``; options of ``ryu-manager`` take precedence over
it.
"""

from __future__ import annotations

import gc
import logging
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, cast

from ryu_pmipls.clock import SteadyClock
from ryu_pmipls.controller.api.resources import Resources
from ryu_pmipls.controller.context import Context
from ryu_pmipls.controller.failure_detection import FailureDetection
from ryu_pmipls.controller.health import HealthControl
from ryu_pmipls.controller.lma_notifier import LmaNotifier
from ryu_pmipls.controller.load_sharing import LoadSharing, load_list_of
from ryu_pmipls.controller.new_sessions import NewSessions
from ryu_pmipls.controller.operator_commands import OperatorCommands
from ryu_pmipls.controller.recovery import Recovery
from ryu_pmipls.controller.retransmission import Retransmission
from ryu_pmipls.controller.route_reports import RouteReport, RouteReportReader
from ryu_pmipls.controller.routes import Routes
from ryu_pmipls.controller.ryu import (
    CONFIGURATION,
    DEAD_DISPATCHER,
    MAIN_DISPATCHER,
    RestServer,
    error_name,
    hub,
    ofp_event,
    ofproto_v1_3,
    set_ev_cls,
)
from ryu_pmipls.controller.ryu.connection import Connection, PromptApp
from ryu_pmipls.controller.ryu.readable import Readable
from ryu_pmipls.controller.ryu.threads import in_thread
from ryu_pmipls.controller.ryu.vital import vital
from ryu_pmipls.controller.state import DomainState
from ryu_pmipls.controller.store import Store, StoreError, open_store
from ryu_pmipls.controller.switches.domain_switches import Switches
from ryu_pmipls.controller.switches.switch import Switch
from ryu_pmipls.controller.watched_store import WatchedStore
from ryu_pmipls.domain.profile import Profile, ProfileError, load_profile
from ryu_pmipls.http.application import RestApplication
from ryu_pmipls.log_format import format_log
from ryu_pmipls.signalling import Endpoint, Peer, Role
from ryu_pmipls.wire import CoreGateway, LoadInfo, RouteAdjust

LOG = logging.getLogger(__name__)

#: Seconds between checks for overdue answers.
_WATCH_INTERVAL = 0.25
#: Seconds without an answer to echo requests after which a switch is disconnected. An overloaded one is slow to answer.
_SILENCE = 4.0
#: Datagrams taken in one turn, which make up one write to each switch, before other work.
_BATCH = 256
#: Maximum seconds for which datagrams gather after a smaller batch: while that batch is on its way into force. So a
#: busy machine gets larger batches, which cost less of its time. A datagram after a pause does not wait.
_GATHER = 0.01
#: Number of new objects at which the garbage collector runs.
_NEW_OBJECTS = 50_000
#: Seconds after which a computing thread lets another one compute; Python's own value is ten times that.
_SWITCH_INTERVAL = 0.0005


def _configure() -> Profile:
    """Read the profile and apply it where the command line does not; end the process if it is faulty or missing."""
    try:
        profile = load_profile()
    except ProfileError as error:
        print(f"ryu_pmipls.rms: {error}", file=sys.stderr)
        sys.exit(2)
    CONFIGURATION.set_default("ofp_listen_host", profile.rms.openflow.host)
    CONFIGURATION.set_default("ofp_tcp_listen_port", profile.rms.openflow.port)
    CONFIGURATION.set_default("wsapi_host", profile.rms.rest.host)
    CONFIGURATION.set_default("wsapi_port", profile.rms.rest.port)
    CONFIGURATION.set_default("echo_request_interval", profile.timers.openflow_echo_interval)
    echoes = max(profile.failure.missing_echoes_allowed, round(_SILENCE / profile.timers.openflow_echo_interval))
    CONFIGURATION.set_default("maximum_unreplied_echo_requests", echoes)
    return profile


format_log()
PROFILE = _configure()


class RouteManagementServer(PromptApp):
    """Load list, decisions and binding table of one domain, over the switches of its MAGs and LMAs."""

    OFP_VERSIONS: ClassVar = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.profile = profile = PROFILE
        self.clock = SteadyClock()
        self.refused: Counter[str] = Counter()
        Connection.install({node.datapath_id: node.address for node in (*profile.lmas, *profile.mags)}, self.refused)
        try:
            watched = WatchedStore(in_thread(open_store, profile.rms.store, profile.rms.state_directory))
            self.state = DomainState(profile, cast(Store, watched))
            self.recovery = Recovery(profile, self.state)
            self.switches = Switches(
                profile, self.state.bindings, self.state.uplinks, self.state.core_gateways, self.recovery.recover
            )
            self.endpoint = self._open_endpoint()
            self.retransmission = Retransmission(self.endpoint.send, profile.timers)
            self.sessions = NewSessions(profile, self.retransmission)
            self.load_list = load_list_of(profile)
            context = Context(profile, self.state, self.load_list, self.switches, self.clock.now)
            self.load_sharing = LoadSharing(context, self.retransmission, self.sessions)
            self.failures = FailureDetection(context, self.load_sharing)
            self.health = HealthControl(context, watched.failures)
            self.operator = OperatorCommands(context, self.load_sharing, self.sessions)
        except StoreError as error:
            sys.exit(f"ryu_pmipls.rms: {error}")
        self.reports = RouteReportReader(profile, self.endpoint)
        lmas = [self.endpoint.peer(lma.address) for lma in profile.lmas]
        self.notifier = LmaNotifier(self.endpoint, lmas, profile.timers)
        self.routes = Routes(context, self.endpoint, self.notifier, self.refused)
        self.rest = RestApplication()
        resources = Resources(context, self.sessions, self.failures, self.operator, self.health, self.refused)
        resources.register(self.rest)

    def start(self) -> None:
        super().start()
        # Ryu itself would start only a WSGI application of its own class.
        loops = self._receive, self.routes.keep_stored, self._watch, self._poll_statistics, self._evaluate
        for loop in (RestServer(self.rest), self.failures.watch, self.operator.watch, self.health.watch, *loops):
            self.threads.append(hub.spawn(vital(loop)))
        self.recovery.ask_mags(self.retransmission, self.clock.now())
        # The present objects stay: the collector need not visit them again and again. And next to none of the objects
        # of a handoff are part of a cycle, so the collector may run less often than after 700 objects.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_NEW_OBJECTS)
        # The store's thread waits for the disk most of the time; between two waits it need not wait for this one.
        sys.setswitchinterval(_SWITCH_INTERVAL)

    def stop(self) -> None:
        for thread in self.threads:  # Ryu only waits for them, and they do not end by themselves
            hub.kill(thread)
        super().stop()

    def _open_endpoint(self) -> Endpoint:
        try:
            return Endpoint(self.profile, Role.RMS, self.profile.rms.address, self.refused)
        except ProfileError as error:
            sys.exit(f"ryu_pmipls.rms: {error}")
        except OSError as error:
            way = "raw sockets need root or CAP_NET_RAW" if isinstance(error, PermissionError) else "is the port taken?"
            sys.exit(f"ryu_pmipls.rms: signalling at {self.profile.rms.address} cannot be opened: {error}; {way}")

    # OpenFlow.

    def _switch(self, datapath: Connection) -> Switch | None:
        switch = self.switches.by_datapath_id.get(datapath.id)
        return switch if switch is not None and switch.serves(datapath) else None

    @set_ev_cls(ofp_event.EventOFPStateChange, [MAIN_DISPATCHER, DEAD_DISPATCHER])
    def _state_changed(self, event: Any) -> None:
        datapath = event.datapath
        if event.state == MAIN_DISPATCHER:
            connected = self.switches.by_datapath_id[datapath.id]  # its admission has seen to that
            LOG.info("%s: connected from %s", connected.name, datapath.address[0])
            connected.connected(datapath)
        else:
            switch = self._switch(datapath)
            if switch is not None:
                LOG.warning("%s: disconnected", switch.name)
                switch.disconnected()
                self.health.counted(switch)
                if switch.name in self.switches.lmas:
                    self.load_list.switch_lost(switch.name)
                    self.failures.look()
                else:
                    self.failures.tunnels_changed(switch.name)

    @set_ev_cls(ofp_event.EventOFPPortDescStatsReply, MAIN_DISPATCHER)
    def _ports_described(self, event: Any) -> None:
        switch = self._switch(event.msg.datapath)
        if switch is not None:
            switch.inventory.record_port_descriptions(event.msg.body, _more(event.msg))
            self._ports_changed(switch.name)

    def _ports_changed(self, name: str) -> None:
        if name in self.switches.lmas:
            self.load_sharing.ports_changed(name)
        else:
            self.failures.tunnels_changed(name)

    @set_ev_cls(ofp_event.EventOFPGroupDescStatsReply, MAIN_DISPATCHER)
    def _groups_described(self, event: Any) -> None:
        switch = self._switch(event.msg.datapath)
        if switch is not None:
            switch.inventory.record_group_descriptions(event.msg.body)

    @set_ev_cls(ofp_event.EventOFPFlowStatsReply, MAIN_DISPATCHER)
    def _entries_described(self, event: Any) -> None:
        switch = self._switch(event.msg.datapath)
        if switch is not None:
            switch.record_flow_stats(event.msg.xid, event.msg.body)

    @set_ev_cls(ofp_event.EventOFPPortStatus, MAIN_DISPATCHER)
    def _port_changed(self, event: Any) -> None:
        message = event.msg
        switch = self._switch(message.datapath)
        if switch is None:
            return
        switch.follow_port_status(message.desc, message.reason == ofproto_v1_3.OFPPR_DELETE)
        self._ports_changed(switch.name)

    @set_ev_cls(ofp_event.EventOFPErrorMsg, MAIN_DISPATCHER)
    def _error(self, event: Any) -> None:
        switch = self._switch(event.msg.datapath)
        if switch is not None:
            switch.record_error(event.msg.xid, error_name(event.msg))

    @set_ev_cls(ofp_event.EventOFPPortStatsReply, MAIN_DISPATCHER)
    def _statistics(self, event: Any) -> None:
        switch = self._switch(event.msg.datapath)
        if switch is None:
            return
        if switch.counters.record_port_stats(event.msg.body, _more(event.msg)):
            self.health.counted(switch)
            if switch.name in self.switches.lmas:
                self.load_sharing.counted(switch.name, self.clock.now())

    @set_ev_cls(ofp_event.EventOFPGroupStatsReply, MAIN_DISPATCHER)
    def _groups_counted(self, event: Any) -> None:
        switch = self._switch(event.msg.datapath)
        if switch is not None and switch.name in self.switches.mags:
            packets = {group.group_id: group.packet_count for group in event.msg.body}
            self.load_sharing.sent(switch.name, packets, self.clock.now())

    @set_ev_cls(ofp_event.EventOFPAggregateStatsReply, MAIN_DISPATCHER)
    def _traffic_counted(self, event: Any) -> None:
        switch = self._switch(event.msg.datapath)
        if switch is not None:
            switch.record_aggregate(event.msg.xid, event.msg.body)

    def _poll_statistics(self) -> None:
        switches = list(self.switches)
        while True:
            for switch in switches:
                groups = self.load_sharing.groups_to_count() if switch.name in self.switches.mags else ()
                switch.counters.request_ports(groups)
                hub.sleep(self.profile.load_sharing.report_interval / len(switches))

    # Signalling.

    def _receive(self) -> None:
        readable = Readable(*self.endpoint.descriptors)
        while True:
            datagrams = [*self.endpoint.datagrams(_BATCH)]
            if not datagrams:
                readable.wait()
                continue
            try:
                self._take(datagrams, self.clock.now())
            except Exception:
                self.refused["failed"] += 1
                LOG.exception("handling what MAGs have reported failed")
            hub.sleep(0)
            if len(datagrams) < _BATCH:
                self.routes.settled.wait(_GATHER)

    def _take(self, datagrams: Sequence[tuple[bytes, Peer]], now: float) -> None:
        """Handle the datagrams: MAGs' route reports together, after the rest; the ends that LMAs report come last."""
        reports, rest = self.reports.read(datagrams, now)
        ends: list[RouteReport] = []
        for octets, peer in rest:
            try:
                report = self._handle(octets, peer, now)
                if report is not None:
                    (reports if peer.role is Role.MAG else ends).append(report)
            except StoreError as error:
                LOG.error("%s", error)
            except Exception:
                self.refused["failed"] += 1
                LOG.exception("handling a message from %s failed", peer.name)
        self.routes.reported(reports, now)
        for report in ends:
            self.routes.ended(report, now)
        self.notifier.send(now, busy=not self.routes.settled.is_set())

    def _handle(self, octets: bytes, peer: Peer, now: float) -> RouteReport | None:
        """Carry out a message, or return its report of routes."""
        if peer.role is Role.LMA and self.notifier.take(octets, peer):
            return None
        message = self.endpoint.decode(octets, peer)
        if message is None:
            return None
        if isinstance(message, RouteAdjust) and peer.role is Role.MAG and not message.prefix.is_unspecified:
            report = self.reports.decoded(message, octets, peer, now)
            if report is None:
                self.refused["route_adjust: too long"] += 1
            return report
        if isinstance(message, RouteAdjust) and peer.role is Role.LMA:
            if not self.notifier.take_message(message, peer):
                report = self.reports.ended(message, octets, peer, now)
                if report is None:
                    self.refused["nothing to answer"] += 1
                return report
        elif isinstance(message, LoadInfo):
            self.load_sharing.reported(peer.name, message, now)
            self.failures.agent_heard(peer.name, now)
            self.health.reported(peer.name, message)
            self._gateway_reported(peer.name, message)
        elif not self.retransmission.take(message, peer.address):
            self.refused["nothing to answer"] += 1
        return None

    def _watch(self) -> None:
        """Expire overdue answers, and retransmit, for ever."""
        while True:
            hub.sleep(_WATCH_INTERVAL)
            self.switches.expire(time.monotonic())
            self.notifier.repeat(self.clock.now())

    def _gateway_reported(self, lma: str, message: LoadInfo) -> None:
        gateway = message.option(CoreGateway)
        if gateway is not None and self.state.learn_core_gateway(lma, gateway.link_layer_address):
            self.switches.lmas[lma].refresh()
            self.state.save()

    def _evaluate(self) -> None:
        while True:
            hub.sleep(self.profile.load_sharing.evaluation_interval)
            try:
                self.load_sharing.evaluate()
                self.state.expire_bindings(self.clock.now())
                self.state.save()
            except StoreError as error:
                LOG.error("%s", error)
            except Exception:
                LOG.exception("evaluating the load list failed")


def _more(message: Any) -> bool:
    """True when another part of a multipart reply follows."""
    return bool(message.flags & ofproto_v1_3.OFPMPF_REPLY_MORE)
