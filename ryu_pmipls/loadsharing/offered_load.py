"""Load that MAGs offer to LMAs, as the MAGs' own switches count it: a full LMA does not see its losses."""

from __future__ import annotations

import numpy as np

from ryu_pmipls.loadsharing.window import IMPLAUSIBLE, UNKNOWN_COUNTER, Counters, Floats

#: Parts of a span after which rates begin with a later sample.
_PARTS = 4


class OfferedRates:
    """Packets per second from each of ``mags`` MAGs to each of ``lmas`` LMAs, both numbered from 0.

    They are those of ``span`` seconds, or of three quarters of it at least. Switches update their counters in jerks, a
    full LMA's above all, so that a rate over less says little. A rate whose last sample is more than ``keep`` seconds
    old is unknown, and samples farther apart than a span begin anew.
    """

    def __init__(self, lmas: int, mags: int, keep: float, span: float) -> None:
        self._keep = keep
        self._span = span
        # The newest samples; and earlier ones, the oldest of which rates begin with.
        self._read: Counters = np.zeros((lmas, mags), dtype=np.uint64)
        self._time: Floats = np.full((lmas, mags), np.nan)
        self._reads: Counters = np.zeros((_PARTS, lmas, mags), dtype=np.uint64)
        self._times: Floats = np.full((_PARTS, lmas, mags), np.nan)

    def add(self, mags: slice, counters: Counters, now: float) -> None:
        """Add the cumulative 64-bit counters of packets that some MAGs have sent, shape (LMAs, those MAGs).

        All ones is unknown, and is ignored; so is a sample that is no later than the last one. After the reset of a
        counter its rate begins anew.
        """
        read, time = self._read[:, mags], self._time[:, mags]
        reads, times = self._reads[:, :, mags], self._times[:, :, mags]
        sampled = (counters != UNKNOWN_COUNTER) & ~(time >= now)
        gain = counters - read  # modulo 2**64, so that a wrap needs no care
        going = sampled & (gain < IMPLAUSIBLE) & (now - time <= self._span)
        passed = going & (now - times[-1] >= self._span / _PARTS)
        anew = sampled & ~going
        for values, value in ((reads, counters), (times, np.full_like(time, now))):
            for part in range(_PARTS):
                np.copyto(values[part], value if part == _PARTS - 1 else values[part + 1], where=passed)
                np.copyto(values[part], value, where=anew)
        np.copyto(read, counters, where=sampled)
        np.copyto(time, now, where=sampled)

    def rates(self, now: float) -> tuple[Floats, Floats]:
        """Packets per second, and the seconds over which they were counted; shape (LMAs, MAGs), NaN where unknown."""
        elapsed = self._time - self._times[0]
        known = (now - self._time <= self._keep) & (elapsed >= self._span * (1 - 1 / _PARTS))
        spans: Floats = np.where(known, elapsed, np.nan)
        rates: Floats = (self._read - self._reads[0]) / spans
        return rates, spans
