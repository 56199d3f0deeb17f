"""A limit on how often one subject is logged."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable


class RateLimiter:
    """Lets each subject pass ``burst`` times in ``interval`` seconds.

    Subjects must come from a bounded set, such as reasons; never from what a stranger sends.
    """

    def __init__(self, burst: int = 1, interval: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._interval = interval
        self._clock = clock
        self._passed: dict[Hashable, tuple[float, int]] = {}  # since when, how often

    def passes(self, subject: Hashable) -> bool:
        """Whether it is the turn of ``subject``."""
        now = self._clock()
        since, count = self._passed.get(subject, (now, 0))
        if now - since >= self._interval:
            since, count = now, 0
        self._passed[subject] = since, count + 1
        return count < self._burst
