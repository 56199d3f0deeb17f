"""Limits on the rate of events: lines in the log, messages of a peer."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable


class RateLimiter:
    """A token bucket for each subject: ``burst`` tokens, which come back evenly within ``interval`` seconds.

    Subjects must come from a bounded set, such as reasons or the nodes of a domain; never from a stranger's messages.
    """

    def __init__(self, burst: int = 1, interval: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._cost = interval / burst
        self._tolerance = interval - self._cost
        self._clock = clock
        self._full: dict[Hashable, float] = {}  # the time when all tokens of a subject are back

    def passes(self, subject: Hashable) -> bool:
        """Take a token of ``subject``; true if there was one."""
        return self.acquire(subject, 1) == 1

    def acquire(self, subject: Hashable, wanted: int) -> int:
        """Take as many tokens of ``subject`` as wanted and available; return their number."""
        now = self._clock()
        full = max(self._full.get(subject, now), now)
        taken = 0
        while taken < wanted and full - now <= self._tolerance:
            full += self._cost
            taken += 1
        self._full[subject] = full
        return taken
