"""Load that MAGs offer to LMAs, as the MAGs' own switches count it: a full LMA does not see its losses."""

from __future__ import annotations

import numpy as np

from ryu_pmipls.loadsharing.window import IMPLAUSIBLE, UNKNOWN_COUNTER, Counters, Floats


class OfferedRates:
    """Packets per second from each of ``mags`` MAGs to each of ``lmas`` LMAs, between the two newest samples.

    Both are numbered from 0. A rate whose last sample, or whose start, is more than ``keep`` seconds old is unknown.
    """

    def __init__(self, lmas: int, mags: int, keep: float) -> None:
        self._keep = keep
        self._read: Counters = np.zeros((lmas, mags), dtype=np.uint64)
        self._time: Floats = np.full((lmas, mags), np.nan)  # of the newest sample
        self._rates: Floats = np.full((lmas, mags), np.nan)

    def add(self, mags: slice, counters: Counters, now: float) -> None:
        """Add the cumulative 64-bit counters of packets that some MAGs have sent, shape (LMAs, those MAGs).

        All ones is unknown, and is ignored; so is a sample that is no later than the last one. After the reset of a
        counter its rate is unknown until the next sample.
        """
        read, time = self._read[:, mags], self._time[:, mags]
        sampled = (counters != UNKNOWN_COUNTER) & ~(time >= now)
        gain = counters - read  # modulo 2**64, so that a wrap needs no care
        elapsed = now - time
        with np.errstate(invalid="ignore", divide="ignore"):
            rates = np.where((gain < IMPLAUSIBLE) & (elapsed <= self._keep), gain / elapsed, np.nan)
        np.copyto(self._rates[:, mags], rates, where=sampled)
        np.copyto(read, counters, where=sampled)
        np.copyto(time, now, where=sampled)

    def rates(self, now: float) -> Floats:
        """Packets per second, shape (LMAs, MAGs); NaN where unknown."""
        rates: Floats = np.where(now - self._time <= self._keep, self._rates, np.nan)
        return rates
