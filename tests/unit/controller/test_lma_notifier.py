"""LMAs are told of routes until they answer, however many messages get lost."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from ipaddress import IPv6Address
from itertools import count
from typing import Any

from ryu_pmipls.controller.lma_notifier import SHARE, WINDOW, LmaNotifier
from ryu_pmipls.domain.profile import TimerSettings
from ryu_pmipls.signalling import Peer, Role
from ryu_pmipls.wire import Message, RouteAdjust, RouteSnapshot, Timestamp, build, parse
from ryu_pmipls.wire.mobility_header import sealed

RMS, LMA, MAG = (IPv6Address(f"fd00:5213::{end}") for end in ("99", "11", "21"))
NOWHERE = IPv6Address("::")


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


class Routes:
    """The RMS's bindings: prefix (8 octets) -> announcement."""

    def __init__(self) -> None:
        self.known: dict[bytes, bytes] = {}
        self.route = self.known.get

    def add(self, report: bytes) -> None:
        self.known[report[8:16]] = report

    def prefixes(self) -> Iterator[bytes]:
        return iter([*self.known, b"detached"])

    def snapshot(self, number: int, complete: bool) -> bytes:
        options = (RouteSnapshot(number, int(complete)),)
        return build(RouteAdjust(NOWHERE, NOWHERE, NOWHERE, options=options), RMS, RMS)


def made(routes: Routes | None = None, *more: Any) -> tuple[LmaNotifier, Any]:
    """A notifier whose LMA has had the snapshot of the RMS's start."""
    endpoint: Any = FakeEndpoint()
    notifier = LmaNotifier(endpoint, [PEER], TimerSettings(), Routes() if routes is None else routes, *more)  # type: ignore[arg-type]
    deliver(notifier, endpoint, -1)
    return notifier, endpoint


def deliver(notifier: LmaNotifier, endpoint: Any, now: float) -> list[bytes]:
    """Have all that is due sent and answered; return it."""
    told: list[bytes] = []
    notifier.retransmit(now)
    while sent := endpoint.look():
        told += sent
        assert all(notifier.acknowledge(data, PEER) for data in sent)
        notifier.send(now, busy=False)
    return told


def stages(told: Iterable[bytes]) -> list[str]:
    """What was told, a word for each message: the beginning and the end of a snapshot, and routes."""
    words = []
    for data in told:
        message = parse(data, RMS, LMA)
        assert isinstance(message, RouteAdjust)
        snapshot = message.option(RouteSnapshot)
        words.append("route" if snapshot is None else "end" if snapshot.complete else "begin")
    return words


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
    clock = count()  # a telling takes a second by it
    notifier, endpoint = made(None, lambda: float(next(clock)))
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


def some(number: int) -> Routes:
    routes = Routes()
    for each in range(number):
        routes.add(route(each))
    return routes


def test_a_snapshot_is_all_routes_between_its_beginning_and_its_end_each_answered_before_the_next() -> None:
    routes = some(3 * WINDOW)
    notifier, endpoint = made(routes)
    assert deliver(notifier, endpoint, 0) == []
    notifier.restate(PEER, b"request", 0)
    told = deliver(notifier, endpoint, 1)
    assert stages(told) == ["begin", *["route"] * 3 * WINDOW, "end"]
    assert {data[8:16] for data in told[1:-1]} == {*routes.known}
    notifier.restate(PEER, b"request", 2)  # a repetition: the answer to it was lost
    assert deliver(notifier, endpoint, 2) == []


def test_the_end_of_a_snapshot_waits_for_the_answers_to_all_of_it() -> None:
    notifier, endpoint = made(some(3))
    notifier.restate(PEER, b"request", 0)
    notifier.send(0, busy=False)
    (begin,) = endpoint.look()
    notifier.send(0, busy=False)
    assert endpoint.look() == []
    assert notifier.acknowledge(begin, PEER)
    notifier.send(0, busy=False)
    first, *others = endpoint.look()
    assert all(notifier.acknowledge(data, PEER) for data in others)
    notifier.send(0, busy=False)
    assert endpoint.look() == []
    assert notifier.acknowledge(first, PEER)
    notifier.send(0, busy=False)
    assert stages(endpoint.look()) == ["end"]


def test_a_newer_message_about_a_prefix_stands_for_it_in_a_snapshot() -> None:
    routes = some(1)
    notifier, endpoint = made(routes)
    newer = route(0, 2)
    notifier.restate(PEER, b"request", 0)
    notifier.send(0, busy=False)
    (begin,) = endpoint.look()
    tell(notifier, newer)
    notifier.send(0, busy=False)
    assert endpoint.look() == [octets(newer)]
    assert notifier.acknowledge(begin, PEER)
    notifier.send(0, busy=False)
    assert stages(endpoint.look()) == ["end"]  # the older one is not told any more


def test_a_snapshot_comes_through_a_loss_of_a_fifth_each_way_and_through_handoffs() -> None:
    chance = random.Random(5213)
    routes = some(100)
    notifier, endpoint = made(routes)
    notifier.restate(PEER, b"request", 0)
    told: list[bytes] = []
    for turn in range(4000):
        moved = route(turn % 100, 2 + turn)
        routes.add(moved)
        tell(notifier, moved)
        notifier.retransmit(turn / 4)
        for data in endpoint.look():
            if chance.random() < 0.8:
                told.append(data)
                if chance.random() < 0.8:
                    notifier.acknowledge(data, PEER)
    assert [stages([data])[0] for data in told if data[8:16] == bytes(8)].count("end") >= 1
    begin = next(place for place, data in enumerate(told) if stages([data]) == ["begin"])
    end = next(place for place, data in enumerate(told) if stages([data]) == ["end"])
    assert {data[8:16] for data in told[begin + 1 : end]} == {*routes.known}


def test_an_lma_that_is_heard_again_after_a_silence_is_told_all_routes() -> None:
    routes = some(2)
    notifier, endpoint = made(routes)
    for number in range(2, WINDOW + 5):
        routes.add(route(number))
        tell(notifier, route(number))
    for second in range(60):
        notifier.retransmit(second)
    endpoint.look()
    late = parse(octets(route(5)), RMS, LMA)
    assert not notifier.acknowledge_message(late, PEER)
    assert stages(deliver(notifier, endpoint, 100)) == ["begin", *["route"] * (WINDOW + 5), "end"]


def test_each_lma_is_told_all_routes_once_in_a_binding_lifetime() -> None:
    notifier, endpoint = made(some(2))
    lifetime = TimerSettings().binding_lifetime
    assert deliver(notifier, endpoint, lifetime - 2) == []
    assert stages(deliver(notifier, endpoint, lifetime)) == ["begin", "route", "route", "end"]
    assert deliver(notifier, endpoint, lifetime + 10) == []
