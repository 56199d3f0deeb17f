"""CPU, load report, links, attachment times and configuration, without switches and sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from typing import Any, cast

import pytest

from ovs_setup.cgroup import CpuGroup
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.agents import cpu
from ryu_pmipls.agents.attachment_times import AttachmentTimes
from ryu_pmipls.agents.configuration import anchor_config, gateway_config
from ryu_pmipls.agents.cpu import Cpu, GroupCpu, HostCpu
from ryu_pmipls.agents.link_monitor import LinkState, parse_links
from ryu_pmipls.agents.load_report import LoadMeter, LoadReporter, tunnel_counters
from ryu_pmipls.clock import Clock
from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.mobility import Advertise, Send
from ryu_pmipls.signalling import Endpoint
from ryu_pmipls.wire import (
    BindingAcknowledgement,
    BindingUpdate,
    CoreGateway,
    Encapsulation,
    HandoffIndicator,
    HandoffType,
    LoadInfo,
    LoadInfoPart,
    MagLoad,
    Message,
    MobileNodeLinkLayerIdentifier,
    Option,
    RouteAdjust,
    Timestamp,
)

MN = bytes.fromhex("020000000101")
LMA, MAG, RMS = (IPv6Address(f"fd00::{end}") for end in (1, 2, 3))
NOBODY = IPv6Address("::")
PREFIX = IPv6Address("2001:db8:100::")


# CPU


def test_host_cpu_is_what_was_not_idle(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2 3\n")
    host = HostCpu(stat)
    stat.write_text("cpu  125 5 120 730 120 0 0 0 0 0\ncpu0 1 2 3\n")
    assert host.utilisation() == pytest.approx(0.5)
    assert host.utilisation() == 0.0  # no time has passed


class FakeGroup(CpuGroup):
    def __init__(self, quota: float | None) -> None:
        self.limit, self.used = quota, 7.0

    def quota(self) -> float | None:
        return self.limit

    def usage(self) -> float:
        return self.used


@pytest.mark.parametrize(
    ("quota", "used", "expected"), [(0.1, 0.05, 0.25), (0.1, 0.2, 1.0), (0.1, 0.3, 1.0), (None, 2.0, 0.25)]
)
def test_group_cpu_is_use_over_quota(
    quota: float | None, used: float, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 50.0
    monkeypatch.setattr(cpu.time, "monotonic", lambda: now)
    monkeypatch.setattr(cpu.os, "cpu_count", lambda: 4)
    group = FakeGroup(quota)
    measured = GroupCpu(group)
    now, group.used = 52.0, group.used + used
    assert measured.utilisation() == pytest.approx(expected)


# Load report

_ENTRY = " cookie=0x504d010000002d8d, duration=61.022s, table=0, "
DUMP = f"""\
{_ENTRY}n_packets=3, n_bytes=258, priority=20,icmp6,in_port=core,icmp_type=135 actions=LOCAL
{_ENTRY}n_packets=18446744073709551614, n_bytes=12, priority=10,ipv6,in_port="t-mag1" actions=goto_table:1
{_ENTRY}n_packets=0, n_bytes=0, idle_age=7, priority=10,ipv6,in_port=tx actions=goto_table:1
"""


class FakeCpu:
    def utilisation(self) -> float:
        return 0.25


class FakeSwitch:
    def ofctl(self, *args: str) -> str:
        assert args == ("--names", "dump-flows", "br-pm", "table=0,ipv6")
        return DUMP


def test_only_tunnels_with_flow_entries_count() -> None:
    switch: Any = FakeSwitch()
    assert tunnel_counters(switch) == {"mag1": (18446744073709551614, 12)}


def test_packets_of_the_window_are_reported_for_each_mag() -> None:
    meter = LoadMeter({"mag1": MAG, "mag2": RMS}, window=10)
    (first,) = meter.report(0.25, {"mag1": (1000, 0)}, 100.0)
    assert (first.cpu, first.total_packets, first.mags) == (0.25, 0, ())  # a counter alone says nothing of a window
    (second,) = meter.report(0.5, {"mag1": (1600, 0), "mag2": (50, 0), "mag9": (1, 1)}, 105.0)
    assert (second.total_packets, second.mags) == (600, (MagLoad(MAG, 600),))
    (third,) = meter.report(0.5, {"mag1": (1700, 0), "mag2": (75, 0)}, 115.0)
    assert third.mags == (MagLoad(MAG, 100), MagLoad(RMS, 25))
    assert third.total_packets == 125
    assert third.option(LoadInfoPart) is None


def test_every_report_goes_to_the_rms_with_its_time_and_the_news_of_then() -> None:
    profile = load_profile("two-lma")
    often = profile.load_sharing.model_copy(update={"report_interval": 0.001})
    profile = profile.model_copy(update={"load_sharing": often})
    sent: list[tuple[Message, IPv6Address]] = []
    gateways = [CoreGateway(MN), CoreGateway(bytes(6))]

    class FakeEndpoint:
        def send(self, message: Message, destination: IPv6Address) -> None:
            sent.append((message, destination))

    switch, processor, endpoint = FakeSwitch(), FakeCpu(), FakeEndpoint()
    reporter = LoadReporter(
        profile,
        cast(OpenVSwitch, switch),
        cast(Cpu, processor),
        Clock(),
        cast(Endpoint, endpoint),
        lambda: [gateways[min(len(sent), 1)]],
    )

    async def run() -> None:
        task = asyncio.ensure_future(reporter.run())
        while len(sent) < 2:
            assert not task.done()
            await asyncio.sleep(0.001)
        task.cancel()

    asyncio.run(asyncio.wait_for(run(), 60))
    for (message, destination), gateway in zip(sent, gateways, strict=False):
        assert isinstance(message, LoadInfo)
        assert destination == profile.rms.address
        assert message.cpu == 0.25
        assert message.option(CoreGateway) == gateway
        assert message.option(Timestamp) is not None


def test_more_than_twelve_mags_need_several_messages() -> None:
    mags = {f"mag{number}": IPv6Address(number) for number in range(1, 31)}
    meter = LoadMeter(mags, window=10)
    for now, packets in ((0.0, 0), (5.0, 3)):
        messages = meter.report(0.5, dict.fromkeys(mags, (packets, 0)), now)
    assert [len(message.mags) for message in messages] == [12, 12, 6]
    assert [message.option(LoadInfoPart) for message in messages] == [LoadInfoPart(2, index, 3) for index in range(3)]
    assert {message.total_packets for message in messages} == {90}


# Links


def netlink(kind: int, index: int, flags: int, name: bytes, mtu: int | None = 1500, family: int = 0) -> bytes:
    attributes = struct.pack("=HH", 8, 13) + b"\0\0\0\0"  # another one first
    if mtu is not None:
        attributes += struct.pack("=HHI", 8, 4, mtu)
    attributes += struct.pack("=HH", 4 + len(name) + 1, 3) + name + b"\0"
    attributes += b"\0" * (-len(attributes) % 4)
    body = struct.pack("=BxHiII", family, 1, index, flags, 0) + attributes
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def test_links_are_read_from_netlink() -> None:
    done = struct.pack("=IHHIIi", 20, 3, 0, 0, 0, 0)
    data = netlink(16, 5, 0x11043, b"acc1") + netlink(16, 6, 0x1003, b"a", 9000) + netlink(17, 7, 0x11043, b"gone1")
    assert list(parse_links(data + done)) == [
        LinkState("acc1", 5, up=True, mtu=1500),
        LinkState("a", 6, up=False, mtu=9000),
        LinkState("gone1", 7, up=False, mtu=1500, gone=True),
    ]


def test_bridges_and_wireless_events_say_nothing_of_a_link() -> None:
    left_a_bridge = netlink(17, 5, 0x11043, b"acc1", family=socket.AF_BRIDGE)
    associated = netlink(16, 6, 0x11043, b"wlan0", mtu=None)
    assert list(parse_links(left_a_bridge + associated)) == []


# Times of attachments


class Times:
    """An ``AttachmentTimes`` and the lines that it wrote."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "events.jsonl"
        self.times = AttachmentTimes("mag1", {MN: "mn1"}, self.file)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()] if self.file.exists() else []

    def update(self, now: float, handoff: int = HandoffType.UNKNOWN, lifetime: int = 10) -> None:
        options: tuple[Option, ...] = (HandoffIndicator(handoff), MobileNodeLinkLayerIdentifier(MN))
        self.times.observe(Send(BindingUpdate(1, lifetime, options=options), LMA), now)

    def acknowledged(self, now: float) -> None:
        options = (MobileNodeLinkLayerIdentifier(MN),)
        self.times.observe(BindingAcknowledgement(0, 1, 10, options=options), now)

    def advertised(self, now: float, port: int = 1, lifetime: int = 40) -> None:
        self.times.observe(Advertise(port, MN, (IPv6Network((PREFIX, 64)),), lifetime), now)

    def route(self, now: float, sent: bool, new_mag: IPv6Address = MAG) -> None:
        message = RouteAdjust(PREFIX, NOBODY, new_mag, options=(MobileNodeLinkLayerIdentifier(MN),))
        self.times.observe(Send(message, RMS) if sent else message, now)

    def rest(self, start: float, port: int = 1) -> None:
        """All that follows a PBU, a second each."""
        self.acknowledged(start)
        self.advertised(start + 1, port)
        self.route(start + 2, sent=True)
        self.route(start + 3, sent=False)


@pytest.fixture
def times(tmp_path: Path) -> Times:
    return Times(tmp_path)


def steps(*milliseconds: float) -> dict[str, float]:
    names = ("pbu_sent", "pba_received", "ra_sent", "route_adjust_sent", "route_adjust_acknowledged")
    return dict(zip(names, milliseconds, strict=True))


def test_an_attachment_is_recorded_from_solicitation_to_acknowledgement(times: Times) -> None:
    times.times.solicited(MN, 100.0)
    times.update(100.001)
    times.rest(101.0)
    assert times.lines == [
        {
            "event": "attachment",
            "mag": "mag1",
            "mobile_node": "mn1",
            "solicited": 100.0,
            "milliseconds": steps(1.0, 1000.0, 2000.0, 3000.0, 4000.0),
        }
    ]


def test_a_node_with_another_address_than_the_profiles_is_the_same(tmp_path: Path) -> None:
    other = b"\x0a\0\0\0\0\1"
    times = Times(tmp_path)
    times.times = AttachmentTimes("mag1", {MN: "mn1"}, times.file, interface=lambda node: MN if node == other else node)
    times.times.solicited(other, 100.0)
    times.update(100.001)
    times.acknowledged(101.0)
    times.times.observe(Advertise(1, other, (IPv6Network((PREFIX, 64)),), 40), 102.0)
    message = RouteAdjust(PREFIX, NOBODY, MAG, options=(MobileNodeLinkLayerIdentifier(other),))
    times.times.observe(Send(message, RMS), 103.0)
    times.times.observe(message, 104.0)
    (line,) = times.lines
    assert (line["mobile_node"], line["milliseconds"]) == ("mn1", steps(1.0, 1000.0, 2000.0, 3000.0, 4000.0))


def test_retransmissions_count_from_the_first(times: Times) -> None:
    times.times.solicited(MN, 100.0)
    times.update(100.0)
    times.update(101.0)
    times.rest(102.0)
    assert times.lines[0]["milliseconds"] == steps(0.0, 2000.0, 3000.0, 4000.0, 5000.0)


def test_refresh_departure_and_strangers_are_no_attachments(times: Times) -> None:
    times.times.solicited(b"\x02\0\0\0\0\x09", 99.0)
    times.update(100.0, HandoffType.RE_REGISTRATION)
    times.rest(101.0)
    times.update(110.0)
    times.update(110.5, lifetime=0)
    times.rest(111.0)
    times.update(120.0)
    times.acknowledged(121.0)
    times.route(122.0, sent=True, new_mag=NOBODY)
    times.route(123.0, sent=False, new_mag=NOBODY)
    assert times.lines == []


def test_an_attachment_that_the_rms_never_confirmed_gives_way_to_the_next(times: Times) -> None:
    times.update(100.0)
    times.acknowledged(101.0)
    times.route(102.0, sent=True)
    times.times.solicited(MN, 200.0)
    times.update(200.0)
    times.rest(201.0)
    assert [line["solicited"] for line in times.lines] == [200.0]
    assert times.lines[0]["milliseconds"]["pba_received"] == 1000.0


def test_soliciting_where_it_is_attached_is_no_attachment(times: Times) -> None:
    times.update(100.0)
    times.rest(101.0)
    times.update(110.0)
    times.rest(111.0)
    assert len(times.lines) == 1


@pytest.mark.parametrize("left", ["de-registered", "withdrawn", "another port"])
def test_coming_back_is_an_attachment(times: Times, left: str) -> None:
    times.update(100.0)
    times.rest(101.0)
    if left == "de-registered":
        times.update(109.0, lifetime=0)
    elif left == "withdrawn":
        times.advertised(109.0, lifetime=0)
    times.update(110.0)
    times.rest(111.0, port=2 if left == "another port" else 1)
    assert [line["solicited"] for line in times.lines] == [100.0, 110.0]


# Configuration


def test_all_nodes_of_a_domain_agree() -> None:
    profile = load_profile("two-lma")
    gateway = gateway_config(profile, profile.mag("mag2"), Encapsulation.GRE)
    anchors = [anchor_config(profile, lma, Encapsulation.SRV6) for lma in profile.lmas]
    assert gateway.address == profile.mag("mag2").address
    assert gateway.lmas == tuple(anchor.address for anchor in anchors)
    assert all(anchor.mobile_nodes == gateway.mobile_nodes for anchor in anchors)
    assert all(anchor.mags == tuple(mag.address for mag in profile.mags) for anchor in anchors)
    assert (gateway.encapsulation, anchors[0].encapsulation) == (Encapsulation.GRE, Encapsulation.SRV6)
    fixed = gateway.mobile_nodes[2]
    assert (fixed.identifier, fixed.prefixes) == (b"mn3@example.net", (IPv6Network("2001:db8:100:3::/64"),))
    assert fixed.anchor == profile.lma("lma1").address


def test_lmas_hand_out_prefixes_of_their_own() -> None:
    profile = load_profile("two-lma")
    pools = [anchor_config(profile, lma, Encapsulation.GRE).pool for lma in profile.lmas]
    for pool, other in (pools, reversed(pools)):
        assert pool.prefix(0) not in other
        assert pool.prefix(pool.size - 1) not in other
        assert pool.prefix(0).subnet_of(profile.home_prefix_pool)
