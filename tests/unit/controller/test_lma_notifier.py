"""LMAs are told of routes until they answer, however many messages get lost."""

from __future__ import annotations

import random
from collections.abc import Iterable
from ipaddress import IPv6Address
from itertools import count
from typing import Any

from ryu_pmipls.controller.lma_notifier import SHARE, WINDOW, LmaNotifier
from ryu_pmipls.domain.profile import TimerSettings
from ryu_pmipls.signalling import Peer, Role
from ryu_pmipls.wire import Message, RouteAdjust, Timestamp, build, parse
from ryu_pmipls.wire.mobility_header import sealed

RMS, LMA, MAG = (IPv6Address(f"fd00:5213::{end}") for end in ("99", "11", "21"))


PEER = Peer("lma1", Role.LMA, LMA, LMA.packed, "udp", b"")


def route(number: int, ticks: int = 1) -> bytes:
    """What a MAG reports."""
    prefix = IPv6Address(int(IPv6Address("2001:db8:100::")) + (number << 64))
    return build(RouteAdjust(prefix, IPv6Address("::"), MAG, options=(Timestamp(ticks),)), MAG, RMS)


class FakeEndpoint:
    """Keeps what was sent since the last look."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def encode(self, message: Message, destination: IPv6Address) -> bytes:
        return build(message, RMS, destination)

    def forward(self, data: Iterable[bytes], peer: Peer) -> None:
        self.sent += [sealed(each, RMS, peer.address) for each in data]

    def look(self) -> list[bytes]:
        sent, self.sent = self.sent, []
        return sent


def made() -> tuple[LmaNotifier, Any]:
    endpoint: Any = FakeEndpoint()
    return LmaNotifier(endpoint, [PEER], TimerSettings()), endpoint


def tell(notifier: LmaNotifier, report: bytes) -> None:
    notifier.enqueue({report[8:16]: report})


def octets(report: bytes) -> bytes:
    """What an LMA is told, and answers."""
    return sealed(report, RMS, LMA)


def test_a_route_is_told_until_it_is_answered() -> None:
    notifier, endpoint = made()
    tell(notifier, route(1))
    times = []
    for second in range(40):
        notifier.retransmit(second)
        times += [second for _ in endpoint.look()]
    assert times == [0, 1, 3, 7, 8, 10, 14, 15, 17, 21, 22, 24, 28, 29, 31, 35, 36, 38]
    assert notifier.acknowledge(octets(route(1)), PEER)
    for second in range(40, 80):
        notifier.retransmit(second)
    assert endpoint.look() == []


def test_what_is_no_longer_the_newest_about_a_prefix_is_not_repeated() -> None:
    """An LMA does not answer what it knows better."""
    notifier, endpoint = made()
    old, new = route(1, 1), route(1, 2)
    tell(notifier, old)
    notifier.send(0, busy=False)
    tell(notifier, new)
    notifier.send(0, busy=False)
    assert endpoint.look() == [octets(old), octets(new)]
    assert notifier.acknowledge(octets(new), PEER)
    for second in range(60):
        notifier.retransmit(second)
    assert endpoint.look() == []


def test_an_lma_that_answers_nothing_is_told_everything_once_and_then_left_alone() -> None:
    notifier, endpoint = made()
    for number in range(WINDOW + 5):
        tell(notifier, route(number))
    for second in range(60):
        notifier.retransmit(second)
    assert {octets(route(number)) for number in range(WINDOW + 5)} <= {*endpoint.look()}
    for second in range(60, 200):
        notifier.retransmit(second)
    assert endpoint.look() == []


def test_with_a_fifth_lost_each_way_all_routes_are_known_in_the_end() -> None:
    chance = random.Random(5213)
    notifier, endpoint = made()
    for number in range(200):
        tell(notifier, route(number))
    known: set[bytes] = set()
    for second in range(600):
        notifier.retransmit(second)
        for data in endpoint.look():
            if chance.random() < 0.8:
                known.add(data)
                if chance.random() < 0.8:
                    notifier.acknowledge(data, PEER)
    assert len(known) == 200
    assert endpoint.look() == []


def test_an_answer_of_other_octets_is_an_answer() -> None:
    """Options may be padded otherwise by a peer that makes the message anew."""
    notifier, endpoint = made()
    tell(notifier, route(1))
    notifier.send(0, busy=False)
    assert not notifier.acknowledge(octets(route(2)), PEER)
    assert notifier.acknowledge_message(parse(octets(route(1)), RMS, LMA), PEER)
    assert not notifier.acknowledge(octets(route(1)), PEER)
    endpoint.look()
    for second in range(60):
        notifier.retransmit(second)
    assert endpoint.look() == []


def test_while_handoffs_are_under_way_telling_takes_a_share_of_the_time() -> None:
    """It goes on all the same, and at once when they are done."""
    endpoint: Any = FakeEndpoint()
    clock = count()  # a telling takes a second by it
    notifier = LmaNotifier(endpoint, [PEER], TimerSettings(), lambda: float(next(clock)))
    turns = 0
    for number in range(1000):
        tell(notifier, route(number))
        notifier.send(0, busy=True)
        told = endpoint.look()
        turns += bool(told)
        assert all(notifier.acknowledge(data, PEER) for data in told)
    assert 1 / 1000 < turns / next(clock) <= 2 * SHARE
    tell(notifier, route(1000))
    notifier.send(0, busy=False)
    assert endpoint.look()
