"""The driver with real machines, and with an endpoint and a switch that are made up."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest
from full_disk import disk_with_room_for

from ovs_setup import OvsSetupError
from ryu_pmipls.agents.configuration import anchor_config, gateway_config
from ryu_pmipls.agents.driver import Driver
from ryu_pmipls.agents.lease_file import LeaseFile
from ryu_pmipls.clock import Clock
from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.mobility import Advertise, Lease, LocalMobilityAnchor, MobileAccessGateway, Send
from ryu_pmipls.mobility.tunnels import TunnelState
from ryu_pmipls.wire import BindingAcknowledgement, Encapsulation, Message, TunnelAck, TunnelRequest
from tests.fakes.clocks import HostClocks
from tests.waiting import PATIENCE

PROFILE = load_profile("two-lma")
LMA, LMA2 = (lma.address for lma in PROFILE.lmas)
MAG = PROFILE.mags[0].address


class FakeEndpoint:
    """A pipe in place of the socket: the other end of it is what the network brings."""

    def __init__(self) -> None:
        self.sent: list[tuple[Message, IPv6Address]] = []
        self.waiting: list[tuple[Message, IPv6Address]] = []
        self.open = True
        self.skews: dict[IPv6Address, float] = {}
        self._read, self._write = os.pipe()

    def clock_skews(self) -> dict[IPv6Address, float]:
        return self.skews

    @property
    def descriptors(self) -> tuple[int, ...]:
        return (self._read,)

    def arrive(self, message: Message, source: IPv6Address) -> None:
        self.waiting.append((message, source))
        os.write(self._write, b"x")

    def drain(self) -> list[tuple[Message, IPv6Address]]:
        os.read(self._read, 100)
        waiting, self.waiting = self.waiting, []
        return waiting

    def send(self, message: Message, destination: IPv6Address) -> None:
        self.sent.append((message, destination))

    def close(self) -> None:
        self.open = False
        os.close(self._read)
        os.close(self._write)


class FakeTunnels:
    """Builds a tunnel in no time, after ``failures`` failures, to a host that is ``alive``."""

    def __init__(self, failures: int = 0, error: Exception | None = None, alive: bool = True) -> None:
        self.alive = alive
        self.failures = failures
        self.error = error or OvsSetupError("no answer on the underlay")
        self.calls: list[tuple[str, IPv6Address]] = []

    async def build(self, peer: IPv6Address) -> None:
        self.calls.append(("build", peer))
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise self.error

    async def remove(self, peer: IPv6Address) -> None:
        self.calls.append(("remove", peer))

    async def answers(self, peer: IPv6Address) -> bool:
        self.calls.append(("answers", peer))
        return self.alive

    async def keep_warm(self) -> None:
        await asyncio.Event().wait()

    async def keep_neighbours(self) -> None:
        await asyncio.Event().wait()


class Node:
    def __init__(
        self, machine: Any, tunnels: FakeTunnels | None = None, carry_out: Any = None, **handlers: Any
    ) -> None:
        self.machine = machine
        self.endpoint: Any = FakeEndpoint()
        self.tunnels: Any = tunnels or FakeTunnels()
        self.counters: Counter[str] = Counter()
        self.driver = Driver(machine, self.endpoint, self.tunnels, Clock(), self.counters, carry_out or {}, **handlers)

    def serve(self, story: Callable[[Node], Awaitable[None]]) -> None:
        """Run the driver while ``story`` is told, then end it by SIGTERM."""

        async def run() -> None:
            serving = asyncio.ensure_future(self.driver.run())
            await asyncio.sleep(0)
            try:
                await asyncio.wait_for(story(self), PATIENCE)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.wait_for(serving, PATIENCE)

        asyncio.run(run())
        assert not self.endpoint.open


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.002)


def gateway(**changes: Any) -> MobileAccessGateway:
    return MobileAccessGateway(replace(gateway_config(PROFILE, PROFILE.mags[0], Encapsulation.GRE), **changes))


def anchor(**changes: Any) -> LocalMobilityAnchor:
    return LocalMobilityAnchor(replace(anchor_config(PROFILE, PROFILE.lmas[0], Encapsulation.GRE), **changes))


def test_a_message_is_answered_when_the_tunnel_stands() -> None:
    async def story(node: Node) -> None:
        node.endpoint.arrive(TunnelRequest(MAG), MAG)
        await until(lambda: node.endpoint.sent)

    node = Node(anchor())
    node.serve(story)
    assert node.tunnels.calls == [("build", MAG)]
    (answer, destination), *_ = node.endpoint.sent
    assert (type(answer), answer.lma, destination) == (TunnelAck, LMA, MAG)


def test_the_timer_repeats_requests() -> None:
    async def story(node: Node) -> None:
        node.driver.dispatch(node.machine.start)
        await until(lambda: len(node.endpoint.sent) >= 6)

    node = Node(gateway(tunnel_request_timeout=0.01))
    node.serve(story)
    requests = [(message, peer) for message, peer in node.endpoint.sent if isinstance(message, TunnelRequest)]
    assert requests[:4] == [(TunnelRequest(MAG), LMA), (TunnelRequest(MAG), LMA2)] * 2


def test_a_tunnel_that_cannot_be_built_is_asked_for_again() -> None:
    """As when the LMA dies during tunnel set-up."""

    async def story(node: Node) -> None:
        node.driver.dispatch(node.machine.start)
        node.endpoint.arrive(TunnelAck(LMA), LMA)
        await until(lambda: node.endpoint.sent.count((TunnelRequest(MAG), LMA)) == 2)
        node.endpoint.arrive(TunnelAck(LMA), LMA)
        await until(lambda: len(node.tunnels.calls) == 3)

    node = Node(gateway(tunnel_request_timeout=0.05), FakeTunnels(failures=1))
    node.serve(story)
    assert node.tunnels.calls == [("build", LMA), ("remove", LMA), ("build", LMA)]
    assert node.counters["failed"] == 1


@pytest.mark.parametrize("alive", [True, False])
def test_the_tunnel_to_a_silent_peer_is_removed_only_if_its_host_is_silent_too(alive: bool) -> None:
    async def story(node: Node) -> None:
        node.endpoint.arrive(TunnelRequest(MAG), MAG)
        await until(lambda: ("answers", MAG) in node.tunnels.calls)
        await until(lambda: node.machine.tunnels[MAG] is (TunnelState.UP if alive else TunnelState.IDLE))

    node = Node(anchor(heartbeat_interval=0.02), FakeTunnels(alive=alive))
    node.serve(story)
    assert (("remove", MAG) in node.tunnels.calls) is not alive
    assert node.counters["peer-lost"] == 1


def test_nothing_that_fails_ends_the_node(caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("what nobody thought of")

    async def story(node: Node) -> None:
        node.driver.dispatch(broken)
        node.driver.dispatch(node.machine.attach, PROFILE.mobile_nodes[0].link_layer_address, 1)
        node.endpoint.arrive(TunnelAck(LMA), LMA)
        await until(lambda: node.tunnels.calls)

    node = Node(gateway(), observe=broken)
    with caplog.at_level(logging.ERROR):
        node.serve(story)
    # The event, and what watches the PBU, the message that came in, and the tunnel that is to be built.
    assert node.counters["failed"] >= 4
    assert "ZeroDivisionError: what nobody thought of" in caplog.text
    assert "Traceback" in caplog.text


def test_background_work_is_begun_again_when_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ryu_pmipls.agents.driver._RETRY_DELAY", 0.01)
    begun: list[int] = []

    async def work() -> None:
        begun.append(1)
        raise OvsSetupError("Open vSwitch is away")

    async def story(node: Node) -> None:
        node.driver.background(work)
        await until(lambda: len(begun) == 3)

    node = Node(anchor())
    node.serve(story)
    assert node.counters["failed"] >= 2


def test_effects_go_where_they_belong() -> None:
    """An accepted registration is advertised; all is seen by the observer, in order."""
    advertised: list[Advertise] = []
    seen: list[object] = []
    mobile_node = PROFILE.mobile_nodes[0]
    lma = anchor()

    async def story(node: Node) -> None:
        node.driver.dispatch(node.machine.attach, mobile_node.link_layer_address, 7)
        ((update, destination),) = node.endpoint.sent
        assert destination == LMA
        now = node.driver.clock()
        lma.receive(update, MAG, now)
        (answer,) = [effect.message for effect in lma.effects() if hasattr(effect, "message")]
        node.endpoint.arrive(answer, LMA)
        await until(lambda: advertised)

    node = Node(gateway(), carry_out={Advertise: advertised.append}, observe=lambda what, now: seen.append(what))
    node.serve(story)
    (effect,) = advertised
    assert (effect.port, effect.link_layer_address) == (7, mobile_node.link_layer_address)
    assert 3590 < effect.lifetime <= 3600
    assert [type(what).__name__ for what in seen][:3] == ["Send", "BindingAcknowledgement", "Advertise"]


def test_a_session_is_announced_when_its_lease_is_kept(tmp_path: Path) -> None:
    """The MAG repeats its PBU meanwhile."""
    mobile_node = PROFILE.mobile_nodes[0]
    leases = LeaseFile(tmp_path)

    def answers(node: Node) -> list[Message]:
        return [message for message, _ in node.endpoint.sent if isinstance(message, BindingAcknowledgement)]

    async def story(node: Node) -> None:
        now = node.driver.clock()
        mag.attach(mobile_node.link_layer_address, 7, now)
        (update,) = [effect.message for effect in mag.effects() if isinstance(effect, Send)]
        with disk_with_room_for(0):
            node.driver.dispatch(node.machine.receive, update, MAG)
        assert len(node.machine.bindings) == 1 and not answers(node) and leases.unkept
        mag.handle_timer(mag.deadline())
        (update,) = [effect.message for effect in mag.effects() if isinstance(effect, Send)]
        node.driver.dispatch(node.machine.receive, update, MAG)
        assert not answers(node)
        leases.keep()
        mag.handle_timer(mag.deadline())
        (update,) = [effect.message for effect in mag.effects() if isinstance(effect, Send)]
        node.driver.dispatch(node.machine.receive, update, MAG)
        (answer,) = answers(node)
        assert isinstance(answer, BindingAcknowledgement) and answer.status == 0

    mag = gateway(probes=0)
    lma = anchor(timestamp_validity_window=10.0)
    node = Node(lma, carry_out={Lease: leases.record}, withhold=leases.announces_unkept)
    node.serve(story)
    assert node.counters["withheld"] == 2
    assert LeaseFile(tmp_path).leases == {lma.bindings[0].prefixes[0]: mobile_node.identifier.encode()}


@pytest.mark.parametrize("disagrees", [False, True])
def test_a_step_of_the_wall_clock_is_followed_at_once_only_if_a_peer_disagrees(
    monkeypatch: pytest.MonkeyPatch, disagrees: bool
) -> None:
    monkeypatch.setattr("ryu_pmipls.agents.driver._STEP_INTERVAL", 0.001)
    host = HostClocks()

    async def story(node: Node) -> None:
        await asyncio.sleep(0.01)
        node.endpoint.skews = {LMA: 120.0} if disagrees else {}
        host.step(120)
        await asyncio.sleep(0.05)

    node = Node(gateway())
    node.driver.clock = Clock(host)
    before = node.driver.clock.time_of_day(0.0)
    node.serve(story)
    assert node.driver.clock.time_of_day(0.0) - before == (120 if disagrees else 0)


def test_reports_are_counted_and_logged_within_limits(caplog: pytest.LogCaptureFixture) -> None:
    async def story(node: Node) -> None:
        for number in range(100):
            node.driver.dispatch(node.machine.attach, bytes([2, 0, 0, 0, 9, number]), 1)

    node = Node(gateway())
    with caplog.at_level(logging.INFO):
        node.serve(story)
    assert node.counters["unknown-mobile-node"] == 100
    assert caplog.text.count("unknown-mobile-node") == 20
