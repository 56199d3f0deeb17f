"""A whole domain in one process and in virtual time: the RMS's application as ``ryu-manager`` runs it, over fakes.

Real are the application with all that it wires up, Ryu's handler of the protocol, the OpenFlow connections, and the
endpoints of the signalling with all their gates. Fakes are the switches, the agents, the network between them, the
thread of the store, and the clock.
"""

from __future__ import annotations

import gc
import json
import logging
import socket
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from eventlet.greenio import GreenSocket
from ryu.base import app_manager
from ryu.controller.ofp_handler import OFPHandler
from webob import Request

from ryu_pmipls.controller.ryu import CONFIGURATION, hub, ofproto_v1_3_parser
from ryu_pmipls.controller.ryu.connection import Connection
from ryu_pmipls.controller.ryu.readable import Readable
from ryu_pmipls.controller.store import MemoryStore, Store, StoreError, open_store
from ryu_pmipls.controller.switches import decoding as decode
from ryu_pmipls.controller.switches.cookies import MARK, MARK_MASK
from ryu_pmipls.controller.switches.flow import FlowEntry
from ryu_pmipls.controller.switches.lma import LMA, LmaRule
from ryu_pmipls.controller.switches.mag_rules import MAG
from ryu_pmipls.controller.switches.ports import tunnel_port
from ryu_pmipls.domain.places import LAB_DIRECTORY
from ryu_pmipls.domain.profile import SHIPPED_PROFILES, Lma, Mag, Profile
from ryu_pmipls.signalling import Endpoint, Role
from ryu_pmipls.wire import (
    Attachment,
    CoreGateway,
    GrantKey,
    LoadAdjust,
    LoadInfo,
    MagLoad,
    Message,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    Option,
    RouteAdjust,
    RouteSnapshot,
    Timestamp,
)
from ryu_pmipls.wire.grants import derived_key
from tests.conftest import merge
from tests.fakes.openflow_switch import FLOW, OpenFlowSwitch
from tests.fakes.underlay import Underlay
from tests.fakes.virtual_time import VirtualClock, virtual_time
from tests.grants import grant_key, granted

with pytest.MonkeyPatch.context() as _patch:
    _patch.setenv("PMIPLS_PROFILE", "two-lma")  # which it reads when it is imported
    from ryu_pmipls import rms

#: The options of ryu-manager that the profile sets. They are for these domains, and for no other test of the process.
OPTIONS = (
    "ofp_listen_host",
    "ofp_tcp_listen_port",
    "wsapi_host",
    "wsapi_port",
    "echo_request_interval",
    "maximum_unreplied_echo_requests",
)
_SET = {name: CONFIGURATION[name] for name in OPTIONS} | {"wsapi_host": "127.0.0.1", "wsapi_port": 0}
for _name in OPTIONS:
    CONFIGURATION.clear_default(_name)

T = TypeVar("T")

_NOWHERE = IPv6Address("::")
#: Virtual seconds in which what a test waits for has to come about.
_PATIENCE = 60.0
#: Virtual seconds that a call of the store takes.
_STORE_TIME = 0.002
#: The body of a request for flow entries, with an empty match.
_ALL_OF_OURS = struct.Struct("!B3xII4xQQHH4x")
#: A pace at which a test sees something happen.
LOAD_SHARING = {"window": 2, "report_interval": 1, "evaluation_interval": 0.5, "packet_threshold": 1000}
#: Where an LMA says that its core gateway is.
GATEWAY = bytes.fromhex("02000000c0de")


class _UnixSocket(GreenSocket):  # type: ignore[misc]
    """A socket of a pair; there is no TCP whose delay could be set."""

    def __init__(self, end: socket.socket) -> None:
        super().__init__(end)
        self.setsockopt = lambda *options: None


class UnreliableStore:
    """A store that takes its time, as one in another thread does, and fails while ``failing`` says so.

    ``failing`` gets the name of the method.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.failing: Callable[[str], bool] = lambda method: False
        self.called: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.called[name] += 1
            hub.sleep(_STORE_TIME)
            if self.failing(name):
                raise StoreError(f"the disk is full ({name})")
            return getattr(self.store, name)(*arguments)

        return call


class FakeAgent:
    """The agent of a MAG or an LMA: says what a test wants, and sends back what asks for it unless ``mute``."""

    def __init__(self, node: Mag | Lma, profile: Profile) -> None:
        self.node = node
        self.heard: list[Message] = []
        self.mute = False
        self.confirms: Callable[[Message], Message | None] = lambda message: message
        self._rms = profile.rms.address
        self._role = Role.MAG if isinstance(node, Mag) else Role.LMA
        self.endpoint = Endpoint(profile, self._role, node.address, Counter())
        self._thread = hub.spawn(self._run)

    def say(self, message: Message) -> None:
        """Send to the RMS."""
        self.endpoint.send(message, self._rms)

    def load_adjusts(self) -> list[LoadAdjust]:
        """Those that were heard."""
        return [message for message in self.heard if isinstance(message, LoadAdjust)]

    def route_adjusts(self) -> list[RouteAdjust]:
        """Those about a prefix that were heard; a MAG hears what it said itself when that is acknowledged."""
        return [
            message for message in self.heard if isinstance(message, RouteAdjust) and not message.prefix.is_unspecified
        ]

    def stop(self) -> None:
        """Be gone."""
        hub.kill(self._thread)
        self.endpoint.close()

    def _run(self) -> None:
        readable = Readable(*self.endpoint.descriptors)
        while True:
            readable.wait()
            for message, _ in self.endpoint.drain():
                self.heard.append(message)
                answer = self.confirms(message) if self._is_asked(message) and not self.mute else None
                if answer is not None:
                    self.say(answer)

    def _is_asked(self, message: Message) -> bool:
        if not isinstance(message, RouteAdjust):
            return isinstance(message, LoadAdjust)
        if self._role is Role.MAG:
            return message.prefix.is_unspecified
        return not message.prefix.is_unspecified or message.option(RouteSnapshot) is not None


class _Logged(logging.Handler):
    """All that the project has logged, and the tracebacks."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []
        self.faults: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        if record.exc_info or "Traceback" in self.lines[-1]:
            self.faults.append(self.format(record))


class RmsDomain:
    """The RMS of a profile with the switches and agents of all nodes, and what a test may ask them."""

    def __init__(self, profile: Profile, clock: VirtualClock, patch: pytest.MonkeyPatch, store: Store | None) -> None:
        self.profile = profile
        self.clock = clock
        self.underlay = Underlay()
        self.underlay.install(patch)
        self.store = UnreliableStore(MemoryStore(profile.rms.state_directory) if store is None else store)
        self.store.store.save_setting("grant_keys", {lma.name: grant_key(lma.name).hex() for lma in profile.lmas})
        self.log = _Logged()
        self.switches: dict[str, OpenFlowSwitch] = {}
        self.agents: dict[str, FakeAgent] = {}
        self._patch = patch
        patch.setattr(rms, "PROFILE", profile)
        patch.setattr(rms, "in_thread", self._in_thread)
        lmas, mags = [lma.name for lma in profile.lmas], [mag.name for mag in profile.mags]
        for mag in profile.mags:
            names = [*mag.access_ports, *map(tunnel_port, lmas), "icmp-1400"]
            self._add_switch(mag, names)
        for lma in profile.lmas:
            self._add_switch(lma, [lma.core.port, *map(tunnel_port, mags), "icmp-1400"])
        self.rms: rms.RouteManagementServer
        self.mags = frozenset(mags)

    def _in_thread(self, make: Callable[..., Any], *arguments: Any) -> Any:
        return self.store if make is open_store else make(*arguments)

    def _add_switch(self, node: Mag | Lma, ports: list[str]) -> None:
        numbers = {name: number for number, name in enumerate(ports, 1)}
        self.switches[node.name] = OpenFlowSwitch(node.datapath_id, numbers, self.clock.monotonic)

    # Its life.

    def start_rms(self) -> None:
        """As ``ryu-manager`` does it."""
        app_manager.SERVICE_BRICKS.clear()
        manager = app_manager.AppManager()
        manager.instantiate(OFPHandler)
        self.rms = manager.instantiate(rms.RouteManagementServer)
        self.rms.start()

    def stop_rms(self) -> None:
        """Its connections end, too."""
        self.rms.stop()
        for switch in self.switches.values():
            switch.disconnect()
        self.run(0.1)
        self.rms.endpoint.close()

    def lmas_know_all(self) -> bool:
        """True when all LMAs have had a snapshot of all routes."""
        return all(
            any(
                isinstance(message, RouteAdjust) and (found := message.option(RouteSnapshot)) and found.complete
                for message in self.agents[lma.name].heard
            )
            for lma in self.profile.lmas
        )

    def start_agents(self, *names: str) -> None:
        """Those of the nodes named, or of all."""
        for node in (*self.profile.mags, *self.profile.lmas):
            if not names or node.name in names:
                self.agents[node.name] = FakeAgent(node, self.profile)

    def connect(self, *names: str) -> None:
        """Have switches connect to the RMS: those named, or all."""
        for name in names or self.switches:
            self.connect_from(self.address(name), self.switches[name])

    def connect_from(self, address: str, switch: OpenFlowSwitch) -> None:
        """Have any switch connect to the RMS, from an address."""
        here, there = socket.socketpair()
        for end in (here, there):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * 2**20)
        hub.spawn(Connection._serve, _UnixSocket(here), (address, 0))
        hub.spawn(switch.serve, _UnixSocket(there))

    def address(self, node: str) -> str:
        """The address of a node of the profile, from which its switch connects."""
        return next(str(each.address) for each in (*self.profile.lmas, *self.profile.mags) if each.name == node)

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        hub.sleep(seconds)

    def until(self, condition: Callable[[], T], within: float = _PATIENCE, step: float = 0.02) -> T:
        """Let time pass until that is true, looked at every so many seconds; what it returns then."""
        deadline = self.clock.monotonic() + within
        while not (value := condition()):
            assert self.clock.monotonic() < deadline, "it did not come about in time"
            hub.sleep(step)
        return value

    def until_ready(self, *names: str) -> None:
        """All switches are in line, or those named."""
        self.until(lambda: all(self.state(name) == "ready" for name in names or self.switches))

    def state(self, node: str) -> str:
        """As the RMS sees a switch."""
        state: str = self.switch(node).state.value
        return state

    def switch(self, node: str) -> Any:
        """What the RMS has of a switch."""
        return next(switch for switch in self.rms.switches if switch.name == node)

    # What is asked of it.

    def get(self, path: str) -> Any:
        """The document at a path of the REST interface."""
        status, document = self.ask(path)
        assert status == 200, document
        return document

    def ask(self, path: str, document: Any = None, *, method: str | None = None, **more: Any) -> tuple[int, Any]:
        """Status and document of GET, or of POST if there is a ``document``, for a local operator."""
        arguments: dict[str, Any] = {"method": method or ("GET" if document is None else "POST"), **more}
        arguments["headers"] = {"Authorization": f"Bearer {self.rms.access.local_token}", **more.get("headers", {})}
        if document is not None:
            arguments |= {"body": json.dumps(document).encode(), "content_type": "application/json"} | more
        response = Request.blank(path, **arguments).get_response(self.rms.rest)
        assert response.content_type == "application/json"
        return response.status_int, json.loads(response.body) if response.body else None

    def incidents(self) -> list[tuple[str, str]]:
        """(LMA, kind) of all."""
        return [(incident["lma"], incident["kind"]) for incident in self.get("/v1/incidents")]

    # What is on its switches.

    def entries(self, node: str) -> set[FlowEntry]:
        """The flow entries of a switch that are ours, decoded; all of them have to be of a rule of ours."""
        rules = (MAG if node in self.mags else LMA).rules
        told = [decode.entry(stats, rules) for stats in flow_statistics(self.switches[node])]
        assert None not in told
        return {entry for entry in told if entry is not None}

    def routed_to(self, lma: str, prefix: IPv6Network) -> str | None:
        """The port to which an LMA's switch sends a prefix."""
        names = {port.number: name for name, port in self.switches[lma].ports.items()}
        for entry in self.entries(lma):
            if entry.rule is LmaRule.ROUTE and entry.home_prefix == prefix:
                tunnel = entry.named_values["tunnel"]
                assert isinstance(tunnel, int)
                return names.get(tunnel, "a port that is gone")
        return None

    def buckets(self, mag: str, group: int) -> list[tuple[int, list[tuple[int, int]]]]:
        """(watched port, (type of action, port or group)) of the buckets of a group."""
        return [*self.switches[mag].tables.groups[group].each_bucket()]

    # What MAGs and LMAs say.

    def prefix(self, number: int) -> IPv6Network:
        """A home network prefix."""
        return IPv6Network((int(self.profile.home_prefix_pool.network_address) + (number << 64), 64))

    def report(
        self,
        by: str,
        number: int,
        old: str | None,
        new: str | None,
        *,
        when: float | None = None,
        port: int = 1,
        anchor: str = "lma1",
        node: int = 1,
        options: tuple[Option, ...] | None = None,
        grant: bool = True,
    ) -> RouteAdjust:
        """Have a node say that a prefix has moved, with the anchor's ``grant``, unless it has its own options."""
        addresses = {mag.name: mag.address for mag in self.profile.mags}
        if options is None:
            options = (
                MobileNodeIdentifier(f"mn{node}@example.net".encode()),
                MobileNodeLinkLayerIdentifier(bytes.fromhex("0200000001") + bytes([node])),
                Attachment(port, self.profile.lma(anchor).address),
                Timestamp.of(self.clock.elsewhere() if when is None else when),
            )
        else:
            grant = False
        message = RouteAdjust(
            self.prefix(number).network_address,
            addresses.get(old or "", _NOWHERE),
            addresses.get(new or "", _NOWHERE),
            options=options,
        )
        if grant and by in self.mags:
            message = granted(message, self.profile.mag(by).address, self._grant_key(anchor))
        self.agents[by].say(message)
        return message

    def _grant_key(self, anchor: str) -> bytes:
        shared = self.agents[anchor].endpoint.secrets(self.profile.rms.address) if anchor in self.agents else ()
        return derived_key(shared[0]) if shared else grant_key(anchor)

    def attach(self, number: int, mag: str, old: str | None = None, **more: Any) -> None:
        """A mobile node attaches, and its MAG has the RMS's answer."""
        said = self.report(mag, number, old, mag, **more)
        self.until(lambda: said in self.agents[mag].heard)

    def load(self, lma: str, cpu: float, packets: Mapping[str, int], *options: Option) -> None:
        """An LMA reports its load: a fraction of its CPU, and packets from MAGs in the window."""
        mags = tuple(MagLoad(self.profile.mag(mag).address, count) for mag, count in packets.items())
        self.agents[lma].say(LoadInfo(cpu, sum(packets.values()), mags, (*options, GrantKey(grant_key(lma)))))

    def report_gateways(self) -> None:
        """All LMAs tell of their core gateways."""
        for lma in self.profile.lmas:
            self.load(lma.name, 0.1, {}, CoreGateway(GATEWAY))

    def keep_reporting(self, loads: Mapping[str, float], rates: Mapping[tuple[str, str], int]) -> None:
        """Have LMAs report their load from now on, and their switches count packets per second from MAGs.

        ``loads``: LMA -> CPU; ``rates``: (MAG, LMA) -> packets in a second. Both may be changed at any time.
        """

        def run() -> None:
            window = self.profile.load_sharing.window
            while True:
                for (mag, lma), rate in rates.items():
                    self.switches[lma].receive(tunnel_port(mag), rate, 1000 * rate)
                for lma, cpu in loads.items():
                    counts = {mag: int(rate * window) for (mag, at), rate in rates.items() if at == lma}
                    self.load(lma, cpu, counts)
                hub.sleep(1.0)

        hub.spawn(run)


def flow_statistics(switch: OpenFlowSwitch) -> list[Any]:
    """Ryu's ``OFPFlowStats`` of all entries that bear our mark."""
    switch.tables.expire(switch.clock())
    request = _ALL_OF_OURS.pack(0xFF, 0xFFFFFFFF, 0xFFFFFFFF, MARK, MARK_MASK, 1, 4)
    return [ofproto_v1_3_parser.OFPFlowStats.parser(item, 0) for item in switch.multipart(FLOW, request)]


def profile_with(changes: Mapping[str, Any] | None = None) -> Profile:
    """The domain of the default lab, by UDP, with some settings changed."""
    document = yaml.safe_load((SHIPPED_PROFILES / "two-lma.yaml").read_text(encoding="utf-8"))
    merge(document, {"signalling": {"transport": "udp"}, "load_sharing": LOAD_SHARING})
    merge(document, changes or {})
    return Profile.model_validate(document)


#: For a test in which hours pass.
SLOW_PACE = {
    "load_sharing": {"window": 300, "report_interval": 60, "evaluation_interval": 60},
    "timers": {"openflow_echo_interval": 60, "audit_interval": None},
}


@contextmanager
def running(profile: Profile, store: Store | None = None) -> Iterator[RmsDomain]:
    """A domain in which everything runs, and all switches are in line; without a ``store`` the RMS has met them."""
    with rms_domain(profile, store) as domain:
        for name in domain.switches if store is None else ():
            domain.store.store.save_met_switch(name)
        domain.start_agents()
        domain.start_rms()
        domain.connect()
        domain.until_ready()
        domain.until(domain.lmas_know_all)
        yield domain


@contextmanager
def rms_domain(profile: Profile, store: Store | None = None) -> Iterator[RmsDomain]:
    """A domain for a while, with nothing begun yet. All tracebacks that were logged have to be taken out of its log."""
    bricks, interval, thresholds = dict(app_manager.SERVICE_BRICKS), sys.getswitchinterval(), gc.get_threshold()
    patch = pytest.MonkeyPatch()
    for costly in ("collect", "freeze"):
        patch.setattr(gc, costly, lambda: 0)
    state = tempfile.TemporaryDirectory()
    if profile.rms.state_directory.is_relative_to(LAB_DIRECTORY):  # that of a lab, which may be up
        settings = profile.rms.model_copy(update={"state_directory": Path(state.name)})
        profile = profile.model_copy(update={"rms": settings})
    for name, value in _SET.items():
        CONFIGURATION.set_override(name, value)
    logger = logging.getLogger()
    level = logger.level
    with virtual_time() as clock:
        domain = RmsDomain(profile, clock, patch, store)
        logger.addHandler(domain.log)
        logging.getLogger("ryu_pmipls").setLevel(logging.INFO)
        try:
            yield domain
        finally:
            if hasattr(domain, "rms"):
                domain.rms.stop()
            logger.removeHandler(domain.log)
            logger.setLevel(level)
            logging.getLogger("ryu_pmipls").setLevel(logging.NOTSET)
            for name in _SET:
                CONFIGURATION.clear_override(name)
            patch.undo()
            app_manager.SERVICE_BRICKS.clear()
            app_manager.SERVICE_BRICKS.update(bricks)
            sys.setswitchinterval(interval)
            gc.set_threshold(*thresholds)
    domain.underlay.close()
    state.cleanup()
    assert domain.log.faults == []
