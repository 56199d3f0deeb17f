"""The MAG agent."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address
from pathlib import Path

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
from ryu_pmipls.mobility import Advertise, EraseBinding, Forward, MobileAccessGateway, ProbeNode, RecordBinding
from ryu_pmipls.signalling import Endpoint, Role
from ryu_pmipls.wire import Encapsulation
from ryu_pmipls.wire.dns_options import DnsConfiguration


async def serve(
    profile: Profile, mag: Mag, ovs: OpenVSwitch, control: Path, state: Path, events: Path | None = None
) -> None:
    """Run ``mag`` until SIGTERM, controlled by the Unix socket ``control``, with a directory for its ``state``.

    It records attachments in the file ``events``.

    ``OvsSetupError`` when no switch is set up here, ``OSError`` when sockets cannot be opened.
    """
    encapsulation = tunnel.encapsulation(ovs, profile.tunnel.type)
    counters: Counter[str] = Counter()
    clock = Clock()
    names = {node.link_layer_address: node.name for node in profile.mobile_nodes}
    config = gateway_config(profile, mag, Encapsulation[encapsulation.upper()], count_restart(state), clock.time_of_day)
    machine = MobileAccessGateway(config)

    def interface(link_layer_address: bytes) -> bytes:
        policy = machine.policy(link_layer_address)
        return link_layer_address if policy is None else policy.link_layer_address

    times = AttachmentTimes(mag.name, names, events, clock.wall, interface)
    record = BindingRecord(state, counters)
    peers = {lma.address: lma.name for lma in profile.lmas}

    def attached(link_layer_address: bytes, port: int) -> None:
        times.solicited(link_layer_address, clock())
        resumption.settle(link_layer_address)
        driver.dispatch(machine.attach, link_layer_address, port)

    def detached(port: int) -> None:
        driver.dispatch(machine.detach, port)

    def reachable(link_layer_address: bytes, port: int) -> None:
        driver.dispatch(machine.reachable, link_layer_address, port)

    def heard(link_layer_address: bytes, port: int) -> None:
        (attached if arrivals.has_come(link_layer_address, port) else reachable)(link_layer_address, port)

    def answered(link_layer_address: bytes, port: int) -> None:
        driver.dispatch(machine.answered, link_layer_address, port)
        heard(link_layer_address, port)

    def is_here(link_layer_address: bytes, port: int) -> bool:
        binding = machine.binding(link_layer_address)
        return binding is not None and binding.port == port

    def opened(name: str, port: int) -> None:
        resumption.opened(name, port)
        arrivals.opened(port)

    def refuse_source(link_layer_address: bytes, source: IPv6Address) -> None:
        driver.dispatch(machine.refuse_source, link_layer_address, source)

    def probe(effect: ProbeNode) -> None:
        access.probe(effect)
        senders.ask(effect.link_layer_address, effect.port)

    def record_binding(effect: RecordBinding) -> None:
        name = access.name(effect.binding.port)
        if name is not None:
            record.record(effect, name)

    mtu = tunnel.inner_mtu(profile.tunnel.underlay_mtu, encapsulation)
    dns = DnsConfiguration(profile.access.dns_servers, profile.access.search_domains)
    senders = Senders(ovs, reachable)
    resumption = Resumption(record.nodes, ovs, machine.policy, lambda binding: driver.dispatch(machine.resume, binding))
    access = AccessNetwork(
        ovs,
        mag.access_ports,
        machine.policy,
        mtu,
        dns,
        attached,
        heard,
        answered,
        detached,
        opened,
        record,
        counters,
    )
    arrivals = Arrivals(access.ask_all, is_here)
    buffer = HandoffBuffer(profile.handoff.buffer, counters)
    driver = Driver(
        machine,
        Endpoint(profile, Role.MAG, mag.address, counters),
        TunnelEnds(ovs, mag.address, peers, encapsulation, tunnel.Bfd.of_mag(profile.tunnel.bfd_interval)),
        clock,
        counters,
        {
            Advertise: access.advertise,
            ProbeNode: probe,
            Forward: buffer.carry_out,
            RecordBinding: record_binding,
            EraseBinding: record.erase,
        },
        observe=times.observe,
    )
    host = HostWatch(ovs, profile, mag)
    disk = DiskTrial(state)
    GatewayControl(profile, mag, driver, host, disk, machine, access, attached).listen(control)
    driver.dispatch(machine.start)
    driver.background(access.watch)
    ingress = Ingress(machine.binding, refuse_source, access.send, counters)
    driver.background(Undeliverable(ovs, mtu, gateway_source, counters, buffer.serve, ingress).watch)
    driver.background(senders.watch)
    driver.background(resumption.run)
    driver.background(resumption.look)
    driver.background(record.keep)
    driver.background(lambda: keep_hastened(ovs))
    driver.background(host.watch)
    driver.background(disk.watch)
    await driver.run()
