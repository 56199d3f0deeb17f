"""Recent gains of the cumulative counters of a switch's ports."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: OpenFlow 1.3, section A.3.5.6: a counter that the switch does not have reads as all ones.
UNKNOWN_COUNTER = 2**64 - 1
#: Unknown count, in arrays of counts.
UNKNOWN = -1
#: Rows of samples kept per window, about, which bounds memory; counts between rows are interpolated.
ROWS_PER_WINDOW = 16
#: Windows without a sample after which a port begins anew.
FORGOTTEN_AFTER = 2
#: Gain that no counter makes from one sample to the next. A counter that seems to make it was reset, if it fell, and is
#: not to be believed, if it rose. A counter that fell with a smaller gain has wrapped.
IMPLAUSIBLE = np.uint64(2**48)

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Counters = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """Gains of ports in the window that ended at ``time``, one element a port; all arrays have the shape (ports,).

    ``packets`` and ``octets`` came in the last ``spans`` seconds before ``time``: a window, or what was watched of it.
    They are ``UNKNOWN`` (and the span NaN) for a port that is absent or was not read twice by then. ``newest`` is
    packets per second between the two newest samples of each port, NaN where unknown.
    """

    time: float
    packets: Integers
    octets: Integers
    spans: Floats
    newest: Floats


class PortWindows:
    """Sliding windows of ``window`` seconds over the 64-bit packet and octet counters of ``ports`` ports.

    Ports are numbered from 0 and are all present until ``set_present`` is called. The samples of a switch mostly
    come together, in one reply: so they are kept in common rows, at most one each sixteenth of a window. Where a port
    was missing in a reply, interpolation fills in its row when its next sample comes.
    """

    def __init__(self, ports: int, window: float) -> None:
        self._window = window
        self._present: Flags = np.ones(ports, dtype=np.bool_)
        self._read: Counters = np.zeros((2, ports), dtype=np.uint64)  # packets, octets as last read
        self._gained: Counters = np.zeros((2, ports), dtype=np.uint64)  # since the first sample
        self._first: Floats = np.full(ports, np.nan)  # time of the first sample
        self._last: Floats = np.full(ports, np.nan)  # time of the newest sample
        self._newest: Floats = np.full(ports, np.nan)  # packets per second before it
        self._rows: list[tuple[float, Counters]] = []  # time, gained by then

    def set_present(self, present: Flags) -> None:
        """Set the ports that are present, an array of the shape (ports,); ports that are gone lose their history."""
        self._last[self._present & ~present] = np.nan
        self._present = present

    def add(self, counters: Counters, now: float) -> None:
        """Add the counters of all ports as of ``now``: packets and octets, shape (2, ports).

        All ones means unknown. Such a sample is passed over, and so is one that is no later than the last of its port;
        since counters are cumulative, nothing is lost by it.
        """
        sampled = self._present & ~(self._last >= now)
        sampled &= (counters[0] != UNKNOWN_COUNTER) & (counters[1] != UNKNOWN_COUNTER)
        if not sampled.any():
            return
        gain = counters - self._read  # modulo 2**64, so that a wrap needs no care
        going = sampled & (self._last >= now - FORGOTTEN_AFTER * self._window)
        if (gain >= IMPLAUSIBLE).any():
            self._judge(counters, gain, going, now)
        if not going.all():
            gain[:, ~going] = 0
            self._begin(sampled & ~going, now)
        self._fill_rows(going, gain, now)
        self._gained += gain
        if going.all():
            self._newest, self._read = gain[0] / (now - self._last), counters.copy()
            self._last.fill(now)
        else:
            self._newest[sampled] = np.nan
            self._newest[going] = gain[0, going] / (now - self._last[going])
            self._read[:, sampled] = counters[:, sampled]
            self._last[sampled] = now
        if not self._rows or now - self._rows[-1][0] >= self._window / ROWS_PER_WINDOW:
            self._rows.append((now, self._gained.copy()))
            # The last row at or before the start of the oldest window stays, as the baseline.
            oldest = self._last[self._remembered()].min() - self._window
            while len(self._rows) > 1 and self._rows[1][0] <= oldest:
                del self._rows[0]

    def counts(self) -> WindowCounts | None:
        """Gains in the newest window whose end all present ports were read by; None before there is one."""
        known = self._remembered() & (self._last > self._first)
        if not known.any():
            return None
        time = float(self._last[known].min())
        start = np.maximum(self._first, time - self._window)
        known &= start < time
        packets, octets = (self._value(time) - self._value(time - self._window)).astype(np.int64)
        spans: Floats = time - start
        newest = self._newest.copy()
        if not known.all():
            packets[~known] = octets[~known] = UNKNOWN
            spans[~known] = newest[~known] = np.nan
        return WindowCounts(time, packets, octets, spans, newest)

    def rates(self, span: float) -> Floats:
        """Packets per second of each port in so many seconds before the end of the window; NaN where unknown."""
        known = self._remembered() & (self._last > self._first)
        rates = np.full(len(known), np.nan)
        if known.any():
            time = float(self._last[known].min())
            gained = (self._value(time) - self._value(time - span))[0]
            began = np.maximum(self._first, time - span)
            with np.errstate(invalid="ignore", divide="ignore"):
                rates[known] = (gained / (time - began))[known]
        return rates

    def _remembered(self) -> Flags:
        """The ports whose history counts; absent ports have none."""
        newest = self._rows[-1][0] if self._rows else np.nan
        remembered: Flags = self._last >= newest - FORGOTTEN_AFTER * self._window
        return remembered

    def _judge(self, counters: Counters, gain: Counters, going: Flags, now: float) -> None:
        """Correct the gains of ports whose counters were reset; ports without a known gain do not go on."""
        odd = going & (gain >= IMPLAUSIBLE).any(axis=0)
        if not odd.any():
            return
        expected = self._expected(now)
        reset = odd & (counters < self._read).any(axis=0)
        reset &= (counters < IMPLAUSIBLE).all(axis=0) & np.isfinite(expected).all(axis=0)
        gain[:, reset] = np.maximum(expected, counters)[:, reset].astype(np.uint64)
        going &= reset | ~odd

    def _expected(self, now: float) -> Floats:
        """Expected gains of ports since their last samples, at the rate of before; NaN where unknown.

        Packets between a sample and a reset are lost, and unknown is not zero.
        """
        time, row = self._rows[0]
        began = np.maximum(self._first, time)
        before = np.where(self._first > time, np.uint64(0), row)
        with np.errstate(invalid="ignore", divide="ignore"):
            rate = (self._gained - before) / np.where(self._last > began, self._last - began, np.nan)
            expected: Floats = rate * (now - self._last)
        return expected

    def _begin(self, begun: Flags, now: float) -> None:
        """Start ports that have their first samples now: their gain is zero."""
        if begun.any():
            self._first[begun] = now
            self._gained[:, begun] = 0
            for _, row in self._rows:
                row[:, begun] = 0

    def _fill_rows(self, going: Flags, gain: Counters, now: float) -> None:
        """Interpolate the rows since the last sample of ports that were missing in them."""
        if not self._rows or not (going & (self._last < self._rows[-1][0])).any():
            return
        for time, row in reversed(self._rows):
            missed = going & (self._last < time)
            if not missed.any():
                return
            passed = (time - self._last[missed]) / (now - self._last[missed])
            row[:, missed] += (gain[:, missed] * passed).astype(np.uint64)

    def _value(self, time: float) -> Counters:
        """Gains of every port by a time that is not after its newest sample, by interpolation; shape (2, ports)."""
        at = bisect_right(self._rows, time, key=lambda row: row[0]) - 1
        if at < 0:
            return np.zeros_like(self._gained)
        row_time, row = self._rows[at]
        if row_time == time:
            return row
        before = np.maximum(self._first, row_time)
        after, later = self._last, self._gained
        if at + 1 < len(self._rows):
            next_time, next_row = self._rows[at + 1]
            filled = self._last >= next_time
            after, later = np.where(filled, next_time, after), np.where(filled, next_row, later)
        if bool((after[self._present] == time).all()):
            return later
        with np.errstate(invalid="ignore", divide="ignore"):
            passed = np.nan_to_num((time - before) / (after - before)).clip(0.0, 1.0)
        value: Counters = row + ((later - row) * passed).astype(np.uint64)
        return value
