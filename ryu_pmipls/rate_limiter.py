"""Limits on how often something happens: a line in the log, a message of a peer."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable


class RateLimiter:
    """A token bucket for each subject: ``burst`` tokens, which come back evenly within ``interval`` seconds.

    Subjects must come from a bounded set, such as reasons or the nodes of a domain; never from what a stranger sends.
    """

    def __init__(self, burst: int = 1, interval: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._cost = interval / burst
        self._tolerance = interval - self._cost
        self._clock = clock
        self._full: dict[Hashable, float] = {}  # when all tokens of a subject are back

    def passes(self, subject: Hashable) -> bool:
        """Whether it is the turn of ``subject``; that takes a token."""
        return self.take(subject, 1) == 1

    def take(self, subject: Hashable, wanted: int) -> int:
        """Take as many tokens of ``subject`` as are wanted and there; how many."""
        now = self._clock()
        full = max(self._full.get(subject, now), now)
        taken = 0
        while taken < wanted and full - now <= self._tolerance:
            full += self._cost
            taken += 1
        self._full[subject] = full
        return taken
