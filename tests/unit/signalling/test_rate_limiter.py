from __future__ import annotations

from ryu_pmipls.signalling import RateLimiter


def test_each_subject_has_its_own_burst_in_every_interval() -> None:
    now = 100.0
    limiter = RateLimiter(burst=2, interval=10, clock=lambda: now)
    assert [limiter.passes("a") for _ in range(4)] == [True, True, False, False]
    assert limiter.passes("b")
    now = 109.9
    assert not limiter.passes("a")
    now = 110.0
    assert [limiter.passes("a") for _ in range(3)] == [True, True, False]
