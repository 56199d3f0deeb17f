"""A mobile node reaches nothing of its MAG's host, by whatever protocol; and what would take that away is told."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from select import select

import pytest
from ovs_places import LMA, MAG, PROFILE, Place, Places, within
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NS, ICMPv6ND_RS, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw

from ovs_setup import OvsSetupError, ingress_filter
from ovs_setup.node import set_up, tear_down
from ovs_setup.vswitch import OvsError
from ryu_pmipls.agents.host_watch import HostWatch
from ryu_pmipls.agents.packet_socket import LARGEST_FRAME, open_packet_socket
from tests.waiting import PATIENCE, eventually

PORT = 9999
#: EtherType for experiments (IEEE 802), as any protocol may have one that the host's processes listen to.
OTHER = 0x88B5
NODE = "02:00:00:00:01:01"


def attempts(to: str) -> dict[str, Packet]:
    """Ways from a mobile node to its MAG's host, each with a text of its own; ``to``: the port's link-layer address."""

    def udp(text: str) -> Packet:
        return UDP(sport=PORT, dport=PORT) / Raw(text.encode())

    unicast, everybody = Ether(src=NODE, dst=to), Ether(src=NODE, dst="ff:ff:ff:ff:ff:ff")
    frames = {
        "IPv4 to the port": unicast / IP(src="10.9.1.2", dst="10.9.1.1") / udp("IPv4 to the port"),
        "IPv4 to the host": unicast / IP(src="10.9.1.2", dst="192.0.2.1") / udp("IPv4 to the host"),
        "IPv4 to all": everybody / IP(src="0.0.0.0", dst="255.255.255.255") / udp("IPv4 to all"),
        "IPv4 through the host": unicast / IP(src="10.9.1.2", dst="192.0.2.9") / udp("IPv4 through the host"),
        "IPv6 to the port": unicast / IPv6(src="2001:db8:91::2", dst="2001:db8:91::1") / udp("IPv6 to the port"),
        "IPv6 to the host": unicast / IPv6(src="2001:db8:91::2", dst=str(MAG.address)) / udp("IPv6 to the host"),
        "VLAN": unicast / Dot1Q(vlan=7) / IP(src="10.7.0.2", dst="10.7.0.1") / udp("VLAN"),
        "another protocol": Ether(src=NODE, dst=to, type=OTHER) / Raw(b"another protocol".ljust(60)),
    }
    for address in ("10.9.1.1", "192.0.2.1"):
        frames[f"ARP for {address}"] = everybody / ARP(hwsrc=NODE, psrc="10.9.1.2", pdst=address)
    everyone = Ether(src=NODE, dst="33:33:00:00:00:01") / IPv6(src="fe80::2", dst="ff02::1", hlim=255)
    frames["echo to all nodes"] = everyone / ICMPv6EchoRequest(id=5)
    return frames


class MobileNode:
    """A mobile node at access port ``acc1`` of a host whose processes listen to everybody, at all their addresses."""

    def __init__(self, host: Place, places: Places, stack: ExitStack) -> None:
        self._host = host
        node = places("pos-m")
        host.ip("link set acc1-x netns pos-m")
        node.ip("link set acc1-x up")
        eventually(lambda: "state UP" in host.ip("-o link show acc1"), "a link that is up")
        self.ways = {*attempts(NODE)}
        try:
            host.ip("link add link acc1 name acc1.7 type vlan id 7")
        except subprocess.CalledProcessError:
            self.ways.remove("VLAN")  # not every kernel has them
        else:
            host.ip("link set acc1.7 up")
            host.ip("address add 10.7.0.1/24 dev acc1.7")
        host.ip("neighbour add 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth0")
        host.ovs.execute("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self._port = json.loads(host.ip("-json link show acc1"))[0]["address"]

        def opened(place: Place, *kind: int) -> socket.socket:
            return stack.enter_context(closing(within(place.name, lambda: socket.socket(*kind))))

        self._ipv4 = opened(host, socket.AF_INET, socket.SOCK_DGRAM)
        self._ipv4.bind(("", PORT))
        self._ipv6 = opened(host, socket.AF_INET6, socket.SOCK_DGRAM)
        self._ipv6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self._ipv6.bind(("::", PORT))
        self._other = opened(host, socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        self._other.bind(("acc1", OTHER))
        self._beyond = opened(host, socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        self._beyond.bind(("eth0-x", 0x0800))
        self._own = opened(node, socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._own.bind(("acc1-x", 0x0003))
        index = within(host.name, lambda: socket.if_nametoindex("acc1"))
        self._agent = stack.enter_context(closing(within(host.name, lambda: open_packet_socket("acc1", index))))

    def reaches(self) -> set[str]:
        """Make all attempts, and a router solicitation; those that had come through when the agent heard the latter."""
        for frame in attempts(self._port).values():
            self._own.send(bytes(frame))
        self._own.send(
            bytes(Ether(src=NODE, dst="33:33:00:00:00:02") / IPv6(src="fe80::2", dst="ff02::2") / ICMPv6ND_RS())
        )
        assert select([self._agent], [], [], PATIENCE)[0], "the agent hears nothing"
        self._agent.recv(LARGEST_FRAME)
        received = [octets for opened in (self._ipv4, self._ipv6, self._other, self._beyond) for octets in _in(opened)]
        heard = {name for name in attempts(self._port) if any(name.encode() in octets for octets in received)}
        return heard | {answered for octets in _in(self._own) for answered in _answers(Ether(octets))}


def _answers(frame: Packet) -> Iterator[str]:
    """The attempt that the host has answered by a frame, or wants to answer as soon as it knows its neighbour."""
    if ARP in frame and frame[ARP].op == 2:
        yield f"ARP for {frame[ARP].psrc}"
    if ICMPv6ND_NS in frame and frame[ICMPv6ND_NS].tgt == "fe80::2":
        yield "echo to all nodes"


def _in(opened: socket.socket) -> Iterator[bytes]:
    with suppress(BlockingIOError):
        while True:
            yield opened.recv(LARGEST_FRAME, socket.MSG_DONTWAIT)


@pytest.fixture
def node(host: Place, places: Places) -> Iterator[MobileNode]:
    with ExitStack() as stack:
        yield MobileNode(host, places, stack)


def test_nothing_of_a_mobile_node_reaches_the_host_by_any_protocol(host: Place, node: MobileNode) -> None:
    eventually(lambda: node.reaches() == node.ways, "an ordinary host, which hears all of it")
    set_up(host.ovs, PROFILE, MAG, "netdev", "eth0")
    for _ in range(3):
        assert node.reaches() == set()
    tear_down(host.ovs, PROFILE, MAG)
    eventually(lambda: node.reaches() == node.ways, "the host as it was")


def test_without_the_filter_no_address_of_the_host_is_within_reach_either(host: Place, node: MobileNode) -> None:
    set_up(host.ovs, PROFILE, MAG, "netdev", "eth0")
    host.ovs.execute("nft", "flush", "ruleset")
    for _ in range(3):
        assert node.reaches() <= {"IPv4 to all", "VLAN", "another protocol"}


#: What others do to a host, and what is said of it.
CHANGES = [
    ("ethtool -K acc1 gro on", "acc1 has generic-receive-offload on"),
    ("ethtool -K eth0 gro on", "eth0 has generic-receive-offload on"),
    ("ip address add 192.0.2.77/24 dev acc2", "acc2 has 192.0.2.77, and must have no address"),
    ("ip link set acc1 mtu 1300", "acc1 has 1300, at least 1452 is needed"),
    ("ip link set acc2 down", "not up: acc2"),
    ("ip -6 address flush dev br-u scope global", f"br-u does not have {MAG.address}"),
    ("nft flush ruleset", "the kernel hears what comes in on acc1"),
    ("nft add table netdev ryu_pmipls { chain ports { policy accept ; } ; }", "the kernel hears what comes in on acc3"),
    ("sysctl -qw net.ipv4.ip_forward=0 net.ipv4.ip_forward=1", "net/ipv4/conf/acc1/forwarding is 1, must be 0"),
    ("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.all.disable_ipv6=0", "acc1/disable_ipv6 is 0"),
    ("sysctl -qw net.ipv4.conf.acc2.rp_filter=0", "net/ipv4/conf/acc2/rp_filter is 0, must be 1"),
    ("sysctl -qw net.ipv4.conf.acc2.arp_ignore=1", "net/ipv4/conf/acc2/arp_ignore is 1, must be 8"),
    ("sysctl -qw net.ipv6.conf.br-pm.accept_ra=2", "net/ipv6/conf/br-pm/accept_ra is 2, must be 0"),
    ("sysctl -qw net.ipv6.conf.all.forwarding=1", "net/ipv6/conf/all/forwarding is 1, must be 0"),
]


def test_what_others_change_is_said_and_mended_by_another_set_up(host: Place) -> None:
    watch = HostWatch(host.ovs, PROFILE, MAG)
    set_up(host.ovs, PROFILE, MAG, "netdev", "eth0")
    for command, said in CHANGES:
        assert watch.examine() == []
        host.ovs.execute(*command.split())
        found = eventually(watch.examine, f"what {command} has changed")
        assert any(said in change for change in found), found
        set_up(host.ovs, PROFILE, MAG, "netdev", "eth0")
    assert watch.examine() == []


def test_what_others_change_at_an_lma_is_said(host: Place) -> None:
    watch = HostWatch(host.ovs, PROFILE, LMA)
    set_up(host.ovs, PROFILE, LMA, "netdev", "eth0")
    assert watch.examine() == []
    host.ip(f"address delete {LMA.core.address} dev br-pm")
    host.ovs.execute("sysctl", "-qw", "net.ipv6.conf.br-pm.accept_redirects=1")
    addresses, settings = watch.examine()
    assert f"br-pm does not have {LMA.core.address}" in addresses
    assert "net/ipv6/conf/br-pm/accept_redirects is 1" in settings


def test_a_port_of_a_bridge_is_refused_and_one_that_became_one_is_told(host: Place) -> None:
    host.ip("link add br0 type bridge")
    host.ip("link set acc2 master br0")
    before = host.state()
    with pytest.raises(OvsSetupError, match="acc2 belongs to br0; take it out first: ip link set acc2 nomaster"):
        set_up(host.ovs, PROFILE, MAG, "netdev", "eth0")
    host.is_as(before)
    host.ip("link set acc2 nomaster")
    set_up(host.ovs, PROFILE, MAG, "netdev", "eth0")
    host.ip("link set acc2 master br0")
    (found,) = HostWatch(host.ovs, PROFILE, MAG).examine()
    assert "acc2 belongs to br0" in found


def test_a_host_whose_kernel_cannot_be_kept_out_is_not_set_up(host: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    before, execute = host.state(), host.ovs.execute

    def without_the_hook(*argv: str) -> str:
        if argv[0] == "nft" and "add chain" in argv[1]:
            raise OvsError(" ".join(argv), "Operation not supported")
        return execute(*argv)

    monkeypatch.setattr(host.ovs, "execute", without_the_hook)
    with pytest.raises(OvsSetupError, match=r"on acc1, acc2, acc3: Operation not supported \(needs nftables"):
        set_up(host.ovs, PROFILE, MAG, "netdev", "eth0")
    monkeypatch.undo()
    host.is_as(before)


def test_the_filter_is_for_the_ports_that_it_is_given(host: Place) -> None:
    assert ingress_filter.filtered_ports(host.ovs) == set()
    for ports in ({"acc1"}, {"acc1", "acc2"}, {"core"}):
        ingress_filter.install(host.ovs, ports)
        assert ingress_filter.filtered_ports(host.ovs) == ports
    ingress_filter.remove(host.ovs)
    ingress_filter.remove(host.ovs)
    assert ingress_filter.filtered_ports(host.ovs) == set()
