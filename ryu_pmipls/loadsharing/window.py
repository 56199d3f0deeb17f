"""What a cumulative counter gained in the recent past."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

#: OpenFlow 1.3, section A.3.5.6: a counter that the switch does not have reads as all ones.
UNKNOWN_COUNTER = 2**64 - 1
#: Memory is bounded by keeping about this many samples to a window; between them counts are interpolated.
SAMPLES_PER_WINDOW = 16


class Sample(NamedTuple):
    """Packets and octets gained since the first sample of all, at a time."""

    time: float
    packets: int
    octets: int


@dataclass(frozen=True, slots=True)
class Count:
    """What was gained in the ``span`` seconds before ``time``; ``span`` is less than a window at the beginning."""

    time: float
    span: float
    packets: int
    octets: int


class CounterWindow:
    """A sliding window of ``window`` seconds over one port's 64-bit packet and octet counters."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._raw = (0, 0)
        self._samples: deque[Sample] = deque()

    def add(self, packets: int, octets: int, now: float) -> None:
        """Take the counters as read at ``now``.

        An unknown counter says nothing, neither does a sample that is no later than the last: both are passed over,
        and since counters are cumulative nothing is lost by it.
        """
        if UNKNOWN_COUNTER in (packets, octets) or (self._samples and now <= self._samples[-1].time):
            return
        samples = self._samples
        if samples:
            last = samples[-1]
            gained = Sample(
                now,
                last.packets + _gain(self._raw[0], packets),
                last.octets + _gain(self._raw[1], octets),
            )
            if len(samples) > 1 and now - samples[-2].time < self._window / SAMPLES_PER_WINDOW:
                samples.pop()
            samples.append(gained)
        else:
            samples.append(Sample(now, 0, 0))
        self._raw = (packets, octets)
        # The newest sample at or before the window's start stays, as the baseline.
        while len(samples) > 1 and samples[1].time <= now - self._window:
            samples.popleft()

    def count(self) -> Count | None:
        """What was gained in the window that ends with the newest sample; None before there are two samples."""
        if len(self._samples) < 2:
            return None
        base, after, last = self._samples[0], self._samples[1], self._samples[-1]
        start = max(base.time, last.time - self._window)
        passed = (start - base.time) / (after.time - base.time)
        return Count(
            time=last.time,
            span=last.time - start,
            packets=last.packets - base.packets - int((after.packets - base.packets) * passed),
            octets=last.octets - base.octets - int((after.octets - base.octets) * passed),
        )


def _gain(before: int, after: int) -> int:
    """What a counter gained; one that fell has wrapped if the way over 2**64 is the short one, else it was reset."""
    if after >= before:
        return after - before
    over = after + 2**64 - before
    return over if over < 2**63 else after
