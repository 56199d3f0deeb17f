"""What routers owe their neighbours, end to end: errors, path MTU, hop limits, filters. Needs root and Open vSwitch."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv6Address
from pathlib import Path

import pytest
from domain_helpers import BRIDGE, await_tunnels, flows, located, place, rest, tunnel_mtu
from scapy.layers.inet import UDP
from scapy.layers.inet6 import (
    HBHOptUnknown,
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrHopByHop,
)
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from ryu_pmipls.agents.api import socket_path
from ryu_pmipls.agents.api_client import request
from ryu_pmipls.domain.profile import format_link_layer
from ryu_pmipls.http.client import ClientError, base_url
from ryu_pmipls.lab import namespaces
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.measuring.handoff_series import losses
from ryu_pmipls.lab.probe import Probe
from ryu_pmipls.lab.traffic_generator import Flow, run
from ryu_pmipls.wire.neighbour_discovery import ROUTER_ADDRESS, ROUTER_LINK_LAYER_ADDRESS
from tests.labs import lab_of
from tests.waiting import PATIENCE, eventually

ETH_P_IPV6 = 0x86DD
ROUTER = format_link_layer(ROUTER_LINK_LAYER_ADDRESS)


@pytest.fixture(scope="module")
def lab(derive_profile: Callable[..., Path]) -> Iterator[Lab]:
    """mn1 and mn3 at mag1, mn2 at mag2; mn1 and mn3, and the correspondent node to them, know no path's MTU yet.

    Towards these the correspondent node is like a host behind the core router, with one route.
    """
    changes = {
        "load_sharing": {"policy": "static", "redirect_new_sessions": False},
        "lab": {"lma_cpu": {"lma1": 1.0, "lma2": 1.0}},
    }
    path = derive_profile("pdp", 29, changes)
    with lab_of(path) as made:
        await_tunnels(made)
        for node, mag in (("mn1", "mag1"), ("mn2", "mag2"), ("mn3", "mag1")):
            place(made, node, mag)
        for node in made.plan.switches:
            eventually(lambda: any("check_pkt_larger" in flow for flow in flows(made, node)), f"errors of {node}")  # noqa: B023
        cn, mn2 = correspondent(made), str(made.address("mn2"))
        anchor = str(made.profile.lma("lma1").core.address.ip)
        for node, to in (("mn1", cn), ("mn1", mn2), ("mn3", cn)):
            route = ["ip", "-6", "route", "replace", to, "via", str(ROUTER_ADDRESS), "dev", "eth0", "mtu", "1500"]
            made.execute(node, route)
        for node in ("mn1", "mn3"):
            route = ["ip", "-6", "route", "add", str(made.address(node)), "via", anchor, "dev", "core", "mtu", "1500"]
            made.execute(made.plan.correspondent, route)
        yield made


def correspondent(lab: Lab) -> str:
    return str(lab.plan.correspondent_address.ip)


def path_mtu(lab: Lab, node: str, to: str) -> int | None:
    """What the node's kernel has learnt of its path."""
    found = re.search(r"expires .* mtu (\d+)", lab.execute(node, ["ip", "-6", "route", "get", to]).stdout)
    return int(found[1]) if found else None


def ping(lab: Lab, node: str, to: str, *options: str) -> str:
    return lab.execute(node, ["ping", "-6", "-n", "-W", "2", *options, to], timeout=PATIENCE).stdout


def dropped_by_guard(lab: Lab, mag: str = "mag1") -> int:
    """Packets that are let in by no entry of the guard, whether or not the agent is told of them."""
    refused = [flow for flow in flows(lab, mag) if "table=1," in flow and re.search(r"priority=(0|10|15)[ ,]", flow)]
    return sum(int(found) for flow in refused for found in re.findall(r"n_packets=(\d+)", flow))


def test_a_transfer_up_and_one_down_learn_the_path_mtu(lab: Lab) -> None:
    """Of two mobile nodes, for who has learnt it offers smaller segments to the other side."""
    to = correspondent(lab)
    for direction, node, sender, receiver in (
        ("up", "mn1", "mn1", to),
        ("down", "mn3", "cn", str(lab.address("mn3"))),
    ):
        assert path_mtu(lab, sender, receiver) is None
        (result,) = run([Flow(lab, node, "tcp", direction, rate=20, seconds=2)])  # type: ignore[arg-type]
        assert result.error is None
        assert sum(interval.octets for interval in result.received) > 100_000  # full-sized segments among them
        assert path_mtu(lab, sender, receiver) == tunnel_mtu(lab)
        # Linux forgets the path MTU by a gateway that says it is no router, whenever it collects garbage.
        lab.execute(sender, ["sysctl", "-w", "net.ipv6.route.flush=1"])
        assert path_mtu(lab, sender, receiver) == tunnel_mtu(lab)


def test_what_does_not_fit_between_two_mobile_nodes_is_answered_by_the_mag(lab: Lab) -> None:
    mtu, to = tunnel_mtu(lab), str(lab.address("mn2"))
    fitting = str(mtu - 48)
    assert "1 received" in ping(lab, "mn1", to, "-c", "1", "-M", "do", "-s", fitting)
    answer = ping(lab, "mn1", to, "-c", "1", "-M", "do", "-s", str(mtu - 47))
    assert f"From {ROUTER_ADDRESS}%eth0 icmp_seq=1 Packet too big: mtu={mtu}" in answer
    assert "1 received" in ping(lab, "mn1", to, "-c", "1", "-M", "do", "-s", fitting)


def hop(lab: Lab, node: str, to: str, limit: int) -> str:
    """Who answers a packet with that hop limit."""
    answer = ping(lab, node, to, "-c", "1", "-t", str(limit))
    exceeded = re.search(r"From (\S+?)(?:%eth0)? icmp_seq=1 Time exceeded", answer)
    found = exceeded or re.search(r"bytes from (\S+): icmp_seq=1 ttl", answer)
    return found[1] if found else answer


def test_every_router_is_one_hop_and_says_so(lab: Lab) -> None:
    cores = {str(lma.core.address.ip) for lma in lab.profile.lmas}
    cn, mn1 = correspondent(lab), str(lab.address("mn1"))
    anchor = str(lab.profile.lma("lma1").core.address.ip)
    assert [hop(lab, "mn1", cn, limit) for limit in (1, 2, 3)] == [str(ROUTER_ADDRESS), anchor, cn]
    first, *others = (hop(lab, "cn", mn1, limit) for limit in (1, 2, 3))
    home = str(IPv6Address(int(IPv6Address(mn1)) >> 64 << 64))
    assert first in cores and others == [home, mn1]
    for node in ("mn2", "mn3"):  # at the other MAG, and at the same
        other = str(lab.address(node))
        home = str(IPv6Address(int(IPv6Address(other)) >> 64 << 64))
        hops = [hop(lab, "mn1", other, limit) for limit in (1, 2, 3, 4)]
        assert hops == [str(ROUTER_ADDRESS), anchor, home, other]


def test_the_router_answers_echo_requests_to_itself(lab: Lab) -> None:
    """By its link-local address, and by the subnet-router anycast address of a home network (RFC 4443, section 4.2)."""
    assert "2 received" in ping(lab, "mn1", f"{ROUTER_ADDRESS}%eth0", "-c", "2")
    own, other = (str(IPv6Address(int(IPv6Address(lab.address(node))) >> 64 << 64)) for node in ("mn1", "mn2"))
    for node in ("mn1", "mn2", "mn3", "cn"):
        for home in (own, other):
            assert "2 received" in ping(lab, node, home, "-c", "2"), (node, home)


@pytest.mark.parametrize("node", ["cn", "mn1"])
def test_a_prefix_that_nobody_has_is_unreachable_at_a_limited_rate(lab: Lab, node: str) -> None:
    unknown = str(lab.profile.home_prefix_pool[-1])
    start = time.monotonic()
    answer = ping(lab, node, unknown, "-c", "400", "-i", "0.002", "-q", "-W", "1")
    seconds = time.monotonic() - start
    found = re.search(r"\+(\d+) errors", answer)
    assert found, answer
    assert 5 <= int(found[1]) <= 2 * 10 * (seconds + 1)  # two LMAs may have answered
    assert "Destination unreachable: No route" in ping(lab, node, unknown, "-c", "2")


def test_an_agent_answers_again_when_its_port_was_down(lab: Lab) -> None:
    unknown = str(lab.profile.home_prefix_pool[-1])
    for lma in lab.profile.lmas:
        for state in ("down", "up"):
            lab.execute(lma.name, ["ip", "link", "set", f"icmp-{tunnel_mtu(lab)}", state])
    eventually(lambda: "No route" in ping(lab, "mn1", unknown, "-c", "1"), "an answer")


def send(lab: Lab, node: str, frame: Packet) -> None:
    with namespaces.open_socket(lab.namespace(node), socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind(("eth0", ETH_P_IPV6))
        sender.send(bytes(frame))


@pytest.mark.parametrize("wrong", ["prefix", "link-layer address", "port"])
def test_who_sends_in_another_ones_name_is_dropped_and_counted(lab: Lab, wrong: str) -> None:
    own = format_link_layer(lab.profile.mobile_node("mn1").link_layer_address)
    other = format_link_layer(lab.profile.mobile_node("mn3").link_layer_address)
    source, sender = {
        "prefix": (lab.address("mn2"), own),
        "link-layer address": (lab.address("mn1"), other),
        "port": (lab.address("mn3"), other),
    }[wrong]
    before = dropped_by_guard(lab)
    with namespaces.open_socket(lab.namespace("cn"), socket.AF_INET6, socket.SOCK_DGRAM) as receiver:
        receiver.bind((correspondent(lab), 0))
        receiver.settimeout(PATIENCE)
        port = receiver.getsockname()[1]

        def datagram(source: IPv6Address, sender: str, text: bytes) -> Packet:
            ip = IPv6(src=str(source), dst=correspondent(lab), hlim=64)
            return Ether(src=sender, dst=ROUTER) / ip / UDP(sport=9, dport=port) / text

        send(lab, "mn1", datagram(lab.address("mn1"), own, b"before"))
        assert receiver.recv(100) == b"before"
        for _ in range(5):
            send(lab, "mn1", datagram(source, sender, b"wrong"))
        send(lab, "mn1", datagram(lab.address("mn1"), own, b"after"))
        assert receiver.recv(100) == b"after"  # on the same path, and none of the others before it
    eventually(lambda: dropped_by_guard(lab) >= before + 5, "the count of the guard")


#: Sources that no packet from the core has: of a mobile node, unspecified, loopback, IPv4, link-local, multicast.
MARTIANS = ("::", "::1", "::192.0.2.1", "::ffff:192.0.2.1", "fe80::5", "ff02::1", "ff0e::5")


def test_nothing_with_a_forged_source_comes_from_the_core_to_a_mobile_node(lab: Lab) -> None:
    anchor = lab.execute("lma1", ["cat", f"/sys/class/net/{BRIDGE}/address"]).stdout.strip()
    mobile_node, space = lab.address("mn1"), lab.namespace(lab.plan.correspondent)
    with (
        namespaces.open_socket(lab.namespace("mn1"), socket.AF_PACKET, socket.SOCK_RAW) as receiver,
        namespaces.open_socket(space, socket.AF_PACKET, socket.SOCK_RAW) as sender,
    ):
        receiver.bind(("eth0", ETH_P_IPV6))
        receiver.settimeout(PATIENCE)
        sender.bind(("core", ETH_P_IPV6))

        def send_from(source: str) -> None:
            ip = IPv6(src=source, dst=str(mobile_node), hlim=64)
            sender.send(bytes(Ether(dst=anchor) / ip / UDP(sport=9, dport=9) / b"martian?"))

        for source in (*MARTIANS, str(lab.address("mn2")), str(mobile_node), correspondent(lab)):
            send_from(source)
        while b"martian?" not in (frame := receiver.recv(1500)):
            pass
        assert Ether(frame)[IPv6].src == correspondent(lab)  # the last one is the first that comes


def test_nothing_for_an_address_that_never_leaves_a_node_leaves_a_mag(lab: Lab) -> None:
    own = format_link_layer(lab.profile.mobile_node("mn1").link_layer_address)

    def dropped() -> int:
        (entry,) = (flow for flow in flows(lab, "mag1") if "table=1," in flow and "ipv6_dst=::/16" in flow)
        return int(re.findall(r"n_packets=(\d+)", entry)[0])

    before = dropped()
    for destination in ("::", "::1", "::ffff:192.0.2.1"):
        send(lab, "mn1", Ether(src=own, dst=ROUTER) / IPv6(src=str(lab.address("mn1")), dst=destination) / UDP(dport=9))
    eventually(lambda: dropped() == before + 3, "the count of what is dropped")


def test_fragments_pass_both_ways(lab: Lab) -> None:
    for node, to in (("mn1", correspondent(lab)), ("mn1", str(lab.address("mn2"))), ("cn", str(lab.address("mn1")))):
        ping(lab, node, to, "-c", "1", "-s", "6000")  # from which either side may have to learn the path MTU
        assert "2 received" in ping(lab, node, to, "-c", "2", "-s", "6000")


def test_fragments_of_the_core_router_itself_pass_whichever_lma_it_chooses(lab: Lab) -> None:
    """It cannot learn the MTU of one path among several: it has to know it."""
    to = str(lab.address("mn2"))
    with namespaces.open_socket(lab.namespace("mn2"), socket.AF_INET6, socket.SOCK_DGRAM) as receiver:
        receiver.bind((to, 0))
        receiver.settimeout(5)
        for number in range(16):  # each from another port
            with namespaces.open_socket(lab.namespace("cn"), socket.AF_INET6, socket.SOCK_DGRAM) as sender:
                sender.sendto(bytes([number]) * 6000, receiver.getsockname()[:2])
                assert receiver.recv(9000) == bytes([number]) * 6000


def test_extension_headers_pass(lab: Lab) -> None:
    """An echo request behind some, which the correspondent node answers."""
    own = format_link_layer(lab.profile.mobile_node("mn1").link_layer_address)
    headers = IPv6ExtHdrHopByHop(options=[HBHOptUnknown(otype=0x1E, optdata=b"any")])
    ip = IPv6(src=str(lab.address("mn1")), dst=correspondent(lab), hlim=64)
    request = Ether(src=own, dst=ROUTER) / ip / headers / IPv6ExtHdrDestOpt() / ICMPv6EchoRequest(id=77, seq=5)
    space = lab.namespace("mn1")
    with namespaces.open_socket(space, socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as replies:
        replies.settimeout(PATIENCE)
        send(lab, "mn1", request)
        while (reply := replies.recv(1500))[:1] != b"\x81":
            pass
    assert reply[4:8] == bytes((0, 77, 0, 5))


def test_the_traffic_of_a_mobile_node_is_counted(lab: Lab) -> None:
    prefix = str(IPv6Address(int(lab.address("mn3")) >> 64 << 64))

    def packets() -> tuple[int, int]:
        shown = rest(lab, f"bindings/{prefix}")
        assert shown["identifier"] == lab.profile.mobile_node("mn3").identifier
        return shown["uplink_packets"], shown["downlink_packets"]

    before = packets()
    assert "5 received" in ping(lab, "mn3", correspondent(lab), "-c", "5", "-i", "0.1")

    def grown() -> bool:
        return all(now == then + 5 for now, then in zip(packets(), before, strict=True))

    eventually(grown, "the count of five packets each way")
    argv = [sys.executable, "-m", "ryu_pmipls.cli", "traffic", prefix, "--url", base_url(lab.profile)]
    table = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    assert re.search(rf"uplink\W+{before[0] + 5:,}\W".replace(",", " "), table)
    for wrong, message in (("nonsense", "no home network prefix"), ("2001:db8::", "no mobile node with the prefix")):
        with pytest.raises(ClientError, match=message):
            rest(lab, f"bindings/{wrong}")


def test_tunnels_count_packets_of_mobile_nodes_and_not_those_that_watch_over_them(lab: Lab) -> None:
    def packets(way: str) -> int:
        return sum(tunnel[f"{way}_packets"] for tunnel in rest(lab, "tunnels"))

    polls = 3 * lab.profile.load_sharing.report_interval
    time.sleep(polls)  # until all is counted that was sent before
    before = packets("uplink"), packets("downlink")
    assert "5 received" in ping(lab, "mn2", correspondent(lab), "-c", "5", "-i", "0.1")
    wanted = before[0] + 5, before[1] + 5
    eventually(lambda: (packets("uplink"), packets("downlink")) == wanted, what="the count of five packets each way")
    time.sleep(polls)
    assert (packets("uplink"), packets("downlink")) == wanted


# Handoffs of mn2, which is at mag2 before and afterwards

#: Seconds for which a packet may be under way on a busy machine.
UNDER_WAY = 0.5


def downlink(lab: Lab, mag: str) -> list[str]:
    """The entries of mn2 in the last table of a MAG."""
    prefix = f"ipv6_dst={IPv6Address(int(lab.address('mn2')) >> 64 << 64)}/64"
    return [flow for flow in flows(lab, mag) if prefix in flow]


def forwards(lab: Lab, mag: str) -> bool:
    return any("hard_timeout" in flow for flow in downlink(lab, mag))


def handoff_count(lab: Lab, mag: str, what: str) -> int:
    status, health = request(socket_path(mag, lab.directory / mag), "/v1/health")
    assert status == 200
    return int(health["counters"].get(f"handoff: {what}", 0))


def leave(lab: Lab, node: str) -> float:
    """Have a mobile node leave; when its MAG's switch has taken note."""
    access = lab.detach(node)

    def down() -> bool:
        shown = lab.openvswitch(access.mag).ofctl("show", BRIDGE)
        return re.search(rf"\({access.port}\):[^(]*state:\s+LINK_DOWN", shown) is not None

    eventually(down, f"the end of the link of {node}")
    return time.time()


def test_a_handoff_loses_nothing_from_the_end_of_the_old_link_on(lab: Lab) -> None:
    probe = Probe(lab, "cn", "mn2", rate=200)
    probe.start()
    time.sleep(0.5)
    gone = leave(lab, "mn2") + UNDER_WAY
    time.sleep(UNDER_WAY)
    lab.attach("mn2", "mag1")
    eventually(lambda: forwards(lab, "mag2"), "a MAG that forwards")
    eventually(lambda: handoff_count(lab, "mag2", "sent on") > 0, "packets that are sent on")
    seen = probe.stop()
    assert [time for time in losses(seen) if time > gone] == []
    assert seen.duplicated == 0 and seen.arrivals[-1].received > gone
    assert handoff_count(lab, "mag2", "sent on") >= handoff_count(lab, "mag2", "kept") > 0
    eventually(lambda: not downlink(lab, "mag2"), "the end of forwarding")


def test_a_mobile_node_to_and_fro_is_delivered_to_where_it_is(lab: Lab) -> None:
    for mag in ("mag2", "mag1", "mag2"):  # each within the time for which the others forward
        lab.handoff("mn2", mag)
        eventually(lambda: located(lab, "mn2") == mag, f"mn2 at {mag}")  # noqa: B023
    eventually(lambda: not downlink(lab, "mag1"), "the end of forwarding")
    (entry,) = downlink(lab, "mag2")
    assert "hard_timeout" not in entry
    assert "1 received" in ping(lab, "cn", str(lab.address("mn2")), "-c", "1")


def test_what_is_for_a_mobile_node_that_has_gone_is_not_kept_for_ever(lab: Lab) -> None:
    address, before = str(lab.address("mn2")), handoff_count(lab, "mag2", "sent on")
    leave(lab, "mn2")
    assert "0 received" in ping(lab, "cn", address, "-c", "5", "-i", "0.1")
    eventually(lambda: handoff_count(lab, "mag2", "nothing heard of the mobile node") >= 5, "the end of keeping")
    place(lab, "mn2", "mag2")
    assert handoff_count(lab, "mag2", "sent on") == before
