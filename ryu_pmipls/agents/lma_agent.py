"""The LMA agent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ovs_setup import tunnel
from ovs_setup.node import SERVICE_BRIDGE
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.agents.agent_state import count_restart
from ryu_pmipls.agents.anchor_api import AnchorControl
from ryu_pmipls.agents.announcement import Announcer
from ryu_pmipls.agents.configuration import anchor_config
from ryu_pmipls.agents.core_gateway import CoreGatewayResolver
from ryu_pmipls.agents.core_routing import CoreRoutingWatch
from ryu_pmipls.agents.cpu import Cpu
from ryu_pmipls.agents.disk_trial import DiskTrial
from ryu_pmipls.agents.driver import Driver
from ryu_pmipls.agents.grant_keys import GrantKeys
from ryu_pmipls.agents.host_watch import HostWatch
from ryu_pmipls.agents.lease_file import LeaseFile
from ryu_pmipls.agents.load_report import LoadReporter
from ryu_pmipls.agents.reconnection import keep_hastened
from ryu_pmipls.agents.tunnel_ends import TunnelEnds
from ryu_pmipls.agents.undeliverable import Undeliverable
from ryu_pmipls.clock import Clock
from ryu_pmipls.domain.profile import Lma, Profile
from ryu_pmipls.ipsec.protection import require_protection
from ryu_pmipls.mobility import Lease, LocalMobilityAnchor
from ryu_pmipls.signalling import Endpoint, Role
from ryu_pmipls.wire import CoreGateway, CoreRoutingStatus, Encapsulation, GrantKey, Option


async def serve(
    profile: Profile, lma: Lma, ovs: OpenVSwitch, cpu: Cpu, control: Path, state: Path, bird: Path | None
) -> None:
    """Run ``lma`` until SIGTERM, controlled by the Unix socket ``control``, with a directory for its ``state``.

    ``cpu`` is the processor of its switch, ``bird`` the control socket of the routing daemon, None for another daemon.

    ``OvsSetupError`` when no switch is set up here, ``OSError`` when sockets cannot be opened, ``IpsecError`` when
    signalling has to be protected and is not.
    """
    require_protection(profile, lma.name)
    encapsulation = tunnel.encapsulation(ovs, profile.tunnel.type)
    counters: Counter[str] = Counter()
    clock = Clock()
    leases = LeaseFile(state)
    endpoint = Endpoint(profile, Role.LMA, lma.address, counters)
    keys = GrantKeys(endpoint.secrets, profile.rms.address, state)
    config = anchor_config(profile, lma, Encapsulation[encapsulation.upper()], count_restart(state), clock.time_of_day)
    config = replace(config, grant_key=keys.present, announced_grant_key=keys.announced)
    machine = LocalMobilityAnchor(config, leases.leases)
    peers = {mag.address: mag.name for mag in profile.mags}
    tunnels = TunnelEnds(ovs, lma.address, peers, encapsulation, tunnel.Bfd.of_lma(profile.tunnel.bfd_interval))
    driver = Driver(
        machine, endpoint, tunnels, clock, counters, {Lease: leases.record}, withhold=leases.announces_unkept
    )
    gateway = CoreGatewayResolver(SERVICE_BRIDGE, lma.core.gateway)
    announcer = Announcer(profile.home_prefix_pool, ovs, tunnels, machine)
    routing = CoreRoutingWatch(lma.core.gateway, bird, announcer, machine)
    reporter = LoadReporter(profile, ovs, cpu, clock, endpoint, lambda: _news(keys, gateway, routing))
    host = HostWatch(ovs, profile, lma)
    disk = DiskTrial(state)
    AnchorControl(profile, lma, driver, host, disk, state, machine, routing, leases).listen(control)
    driver.dispatch(machine.start)
    driver.background(gateway.watch)
    driver.background(reporter.run)
    driver.background(lambda: leases.keep_trying(driver.failed))
    mtu = tunnel.inner_mtu(profile.tunnel.underlay_mtu, encapsulation)
    driver.background(Undeliverable(ovs, mtu, lambda _packet, _from_tunnel: lma.core.address.ip, counters).watch)
    driver.background(lambda: keep_hastened(ovs))
    driver.background(host.watch)
    driver.background(disk.watch)
    driver.background(announcer.keep)
    driver.background(routing.watch)
    await driver.run()


def _news(keys: GrantKeys, gateway: CoreGatewayResolver, routing: CoreRoutingWatch) -> Iterator[Option]:
    """Yield what the RMS must know of an LMA besides its load."""
    if keys.announced is not None:
        yield GrantKey(keys.announced)
    if gateway.link_layer_address is not None:
        yield CoreGateway(gateway.link_layer_address)
    if routing.status is not None:
        yield CoreRoutingStatus(routing.status)
