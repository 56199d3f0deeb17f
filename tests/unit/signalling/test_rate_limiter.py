from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ryu_pmipls.signalling import RateLimiter


def test_each_subject_has_its_own_burst_and_tokens_come_back_evenly() -> None:
    now = 100.0
    limiter = RateLimiter(burst=2, interval=10, clock=lambda: now)
    assert [limiter.passes("a") for _ in range(4)] == [True, True, False, False]
    assert limiter.passes("b")
    now = 104.9
    assert not limiter.passes("a")
    now = 105.0
    assert [limiter.passes("a") for _ in range(2)] == [True, False]
    now = 1000.0
    assert [limiter.passes("a") for _ in range(3)] == [True, True, False]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), max_size=20), st.integers(1, 8))
def test_many_tokens_are_as_many_as_one_after_the_other(takes: list[tuple[int, int]], burst: int) -> None:
    now = 0.0
    one, many = (RateLimiter(burst=burst, interval=8.0, clock=lambda: now) for _ in range(2))
    for pause, wanted in takes:
        now += pause / 8
        assert many.acquire("a", wanted) == sum(one.passes("a") for _ in range(wanted))


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(1, 8))
def test_no_interval_sees_more_than_two_bursts_and_the_first_burst_always_passes(pauses: list[int], burst: int) -> None:
    now = 0.0
    limiter = RateLimiter(burst=burst, interval=8.0, clock=lambda: now)
    passed = []
    for number, pause in enumerate(pauses):
        now += pause / 8
        if limiter.passes("a"):
            passed.append(now)
        else:
            assert number >= burst
    for start in passed:
        assert sum(start <= each < start + 8 for each in passed) <= 2 * burst
