"""The MAG agent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

from ovs_setup import tunnel
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.agents.access_entries import Senders
from ryu_pmipls.agents.agent_state import count_restart
from ryu_pmipls.agents.api import GatewayControl
from ryu_pmipls.agents.arrivals import Arrivals
from ryu_pmipls.agents.attachment import AccessNetwork
from ryu_pmipls.agents.attachment_times import AttachmentTimes
from ryu_pmipls.agents.binding_record import BindingRecord
from ryu_pmipls.agents.configuration import gateway_config
from ryu_pmipls.agents.disk_trial import DiskTrial
from ryu_pmipls.agents.driver import Driver
from ryu_pmipls.agents.handoff_buffer import HandoffBuffer
from ryu_pmipls.agents.host_watch import HostWatch
from ryu_pmipls.agents.ingress import Ingress
from ryu_pmipls.agents.reconnection import keep_hastened
from ryu_pmipls.agents.resumption import Resumption
from ryu_pmipls.agents.tunnel_ends import TunnelEnds
from ryu_pmipls.agents.undeliverable import Undeliverable, gateway_source
from ryu_pmipls.clock import Clock
from ryu_pmipls.domain.profile import Mag, Profile
from ryu_pmipls.ipsec.protection import require_protection
from ryu_pmipls.mobility import (
    Advertise,
    Effect,
    EraseBinding,
    Forward,
    MobileAccessGateway,
    ProbeNode,
    RecordBinding,
    RecordedBinding,
)
from ryu_pmipls.signalling import Endpoint, Role
from ryu_pmipls.wire import Encapsulation
from ryu_pmipls.wire.dns_options import DnsConfiguration


async def serve(
    profile: Profile, mag: Mag, ovs: OpenVSwitch, control: Path, state: Path, events: Path | None = None
) -> None:
    """Run ``mag`` until SIGTERM, controlled by the Unix socket ``control``, with a directory for its ``state``.

    It records attachments in the file ``events``.

    ``OvsSetupError`` when no switch is set up here, ``OSError`` when sockets cannot be opened, ``IpsecError`` when
    signalling has to be protected and is not.
    """
    require_protection(profile, mag.name)
    await MagAgent(profile, mag, ovs, state, events).run(control)


class MagAgent:
    """The parts of a MAG's agent, and the events on its access links, which pass between them.

    Arguments and errors as for :func:`serve`.
    """

    def __init__(self, profile: Profile, mag: Mag, ovs: OpenVSwitch, state: Path, events: Path | None) -> None:
        self._profile = profile
        self._mag = mag
        self._ovs = ovs
        encapsulation = tunnel.encapsulation(ovs, profile.tunnel.type)
        mtu = tunnel.inner_mtu(profile.tunnel.underlay_mtu, encapsulation)
        counters: Counter[str] = Counter()
        clock = Clock()
        self._machine = machine = MobileAccessGateway(
            gateway_config(profile, mag, Encapsulation[encapsulation.upper()], count_restart(state), clock.time_of_day)
        )
        names = {node.link_layer_address: node.name for node in profile.mobile_nodes}
        self._times = AttachmentTimes(mag.name, names, events, clock.wall, self._interface)
        self._record = BindingRecord(state, counters)
        self._senders = Senders(ovs, self._reachable)
        self._resumption = Resumption(self._record.nodes, ovs, machine.policy, self._resume)
        self._access = AccessNetwork(
            ovs,
            mag.access_ports,
            machine.policy,
            mtu,
            DnsConfiguration(profile.access.dns_servers, profile.access.search_domains),
            self._attached,
            self._heard,
            self._answered,
            self._detached,
            self._opened,
            self._record,
            counters,
        )
        self._arrivals = Arrivals(self._access.ask_all, self._is_here)
        self._buffer = HandoffBuffer(profile.handoff.buffer, counters)
        self._driver = Driver(
            machine,
            Endpoint(profile, Role.MAG, mag.address, counters),
            self._tunnel_ends(encapsulation),
            clock,
            counters,
            self._executors(),
            observe=self._times.observe,
        )
        ingress = Ingress(machine.binding, self._refuse_source, self._access.send, counters)
        self._undeliverable = Undeliverable(ovs, mtu, gateway_source, counters, self._buffer.serve, ingress)
        self._host = HostWatch(ovs, profile, mag)
        self._disk = DiskTrial(state)
        self._state = state

    def _tunnel_ends(self, encapsulation: str) -> TunnelEnds:
        peers = {lma.address: lma.name for lma in self._profile.lmas}
        bfd = tunnel.Bfd.of_mag(self._profile.tunnel.bfd_interval)
        return TunnelEnds(self._ovs, self._mag.address, peers, encapsulation, bfd)

    def _executors(self) -> dict[type[Effect], Callable[[Any], None]]:
        """The functions that carry out the effects of a MAG's machine which an LMA's has not."""
        return {
            Advertise: self._access.advertise,
            ProbeNode: self._probe,
            Forward: self._buffer.carry_out,
            RecordBinding: self._record_binding,
            EraseBinding: self._record.erase,
        }

    async def run(self, control: Path) -> None:
        """Serve until SIGTERM, controlled by the Unix socket ``control``."""
        driver = self._driver
        host = self._host, self._disk, self._state
        GatewayControl(self._profile, self._mag, driver, *host, self._machine, self._access, self._attached).listen(
            control
        )
        driver.dispatch(self._machine.start)
        for work in (
            self._access.watch,
            self._undeliverable.watch,
            self._senders.watch,
            self._resumption.run,
            self._resumption.look,
            self._record.keep,
            lambda: keep_hastened(self._ovs),
            self._host.watch,
            self._disk.watch,
        ):
            driver.background(work)
        await driver.run()

    # Events on access links

    def _attached(self, link_layer_address: bytes, port: int) -> None:
        self._times.solicited(link_layer_address, self._driver.clock())
        self._resumption.settle(link_layer_address)
        self._driver.dispatch(self._machine.attach, link_layer_address, port)

    def _detached(self, port: int) -> None:
        self._driver.dispatch(self._machine.detach, port)

    def _reachable(self, link_layer_address: bytes, port: int) -> None:
        self._driver.dispatch(self._machine.reachable, link_layer_address, port)

    def _heard(self, link_layer_address: bytes, port: int) -> None:
        """Process a sign of life, of a node that may have come while nobody listened."""
        has_come = self._arrivals.has_come(link_layer_address, port)
        (self._attached if has_come else self._reachable)(link_layer_address, port)

    def _answered(self, link_layer_address: bytes, port: int) -> None:
        self._driver.dispatch(self._machine.answered, link_layer_address, port)
        self._heard(link_layer_address, port)

    def _opened(self, name: str, port: int) -> None:
        self._resumption.opened(name, port)
        self._arrivals.opened(port)

    def _refuse_source(self, link_layer_address: bytes, source: IPv6Address) -> None:
        self._driver.dispatch(self._machine.refuse_source, link_layer_address, source)

    def _resume(self, binding: RecordedBinding) -> None:
        self._driver.dispatch(self._machine.resume, binding)

    # Knowledge of the machine

    def _interface(self, link_layer_address: bytes) -> bytes:
        """The link-layer address of the profile for one that a node has."""
        policy = self._machine.policy(link_layer_address)
        return link_layer_address if policy is None else policy.link_layer_address

    def _is_here(self, link_layer_address: bytes, port: int) -> bool:
        binding = self._machine.binding(link_layer_address)
        return binding is not None and binding.port == port

    # Effects that concern two parts

    def _probe(self, effect: ProbeNode) -> None:
        self._access.probe(effect)
        self._senders.ask(effect.link_layer_address, effect.port)

    def _record_binding(self, effect: RecordBinding) -> None:
        name = self._access.name(effect.binding.port)
        if name is not None:
            self._record.record(effect, name)
