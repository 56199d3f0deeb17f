"""Packets of mobile nodes whose sources are not theirs, without a port: who is told, and who is not."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network

import pytest
from scapy.layers.inet import UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6PacketTooBig, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.agents.ingress import Ingress
from ryu_pmipls.agents.packet_socket import Frames, attach_filter, frame_filter
from ryu_pmipls.agents.undeliverable import Undeliverable, gateway_source
from ryu_pmipls.mobility import BindingUpdateEntry, MobileNodePolicy
from ryu_pmipls.wire.neighbour_discovery import REFUSED_LINK_LAYER_ADDRESS, ROUTER_ADDRESS, ROUTER_LINK_LAYER_ADDRESS

NODE, UNBOUND, STRANGER = (bytes.fromhex(f"02000000010{number}") for number in (1, 2, 9))
ROUTER = "00:00:5e:00:52:13"
HOME, OLD, CORE = "2001:db8:100:3::1", "2001:db8:100:4::1", "fd00:c0de::1"
MTU = 1452


class Mag:
    """What a MAG does about packets from its access links."""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self.sent: list[tuple[int, bytes]] = []
        self.withdrawn: list[tuple[bytes, IPv6Address]] = []
        self.entries = {}
        for link, prefixes in ((NODE, (IPv6Network("2001:db8:100:3::/64"),)), (UNBOUND, ())):
            policy = MobileNodePolicy(b"mn@example.net", link, IPv6Address("fd00::11"))
            self.entries[link] = BindingUpdateEntry(policy, 3, link, prefixes)
        ingress = Ingress(
            self.entries.get,
            lambda node, source: self.withdrawn.append((node, source)),
            lambda port, frame: self.sent.append((port, frame)),
            self.counters,
        )
        self.undeliverable = Undeliverable(OpenVSwitch(), MTU, gateway_source, self.counters, None, ingress)

    def hear(self, source: str, node: bytes = NODE, upper=None, **fields) -> bytes | None:
        upper = UDP() / Raw(bytes(50)) if upper is None else upper
        packet = IPv6(**{"src": source, "dst": CORE, **fields}) / upper
        return self.undeliverable.answer(bytes(Ether(src=node.hex(":"), dst=ROUTER) / packet))


@pytest.fixture
def mag() -> Mag:
    return Mag()


def test_a_bound_node_is_told_that_an_address_is_not_its_own(mag: Mag) -> None:
    assert mag.hear(OLD) is None
    assert mag.withdrawn == [(NODE, IPv6Address(OLD))]
    ((port, frame),) = mag.sent
    error = Ether(frame)
    assert (port, error.dst, error.src) == (3, NODE.hex(":"), ROUTER)
    assert (error[IPv6].src, error[IPv6].dst) == (str(ROUTER_ADDRESS), OLD)
    assert (error[ICMPv6DestUnreach].type, error[ICMPv6DestUnreach].code) == (1, 5)
    assert mag.counters == {"ingress: source refused": 1}


@pytest.mark.parametrize("size", [100, MTU + 100])
def test_of_whatever_size_its_packets_are(mag: Mag, size: int) -> None:
    assert mag.hear(OLD, upper=UDP() / Raw(bytes(size))) is None
    assert len(mag.sent) == len(mag.withdrawn) == 1


@pytest.mark.parametrize("node", [NODE, UNBOUND, STRANGER])
def test_packets_that_are_too_early_or_of_strangers_get_no_word(mag: Mag, node: bytes) -> None:
    """Among them those of a node whose entries the switch has not got yet: an error would end its connections."""
    assert mag.hear(HOME, node) is None
    if node != NODE:
        assert mag.hear(OLD, node) is None
    assert not mag.sent and not mag.withdrawn
    assert {*mag.counters} == {"undeliverable: sender not let in"}


@pytest.mark.parametrize("node", [NODE, UNBOUND])
def test_what_the_switch_let_in_is_answered_as_ever(mag: Mag, node: bytes) -> None:
    """Whether or not the agent, which may be a new one, knows its sender."""
    error = mag.hear(HOME, node, upper=UDP() / Raw(bytes(MTU)))
    assert error is not None and ICMPv6PacketTooBig in Ether(error)


def test_an_error_is_not_answered_but_the_prefix_is_withdrawn(mag: Mag) -> None:
    assert mag.hear(OLD, upper=ICMPv6DestUnreach() / IPv6() / UDP()) is None
    assert mag.withdrawn and not mag.sent
    assert mag.hear(OLD, upper=ICMPv6EchoReply()) is None
    assert len(mag.sent) == 1


@pytest.mark.parametrize("source", ["::", "::1", "ff02::1"])
def test_what_is_no_source_is_not_answered(mag: Mag, source: str) -> None:
    assert mag.hear(source, upper=ICMPv6EchoRequest()) is None
    assert not mag.sent and not mag.withdrawn


def test_the_rate_is_that_of_a_node_whatever_its_sources(mag: Mag) -> None:
    for number in range(200):
        mag.hear(f"2001:db8:100:{number + 16:x}::1")
    assert len(mag.sent) <= 20 and mag.counters["undeliverable: too many"] >= 180


def test_refused_packets_wait_in_a_queue_of_their_own() -> None:
    """So that a flood of them delays no Packet Too Big. Filters are tried on pairs of sockets, with frames in them."""
    kinds = {kind: matching(kind) for kind in Frames}
    router, mark = ROUTER_LINK_LAYER_ADDRESS, REFUSED_LINK_LAYER_ADDRESS
    for source, destination, wanted in (
        (NODE, mark, Frames.REFUSED),
        (router, NODE, Frames.TO_MOBILE_NODES),
        (router, mark, Frames.TO_MOBILE_NODES),
        (NODE, router, Frames.OTHERS),
        (bytes(6), bytes(6), Frames.OTHERS),
        (router[:5] + b"\x14", mark[:5] + b"\x14", Frames.OTHERS),
    ):
        frame = destination + source + b"\x86\xdd" + bytes(40)
        assert [kind for kind in Frames if kinds[kind](frame)] == [wanted]


def matching(kind: Frames) -> Callable[[bytes], bool]:
    """A pair of sockets, one of which takes only frames of a kind."""
    there, here = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    here.setblocking(False)
    attach_filter(here, frame_filter(kind))

    def takes(frame: bytes) -> bool:
        there.send(frame)
        try:
            return here.recv(2000) == frame
        except BlockingIOError:
            return False

    return takes
