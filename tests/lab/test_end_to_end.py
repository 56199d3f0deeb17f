"""The main job in a lab: tunnels, attachment, handoff, and the signalling on the wire. Needs root and Open vSwitch."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest
from domain_helpers import (
    await_tunnels,
    binding,
    kill,
    octets_received,
    ping,
    place,
    rest,
    routed_to,
    tunnel_interfaces,
    tunnels_up,
)
from scapy.layers.inet6 import IPv6, in6_chksum
from scapy.utils import rdpcap

from ryu_pmipls.domain.tunnel_kinds import TUNNEL_KINDS
from ryu_pmipls.lab import namespaces
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_layout import UNDERLAY
from ryu_pmipls.lab.lab_links import LinkChange
from ryu_pmipls.lab.probe import Probe
from ryu_pmipls.lab.traffic_generator import Flow
from ryu_pmipls.wire import MobileNodeIdentifier, RouteAdjust, Timestamp, build
from ryu_pmipls.wire.codepoints import MOBILITY_HEADER
from tests.labs import lab_of
from tests.waiting import PATIENCE, eventually

PROBE_RATE = 200  # datagrams per second
#: Seconds before and after a handoff in which a datagram may be lost by it.
ROUND = 0.5


@dataclass(frozen=True)
class Start:
    """How the domain came up: first the MAGs alone; then the LMAs, of which the first died on the way."""

    tunnels_of_mags_alone: int
    ports_at_death: list[str]
    bindings: list[Any]
    capture: Path


@pytest.fixture(scope="module")
def lab(derive_profile: Callable[..., Path]) -> Iterator[Lab]:
    """The default domain, its agents not started; its LMAs have CPU enough not to be what is measured."""
    path = derive_profile("pte", 14, {"lab": {"lma_cpu": {"lma1": 1.0, "lma2": 1.0}}})
    with lab_of(path, agents=False) as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def start(lab: Lab) -> Start:
    capture = lab.directory / "signalling.pcap"
    log = lab.directory / "log" / "tcpdump.log"
    argv = ["tcpdump", "-Z", "root", "-U", "-n", "-i", UNDERLAY, "-w", str(capture), "ip6 proto 135"]
    lab.launch(UNDERLAY, argv, log)
    eventually(lambda: "listening on" in log.read_text(), "the capture")
    for mag in lab.profile.mags:
        lab.start_agent(mag.name)
    time.sleep(1.5)  # long enough for a Tnl_request to be repeated
    alone = tunnels_up(lab)
    lab.start_agent("lma1")
    eventually(lambda: tunnel_interfaces(lab, "lma1"), "the first tunnel port of lma1")
    kill(lab, "lma1")
    ports = list(tunnel_interfaces(lab, "lma1"))
    lab.start_agents()
    await_tunnels(lab)
    return Start(alone, ports, rest(lab, "bindings"), capture)


def test_tunnels_are_up_before_any_mobile_node_though_the_mags_were_first_and_an_lma_died(
    lab: Lab, start: Start
) -> None:
    assert start.tunnels_of_mags_alone == 0
    assert start.ports_at_death
    assert start.bindings == []
    pairs = {(tunnel["mag"], tunnel["lma"]) for tunnel in rest(lab, "tunnels") if tunnel["up"]}
    assert pairs == {(mag.name, lma.name) for mag in lab.profile.mags for lma in lab.profile.lmas}
    for nodes, peers in ((lab.profile.mags, lab.profile.lmas), (lab.profile.lmas, lab.profile.mags)):
        for node in nodes:
            ends = tunnel_interfaces(lab, node.name)
            assert {name: far for name, (_, far) in ends.items()} == {f"t-{p.name}": str(p.address) for p in peers}
            assert {kind for kind, _ in ends.values()} <= {*TUNNEL_KINDS}


def test_the_first_packets_of_a_mobile_node_get_through(lab: Lab) -> None:
    node = lab.profile.mobile_node("mn2")
    lab.attach(node.name, "mag2")
    (address,) = eventually(lambda: lab.network.addresses(node.name), "an address")
    found = eventually(lambda: binding(lab, node.name), "a binding")
    assert found is not None
    eventually(lambda: routes(lab, found["prefix"]) == {"t-mag2"}, "a route on all LMAs")
    assert ping(lab, node.name) == 5
    assert (found["mag"], found["anchor"]) == ("mag2", node.anchor)
    assert found["link_layer_address"] == node.link_layer_address.hex(":")
    assert IPv6Network(found["prefix"]).subnet_of(lab.profile.home_prefix_pool)
    assert address in IPv6Network(found["prefix"])
    router = lab.execute(node.name, ["ip", "-6", "route", "show", "default"]).stdout
    assert "via fe80::200:5eff:fe00:5213 " in router


def test_a_mobile_node_gets_the_prefix_that_the_profile_gives_it(lab: Lab) -> None:
    place(lab, "mn3", "mag1")
    prefix = lab.profile.mobile_node("mn3").prefix
    assert prefix is not None
    assert lab.address("mn3") in prefix


def hand_off(lab: Lab, mag: str) -> LinkChange:
    """Hand mn1 off to a MAG; when it has happened, all LMAs route its prefix there."""
    known = binding(lab, "mn1")
    assert known is not None
    move = lab.handoff("mn1", mag)
    eventually(lambda: routes(lab, known["prefix"]) == {f"t-{mag}"}, f"the route to {mag} on all LMAs")
    return move


def octets(lab: Lab) -> tuple[int, int]:
    """What has come to the correspondent node, and to mn1."""
    return octets_received(lab, lab.plan.correspondent, "core"), octets_received(lab, "mn1", "eth0")


def await_transfer(lab: Lab) -> None:
    """Return when transfers in both directions have gone on for a while."""
    before = octets(lab)
    # Of a transfer downlink alone, acknowledgements would make a hundredth of that in the other direction.
    eventually(
        lambda: all(now - then > 1_000_000 for now, then in zip(octets(lab), before, strict=True)),
        "a megabyte in each direction",
    )


def test_handoffs_break_no_tcp_connection(lab: Lab) -> None:
    place(lab, "mn1", "mag1")
    address = lab.address("mn1")
    transfers = [Flow(lab, "mn1", "tcp", "up", rate=10), Flow(lab, "mn1", "tcp", "down", rate=10)]
    for transfer in transfers:
        transfer.start()
    await_transfer(lab)
    for mag in ("mag2", "mag1"):
        hand_off(lab, mag)
        await_transfer(lab)
    alive = [transfer.running() for transfer in transfers]
    results = [transfer.stop() for transfer in transfers]
    assert alive == [True, True]
    assert [result.error for result in results] == [None, None]
    assert lab.network.addresses("mn1") == (address,)


def test_what_is_lost_by_a_handoff_is_lost_round_it(lab: Lab) -> None:
    """Downlink, as the receiver sees it: no TCP beside it, whose bursts overflow the switches' buffers now and then."""
    place(lab, "mn1", "mag1")
    probe = Probe(lab, lab.plan.correspondent, "mn1", PROBE_RATE)
    probe.start()
    spans = []
    for mag in ("mag2", "mag1"):
        time.sleep(2 * ROUND)
        move = hand_off(lab, mag)
        spans.append((move.started - ROUND, time.time() + ROUND))
        parts = protocol_parts(lab, "mn1", mag, move.started)
        assert set(parts) == {"pbu_sent", "pba_received", "ra_sent", "route_adjust_sent", "route_adjust_acknowledged"}
        assert parts["pbu_sent"] < parts["pba_received"] < parts["route_adjust_acknowledged"]
    time.sleep(2 * ROUND)
    seen = probe.stop()
    assert seen.arrivals[-1].sent > spans[-1][1]
    assert seen.lost == sum(seen.lost_between(*span) for span in spans)
    assert seen.duplicated == 0


def routes(lab: Lab, prefix: str) -> set[str | None]:
    """The ports to which the LMAs' switches send a prefix."""
    return {routed_to(lab, lma.name, prefix) for lma in lab.profile.lmas}


def protocol_parts(lab: Lab, mobile_node: str, mag: str, since: float) -> dict[str, float]:
    """Milliseconds from the router solicitation to each step at the new MAG."""

    def recorded() -> list[dict[str, float]]:
        lines = (lab.directory / mag / "events.jsonl").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        return [
            event["milliseconds"]
            for event in events
            if event["mobile_node"] == mobile_node and event["solicited"] >= since
        ]

    (found,) = eventually(recorded, f"a record of the handoff to {mag}")
    return found


def test_a_detached_mobile_node_loses_its_route_and_comes_back_with_its_prefix(lab: Lab) -> None:
    place(lab, "mn2", "mag2")
    before = binding(lab, "mn2")
    assert before is not None
    lab.detach("mn2")
    # The LMA keeps the binding for MinDelayBeforeBCEDelete (RFC 5213, section 5.3.5), the RMS drops the route at once.
    eventually(lambda: routed_to(lab, "lma1", before["prefix"]) is None, "the end of the route")
    place(lab, "mn2", "mag1")
    after = binding(lab, "mn2")
    assert after is not None
    assert after["prefix"] == before["prefix"]


def test_every_message_on_the_wire_is_a_valid_mobility_header(lab: Lab, start: Start) -> None:
    """As tshark dissects it, and with a checksum that scapy computes."""
    place(lab, "mn1", "mag2")
    place(lab, "mn1", "mag1")
    types = lab.profile.signalling.inner_types
    spoken = {types.tunnel_request, types.tunnel_ack, types.load_info, types.load_adjust, types.route_adjust}
    eventually(lambda: spoken <= set(inner_types(lab, start.capture)), "a message of each type")
    argv = ["tshark", "-r", str(start.capture), "-T", "fields", "-E", "separator=/t"]
    for field in ("mip6.mhtype", "mip6.proto", "_ws.malformed", "_ws.expert.message"):
        argv += ["-e", field]
    dissected = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout.splitlines()
    kinds: Counter[str] = Counter()
    for line in dissected:
        kind, following, *complaints = line.split("\t")
        assert not any(complaints), line
        assert following in ("59", "0x3b"), line  # no next header (RFC 6275, section 6.1.1)
        kinds[kind] += 1
    # PBU, PBA, heartbeat, and the type of the draft's five; a MAG that is slow to notice is told by a revocation.
    assert {"5", "6", "11", "13"} <= set(kinds) <= {"5", "6", "11", "13", "16"}, kinds

    nodes = {node.address for node in (*lab.profile.mags, *lab.profile.lmas)} | {lab.profile.rms.address}
    for packet in rdpcap(str(start.capture)):
        header = bytes(packet[IPv6].payload)
        assert len(header) == 8 * (header[1] + 1)
        assert in6_chksum(MOBILITY_HEADER, packet[IPv6], header) == 0
        assert {IPv6Address(packet[IPv6].src), IPv6Address(packet[IPv6].dst)} <= nodes
    assert set(inner_types(lab, start.capture)) == spoken


def inner_types(lab: Lab, capture: Path) -> Iterator[int]:
    """The types of the draft's messages in a capture."""
    for packet in rdpcap(str(capture)):
        header = bytes(packet[IPv6].payload)
        if header[2] == lab.profile.signalling.mobility_header_type:
            yield header[6]


def test_a_message_with_a_wrong_checksum_does_nothing(lab: Lab) -> None:
    """A Route_adjust that withdraws mn1; the same with a right checksum is obeyed."""
    place(lab, "mn1", "mag1")
    known = binding(lab, "mn1")
    assert known is not None
    mag, rms = lab.profile.mag("mag1").address, lab.profile.rms.address
    prefix = IPv6Network(known["prefix"]).network_address
    right = build(RouteAdjust(prefix, mag, IPv6Address("::")), mag, rms)
    wrong = right[:4] + bytes((right[4] ^ 1, right[5])) + right[6:]
    header = IPv6(src=str(mag), dst=str(rms), nh=MOBILITY_HEADER, hlim=64)
    with namespaces.open_socket(lab.namespace("mag1"), socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as sender:
        sender.sendto(bytes(header / wrong), (str(rms), 0))
        time.sleep(0.5)
        assert binding(lab, "mn1") == known
        sender.sendto(bytes(header / right), (str(rms), 0))
        eventually(lambda: binding(lab, "mn1") is None, "the end of the binding")
    lab.detach("mn1")
    place(lab, "mn1", "mag1")


def test_a_mag_takes_no_prefix_that_its_anchor_has_not_given_it(lab: Lab) -> None:
    """Neither mn1's, which is at mag1, nor invented ones; and mn1 moves there as before when it does."""
    place(lab, "mn1", "mag1")
    known = binding(lab, "mn1")
    assert known is not None
    bindings, refused = rest(lab, "health")["bindings"], rest(lab, "health")["refused"]
    mag, rms = lab.profile.mag("mag2").address, lab.profile.rms.address
    taken, pool = IPv6Network(known["prefix"]).network_address, int(lab.profile.home_prefix_pool.network_address)
    invented = [IPv6Address(pool + (0xE00000 + number << 64)) for number in range(300)]
    node = MobileNodeIdentifier(known["identifier"].encode())
    with namespaces.open_socket(lab.namespace("mag2"), socket.AF_INET6, socket.SOCK_RAW, MOBILITY_HEADER) as sender:
        sender.bind((str(mag), 0))
        for prefix in (taken, *invented):
            options = (Timestamp.of(time.time()), node)
            report = RouteAdjust(prefix, IPv6Address("::"), mag, options=options)
            sender.sendto(build(report, mag, rms), (str(rms), 0))
    reason = "route_adjust: prefix not granted by an anchor"
    eventually(lambda: rest(lab, "health")["refused"].get(reason, 0) - refused.get(reason, 0) == 301, "refusals")
    assert binding(lab, "mn1") == known
    assert rest(lab, "health")["bindings"] == bindings
    place(lab, "mn1", "mag2")
    moved = binding(lab, "mn1")
    assert moved is not None and (moved["mag"], moved["prefix"]) == ("mag2", known["prefix"])
    place(lab, "mn1", "mag1")
