"""What a MAG's switch answers for the router while no agent runs: a real Open vSwitch, and nothing else. Needs root."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path

import pytest
from scapy.layers.inet import UDP
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NS,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6Unknown,
    IPv6,
    in6_chksum,
)
from scapy.layers.l2 import Ether

from ovs_setup.node import SERVICE_BRIDGE
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.agents.access_entries import AccessEntry, access_entries
from ryu_pmipls.controller.bindings import Binding, BindingTable
from ryu_pmipls.controller.switches import encoding as encode
from ryu_pmipls.controller.switches.mag import MagPipeline
from ryu_pmipls.controller.switches.mag_rules import MagRule
from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.lab import namespaces
from ryu_pmipls.loadsharing import whole
from ryu_pmipls.wire.neighbour_discovery import (
    ALL_NODES,
    ROUTER_ADDRESS,
    ROUTER_LINK_LAYER_ADDRESS,
    UNSPECIFIED,
    Frame,
    NeighbourAdvertisement,
    NeighbourFlag,
    NeighbourSolicitation,
    SourceLinkLayerAddress,
    TargetLinkLayerAddress,
    multicast_link_layer,
    router_solicitation,
)
from ryu_pmipls.wire.neighbour_frames import build_frame, parse_frame
from tests.waiting import PATIENCE, eventually

NAMESPACE = "pra-switch"
PORTS = {"acc1": 1, "acc2": 2}
NODE, HOST = bytes.fromhex("020000000101"), IPv6Address("fe80::abcd")
HOME = IPv6Address("2001:db8:100::17")
SOLICITED_ROUTER = IPv6Address("ff02::1:ff00:5213")
ETH_P_IPV6 = 0x86DD
PREFIX = IPv6Network("2001:db8:100::/64")
BINDING = Binding(PREFIX.network_address.packed[:8], "mag1", None, "mn1@example.net", NODE, 1, "lma1", 5)


@dataclass
class Link:
    """A mobile node's end of an access link, and that of another one."""

    switch: OpenVSwitch
    here: socket.socket
    elsewhere: socket.socket

    def ask(self, *frames: bytes) -> list[Frame]:
        """What comes back for frames, up to the answer to a last one, which is always answered."""
        last = IPv6Address("fe80::1a57")
        for frame in (*frames, build_frame(solicitation(source=last))):
            self.here.send(frame)
        found = []
        while True:
            frame = self.here.recv(2000)
            message = parse_frame(frame)
            if message is None or frame[6:12] != ROUTER_LINK_LAYER_ADDRESS:
                continue
            if message.destination == last:
                return found
            found.append(message)


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Link]:
    namespaces.create(NAMESPACE)
    switch = OpenVSwitch(tmp_path_factory.mktemp("answers") / "ovs", NAMESPACE)
    try:
        switch.start()
        add = [
            "add-br",
            SERVICE_BRIDGE,
            "--",
            "set",
            "bridge",
            SERVICE_BRIDGE,
            "datapath_type=netdev",
            "protocols=OpenFlow13",
        ]
        add += ["fail-mode=secure"]
        for name, number in PORTS.items():
            add += ["--", "add-port", SERVICE_BRIDGE, name, "--", "set", "interface", name, "type=internal"]
            add += [f"ofport_request={number}"]
        switch.vsctl(*add)
        write_pipeline(switch.run_directory / f"{SERVICE_BRIDGE}.mgmt")
        sockets = []
        for name in PORTS:
            switch.execute("sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1")
            switch.execute("ip", "link", "set", name, "up")
            opened = namespaces.open_socket(NAMESPACE, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IPV6))
            opened.bind((name, ETH_P_IPV6))
            opened.settimeout(PATIENCE)
            sockets.append(opened)
        yield Link(switch, *sockets)
        for opened in sockets:
            opened.close()
    finally:
        switch.stop()
        namespaces.remove(NAMESPACE)


def write_pipeline(management: Path) -> None:
    """Write what the RMS writes to a MAG, and go away; of a mobile node only that it may send."""
    profile = load_profile("two-lma")
    uplinks = {"mag1": {lma.name: whole(lma.name) for lma in profile.lmas}}
    pipeline = MagPipeline(profile, profile.mag("mag1"), BindingTable(), uplinks)
    wanted = [*pipeline.base_entries(PORTS, None)]
    wanted += (entry for entry in pipeline.binding_entries(PORTS, BINDING) if entry.rule is MagRule.GUARD)
    entries = [encode.add_flow(entry, 1) for entry in wanted]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(str(management))
        connection.sendall(struct.pack("!BBHI", 4, 0, 8, 1))
        connection.sendall(b"".join(encode.octets(message, 7) for message in (*entries, encode.barrier())))
        received = b""
        while (4, 21) not in {(octets[0], octets[1]) for octets in messages(received)}:
            came = connection.recv(4096)
            assert came
            received += came
        assert 1 not in {octets[1] for octets in messages(received)}, "the switch refuses an entry"


def messages(octets: bytes) -> Iterator[bytes]:
    """Whole OpenFlow messages."""
    while len(octets) >= 8 and len(octets) >= (length := int.from_bytes(octets[2:4], "big")):
        yield octets[:length]
        octets = octets[length:]


def solicitation(
    source: IPv6Address = HOST, target: IPv6Address = ROUTER_ADDRESS, option: bool = True
) -> NeighbourSolicitation:
    options = (SourceLinkLayerAddress(NODE),) if option else ()
    return NeighbourSolicitation(
        NODE, multicast_link_layer(SOLICITED_ROUTER), source, SOLICITED_ROUTER, target, options
    )


def advertisement(destination: IPv6Address, option: bool = True) -> NeighbourAdvertisement:
    return NeighbourAdvertisement(
        ROUTER_LINK_LAYER_ADDRESS,
        NODE,
        ROUTER_ADDRESS,
        destination,
        ROUTER_ADDRESS,
        NeighbourFlag.R | NeighbourFlag.S | NeighbourFlag.O,
        (TargetLinkLayerAddress(ROUTER_LINK_LAYER_ADDRESS),) if option else (),
    )


@pytest.mark.parametrize("source", [HOST, HOME], ids=["link-local", "global"])
def test_it_answers_a_node_that_looks_for_the_router(link: Link, source: IPv6Address) -> None:
    assert link.ask(build_frame(solicitation(source))) == [advertisement(source)]


def test_it_answers_a_node_that_asks_whether_the_router_is_still_there(link: Link) -> None:
    """Such a solicitation goes to the router alone, and need not name the node's link-layer address."""
    probe = replace(solicitation(HOME), link_layer_destination=ROUTER_LINK_LAYER_ADDRESS, destination=ROUTER_ADDRESS)
    assert link.ask(build_frame(probe)) == [advertisement(HOME)]
    assert link.ask(build_frame(replace(probe, options=()))) == [advertisement(HOME, option=False)]


@pytest.mark.parametrize("nonce", [b"", bytes.fromhex("0e01010203040506")], ids=["plain", "with a nonce (RFC 7527)"])
def test_it_defends_the_address_of_the_router(link: Link, nonce: bytes) -> None:
    frame = build_frame(solicitation(UNSPECIFIED, option=False))
    if nonce:
        longer = Ether(frame + nonce)
        longer[IPv6].plen += len(nonce)
        del longer[IPv6].payload.cksum
        frame = bytes(longer)
    (answer,) = link.ask(frame)
    assert isinstance(answer, NeighbourAdvertisement)
    assert (answer.target, answer.destination) == (ROUTER_ADDRESS, ALL_NODES)
    assert answer.flags == NeighbourFlag.R | NeighbourFlag.O
    assert answer.option(TargetLinkLayerAddress) is None


@pytest.mark.parametrize(
    "frame",
    [
        *(
            build_frame(solicitation(source, target, option=source != UNSPECIFIED))
            for source in (HOST, UNSPECIFIED)
            for target in (HOST, HOME, IPv6Address("fe80::5213"), IPv6Address("fe80::200:5eff:fe00:5214"))
        ),
        build_frame(router_solicitation(NODE, HOST)),
        build_frame(replace(advertisement(HOST), link_layer_source=NODE, source=HOST)),
        bytes(
            Ether(src=NODE, dst=ROUTER_LINK_LAYER_ADDRESS)
            / IPv6(src=str(HOST), dst=str(ROUTER_ADDRESS), hlim=254)
            / ICMPv6ND_NS(tgt=str(ROUTER_ADDRESS))
            / ICMPv6NDOptSrcLLAddr(lladdr=NODE.hex(":"))
        ),
        bytes(
            Ether(src=NODE, dst=ROUTER_LINK_LAYER_ADDRESS)
            / IPv6(src=str(HOST), dst=str(ROUTER_ADDRESS), hlim=255)
            / ICMPv6ND_NS(tgt=str(ROUTER_ADDRESS), code=1)
        ),
    ],
)
def test_to_anything_else_it_is_silent(link: Link, frame: bytes) -> None:
    assert link.ask(frame) == []


@pytest.mark.parametrize(
    "malformed",
    [
        bytes(
            Ether(src=NODE, dst=ROUTER_LINK_LAYER_ADDRESS)
            / IPv6(src=str(HOST), dst=str(ROUTER_ADDRESS), hlim=255)
            / ICMPv6ND_NS(tgt=str(ROUTER_ADDRESS), code=code)
        )
        for code in (1, 255)
    ]
    + [
        bytes(
            Ether(src=NODE, dst=ROUTER_LINK_LAYER_ADDRESS)
            / IPv6(src=str(HOST), dst=str(ROUTER_ADDRESS), hlim=255)
            / ICMPv6Unknown(type=135, code=0, msgbody=body)
        )
        for body in (b"", bytes(4), bytes(12))
    ]
    + [build_frame(solicitation(HOST, IPv6Address("fe80::5213")))],
    ids=["code 1", "code 255", "no body", "no target", "half a target", "another target"],
)
def test_no_message_that_it_drops_keeps_it_from_answering_others(link: Link, malformed: bytes) -> None:
    """Open vSwitch remembers what it did with a message, for all that look the same to it."""
    for target in (ROUTER_ADDRESS, ANYCAST):
        link.switch.appctl("dpctl/del-flows")
        link.here.send(malformed)
        link.switch.appctl("dpctl/dump-flows")
        node = IPv6Address("fe80::2:1" if target == ROUTER_ADDRESS else "fe80::2:2")
        link.here.send(build_frame(solicitation(node, target)))
        while True:  # up to the socket's timeout
            frame = link.here.recv(2000)
            message = parse_frame(frame) if frame[6:12] == ROUTER_LINK_LAYER_ADDRESS else None
            if message is not None and message.destination == node:
                break


ANYCAST = PREFIX.network_address  # of the routers on the link of the home network


def test_it_answers_for_the_anycast_address_of_the_home_network(link: Link) -> None:
    """Without the Override flag: there may be other routers that have it (RFC 4861, section 7.2.7)."""
    wanted = replace(advertisement(HOME), target=ANYCAST, flags=NeighbourFlag.R | NeighbourFlag.S)
    assert link.ask(build_frame(solicitation(HOME, ANYCAST))) == [wanted]
    bare = replace(solicitation(HOME, ANYCAST), options=())
    assert link.ask(build_frame(bare)) == [replace(wanted, options=())]
    assert link.ask(build_frame(solicitation(HOME, IPv6Address(int(ANYCAST) + (1 << 100))))) == []  # no pool of ours


def echo(link: Link, source: IPv6Address, destination: IPv6Address = ROUTER_ADDRESS, **fields: int) -> Ether | None:
    """The answer to an echo request; None when the answer to a later one, from another address, comes first."""
    request = Ether(src=NODE, dst=ROUTER_LINK_LAYER_ADDRESS) / IPv6(src=str(source), dst=str(destination), **fields)
    link.here.send(bytes(request / ICMPv6EchoRequest(id=7, seq=1, data=b"whatever it is")))
    last = Ether(src=NODE, dst=ROUTER_LINK_LAYER_ADDRESS) / IPv6(src="fe80::1a57", dst=str(ROUTER_ADDRESS))
    link.here.send(bytes(last / ICMPv6EchoRequest(id=7, seq=2)))
    found = None
    while True:
        answer = Ether(link.here.recv(2000))
        if ICMPv6EchoReply in answer:
            if answer[ICMPv6EchoReply].seq == 2:
                return found
            found = answer


@pytest.mark.parametrize("source", [HOST, HOME], ids=["link-local", "global"])
@pytest.mark.parametrize("hop_limit", [1, 64, 255])
def test_it_answers_echo_requests_to_the_router(link: Link, source: IPv6Address, hop_limit: int) -> None:
    """RFC 4443, section 4.2."""
    answer = echo(link, source, hlim=hop_limit)
    assert answer is not None
    assert (answer.src, answer.dst) == (ROUTER_LINK_LAYER_ADDRESS.hex(":"), NODE.hex(":"))
    assert (answer[IPv6].src, answer[IPv6].dst, answer[IPv6].hlim) == (str(ROUTER_ADDRESS), str(source), 64)
    reply = answer[ICMPv6EchoReply]
    assert (reply.code, reply.id, reply.seq, reply.data) == (0, 7, 1, b"whatever it is")
    assert in6_chksum(58, answer[IPv6], bytes(reply)) == 0


@pytest.mark.parametrize("source", [UNSPECIFIED, ALL_NODES, IPv6Address("::1"), IPv6Address("2001:db9::1")])
def test_no_echo_goes_to_what_is_no_source_of_a_node(link: Link, source: IPv6Address) -> None:
    assert echo(link, source) is None


def test_echo_requests_to_others_are_theirs(link: Link) -> None:
    assert echo(link, HOST, IPv6Address("fe80::5213")) is None
    assert echo(link, HOME, IPv6Address("2001:db8::1")) is None


def test_an_answer_goes_to_the_link_of_the_question_only(link: Link) -> None:
    link.ask(build_frame(solicitation()))
    link.elsewhere.setblocking(False)
    with pytest.raises(BlockingIOError):
        link.elsewhere.recv(2000)


def test_the_agent_reads_who_may_send_and_how_much_each_has_sent(link: Link) -> None:
    (before,) = access_entries(link.switch)
    assert before == AccessEntry(NODE, 1, PREFIX, before.packets)
    packet = Ether(src=NODE, dst=ROUTER_LINK_LAYER_ADDRESS) / IPv6(src=str(HOME), dst="2001:db8::1") / UDP()
    for _ in range(3):
        link.here.send(bytes(packet))
    link.here.send(bytes(packet).replace(HOME.packed, IPv6Address("2001:db8:101::17").packed))
    eventually(lambda: access_entries(link.switch) == [AccessEntry(NODE, 1, PREFIX, before.packets + 3)])
