"""What a MAG does with the frames of an access link, without a link: who is heard, who is answered, what is sent."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest
from listener_frames import listener_report

from ryu_pmipls.agents import attachment
from ryu_pmipls.agents.attachment import AccessNetwork, OpenAccessPort
from ryu_pmipls.agents.binding_record import BindingRecord
from ryu_pmipls.mobility import Advertise, ProbeNode
from ryu_pmipls.wire.dns_options import DnsConfiguration
from ryu_pmipls.wire.multicast_listener import general_query
from ryu_pmipls.wire.neighbour_discovery import (
    ALL_NODES,
    ROUTER_ADDRESS,
    ROUTER_LINK_LAYER_ADDRESS,
    UNSPECIFIED,
    Frame,
    Mtu,
    NeighbourAdvertisement,
    NeighbourFlag,
    NeighbourSolicitation,
    PrefixInformation,
    RouterAdvertisement,
    RouterSolicitation,
    SourceLinkLayerAddress,
    multicast_link_layer,
    router_advertisement,
    router_solicitation,
)
from ryu_pmipls.wire.neighbour_frames import build_frame, parse_frame

NODE, STRANGER = bytes.fromhex("020000000101"), bytes.fromhex("0200000001ff")
NODE_ADDRESS = IPv6Address("fe80::abcd")
SOLICITED_ROUTER, SOLICITED_NODE = IPv6Address("ff02::1:ff00:5213"), IPv6Address("ff02::1:ff00:abcd")
PREFIX, OTHER = IPv6Network("2001:db8:100::/64"), IPv6Network("2001:db8:101::/64")
TUNNEL_MTU = 1452
NO_DNS = DnsConfiguration()


class FakeSocket:
    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, frame: bytes) -> None:
        self.sent.append(frame)


class Link:
    """An access network with one port, number 3, and what comes of it."""

    def __init__(self, directory: Path, mtu: int = 1500, dns: DnsConfiguration = NO_DNS) -> None:
        self.attached: list[tuple[bytes, int]] = []
        self.heard: list[tuple[bytes, int]] = []
        self.answered: list[tuple[bytes, int]] = []
        self.counters: Counter[str] = Counter()
        self.record = BindingRecord(directory, self.counters)
        ovs: Any = None
        self.network = AccessNetwork(
            ovs,
            ["acc1"],
            {NODE}.__contains__,
            TUNNEL_MTU,
            dns,
            attached=lambda node, port: self.attached.append((node, port)),
            reachable=lambda node, port: self.heard.append((node, port)),
            answered=lambda node, port: self.answered.append((node, port)),
            detached=lambda port: None,
            opened=lambda name, port: None,
            addresses=self.record,
            counters=self.counters,
        )
        self.socket: Any = FakeSocket()
        self.network._present["acc1"] = OpenAccessPort(1, 3, mtu, self.socket, up=True)

    def say(self, message: Frame | bytes) -> list[Frame | None]:
        """Let a frame come in; what is sent because of it."""
        self.socket.sent.clear()
        self.network._admit("acc1", message if isinstance(message, bytes) else build_frame(message))
        return [parse_frame(frame) for frame in self.socket.sent]


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Link:
    monkeypatch.setattr(attachment, "_PACE", 10_000)
    return Link(tmp_path)


def solicitation(target: IPv6Address, source: IPv6Address = NODE_ADDRESS) -> NeighbourSolicitation:
    group = SOLICITED_ROUTER if target == ROUTER_ADDRESS else SOLICITED_NODE
    options = () if source == UNSPECIFIED else (SourceLinkLayerAddress(NODE),)
    return NeighbourSolicitation(NODE, multicast_link_layer(group), source, group, target, options)


def advertisement(address: IPv6Address, flags: NeighbourFlag = NeighbourFlag.S) -> NeighbourAdvertisement:
    return NeighbourAdvertisement(NODE, ROUTER_LINK_LAYER_ADDRESS, address, ROUTER_ADDRESS, address, flags)


# What comes in


@pytest.mark.parametrize(
    "message",
    [
        router_solicitation(NODE),
        router_solicitation(NODE, NODE_ADDRESS),
        RouterSolicitation(NODE, multicast_link_layer(IPv6Address("ff02::2")), NODE_ADDRESS, IPv6Address("ff02::2")),
    ],
    ids=["from ::", "with its link-layer address", "without"],
)
def test_every_router_solicitation_is_an_attachment(link: Link, message: RouterSolicitation) -> None:
    assert link.say(message) == []  # the machine answers
    assert link.attached == [(NODE, 3)] and link.heard == []


@pytest.mark.parametrize(
    "message",
    [
        solicitation(ROUTER_ADDRESS),
        solicitation(NODE_ADDRESS),
        solicitation(NODE_ADDRESS, UNSPECIFIED),
        advertisement(NODE_ADDRESS, NeighbourFlag.O),
    ],
    ids=["asks for the router", "asks for another", "detects duplicates", "says that its address has changed"],
)
def test_any_other_word_says_that_a_node_is_there(link: Link, message: Frame) -> None:
    link.say(message)
    assert link.heard == [(NODE, 3)] and link.attached == link.answered == []


def test_an_answer_to_a_probe_is_told_from_what_was_said_unasked(link: Link) -> None:
    link.say(advertisement(NODE_ADDRESS))
    assert link.answered == [(NODE, 3)] and link.attached == link.heard == []


@pytest.mark.parametrize("source", [NODE_ADDRESS, UNSPECIFIED])
@pytest.mark.parametrize("target", [ROUTER_ADDRESS, NODE_ADDRESS, IPv6Address("2001:db8:100::1")])
def test_to_solicitations_the_agent_is_silent(link: Link, target: IPv6Address, source: IPv6Address) -> None:
    assert link.say(solicitation(target, source)) == []


def test_a_node_that_plays_the_router_is_counted_and_ignored(link: Link) -> None:
    rogue = RouterAdvertisement(NODE, multicast_link_layer(ALL_NODES), NODE_ADDRESS, ALL_NODES, 1800)
    assert link.say(rogue) == []
    assert link.counters == {"access: router advertisement": 1} and link.heard == []


def test_what_is_malformed_is_counted(link: Link) -> None:
    frame = bytearray(build_frame(router_solicitation(NODE)))
    frame[21] = 254  # hop limit
    assert link.say(bytes(frame)) == []
    assert link.counters == {"access: malformed: hop-limit": 1} and link.attached == []
    assert link.say(build_frame(router_solicitation(NODE))[:12]) == []  # too short even for that: not one of ours


# Floods


def test_unknown_nodes_are_counted_unread(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachment, "parse_frame", lambda frame: pytest.fail("was read"))
    for frame in [build_frame(router_solicitation(STRANGER)), b"", b"short", bytes(70)] * 500:
        assert link.say(frame) == []
    assert link.counters == {"access: unknown mobile node": 2000}
    assert link.attached == link.heard == []


def test_of_a_node_that_floods_some_messages_in_a_second_are_read(tmp_path: Path) -> None:
    link = Link(tmp_path)
    for _ in range(1000):
        link.say(router_solicitation(NODE))
    assert attachment._PACE <= len(link.attached) <= 2 * attachment._PACE  # the test may take more than a second
    assert link.counters["access: too many messages"] == 1000 - len(link.attached)


def test_what_is_refused_is_logged_at_a_limited_rate(link: Link, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(500):
        link.say(router_solicitation(STRANGER))
    assert caplog.text.count("access: unknown mobile node") == 1


# What is sent


@pytest.mark.parametrize(("mtu", "told"), [(1500, TUNNEL_MTU), (TUNNEL_MTU, TUNNEL_MTU), (1280, 1280), (9000, 1452)])
def test_an_advertisement_has_the_mtu_of_tunnel_and_link(tmp_path: Path, mtu: int, told: int) -> None:
    link = Link(tmp_path, mtu)
    link.network.advertise(Advertise(3, NODE, (PREFIX,), 3000))
    (message,) = map(parse_frame, link.socket.sent)
    assert message == router_advertisement(NODE, [PREFIX], 3000, told)
    assert message.option(Mtu) == Mtu(told)


def test_an_advertisement_names_the_name_servers_of_the_profile(tmp_path: Path) -> None:
    dns = DnsConfiguration((IPv6Address("2001:db8::53"),), ("example.net",))
    link = Link(tmp_path, dns=dns)
    link.network.advertise(Advertise(3, NODE, (PREFIX,), 3000))
    (message,) = map(parse_frame, link.socket.sent)
    assert isinstance(message, RouterAdvertisement) and message.options[-2:] == dns.options(3000)


def test_a_prefix_is_withdrawn_while_the_router_stays(link: Link) -> None:
    link.network.advertise(Advertise(3, NODE, (PREFIX,), 3000, withdrawn=(OTHER,)))
    (message,) = map(parse_frame, link.socket.sent)
    assert isinstance(message, RouterAdvertisement) and message.router_lifetime == 3000
    assert [
        (option.prefix, option.valid_lifetime, option.preferred_lifetime) for option in message.all(PrefixInformation)
    ] == [
        (PREFIX.network_address, 3000, 3000),
        (OTHER.network_address, 0, 0),
    ]


def test_all_nodes_of_a_link_are_asked_while_it_is_up(link: Link) -> None:
    link.network.ask_all(3)
    assert link.socket.sent == [general_query(multicast_link_layer(ALL_NODES), 2.0)]
    link.network.ask_all(4)  # there is no such port any more
    link.network.ports["acc1"].up = False
    link.network.ask_all(3)
    assert len(link.socket.sent) == 1
    assert not link.counters


def probed(link: Link) -> IPv6Address | None:
    """The address to which a solicitation goes, beside the query, when the node is probed."""
    link.socket.sent.clear()
    link.network.probe(ProbeNode(3, NODE))
    *solicitations, query = link.socket.sent
    assert query == general_query(NODE)
    if not solicitations:
        return None
    (message,) = map(parse_frame, solicitations)
    assert isinstance(message, NeighbourSolicitation)
    assert message == NeighbourSolicitation(
        ROUTER_LINK_LAYER_ADDRESS,
        NODE,
        ROUTER_ADDRESS,
        message.target,
        message.target,
        (SourceLinkLayerAddress(ROUTER_LINK_LAYER_ADDRESS),),
    )
    return message.target


def test_no_address_of_a_node_is_guessed(link: Link) -> None:
    assert probed(link) is None


def test_a_report_of_multicast_groups_says_that_a_node_is_there_and_where(link: Link) -> None:
    assert link.say(listener_report(NODE, NODE_ADDRESS)) == []
    assert link.answered == [(NODE, 3)] and link.attached == link.heard == []
    assert probed(link) == NODE_ADDRESS


def test_a_report_from_no_address_says_that_a_node_is_there(link: Link) -> None:
    link.say(listener_report(NODE, UNSPECIFIED))
    assert link.answered == [(NODE, 3)] and probed(link) is None


@pytest.mark.parametrize(
    "message",
    [
        router_solicitation(NODE, NODE_ADDRESS),
        solicitation(ROUTER_ADDRESS),
        solicitation(NODE_ADDRESS, UNSPECIFIED),
        advertisement(NODE_ADDRESS),
    ],
)
def test_a_node_is_probed_at_the_link_local_address_that_it_uses(link: Link, message: Frame) -> None:
    link.say(message)
    assert probed(link) == NODE_ADDRESS


@pytest.mark.parametrize(
    "message",
    [
        router_solicitation(NODE),
        solicitation(ROUTER_ADDRESS, IPv6Address("2001:db8:100::1")),
        solicitation(IPv6Address("2001:db8:100::1"), UNSPECIFIED),
        solicitation(ROUTER_ADDRESS, UNSPECIFIED),
    ],
    ids=["none", "global", "global, tentative", "that of the router"],
)
def test_other_addresses_do_not_replace_it(link: Link, message: Frame) -> None:
    link.say(router_solicitation(NODE, NODE_ADDRESS))
    link.say(message)
    assert probed(link) == NODE_ADDRESS


def test_who_claims_a_node_by_another_address_does_not_keep_it_from_being_asked(link: Link) -> None:
    link.say(router_solicitation(NODE, NODE_ADDRESS))
    link.network._present["acc2"] = OpenAccessPort(2, 4, 1500, FakeSocket(), up=True)  # type: ignore[arg-type]
    link.network._admit("acc2", build_frame(router_solicitation(NODE, IPv6Address("fe80::bad"))))
    assert link.attached == [(NODE, 3), (NODE, 4)]
    link.socket.sent.clear()
    link.network.probe(ProbeNode(3, NODE))
    assert general_query(NODE) in link.socket.sent


def test_what_goes_to_a_port_that_is_not_there_is_counted(link: Link) -> None:
    link.network.advertise(Advertise(4, NODE, (PREFIX,), 3000))
    link.network.probe(ProbeNode(4, NODE))
    assert link.socket.sent == [] and link.counters == {"access: no such port": 2}
