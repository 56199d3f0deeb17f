"""Steps of the wall clocks of a MAG and an LMA: what lives long, whose timestamps are refused, and what they say."""

from __future__ import annotations

from collections import deque
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_pmipls.clock import Clock
from ryu_pmipls.mobility import SynchroniseClock
from ryu_pmipls.mobility.update_list import BindingState
from ryu_pmipls.wire import BindingAcknowledgement, BindingUpdate, LoadAdjust, Message, RouteAdjust, Timestamp
from tests.fakes.clocks import HostClocks
from tests.unit.mobility.mobility_helpers import (
    LINK1,
    LINK2,
    LMA1,
    LMA2,
    MAG1,
    MAG2,
    RMS,
    START,
    anchor,
    answer,
    gateway,
    networks,
    of,
    pbu,
    sent,
)

HOUR = 3600.0
LIFETIME = 60.0
SECONDS = {"binding_lifetime": LIFETIME, "heartbeat_interval": 1e9, "adjust_tries": 3}


class Pair:
    """A MAG and an LMA, each on a host of its own, with messages that arrive at once; all time is virtual."""

    def __init__(self) -> None:
        self.hosts = {MAG1: HostClocks(uptime=500.0), LMA1: HostClocks(uptime=9_000.0)}
        self.clocks = {address: Clock(host) for address, host in self.hosts.items()}
        self.mag = gateway(lmas=(LMA1,), time_of_day=self.clocks[MAG1].time_of_day, **SECONDS)
        self.lma = anchor(mags=(MAG1,), time_of_day=self.clocks[LMA1].time_of_day, **SECONDS)
        self.machines = {MAG1: self.mag, LMA1: self.lma}
        self.sent: list[Message] = []

    def start_wrong(self, address: IPv6Address, seconds: float) -> None:
        """Have a node's time of day be off, as if its process had started after a step of its wall clock."""
        self.hosts[address].step(seconds)
        Clock.__init__(self.clocks[address], self.hosts[address])

    def attach(self) -> None:
        self.mag.attach(LINK1, 1, self.clocks[MAG1]())
        self.deliver()

    def deliver(self) -> None:
        """Carry out all effects, and those that follow from them."""
        queue = deque(self.machines)
        while queue:
            address = queue.popleft()
            for effect in self.machines[address].effects():
                if isinstance(effect, SynchroniseClock):
                    self.clocks[address].synchronise(effect.peer_time, self.clocks[address]())
                message, to = getattr(effect, "message", None), getattr(effect, "destination", None)
                if message is None:
                    continue
                self.sent.append(message)
                if to == RMS:  # which acknowledges
                    self.machines[address].receive(message, RMS, self.clocks[address]())
                elif to in self.machines:
                    self.machines[to].receive(message, address, self.clocks[to]())
                    queue.append(to)

    def run(self, seconds: float) -> None:
        """Let time pass, a quarter of a second at a time."""
        for _ in range(int(seconds * 4)):
            for address, host in self.hosts.items():
                host.pass_by(0.25)
                self.machines[address].handle_timer(self.clocks[address]())
            self.deliver()

    @property
    def state(self) -> BindingState:
        (entry,) = self.mag.bindings
        return entry.state

    @property
    def bound(self) -> bool:
        """True when MAG and LMA agree that the node has its prefixes."""
        entries, sessions = self.mag.bindings, self.lma.bindings
        return bool(entries and sessions and entries[0].prefixes == sessions[0].prefixes)


@pytest.fixture
def pair() -> Pair:
    made = Pair()
    made.attach()
    assert made.state is BindingState.BOUND and made.bound
    return made


@pytest.mark.parametrize("step", [-HOUR, -120.0, 120.0, HOUR])
@pytest.mark.parametrize("stepped", [(MAG1,), (LMA1,), (MAG1, LMA1)], ids=["mag", "lma", "both"])
def test_a_step_of_a_bound_nodes_mag_or_lma_costs_it_nothing(
    pair: Pair, stepped: tuple[IPv6Address, ...], step: float
) -> None:
    for address in stepped:
        pair.hosts[address].step(step)
    (prefixes,) = {entry.prefixes for entry in pair.mag.bindings}
    for _ in range(20):
        pair.run(LIFETIME / 4)
        assert pair.bound and pair.mag.bindings[0].prefixes == prefixes


def test_the_binding_of_a_node_that_is_gone_ends_in_time_after_a_step_back(pair: Pair) -> None:
    pair.hosts[LMA1].step(-HOUR)
    pair.mag.depart(LINK1, pair.clocks[MAG1]())
    pair.deliver()
    pair.run(11)
    assert pair.lma.bindings == ()


@pytest.mark.parametrize("off", [-120.0, 120.0])
def test_a_mag_whose_clock_is_wrong_says_so_serves_nobody_and_does_so_when_it_is_mended(off: float) -> None:
    pair = Pair()
    pair.start_wrong(MAG1, off)
    pair.attach()
    pair.run(100)
    assert pair.state is BindingState.REGISTERING and not pair.lma.bindings
    assert pair.mag.clock_skews(pair.clocks[MAG1]()) == {LMA1: pytest.approx(-off)}
    assert pair.lma.clock_skews(pair.clocks[LMA1]()) == {MAG1: pytest.approx(off)}
    pair.hosts[MAG1].step(-off)
    pair.run(64)
    assert pair.state is BindingState.BOUND and pair.bound
    assert pair.mag.clock_skews(pair.clocks[MAG1]()) == pair.lma.clock_skews(pair.clocks[LMA1]()) == {}


def test_an_lma_whose_clock_was_wrong_all_the_time_is_mended_by_the_first_refusal() -> None:
    pair = Pair()
    pair.start_wrong(LMA1, HOUR)
    pair.hosts[LMA1].step(-HOUR)  # the time service has begun
    pair.attach()
    pair.run(2)
    assert pair.bound


def test_a_refresh_behind_the_last_one_shows_a_wrong_clock_as_well(pair: Pair) -> None:
    pair.start_wrong(MAG1, -120)
    pair.run(50)
    assert pair.state is BindingState.REFRESHING
    assert pair.mag.clock_skews(pair.clocks[MAG1]()) == {LMA1: pytest.approx(120)}
    pair.run(LIFETIME)
    assert pair.mag.bindings[0].prefixes == () == pair.lma.bindings


def test_a_skew_is_forgotten_when_nothing_is_refused_any_more(pair: Pair) -> None:
    pair.start_wrong(MAG1, -120)
    pair.run(50)
    now = pair.clocks[MAG1]()
    assert pair.mag.clock_skews(now) and not pair.mag.clock_skews(now + 100)


@given(st.lists(st.tuples(st.sampled_from([MAG1, LMA1]), st.floats(-1e5, 1e5), st.integers(1, 40)), max_size=8))
def test_whatever_the_steps_a_session_lives_and_its_timestamps_do_not_go_back(
    story: list[tuple[IPv6Address, float, int]],
) -> None:
    pair = Pair()
    pair.attach()
    for address, step, seconds in story:
        pair.hosts[address].step(step)
        pair.run(seconds)
        assert pair.bound
    for kind in (BindingUpdate, RouteAdjust):
        stamps = [message.option(Timestamp) for message in pair.sent if isinstance(message, kind)]
        ticks = [stamp.ticks for stamp in stamps if stamp is not None]
        assert ticks == sorted(ticks)


@given(st.lists(st.tuples(st.sampled_from([MAG1, LMA1]), st.floats(-1e5, 1e5), st.integers(1, 80)), max_size=5))
def test_whatever_was_wrong_a_node_is_served_soon_after_all_clocks_are_right(
    story: list[tuple[IPv6Address, float, int]],
) -> None:
    pair = Pair()
    pair.attach()
    for address, step, seconds in story:
        pair.start_wrong(address, step)  # the worst case: it is followed at once
        pair.run(seconds)
    for host in pair.hosts.values():
        host.step(pair.hosts[MAG1].monotonic() - 500.0 + 1_700_000_000.0 - host.time())
    pair.run(LIFETIME + 64)
    assert pair.bound and pair.state is not BindingState.REGISTERING


def test_timestamps_from_before_a_time_of_day_was_set_back_order_nothing_at_the_lma() -> None:
    today = [START + HOUR]
    lma = anchor(time_of_day=lambda now: today[0] + now)
    (accepted,) = sent(answer(lma, pbu(START + HOUR), MAG1, 0.0), BindingAcknowledgement)
    today[0] = START
    (again,) = sent(answer(lma, pbu(START + 10, sequence=2), MAG1, 10.0), BindingAcknowledgement)
    assert accepted.status == again.status == 0
    assert networks(accepted) == networks(again)


@pytest.mark.parametrize(("back", "follows"), [(0.25, False), (0.35, True)])
def test_requests_follow_a_time_of_day_that_is_set_back_by_more_than_the_lma_tolerates(
    back: float, follows: bool
) -> None:
    today = [START]
    mag = gateway(time_of_day=lambda now: today[0])  # stands still, but for steps
    ticks = []
    for link in (LINK1, LINK2):
        mag.attach(link, 1, 0.0)
        (request,) = sent(mag.effects(), BindingUpdate)
        ticks.append(request.option(Timestamp))
        today[0] -= back
    assert ticks == [Timestamp.of(START), Timestamp.of(START - back) if follows else Timestamp(ticks[0].ticks + 1)]


def test_load_adjusts_of_an_rms_whose_clock_was_wrong_have_the_clock_checked_and_stop_ordering() -> None:
    today = [1_700_000_000.0]
    mag = gateway(time_of_day=lambda now: today[0] + now)
    ahead = LoadAdjust(LMA1, LMA2, options=(Timestamp.of(today[0] + HOUR),))
    assert of(answer(mag, ahead, RMS, 0.0), SynchroniseClock) == [SynchroniseClock(today[0] + HOUR)]
    today[0] += HOUR
    mag.receive(ahead, RMS, 1.0)
    today[0] -= HOUR
    right = LoadAdjust(LMA1, LMA2, options=(Timestamp.of(today[0] + 2),))
    assert of(answer(mag, right, RMS, 2.0), SynchroniseClock) == []


def test_announced_routes_from_before_a_time_of_day_was_set_back_order_nothing_at_the_lma() -> None:
    today = [START + HOUR]
    lma = anchor(time_of_day=lambda now: today[0] + now)
    prefix = IPv6Address("2001:db8:100:1::")

    def announce(mag: IPv6Address, when: float) -> list[RouteAdjust]:
        return sent(answer(lma, RouteAdjust(prefix, MAG1, mag, options=(Timestamp.of(when),)), RMS, 0.0), RouteAdjust)

    assert announce(MAG1, START + HOUR)
    announce(MAG2, START + HOUR - 1)
    assert lma.routes == {prefix: MAG1}
    today[0] = START
    assert announce(MAG2, START)
    assert lma.routes == {prefix: MAG2}
