"""When reports of routes are answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from ryu_pmipls.controller.bindings import BindingTable, RouteChange
from ryu_pmipls.controller.bindings.binding_table import TICKS_PER_SECOND
from ryu_pmipls.controller.clock_skews import ClockSkews
from ryu_pmipls.controller.context import Context
from ryu_pmipls.controller.route_reports import RouteReport
from ryu_pmipls.controller.routes import Routes
from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.domain.profile import load_profile
from tests.fakes.clocks import FixedClock

PROFILE = load_profile("two-lma")
PREFIX = PROFILE.home_prefix_pool.network_address.packed[:8]
NOW = 1_000_000.0


class World:
    """What a :class:`Routes` has around it: all that is sent, stored, and on its way into force."""

    def __init__(self) -> None:
        self.bindings = BindingTable()
        self.sent: list[bytes] = []
        self.stored: list[Any] = []
        self.started: list[tuple[Any, Any]] = []
        self.batches = self

    # The endpoint.

    def peer(self, address: object) -> object:
        return address

    def send_all(self, datagrams: list[tuple[bytes, object]]) -> None:
        self.sent += [octets for octets, _ in datagrams]

    def send_octets(self, octets: bytes, peer: object) -> None:
        self.sent.append(octets)

    # The state.

    def save_bindings(self, bindings: list[Any]) -> None:
        self.stored += bindings

    def tidy(self) -> None:
        pass

    # The switches.

    def start(self, updates: Any, done: Any, forwarding: Any) -> None:
        self.started.append((SimpleNamespace(updates=[*updates], failures={}, acknowledged=["lma1"]), done))

    def put_into_force(self) -> None:
        for batch, done in self.started:
            done(batch)
        self.started.clear()

    # The notifier.

    def enqueue(self, news: object) -> None:
        pass


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def routes(world: World) -> Iterator[Routes]:
    outside: Any = world
    clock = FixedClock(NOW)
    context = Context(PROFILE, outside, outside, outside, clock, ClockSkews(clock, outside))
    control = Routes(context, outside, outside, Counter())
    storing = hub.spawn(control.keep_stored)
    yield control
    hub.kill(storing)


def report(octets: bytes, old: str | None, new: str, seconds: float) -> RouteReport:
    ticks = int((NOW + seconds) * TICKS_PER_SECOND)
    change = RouteChange(PREFIX, old, new, ticks, "mn1", b"\2\0\0\0\0\1", 1, "lma1")
    sender: Any = SimpleNamespace(name=new)
    return RouteReport(change, octets, octets, sender, answerable=True, granted=True)


FIRST, SECOND = report(b"first", None, "mag1", -2.0), report(b"second", "mag1", "mag2", -1.0)


def store() -> None:
    for _ in range(3):
        hub.sleep(0)


@pytest.mark.parametrize("stored_first", [True, False])
def test_a_report_is_answered_when_it_is_stored_and_in_force(routes: Routes, world: World, stored_first: bool) -> None:
    assert routes.settled.is_set()
    routes.update([FIRST], NOW)
    for step in (store, world.put_into_force) if stored_first else (world.put_into_force, store):
        assert not world.sent
        assert not routes.settled.is_set()
        step()
    assert world.sent == [b"first"]
    assert [binding.mag for binding in world.stored] == ["mag1"]
    assert routes.settled.is_set()


def test_a_repetition_is_not_answered_while_what_is_newer_can_still_get_lost(routes: Routes, world: World) -> None:
    """Or the handoff that it tells of would count as acknowledged, with neither of the two in the store."""
    routes.update([FIRST], NOW)
    routes.update([SECOND], NOW)
    routes.update([FIRST], NOW)
    assert not world.sent
    store()
    world.put_into_force()
    assert world.sent == [b"first", b"second"]
    routes.update([FIRST], NOW)
    assert world.sent == [b"first", b"second", b"first"]
