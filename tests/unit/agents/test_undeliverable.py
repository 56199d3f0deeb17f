"""What is answered to packets that cannot be delivered; without a port."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address

import pytest
from scapy.layers.inet import UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.agents.undeliverable import Undeliverable, gateway_source
from ryu_pmipls.wire.neighbour_discovery import ROUTER_ADDRESS

NODE, ROUTER = "02:00:00:00:01:01", "00:00:5e:00:52:13"
HOME, CORE = "2001:db8:100:3::1", "fd00:c0de::1"
MTU = 1452


@pytest.fixture
def answering():
    return Undeliverable(OpenVSwitch(), MTU, gateway_source, Counter())


def frame(size=100, hop_limit=64, source=HOME, destination=CORE, sender=NODE, receiver=ROUTER):
    payload = Raw(bytes(size - 48))
    return bytes(Ether(src=sender, dst=receiver) / IPv6(src=source, dst=destination, hlim=hop_limit) / UDP() / payload)


@pytest.mark.parametrize(
    ("what", "layer", "mtu"),
    [
        ({"size": MTU + 1}, ICMPv6PacketTooBig, MTU),
        ({"size": MTU}, ICMPv6DestUnreach, 0),
        ({"size": MTU + 1, "hop_limit": 1}, ICMPv6TimeExceeded, 0),
        ({"hop_limit": 0}, ICMPv6TimeExceeded, 0),
    ],
)
def test_the_packet_tells_why_it_could_not_be_delivered(answering, what, layer, mtu):
    answer = Ether(answering.answer(frame(**what)))
    assert (answer.src, answer.dst) == (ROUTER, NODE)
    assert (answer[IPv6].src, answer[IPv6].dst) == (str(ROUTER_ADDRESS), HOME)
    assert layer in answer
    assert int.from_bytes(bytes(answer[layer])[4:8], "big") == mtu


def test_to_others_a_mag_speaks_as_the_router_of_the_home_network(answering):
    nobody = "00:00:00:00:00:00"
    arrived = frame(hop_limit=1, source=CORE, destination=HOME, sender=nobody, receiver=nobody)
    answer = Ether(answering.answer(arrived))
    assert (answer[IPv6].src, answer[IPv6].dst) == ("2001:db8:100:3::", CORE)


def test_answers_are_limited_for_each_sender():
    counters: Counter[str] = Counter()
    answering = Undeliverable(OpenVSwitch(), MTU, gateway_source, counters)
    for _ in range(50):
        answering.answer(frame())
    assert counters["undeliverable: destination unreachable"] <= 20  # ten in each of the two seconds that may begin
    assert counters["undeliverable: too many"] >= 30
    assert answering.answer(frame(source="2001:db8:100:4::1")) is not None


@pytest.mark.parametrize("octets", [b"", bytes(14), bytes(60), frame()[:40], frame()[:60]])
def test_what_is_no_packet_is_counted(octets):
    counters: Counter[str] = Counter()
    assert Undeliverable(OpenVSwitch(), MTU, gateway_source, counters).answer(octets) is None
    assert sum(counters.values()) == 1


def test_errors_are_not_answered(answering):
    error = answering.answer(frame())
    back = bytes(Ether(src=NODE, dst=ROUTER)) + error[14:]
    assert answering.answer(back) is None
    assert IPv6Address(Ether(error)[IPv6].dst) == IPv6Address(HOME)
