"""Load that MAGs offer to LMAs, as the MAGs' own switches count it: a full LMA does not see its losses."""

from __future__ import annotations

import numpy as np

from ryu_pmipls.loadsharing.window import IMPLAUSIBLE, UNKNOWN_COUNTER, Counters, Floats


class OfferedRates:
    """Packets per second from each of ``mags`` MAGs to each of ``lmas`` LMAs, both numbered from 0.

    They are those of ``span`` seconds, or of half of it at least. Switches update their counters in jerks, a full LMA's
    above all, so that a rate over less says little. A rate whose last sample is more than ``keep`` seconds old is
    unknown, and samples farther apart than that begin anew.
    """

    def __init__(self, lmas: int, mags: int, keep: float, span: float) -> None:
        self._keep = keep
        self._span = span
        shape = lmas, mags
        # The newest samples; those that rates begin with; and those that will be these one day.
        self._read, self._began, self._later = (np.zeros(shape, dtype=np.uint64) for _ in range(3))
        self._time, self._began_time, self._later_time = (np.full(shape, np.nan) for _ in range(3))

    def add(self, mags: slice, counters: Counters, now: float) -> None:
        """Add the cumulative 64-bit counters of packets that some MAGs have sent, shape (LMAs, those MAGs).

        All ones is unknown, and is ignored; so is a sample that is no later than the last one. After the reset of a
        counter its rate begins anew.
        """
        read, time = self._read[:, mags], self._time[:, mags]
        began, began_time = self._began[:, mags], self._began_time[:, mags]
        later, later_time = self._later[:, mags], self._later_time[:, mags]
        sampled = (counters != UNKNOWN_COUNTER) & ~(time >= now)
        gain = counters - read  # modulo 2**64, so that a wrap needs no care
        going = sampled & (gain < IMPLAUSIBLE) & (now - time <= self._keep)
        anew = sampled & ~going
        passed = going & (now - later_time >= self._span / 2)
        for values, newer, also in ((began, later, counters), (began_time, later_time, now)):
            np.copyto(values, newer, where=passed)
            np.copyto(values, also, where=anew)
        for values, newer in ((later, read), (later_time, time)):
            np.copyto(values, newer, where=passed)
        for values, value in ((later, counters), (later_time, now)):
            np.copyto(values, value, where=anew)
        np.copyto(read, counters, where=sampled)
        np.copyto(time, now, where=sampled)

    def rates(self, now: float) -> tuple[Floats, Floats]:
        """Packets per second, and the seconds over which they were counted; shape (LMAs, MAGs), NaN where unknown."""
        elapsed = self._time - self._began_time
        known = (now - self._time <= self._keep) & (elapsed >= self._span / 2)
        spans: Floats = np.where(known, elapsed, np.nan)
        rates: Floats = (self._read - self._began) / spans
        return rates, spans
