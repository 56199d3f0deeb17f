from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ryu_pmipls.loadsharing.window import ROWS_PER_WINDOW, UNKNOWN, UNKNOWN_COUNTER, PortWindows, WindowCounts

WINDOW = 10.0


def add(windows: PortWindows, now: float, *packets: int) -> None:
    """Counters of all ports; every packet has 100 octets."""
    octets = [count if count == UNKNOWN_COUNTER else 100 * count % 2**64 for count in packets]
    windows.add(np.array([packets, octets], dtype=np.uint64), now)


def fed(*samples: tuple[float, int]) -> PortWindows:
    """One port."""
    windows = PortWindows(1, WINDOW)
    for now, packets in samples:
        add(windows, now, packets)
    return windows


def counts(windows: PortWindows) -> WindowCounts:
    found = windows.counts()
    assert found is not None
    return found


def packets(windows: PortWindows) -> list[int]:
    return [int(count) for count in counts(windows).packets]


def test_one_sample_counts_nothing_yet() -> None:
    assert fed().counts() is None
    assert fed((0, 5000)).counts() is None


def test_counts_since_the_first_sample_until_a_window_is_full() -> None:
    count = counts(fed((0, 5000), (4, 5400)))
    assert (count.packets.tolist(), count.octets.tolist()) == ([400], [40_000])
    assert (count.spans.tolist(), count.time) == ([4], 4)


def test_the_newest_rate_is_that_between_the_last_two_samples() -> None:
    windows = fed((0, 5000), (4, 5400))
    assert counts(windows).newest.tolist() == [100]
    add(windows, 5, UNKNOWN_COUNTER)
    assert counts(windows).newest.tolist() == [100]
    add(windows, 6, 5400)
    assert counts(windows).newest.tolist() == [0]


def test_the_window_slides_and_its_start_is_interpolated() -> None:
    # Samples every 4 s at 100 packets/s: the start at 6 s lies in the middle of two of them.
    count = counts(fed(*((t, 100 * t) for t in range(0, 17, 4))))
    assert (count.packets.tolist(), count.octets.tolist(), count.spans.tolist()) == ([1000], [100_000], [10])


def test_traffic_that_stopped_leaves_the_window() -> None:
    assert packets(fed((0, 0), (1, 9000), (2, 9000), (12, 9000))) == [0]


def test_an_unknown_counter_is_a_missing_sample_not_zero() -> None:
    assert packets(fed((0, 1000), (1, UNKNOWN_COUNTER), (2, 1600))) == packets(fed((0, 1000), (2, 1600))) == [600]
    assert fed((0, 1000), (1, UNKNOWN_COUNTER)).counts() is None


def test_a_reset_counts_what_came_after_it_and_before_it_no_less_than_until_then() -> None:
    assert packets(fed((0, 1000), (1, 1500), (2, 30))) == [1000]  # 500 a second, of which 470 were lost
    assert packets(fed((0, 1000), (1, 1010), (2, 30))) == [40]
    assert fed((0, 1000), (1, 30)).counts() is None  # nobody knows how much it was
    assert packets(fed((0, 1000), (1, 30), (2, 50))) == [20]


def test_a_wrap_is_not_a_reset() -> None:
    windows = PortWindows(1, WINDOW)
    for now, count in ((0, 2**64 - 100), (1, 50)):
        windows.add(np.array([[count], [count]], dtype=np.uint64), now)
    assert packets(windows) == [150]


def test_a_fall_from_the_middle_of_the_range_is_a_reset_not_a_wrap_by_half_of_it() -> None:
    assert packets(fed((0, 2**63), (1, 2**63 + 10), (2, 5))) == [20]


def test_a_rise_that_no_port_could_make_is_not_believed() -> None:
    windows = fed((0, 1000), (1, 1100), (2, 2**62))
    assert windows.counts() is None
    add(windows, 3, 2**62 + 100)
    assert packets(windows) == [100]


@pytest.mark.parametrize("late", [1.0, 2.0])
def test_a_sample_that_is_not_later_than_the_last_is_passed_over(late: float) -> None:
    windows = fed((0, 0), (2, 200))
    add(windows, late, 5000)
    assert packets(windows) == [200]


def test_ports_that_are_missing_in_a_reply_hold_the_window_back_and_lose_nothing() -> None:
    windows = PortWindows(2, WINDOW)
    for t in range(13):
        add(windows, t, 100 * t, 10 * t)
    for t in (13, 14):
        add(windows, t, 100 * t, UNKNOWN_COUNTER)
    assert (counts(windows).time, packets(windows)) == (12, [1000, 100])
    add(windows, 15, 100 * 15, 10 * 15)
    assert (counts(windows).time, packets(windows)) == (15, [1000, 100])
    for t in range(16, 25):  # the rows that the second port missed have been filled in: they are the baseline now
        add(windows, t, 100 * t, 10 * t)
        assert packets(windows) == [1000, 100]


def test_a_port_that_comes_later_has_its_own_span() -> None:
    windows = PortWindows(2, WINDOW)
    windows.set_present(np.array([True, False]))
    for t in range(20):
        add(windows, t, 100 * t, 7)
    assert packets(windows) == [1000, UNKNOWN]
    windows.set_present(np.array([True, True]))
    add(windows, 20, 2000, 7)
    assert packets(windows) == [1000, UNKNOWN]
    add(windows, 21, 2100, 57)
    assert packets(windows) == [1000, 50]
    assert counts(windows).spans.tolist() == [10, 1]


def test_a_port_that_is_gone_forgets() -> None:
    windows = fed((0, 0), (1, 100))
    windows.set_present(np.array([False]))
    assert windows.counts() is None
    windows.set_present(np.array([True]))
    add(windows, 2, 150)
    assert windows.counts() is None
    add(windows, 3, 160)
    assert packets(windows) == [10]


def test_a_port_that_was_not_heard_of_for_two_windows_begins_anew() -> None:
    assert packets(fed((0, 0), (1, 100), (21, 900))) == [400]
    windows = fed((0, 0), (1, 100), (21.1, 900))
    assert windows.counts() is None
    add(windows, 22.1, 950)
    assert packets(windows) == [50]


# Against one port at a time, with every sample kept.


def reference(samples: Sequence[tuple[float, int]], until: float) -> float | None:
    """Packets in the window until a time, of a port whose counter only grows."""
    if len(samples) < 2 or samples[0][0] >= until:
        return None

    def value(at: float) -> float:
        return float(np.interp(at, [time for time, _ in samples], [count for _, count in samples]))

    return value(until) - value(max(samples[0][0], until - WINDOW))


replies = st.lists(
    st.tuples(st.floats(1.0, 8.0), st.lists(st.integers(0, 5000) | st.none(), min_size=3, max_size=3)), max_size=30
)


@settings(deadline=None)
@given(replies)
def test_counts_are_those_of_each_port_by_itself(given_replies: list[tuple[float, list[int | None]]]) -> None:
    """Samples further apart than a row, of which any may be missing."""
    windows, now = PortWindows(3, WINDOW), 0.0
    counters, histories = [0, 0, 0], [[], [], []]  # type: ignore[var-annotated]
    for pause, gains in given_replies:
        now += pause
        read = []
        for port, gained in enumerate(gains):
            counters[port] += gained or 0
            read.append(UNKNOWN_COUNTER if gained is None else counters[port])
            if gained is not None:
                if histories[port] and now - histories[port][-1][0] > 2 * WINDOW:
                    histories[port].clear()
                histories[port].append((now, counters[port]))
        add(windows, now, *read)
    found = windows.counts()
    if found is None:
        return
    newest = max(history[-1][0] for history in histories if history)
    for port, history in enumerate(histories):
        if not history or newest - history[-1][0] > 2 * WINDOW:
            assert found.packets[port] == UNKNOWN
            continue
        expected = reference(history, found.time)
        if expected is None:
            assert found.packets[port] == UNKNOWN
        else:
            assert found.packets[port] == pytest.approx(expected, abs=4)


@given(st.lists(st.tuples(st.floats(0.001, 3.0), st.integers(0, 5000)), min_size=1, max_size=400))
def test_memory_is_bounded_and_the_count_is_exact_up_to_a_row(steps: list[tuple[float, int]]) -> None:
    now, counter = 100.0, 7
    windows = PortWindows(1, WINDOW)
    add(windows, now, counter)
    history = [(now, counter)]
    for pause, gained in steps:
        now, counter = now + pause, counter + gained
        add(windows, now, counter)
        history.append((now, counter))
    assert len(windows._rows) <= ROWS_PER_WINDOW + 4
    row = WINDOW / ROWS_PER_WINDOW
    within = [value for at, value in history if at >= now - WINDOW + row] or [counter]
    before = [value for at, value in history if at <= now - WINDOW - row - 3.0]
    count = packets(windows)[0]
    assert counter - within[0] <= count + max(gained for _, gained in steps)
    assert count <= counter - (before[-1] if before else history[0][1])
