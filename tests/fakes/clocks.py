"""Clocks that tests set: those of a host, which can be stepped, and one that all of a node's parts share."""

from __future__ import annotations

from ryu_pmipls.clock import Clock


class HostClocks:
    """The clocks of a host, as the module ``time`` has them; ``step`` sets the wall clock of a process."""

    def __init__(self, wall: float = 1_700_000_000.0, uptime: float = 500.0) -> None:
        self._wall, self._uptime = wall, uptime

    def time(self) -> float:
        return self._wall

    def monotonic(self) -> float:
        return self._uptime

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self._wall += seconds
        self._uptime += seconds

    def step(self, seconds: float) -> None:
        """Set the wall clock forward, or back."""
        self._wall += seconds


class FixedClock(Clock):
    """A clock that stands at ``now``, by which all times of day are the same."""

    def __init__(self, now: float) -> None:
        super().__init__()
        self.now = now

    def __call__(self) -> float:
        return self.now

    def wall(self, now: float) -> float:
        return now

    def time_of_day(self, now: float) -> float:
        return now

    def synchronise(self, peer_time: float | None, now: float) -> None:
        """Do nothing: it cannot be set."""
