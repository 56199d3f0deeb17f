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
        now = self._clock()
        full = max(self._full.get(subject, now), now)
        if full - now > self._tolerance:
            return False
        self._full[subject] = full + self._cost
        return True
