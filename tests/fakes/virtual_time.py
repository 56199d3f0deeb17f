"""Time that passes only when nobody has anything to do: minutes of green threads in milliseconds of the machine.

A hub of eventlet that does not wait for its next timer but sets the clock to it; what can be read or written comes
first. So nothing depends on how busy the machine is. System threads are out of its sight.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from eventlet import hubs
from eventlet.hubs import epolls

#: The wall clock at the start: 2023-11-14.
START = 1_700_000_000.0
#: Seconds that pass when somebody looks at the clock, so that no two moments are the same.
_TICK = 1e-6


class VirtualClock:
    """Seconds since the start."""

    def __init__(self) -> None:
        self._now = 0.0
        self._stepped = 0.0

    def monotonic(self) -> float:
        """Seconds since some moment in the past."""
        self._now += _TICK
        return self._now

    def wall(self) -> float:
        """Seconds since 1970."""
        return self.elsewhere() + self._stepped

    def elsewhere(self) -> float:
        """Seconds since 1970, as other hosts' wall clocks have them."""
        return START + self.monotonic()

    def step(self, seconds: float) -> None:
        """Set the wall clock of this host forward, or back."""
        self._stepped += seconds

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self._now += max(seconds, 0.0)


class VirtualHub(epolls.Hub):  # type: ignore[misc]
    """A hub that never waits."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock=clock.monotonic)
        self._virtual = clock

    def wait(self, seconds: float | None = None) -> None:
        if self.listeners[self.READ] or self.listeners[self.WRITE]:
            super().wait(seconds)
        else:
            self._virtual.pass_by(seconds or 0.0)

    def do_poll(self, seconds: float) -> Any:
        ready = self.poll.poll(0)
        if not ready:
            self._virtual.pass_by(seconds)
        return ready


@contextmanager
def virtual_time() -> Iterator[VirtualClock]:
    """Let green threads of this thread, and who asks ``time`` for the time, live by a virtual clock for a while.

    What ran before goes on after that; what was begun meanwhile does not.
    """
    clock = VirtualClock()
    before = hubs._threadlocal.__dict__.get("hub")
    hubs._threadlocal.hub = VirtualHub(clock)
    patch = pytest.MonkeyPatch()
    patch.setattr(time, "monotonic", clock.monotonic)
    patch.setattr(time, "time", clock.wall)
    try:
        yield clock
    finally:
        patch.undo()
        if before is None:
            del hubs._threadlocal.hub
        else:
            hubs._threadlocal.hub = before
