"""What the counters of a MAG's buckets are, by a real Open vSwitch: rates of slots rely on it. Needs root."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.controller.ryu import ProtocolDesc, ToldGroupCounters, ofproto_v1_3
from ryu_pmipls.controller.ryu import ofproto_v1_3_parser as parser
from ryu_pmipls.controller.ryu.strict_messages import Phase, parse
from ryu_pmipls.controller.switches import encoding as encode
from ryu_pmipls.controller.switches.mag_groups import anchor_groups, tunnel_groups
from ryu_pmipls.lab import namespaces
from ryu_pmipls.loadsharing import SLOTS, Slots, whole
from tests.waiting import PATIENCE, eventually

NAMESPACE, BRIDGE = "pbc-switch", "br-buckets"
PORTS = {"acc1": 1, "t-lma1": 2, "t-lma2": 3}
LMAS = ("lma1", "lma2")
ETH_P_IPV6 = 0x86DD
HALVES: Slots = ("lma1",) * 16 + ("lma2",) * 16


@dataclass
class Mag:
    """A switch with the groups of a MAG, and its access link."""

    access: socket.socket
    management: socket.socket

    def write(self, slots: Slots, exists: bool) -> None:
        """Write the groups that carry the uplink of lma1 in these slots."""
        groups = [*tunnel_groups(LMAS, PORTS, ()), *anchor_groups(LMAS, {"lma1": slots, "lma2": whole("lma2")})]
        changed = [group for group in groups if not exists or group.group == 1]
        self._ask(*(encode.group_mod(group, exists=exists) for group in changed))

    def counted(self) -> tuple[int, ...]:
        """Packets that each bucket of lma1's uplink has sent on."""
        (answer,) = self._ask(parser.OFPGroupStatsRequest(encode.PROTOCOL, 0, 1))
        message = parse(ProtocolDesc(4), Phase.IDENTIFIED, 4, 19, 1, answer)
        (group,) = message.body
        assert isinstance(group, ToldGroupCounters)
        assert group.packet_count == sum(group.buckets)
        return group.buckets

    def send(self, flow: int, packets: int, protocol: type[TCP] | type[UDP] = TCP) -> None:
        """Send packets of one flow between two addresses; they differ by the port."""
        frame = Ether(dst="02:00:00:00:00:01") / IPv6(src="fe80::1", dst="ff02::9")
        octets = bytes(frame / protocol(sport=1000 + flow, dport=9) / bytes(64))
        for _ in range(packets):
            self.access.send(octets)

    def _ask(self, *messages: object) -> list[bytes]:
        """Send messages and a barrier; returns the answers but that to the barrier."""
        self.management.sendall(b"".join(encode.octets(message, 7) for message in (*messages, encode.barrier())))
        received, answers = b"", []
        while True:
            while len(received) < 8 or len(received) < (length := int.from_bytes(received[2:4], "big")):
                came = self.management.recv(2**16)
                assert came
                received += came
            message, received = received[:length], received[length:]
            assert message[1] != ofproto_v1_3.OFPT_ERROR
            if message[1] == ofproto_v1_3.OFPT_BARRIER_REPLY:
                return answers
            if message[1] == ofproto_v1_3.OFPT_MULTIPART_REPLY:
                answers.append(message)


@pytest.fixture
def mag(tmp_path: Path) -> Iterator[Mag]:
    namespaces.create(NAMESPACE)
    switch = OpenVSwitch(tmp_path / "ovs", NAMESPACE)
    try:
        switch.start()
        add = ["add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=netdev", "protocols=OpenFlow13"]
        add += ["fail-mode=secure"]
        for name, number in PORTS.items():
            add += ["--", "add-port", BRIDGE, name, "--", "set", "interface", name, "type=internal"]
            add += [f"ofport_request={number}"]
        switch.vsctl(*add)
        for name in PORTS:
            switch.execute("sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1")
            switch.execute("ip", "link", "set", name, "up")
        access = namespaces.open_socket(NAMESPACE, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IPV6))
        management = socket.socket(socket.AF_UNIX)
        with access, management:
            access.bind(("acc1", ETH_P_IPV6))
            management.settimeout(PATIENCE)
            management.connect(str(switch.run_directory / f"{BRIDGE}.mgmt"))
            management.sendall(struct.pack("!BBHI", 4, 0, 8, 1))
            made = Mag(access, management)
            made.write(HALVES, exists=False)
            switch.ofctl("add-flow", BRIDGE, "in_port=1,actions=group:1")
            yield made
    finally:
        switch.stop()
        namespaces.remove(NAMESPACE)


def slots_of_flows(mag: Mag, flows: int) -> list[int]:
    """The slot of each flow, one after the other."""
    return [slot_of_flow(mag, flow) for flow in range(flows)]


def slot_of_flow(mag: Mag, flow: int) -> int:
    """The slot of a flow; tried again where packets went as the switch remembered from before a change."""
    for _ in range(6):
        before = mag.counted()
        mag.send(flow, 5)
        with suppress(TimeoutError):
            eventually(lambda: sum(mag.counted()) == sum(before) + 5, "all packets counted", PATIENCE / 6)  # noqa: B023
            grown = [number for number, (old, new) in enumerate(zip(before, mag.counted(), strict=True)) if new > old]
            assert len(grown) == 1
            return grown[0]
    pytest.fail(f"packets of flow {flow} are not counted: {mag.counted()}")


def test_each_bucket_counts_the_flows_of_its_slot_which_keep_to_it_and_anew_after_a_change(mag: Mag) -> None:
    assert mag.counted() == (0,) * SLOTS
    slots = slots_of_flows(mag, 12)
    assert len({*slots}) > 4
    changed = ("lma2",) * 3 + HALVES[3:]
    mag.write(changed, exists=True)
    assert mag.counted() == (0,) * SLOTS
    assert slots_of_flows(mag, 12) == slots
    mag.write(whole("lma2"), exists=True)
    assert mag.counted() == (0,)
    assert slot_of_flow(mag, 1) == 0  # what went before the change is counted by now
    (before,) = mag.counted()
    mag.send(1, 7)
    eventually(lambda: mag.counted() == (before + 7,), "all packets counted in the one bucket")
    mag.write(HALVES, exists=True)
    assert slots_of_flows(mag, 12) == slots


def test_all_udp_between_two_addresses_has_one_slot(mag: Mag) -> None:
    """Open vSwitch's hash (symmetric, layer 4) takes no ports of UDP into account."""
    for flow in range(8):
        mag.send(flow, 3, UDP)
    eventually(lambda: sum(mag.counted()) == 24, "all packets counted")
    assert sorted(mag.counted())[-2:] == [0, 24]
