from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_pmipls.loadsharing.window import SAMPLES_PER_WINDOW, UNKNOWN_COUNTER, CounterWindow


def fed(samples: list[tuple[float, int]], window: float = 10.0) -> CounterWindow:
    counter = CounterWindow(window)
    for now, packets in samples:
        counter.add(packets, 100 * packets if packets != UNKNOWN_COUNTER else packets, now)
    return counter


def packets(counter: CounterWindow) -> int:
    count = counter.count()
    assert count is not None
    return count.packets


def test_one_sample_counts_nothing_yet() -> None:
    assert fed([]).count() is None
    assert fed([(0, 5000)]).count() is None


def test_counts_since_the_first_sample_until_a_window_is_full() -> None:
    count = fed([(0, 5000), (4, 5400)]).count()
    assert count is not None
    assert (count.packets, count.octets, count.span, count.time) == (400, 40_000, 4, 4)


def test_the_window_slides_and_its_start_is_interpolated() -> None:
    # Samples every 4 s at 100 packets/s: the start at 6 s lies in the middle of two of them.
    count = fed([(t, 100 * t) for t in range(0, 17, 4)]).count()
    assert count is not None
    assert (count.packets, count.octets, count.span) == (1000, 100_000, 10)


def test_traffic_that_stopped_leaves_the_window() -> None:
    assert packets(fed([(0, 0), (1, 9000), (2, 9000), (12, 9000)])) == 0


def test_an_unknown_counter_is_a_missing_sample_not_zero() -> None:
    missing = fed([(0, 1000), (2, 1600)])
    unknown = fed([(0, 1000), (1, UNKNOWN_COUNTER), (2, 1600)])
    assert unknown.count() == missing.count()
    assert fed([(0, 1000), (1, UNKNOWN_COUNTER)]).count() is None


def test_a_reset_counts_what_came_after_it() -> None:
    assert packets(fed([(0, 1000), (1, 1500), (2, 30)])) == 530


def test_a_wrap_is_not_a_reset() -> None:
    assert packets(fed([(0, 2**64 - 100), (1, 50)])) == 150


@pytest.mark.parametrize("late", [1.0, 2.0])
def test_a_sample_that_is_not_later_than_the_last_is_passed_over(late: float) -> None:
    counter = fed([(0, 0), (2, 200)])
    counter.add(5000, 5000, late)
    assert packets(counter) == 200


@given(st.lists(st.tuples(st.floats(0.001, 3.0), st.integers(0, 5000)), min_size=1, max_size=400))
def test_memory_is_bounded_and_the_count_is_exact_at_samples(steps: list[tuple[float, int]]) -> None:
    window, now, counter = 10.0, 100.0, 7
    measured = CounterWindow(window)
    measured.add(counter, counter, now)
    history = [(now, counter)]
    for pause, gained in steps:
        now, counter = now + pause, counter + gained
        measured.add(counter, counter, now)
        history.append((now, counter))
    count = measured.count()
    assert count is not None
    assert len(measured._samples) <= SAMPLES_PER_WINDOW + 4
    # The slack is one slot of the window: samples closer together than that are merged.
    slot = window / SAMPLES_PER_WINDOW
    within = [value for at, value in history if at >= now - window + slot] or [counter]
    before = [value for at, value in history if at <= now - window - slot - 3.0]
    assert counter - within[0] <= count.packets + max(gained for _, gained in steps)
    assert count.packets <= counter - (before[-1] if before else history[0][1])
