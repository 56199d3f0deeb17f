from __future__ import annotations

import math

import pytest

from ryu_pmipls.lab.probe import Arrival, analyse
from ryu_pmipls.lab.traffic_generator import FlowResult, Interval, intervals


def arrivals(*entries: tuple[int, float]) -> list[Arrival]:
    return [Arrival(number, number / 1000, received) for number, received in entries]


def test_a_probe_without_loss() -> None:
    result = analyse(3, 0.0, arrivals((0, 10.000), (1, 10.001), (2, 10.002)))
    assert (result.sent, result.received, result.lost, result.duplicated, result.reordered) == (3, 3, 0, 0, 0)
    gap = result.longest_gap()
    assert math.isclose(gap.milliseconds, 1.0, abs_tol=1e-6)
    assert gap.lost == 0


def test_the_gap_is_the_longest_silence_and_what_was_lost_in_it() -> None:
    result = analyse(10, 0.0, arrivals((0, 10.000), (1, 10.001), (6, 10.051), (7, 10.052), (9, 10.054)))
    gap = result.longest_gap()
    assert math.isclose(gap.start, 10.001)
    assert math.isclose(gap.milliseconds, 50.0, abs_tol=1e-6)
    assert gap.lost == 4
    assert result.lost == 5


def test_a_datagram_that_comes_late_is_reordered_and_not_lost() -> None:
    result = analyse(4, 0.0, arrivals((0, 1.0), (3, 1.1), (1, 1.2), (2, 1.3)))
    assert (result.lost, result.reordered, result.duplicated) == (0, 2, 0)
    assert result.longest_gap().lost == 0


def test_a_repeated_datagram_counts_once() -> None:
    result = analyse(2, 0.0, arrivals((0, 1.0), (1, 1.1), (0, 1.2), (1, 1.3)))
    assert (result.received, result.lost, result.duplicated, result.reordered) == (2, 0, 2, 0)


def test_a_gap_is_looked_for_between_two_instants() -> None:
    result = analyse(4, 15.301, arrivals((0, 10.0), (1, 15.0), (2, 15.1), (3, 15.3)))
    assert math.isclose(result.longest_gap(start=14.0).milliseconds, 200.0, abs_tol=1e-6)
    assert result.longest_gap(start=20.0).milliseconds == 0.0


def test_a_silence_that_lasts_to_the_end_is_a_gap() -> None:
    result = analyse(2003, 12.1, arrivals((0, 10.0), (1, 10.001), (2, 10.1)))
    gap = result.longest_gap()
    assert math.isclose(gap.start, 10.1)
    assert math.isclose(gap.milliseconds, 2000.0, abs_tol=1e-6)
    assert gap.lost == result.lost == 2000


def test_the_gap_at_an_instant_is_that_round_it_however_short() -> None:
    result = analyse(6, 13.0, arrivals((0, 10.0), (1, 10.5), (2, 10.6), (5, 10.7)))
    gap = result.gap_at(10.65)
    assert math.isclose(gap.milliseconds, 100.0, abs_tol=1e-6)
    assert gap.lost == 2


def test_the_gap_at_an_instant_after_which_nothing_came_is_infinite() -> None:
    result = analyse(6, 13.0, arrivals((0, 10.0), (1, 10.5)))
    assert math.isinf(result.gap_at(11.0).milliseconds)
    assert result.gap_at(11.0).lost == 4


def test_nothing_arrived() -> None:
    result = analyse(5, 11.0, [])
    gap = result.longest_gap()
    assert (result.received, result.lost, gap.lost) == (0, 5, 5)
    assert math.isinf(gap.milliseconds)


def test_intervals_of_an_interrupted_iperf3_are_counted_once() -> None:
    entry = {"sum": {"start": 1.0, "seconds": 1.0, "bytes": 1000, "retransmits": 2}}
    first = {"sum": {"start": 0.0, "seconds": 1.0, "bytes": 500, "lost_packets": 1, "packets": 4}}
    assert intervals({"intervals": [first, entry, entry]}, 100.0) == (
        Interval(100.0, 1.0, 500, packets=4, lost=1),
        Interval(101.0, 1.0, 1000, retransmits=2),
    )


def test_datagrams_that_come_an_interval_late_are_not_lost() -> None:
    missed, late = (
        {"sum": {"start": start, "seconds": 1.0, "bytes": 1000, "lost_packets": lost, "packets": 50}}
        for start, lost in ((0.0, 7), (1.0, 2**64 - 5))
    )
    received = intervals({"intervals": [missed, late]}, 0.0)
    assert [interval.lost for interval in received] == [7, -5]
    assert math.isclose(FlowResult("mn1 udp up", "udp", "up", received, (), None).loss(), 0.02)


def test_a_document_without_intervals_is_a_flow_without_traffic() -> None:
    assert intervals({"error": "unable to connect"}, 0.0) == ()


@pytest.fixture
def result() -> FlowResult:
    received = tuple(Interval(100.0 + n, 1.0, 1_000_000 * (n + 1), packets=100, lost=10 * n) for n in range(4))
    sent = tuple(Interval(100.0 + n, 1.0, 0, retransmits=n) for n in range(4))
    return FlowResult("mn1 udp up", "udp", "up", received, sent, None)


def test_figures_of_a_whole_flow(result: FlowResult) -> None:
    assert math.isclose(result.goodput(), 20.0)
    assert math.isclose(result.loss(), 0.15)
    assert result.retransmits() == 6


def test_figures_between_two_instants_are_of_whole_intervals(result: FlowResult) -> None:
    assert math.isclose(result.goodput(101.0, 103.5), 20.0)
    assert math.isclose(result.loss(101.0, 103.0), 0.15)
    assert result.retransmits(102.0) == 5


def test_figures_of_a_time_without_intervals_are_zero(result: FlowResult) -> None:
    assert (result.goodput(200.0), result.loss(200.0), result.retransmits(200.0)) == (0.0, 0.0, 0)
