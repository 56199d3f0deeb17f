"""Timers without a clock, and the schedule of retransmissions."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import Any

Handler = Callable[[Any, float], None]


def delays(first: float, ceiling: float = float("inf"), tries: int | None = None) -> Iterator[float]:
    """Seconds to wait after each transmission: ``first``, doubling up to ``ceiling``; ``tries`` of them, or no end.

    Sources: RFC 6275, section 11.8 and RFC 5213, section 6.9.4 (from 1 s to 32 s).
    """
    # Beyond 2**32 the ceiling, or the caller's patience, has long been reached.
    return islice((min(first * 2 ** min(power, 32), ceiling) for power in count()), tries)


class TimerQueue:
    """Timers, each identified by the handler that it calls and the handler's subject."""

    def __init__(self) -> None:
        self._due: dict[tuple[Handler, Any], float] = {}
        self._heap: list[tuple[float, int, Handler, Any]] = []
        self._serial = count()

    def set(self, handler: Handler, subject: Any, when: float) -> None:
        """Call ``handler(subject, now)`` at ``when``, and not at the time set before."""
        self._due[handler, subject] = when
        heapq.heappush(self._heap, (when, next(self._serial), handler, subject))
        self._tidy()

    def cancel(self, handler: Handler, subject: Any) -> None:
        """Forget a timer; nothing happens if it is not set."""
        self._due.pop((handler, subject), None)
        self._tidy()

    def deadline(self) -> float | None:
        """The time of the next timer; ``None`` without any."""
        while self._heap:
            when, _, handler, subject = self._heap[0]
            if self._due.get((handler, subject)) == when:
                return when
            heapq.heappop(self._heap)
        return None

    def run(self, now: float) -> None:
        """Call the handlers of all due timers, in the order of their times."""
        while (deadline := self.deadline()) is not None and deadline <= now:
            _, _, handler, subject = heapq.heappop(self._heap)
            del self._due[handler, subject]
            handler(subject, now)

    def _tidy(self) -> None:
        """Limit the room of cancelled timers to that of the set ones, and a little."""
        if len(self._heap) > 2 * len(self._due) + 64:
            self._heap = [(due, next(self._serial), *timer) for timer, due in self._due.items()]
            heapq.heapify(self._heap)
