"""The Route Management Server: a Ryu application, started with ``ryu-manager ryu_pmipls.rms``.

This module has only handlers and wiring; :mod:`ryu_pmipls.controller` does the work, and :mod:`ryu_pmipls.loadsharing`
has the policies of load sharing.

The profile is ``$PMIPLS_PROFILE``, else ``/etc/pmipls/domain.yaml``; options of ``ryu-manager`` take precedence over
it.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar, cast

from ryu_pmipls import descriptors
from ryu_pmipls.clock import Clock
from ryu_pmipls.controller.announcements import Announcements
from ryu_pmipls.controller.api.resources import Resources
from ryu_pmipls.controller.api.rest_server import RestServer
from ryu_pmipls.controller.clock_skews import ClockSkews
from ryu_pmipls.controller.context import Context
from ryu_pmipls.controller.domain_certificates import DomainCertificates
from ryu_pmipls.controller.failure_detection import FailureDetection
from ryu_pmipls.controller.grant_check import GrantCheck
from ryu_pmipls.controller.health import HealthControl
from ryu_pmipls.controller.inbox import Inbox
from ryu_pmipls.controller.lma_notifier import LmaNotifier
from ryu_pmipls.controller.load_measurement import LoadMeasurement, empty_load_list
from ryu_pmipls.controller.load_sharing import LoadSharing
from ryu_pmipls.controller.new_sessions import NewSessions
from ryu_pmipls.controller.operator_commands import OperatorCommands
from ryu_pmipls.controller.periodic import Periodic
from ryu_pmipls.controller.recovery import Recovery
from ryu_pmipls.controller.retransmission import Retransmission
from ryu_pmipls.controller.routes import Routes
from ryu_pmipls.controller.ryu import (
    CONFIGURATION,
    DEAD_DISPATCHER,
    MAIN_DISPATCHER,
    give_way,
    hub,
    ofp_event,
    ofproto_v1_3,
    set_ev_cls,
)
from ryu_pmipls.controller.ryu.admission import MAX_UNIDENTIFIED
from ryu_pmipls.controller.ryu.connection import Connection, PromptApp
from ryu_pmipls.controller.ryu.threads import in_thread
from ryu_pmipls.controller.ryu.vital import vital
from ryu_pmipls.controller.security_associations import SecurityAssociations
from ryu_pmipls.controller.session_owners import SessionOwners
from ryu_pmipls.controller.state import DomainState
from ryu_pmipls.controller.store import Store, StoreError, open_store
from ryu_pmipls.controller.switch_events import SwitchEvents
from ryu_pmipls.controller.switches.domain_switches import Switches
from ryu_pmipls.controller.uplink_enforcement import UplinkEnforcement
from ryu_pmipls.controller.uplink_restatement import UplinkRestatement
from ryu_pmipls.controller.watched_store import WatchedStore
from ryu_pmipls.domain.profile import RMS_NAME, Profile, ProfileError, load_profile
from ryu_pmipls.http.access.audit_log import AuditLog
from ryu_pmipls.http.access.audit_trail import AuditTrail
from ryu_pmipls.http.access.control import server_access
from ryu_pmipls.http.access.local_token import write_local_token
from ryu_pmipls.http.application import RestApplication
from ryu_pmipls.http.exchange import MAX_CONNECTIONS
from ryu_pmipls.ipsec.errors import IpsecError
from ryu_pmipls.ipsec.protection import require_protection
from ryu_pmipls.ipsec.watch import INTERVAL as ASSOCIATIONS_INTERVAL
from ryu_pmipls.log_format import format_log
from ryu_pmipls.pki.errors import PkiError
from ryu_pmipls.pki.rest_tls import rest_tls
from ryu_pmipls.signalling import Endpoint, Role

#: Seconds between checks for overdue answers.
_OVERDUE_INTERVAL = 0.25
#: Seconds between other checks.
_INTERVAL = 1.0
#: Seconds between trials whether the store can be written to.
_TRIAL_INTERVAL = 10.0
#: Seconds between looks whether the certificates of connected switches still hold.
_CERTIFICATES_INTERVAL = 10.0
#: Seconds without an answer to echo requests after which a switch is disconnected. An overloaded one is slow to answer.
_SILENCE = 4.0
#: Open files beside those of connections: logs, store, listening sockets.
_OTHER_FILES = 64
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
    if CONFIGURATION.ctl_privkey or CONFIGURATION.ctl_cert or CONFIGURATION.ca_certs:
        print(
            "ryu_pmipls.rms: for TLS set rms.openflow.tls in the profile; Ryu's options have no effect", file=sys.stderr
        )
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
        self.clock = Clock()
        self.refused: Counter[str] = Counter()
        addresses = {node.datapath_id: node.address for node in (*profile.lmas, *profile.mags)}
        Connection.install(addresses, self.refused, self._certificates() if profile.rms.openflow.tls else None)
        try:
            store = WatchedStore(in_thread(open_store, profile.rms.store, profile.rms.state_directory))
            self.state = state = DomainState(profile, cast(Store, store))
        except StoreError as error:
            sys.exit(f"ryu_pmipls.rms: {error}")
        self.endpoint = self._open_endpoint()
        self.recovery = Recovery(profile, state)
        self.switches = Switches(profile, state.bindings, state.uplinks, state.core_gateways, self.recovery.recover)
        self.load_list = empty_load_list(profile)
        clock_skews = ClockSkews(self.clock, self.endpoint)
        context = Context(profile, state, self.load_list, self.switches, self.clock, clock_skews)
        self.retransmission = Retransmission(self.endpoint.send, profile.timers)
        self.new_sessions = NewSessions(profile, self.retransmission, self.clock)
        enforcement = UplinkEnforcement(context, self.retransmission)
        self.load_sharing = LoadSharing(context, enforcement, self.new_sessions)
        self.uplinks = UplinkRestatement(context, self.retransmission)
        self.measurement = LoadMeasurement(context)
        self.failures = FailureDetection(context, self.load_sharing)
        self.associations = SecurityAssociations(profile)
        self.health = HealthControl(context, store.failures, self.associations.watch)
        self.operator = OperatorCommands(context, self.load_sharing, self.new_sessions)
        announcements = Announcements(profile, state.bindings, self.endpoint)
        lmas = [self.endpoint.peer(lma.address) for lma in profile.lmas]
        self.notifier = LmaNotifier(self.endpoint, lmas, profile.timers, announcements)
        self.routes = Routes(context, self.endpoint, self.notifier, self.refused)
        own = self.endpoint.peer(profile.rms.address)
        self.owners = SessionOwners(context, self.routes, self.retransmission, announcements, own)
        load_info_users = [
            part.add_load_info for part in (self.measurement, self.failures, self.health, self.owners, clock_skews)
        ]
        self.inbox = Inbox(
            context,
            self.endpoint,
            self.routes,
            self.notifier,
            self.retransmission,
            load_info_users,
            GrantCheck(profile, state, self.endpoint.secrets),
            self.refused,
        )
        self.switch_events = SwitchEvents(context, self.measurement, self.failures, self.health)
        endpoint = profile.rms.rest.model_copy(update={"host": CONFIGURATION.wsapi_host})
        self.access = server_access(profile, endpoint, profile.rms.state_directory, self.refused)
        self.rest = self._rest_application()
        Resources(
            context,
            self.new_sessions,
            self.failures,
            self.operator,
            self.health,
            self.associations.watch,
            self.refused,
        ).register(self.rest)

    def start(self) -> None:
        super().start()
        nodes = len(self.profile.lmas) + len(self.profile.mags)
        descriptors.provide(2 * nodes + MAX_UNIDENTIFIED + MAX_CONNECTIONS + _OTHER_FILES)
        for loop in self._loops():
            self.threads.append(hub.spawn(vital(loop)))
        self.recovery.request_reports(self.retransmission, self._today())
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

    def _certificates(self) -> DomainCertificates:
        folder = self.profile.certificates.folder
        if folder is None:
            sys.exit("ryu_pmipls.rms: rms.openflow.tls needs certificates.folder in the profile")
        try:
            return DomainCertificates(self.profile, folder)
        except PkiError as error:
            sys.exit(f"ryu_pmipls.rms: rms.openflow.tls: {error}")

    def _open_endpoint(self) -> Endpoint:
        try:
            require_protection(self.profile, RMS_NAME)
            return Endpoint(self.profile, Role.RMS, self.profile.rms.address, self.refused)
        except (ProfileError, IpsecError) as error:
            sys.exit(f"ryu_pmipls.rms: {error}")
        except OSError as error:
            way = "raw sockets need root or CAP_NET_RAW" if isinstance(error, PermissionError) else "is the port taken?"
            sys.exit(f"ryu_pmipls.rms: signalling at {self.profile.rms.address} cannot be opened: {error}; {way}")

    def _rest_application(self) -> RestApplication:
        audit = AuditTrail(in_thread(AuditLog, self.profile.rms.state_directory))
        return RestApplication(give_way, self.profile.rms.rest.names, self.access, audit)

    def _today(self) -> float:
        """The time of day, in seconds since 1970."""
        return self.clock.time_of_day(self.clock())

    def _loops(self) -> list[Callable[[], None]]:
        """The work of green threads, each for ever."""
        evaluation = self.profile.load_sharing.evaluation_interval
        periodic = (
            Periodic(evaluation, "evaluating the load list", self.load_sharing.evaluate),
            Periodic(_OVERDUE_INTERVAL, "giving up changes", lambda: self.switches.expire(self.clock())),
            Periodic(_OVERDUE_INTERVAL, "notifying LMAs", lambda: self.notifier.retransmit(self.clock())),
            Periodic(_INTERVAL, "forgetting prefixes", lambda: self.state.expire_bindings(self._today())),
            Periodic(_INTERVAL, "saving the state", self.state.save),
            Periodic(_TRIAL_INTERVAL, "trying the store", self.state.try_store),
            Periodic(_INTERVAL, "checking drained LMAs", self.operator.check_drained),
            Periodic(self.profile.timers.binding_lifetime, "telling the shares of uplinks", self.uplinks.restate),
            Periodic(_INTERVAL, "looking for sessions without owners", self.owners.check),
            Periodic(ASSOCIATIONS_INTERVAL, "asking for security associations", self.associations.look),
            Periodic(_INTERVAL, "checking the domain's health", self.health.log_reasons),
            Periodic(_CERTIFICATES_INTERVAL, "checking certificates", Connection.admission.review),
        )
        return [
            self._serve_rest(),
            self.inbox.run,
            self.routes.keep_stored,
            self.measurement.poll,
            self.failures.watch,
            self.health.sweep.run,
            *(each.run for each in periodic),
        ]

    def _serve_rest(self) -> RestServer:
        host, port = CONFIGURATION.wsapi_host, CONFIGURATION.wsapi_port
        try:
            server = RestServer(self.rest, host, port, rest_tls(self.profile, RMS_NAME, host))
        except PkiError as error:
            sys.exit(f"ryu_pmipls.rms: {error}")
        except OSError as error:
            sys.exit(f"ryu_pmipls.rms: REST cannot be served at {host} port {port}: {error}")
        directory = self.profile.rms.state_directory
        try:  # only now: another RMS would have the port
            self.access.local_token = write_local_token(directory, host, port)
        except OSError as error:
            sys.exit(f"ryu_pmipls.rms: {directory}: the token of local operators cannot be written: {error}")
        return server

    # Events of switches.

    @set_ev_cls(ofp_event.EventOFPStateChange, MAIN_DISPATCHER)
    def _connected(self, event: Any) -> None:
        self.switch_events.connect(event.datapath)

    @set_ev_cls(ofp_event.EventOFPStateChange, DEAD_DISPATCHER)
    def _disconnected(self, event: Any) -> None:
        self.switch_events.disconnect(event.datapath)

    @set_ev_cls(ofp_event.EventOFPPortDescStatsReply, MAIN_DISPATCHER)
    def _ports_described(self, event: Any) -> None:
        self.switch_events.describe_ports(event.msg)

    @set_ev_cls(ofp_event.EventOFPPortStatus, MAIN_DISPATCHER)
    def _port_changed(self, event: Any) -> None:
        self.switch_events.change_port(event.msg)

    @set_ev_cls(ofp_event.EventOFPGroupDescStatsReply, MAIN_DISPATCHER)
    def _groups_described(self, event: Any) -> None:
        self.switch_events.describe_groups(event.msg)

    @set_ev_cls(ofp_event.EventOFPFlowStatsReply, MAIN_DISPATCHER)
    def _entries_described(self, event: Any) -> None:
        self.switch_events.describe_entries(event.msg)

    @set_ev_cls(ofp_event.EventOFPPortStatsReply, MAIN_DISPATCHER)
    def _ports_counted(self, event: Any) -> None:
        self.switch_events.add_port_statistics(event.msg)

    @set_ev_cls(ofp_event.EventOFPGroupStatsReply, MAIN_DISPATCHER)
    def _groups_counted(self, event: Any) -> None:
        self.switch_events.add_group_statistics(event.msg)

    @set_ev_cls(ofp_event.EventOFPAggregateStatsReply, MAIN_DISPATCHER)
    def _entries_counted(self, event: Any) -> None:
        self.switch_events.add_aggregate_statistics(event.msg)

    @set_ev_cls(ofp_event.EventOFPErrorMsg, MAIN_DISPATCHER)
    def _failed(self, event: Any) -> None:
        self.switch_events.fail(event.msg)
