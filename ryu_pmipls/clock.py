"""The two clocks of a process: the monotonic one measures durations, the wall clock dates messages and documents."""

from __future__ import annotations

import logging
import time
from typing import Protocol

LOG = logging.getLogger(__name__)

#: Seconds that two times of day may be apart and still agree: the validity window of RFC 5213, section 9.
AGREEMENT = 0.3
#: Seconds for which the time of day may go back to what it was, and until it may do so again: else two nodes could each
#: follow the other for ever.
_RETURN, _PAUSE = 5.0, 60.0


class TimeModule(Protocol):
    """The clocks of a process, as the module ``time`` has them."""

    def time(self) -> float: ...

    def monotonic(self) -> float: ...


class Clock:
    """Seconds of the monotonic clock: all durations, ages and deadlines. Nobody can set it.

    The wall clock may be stepped, by its administrator or a time service. What people see (``wall``) follows it at
    once. The ``time_of_day`` of messages does not: it runs on steadily until a peer's differs. So a step does no harm
    while nodes agree, and mends the time of day when they do not.
    """

    def __init__(self, source: TimeModule = time) -> None:
        self._source = source
        self._ahead = self._before = self._wall_ahead()  # seconds ahead of the monotonic clock
        self._return_until = float("-inf")

    def __call__(self) -> float:
        return self._source.monotonic()

    def wall(self, now: float) -> float:
        """The time (seconds since 1970) that people and documents give to the moment ``now``, past or future."""
        return now + self._wall_ahead()

    def time_of_day(self, now: float) -> float:
        """The time (seconds since 1970) that messages of this node bear at ``now`` (RFC 5213, section 8.8)."""
        return now + self._ahead

    def synchronise(self, peer_time: float | None, now: float) -> None:
        """Set the time of day by the wall clock, because that of a peer differs.

        It stays as it is, or goes back to what it was until lately, if that agrees with the peer's (seconds since 1970;
        None when unknown) and the wall clock does not: then the step was wrong, or a message late. The peer only
        arbitrates: it is no time source (RFC 5213, section 6.9.1.2).
        """
        wall = self._wall_ahead()
        possible = [wall, self._ahead, *([self._before] if now < self._return_until else [])]
        there = wall if peer_time is None else peer_time - now
        ahead = next((ahead for ahead in possible if abs(ahead - there) <= AGREEMENT), wall)
        if abs(ahead - self._ahead) > AGREEMENT:
            LOG.warning("the time of day is set by %+.3f s, because a peer's differs", ahead - self._ahead)
            if ahead != wall:
                self._return_until = now
            elif now > self._return_until + _PAUSE:
                self._before, self._return_until = self._ahead, now + _RETURN
        self._ahead = ahead

    def _wall_ahead(self) -> float:
        """Seconds that the wall clock is ahead of the monotonic clock."""
        return self._source.time() - self._source.monotonic()


def deviation(ahead: float) -> str:
    """The seconds that another clock is ``ahead``, in words before "this one"."""
    return f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'}"
