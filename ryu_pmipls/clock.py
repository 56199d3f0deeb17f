"""The steady clock that protocol timers and timestamps share."""

from __future__ import annotations

import time


class SteadyClock:
    """Seconds since 1970 that never jump: the wall clock at the start plus the monotonic clock since.

    When the wall clock was stepped by more than ``tolerance`` seconds (NTP found out how wrong it was) the clock is
    set anew, for timestamps have to agree between nodes (RFC 5213, section 5.5); it still never goes back.
    """

    def __init__(self, tolerance: float = 0.05) -> None:
        self._tolerance = tolerance
        self._latest = 0.0
        self.synchronise()

    def synchronise(self) -> None:
        """Set the clock by the wall clock now, however little they differ."""
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        monotonic = time.monotonic()
        offset = time.time() - monotonic
        if abs(offset - self._offset) > self._tolerance:
            self._offset = offset
        self._latest = max(self._latest, monotonic + self._offset)
        return self._latest
