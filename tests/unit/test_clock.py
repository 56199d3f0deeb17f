from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_pmipls.clock import Clock, deviation
from tests.fakes.clocks import HostClocks

HOUR = 3600.0
STEPS = st.floats(-1e6, 1e6)


@pytest.fixture
def host() -> HostClocks:
    return HostClocks(wall=1_700_000_000.0, uptime=500.0)


def test_durations_are_those_of_the_monotonic_clock(host: HostClocks) -> None:
    clock = Clock(host)
    begin = clock()
    host.pass_by(10)
    host.step(-HOUR)
    host.pass_by(10)
    assert clock() - begin == 20.0


def test_what_people_see_follows_the_wall_clock_at_once_also_for_the_past(host: HostClocks) -> None:
    clock = Clock(host)
    begin = clock()
    host.pass_by(10)
    assert clock.wall(begin) == 1_700_000_000.0
    host.step(HOUR)
    assert clock.wall(clock()) == host.time()
    assert clock.wall(begin) == 1_700_000_000.0 + HOUR


def test_the_time_of_day_runs_on_while_no_peer_disagrees(host: HostClocks) -> None:
    clock = Clock(host)
    host.step(-HOUR)
    host.pass_by(10)
    assert clock.time_of_day(clock()) == 1_700_000_010.0


def test_a_wrong_step_is_not_followed_or_for_no_longer_than_a_late_message_misleads(host: HostClocks) -> None:
    clock = Clock(host)
    host.step(-HOUR)
    host.pass_by(10)
    clock.synchronise(1_700_000_010.2, clock())
    assert clock.time_of_day(clock()) == 1_700_000_010.0
    clock.synchronise(1_700_000_006.0, clock())
    assert clock.time_of_day(clock()) == host.time()
    clock.synchronise(1_700_000_010.1, clock())
    assert clock.time_of_day(clock()) == 1_700_000_010.0


def test_two_clocks_that_were_wrong_in_the_same_way_are_mended_by_their_disagreement() -> None:
    hosts = [HostClocks(wall=wall) for wall in (1_700_000_001.0, 1_700_000_002.0)]
    one, other = clocks = [Clock(host) for host in hosts]
    hosts[0].step(-1)
    hosts[1].step(-2)
    one_time, other_time = (clock.time_of_day(clock()) for clock in clocks)
    one.synchronise(other_time, one())
    other.synchronise(one_time, other())
    assert [clock.time_of_day(clock()) for clock in clocks] == [1_700_000_000.0] * 2


@pytest.mark.parametrize("step", [-HOUR, HOUR])
def test_a_step_that_mends_the_clock_is_followed_when_a_peer_disagrees(
    host: HostClocks, step: float, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock(host)
    host.step(step)
    host.pass_by(10)
    with caplog.at_level(logging.WARNING):
        clock.synchronise(1_700_000_010.0 + step - 0.2, clock())
    assert clock.time_of_day(clock()) == host.time()
    assert f"set by {step:+.3f} s" in caplog.text


def test_a_clock_that_is_right_is_not_set_by_a_peer_that_is_wrong(host: HostClocks) -> None:
    clock = Clock(host)
    clock.synchronise(1_700_000_000.0 - HOUR, clock())
    assert clock.time_of_day(clock()) == 1_700_000_000.0


def test_without_the_peers_time_the_wall_clock_counts(host: HostClocks) -> None:
    clock = Clock(host)
    host.step(5)
    clock.synchronise(None, clock())
    assert clock.time_of_day(clock()) == host.time()


@given(st.lists(st.tuples(STEPS, st.floats(0, 1e4), st.none() | STEPS)))
def test_whatever_the_steps_durations_are_right_and_the_time_of_day_is_the_peers_or_the_wall_clocks(
    story: list[tuple[float, float, float | None]],
) -> None:
    host = HostClocks()
    clock = Clock(host)
    begin, passed = clock(), 0.0
    for step, seconds, peers in story:
        host.step(step)
        host.pass_by(seconds)
        passed += seconds
        now = clock()
        assert now - begin == pytest.approx(passed)
        assert clock.wall(now) == pytest.approx(host.time())
        if peers is not None:
            peer_time = host.time() + peers
            clock.synchronise(peer_time, now)
            assert min(abs(clock.time_of_day(now) - other) for other in (peer_time, host.time())) <= 0.301


def test_a_deviation_is_said_in_words() -> None:
    assert (deviation(120.04), deviation(-3600)) == ("120.0 s ahead of", "3600.0 s behind")
