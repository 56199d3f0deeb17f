"""The load list of the RMS (draft section 3.2, figure 3): CPU and packets of every LMA, and packets per MAG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ryu_pmipls.loadsharing.offered_load import OfferedRates
from ryu_pmipls.loadsharing.slot_rates import SlotRates, SlotRatesByUplink
from ryu_pmipls.loadsharing.snapshot import LmaLoad, LmaState, LoadSnapshot, Source
from ryu_pmipls.loadsharing.window import (
    ROWS_PER_WINDOW,
    UNKNOWN,
    UNKNOWN_COUNTER,
    Counters,
    Flags,
    Floats,
    Integers,
    PortWindows,
)

#: From this CPU fraction on an LMA may be offered more than it forwards.
SATURATED = 0.95
#: CPU fraction below which an LMA that was full no longer is: what a quota grants is unsteady.
_NO_LONGER_FULL = 0.9
#: Report intervals, but no more than a window, over which losses are measured.
LOSS_INTERVALS = 10
#: Report intervals for which an LMA must have been full to show what it can forward.
_LEAST_FULL = 6
#: Reports of its CPU in a window from which on an LMA has a trend.
_LEAST_RISE = 3


@dataclass(frozen=True, slots=True)
class OverloadRule:
    """Rule for overload: CPU *and* packets over their thresholds (draft section 3.2), or either.

    ``cpu_threshold`` and ``hysteresis`` are fractions, ``packet_threshold`` is packets in a window at an LMA of
    capacity 1. An LMA is hot from ``cpu_threshold`` on, and until its CPU falls below ``cpu_threshold - hysteresis``
    (erratum E25).
    """

    cpu_threshold: float = 0.8
    packet_threshold: int = 60000
    combine: Literal["and", "or"] = "and"
    hysteresis: float = 0.1

    @property
    def cool_below(self) -> float:
        """The CPU fraction below which an LMA is no longer hot."""
        return self.cpu_threshold - self.hysteresis

    def is_hot(self, cpu: float, was_hot: bool) -> bool:
        return cpu >= (self.cool_below if was_hot else self.cpu_threshold)

    def state(self, hot: bool, packets: float, projected: float | None = None) -> LmaState:
        """The state of an LMA of which everything is known; counts are for a capacity of 1.

        ``packets`` were counted; ``projected`` are the packets of a whole window at that rate, if only a part of it was
        watched. A load that may become too much is not light, but is not proven to be an overload either.
        """
        many = packets > self.packet_threshold
        if self.combine == "and":
            if not hot:
                return LmaState.LIGHT
            return LmaState.OVERLOADED if many else LmaState.NEUTRAL
        if hot or many:
            return LmaState.OVERLOADED
        return LmaState.NEUTRAL if (projected or 0.0) > self.packet_threshold else LmaState.LIGHT


@dataclass(frozen=True, slots=True)
class _SourceCounts:
    """Counts of one LMA from one source, as of ``time``; the arrays have one element for each MAG."""

    source: Source
    time: float
    span: float
    total: int
    total_octets: int | None
    packets: Integers
    octets: Integers
    spans: Floats
    newest: Floats  # packets per second

    def projected(self, window: float) -> float:
        """Packets in a whole window at the rates that were watched."""
        known = self.packets != UNKNOWN
        watched = float((self.packets[known] * (window / self.spans[known])).sum())
        return max(float(self.total), watched)


class _LmaRecord:
    """Record of one LMA."""

    def __init__(self, mags: int, window: float) -> None:
        self.cpu: float | None = None
        self.cpu_time = 0.0
        self.cpus: list[tuple[float, float]] = []  # (time, CPU) of the last window
        self.hot = False
        self.full_since: float | None = None
        self.connected = False
        self.draining = False
        self.dead = False
        self.cause: str | None = None  # of death
        self.present: Flags = np.zeros(mags, dtype=np.bool_)
        self.ports = PortWindows(mags, window)
        self.ports.set_present(self.present)
        self.signalled: _SourceCounts | None = None

    def rise(self) -> float | None:
        """Rise of the CPU per second in the last window, as a line through all of it; None where there is none."""
        if len(self.cpus) < _LEAST_RISE:
            return None
        times, cpus = np.array(self.cpus).T
        times = times - times.mean()
        return float((times * cpus).sum() / (times**2).sum())

    @property
    def full(self) -> bool:
        """True when the LMA may be offered more than it forwards."""
        return self.cpu is not None and self.cpu >= SATURATED

    def from_ports(self) -> _SourceCounts | None:
        """Counts of the tunnel ports, as of the port read longest ago; None while one of them is unknown."""
        counts = self.ports.counts()
        if counts is None:
            return None
        unknown = counts.packets == UNKNOWN
        if unknown.any():
            if (unknown & self.present).any():
                return None
            # Without a tunnel, nothing arrives.
            counts.packets[unknown] = counts.octets[unknown] = counts.newest[unknown] = 0
            counts.spans[unknown] = np.nanmin(counts.spans)
        return _SourceCounts(
            source=Source.OPENFLOW,
            time=counts.time,
            span=float(counts.spans.min()),
            total=int(counts.packets.sum()),
            total_octets=int(counts.octets.sum()),
            packets=counts.packets,
            octets=counts.octets,
            spans=counts.spans,
            newest=counts.newest,
        )


class LoadList:
    """Collects samples of the domain's ``lmas`` and ``mags`` (names, in the profile's order).

    ``window`` and ``report_interval`` are seconds. Samples older than ``stale_after`` seconds, by default two report
    intervals (erratum E28), are not acted upon. ``capacities`` (LMA -> relative number, 1 if not given) tells unequal
    LMAs apart. Names that are not of the domain raise ``KeyError``.
    """

    def __init__(
        self,
        lmas: Sequence[str],
        mags: Sequence[str],
        *,
        rule: OverloadRule | None = None,
        window: float = 300.0,
        report_interval: float = 10.0,
        stale_after: float | None = None,
        capacities: Mapping[str, float] | None = None,
    ) -> None:
        self._entries = {lma: _LmaRecord(len(mags), window) for lma in lmas}
        self._lmas = {lma: index for index, lma in enumerate(lmas)}
        self._mags = {mag: index for index, mag in enumerate(mags)}
        self._names = tuple(mags)
        self._rule = rule or OverloadRule()
        self._window = window
        self._report_interval = report_interval
        self._stale_after = 2 * report_interval if stale_after is None else stale_after
        self._capacities = capacities or {}
        span = min(window, LOSS_INTERVALS * report_interval)
        self._offered = OfferedRates(len(lmas), len(mags), max(self._stale_after, span / 2), span)
        self._slots = SlotRates(span)
        self._nothing = np.full(len(mags), UNKNOWN, dtype=np.int64)
        self._no_spans = np.full(len(mags), np.nan)
        self._whole = np.full(len(mags), window)

    # Measurements.

    def set_ports(self, lma: str, mags: Iterable[str]) -> None:
        """Set the MAGs to which the LMA's switch has a tunnel port now. Counts of removed ports are forgotten.

        Until each of these was read twice, the LMA's counts are unknown; counters of other ports are ignored.
        """
        entry = self._entries[lma]
        present = np.zeros(len(self._names), dtype=np.bool_)
        present[[self._mags[mag] for mag in mags]] = True
        entry.present = present
        entry.ports.set_present(present)

    def add_port_statistics(self, lma: str, counters: Mapping[str, tuple[int, int]], now: float) -> None:
        """Add the cumulative 64-bit counters (MAG -> packets and octets received) of the LMA's tunnel ports.

        All ones is unknown, and so is a port that was left out. ``now`` is the time of the request, so that a late
        answer shows its true age.
        """
        read = np.full((2, len(self._names)), UNKNOWN_COUNTER, dtype=np.uint64)
        for mag, reading in counters.items():
            read[:, self._mags[mag]] = reading
        self.add_port_counters(lma, read, now)

    def add_port_counters(self, lma: str, counters: Counters, now: float) -> None:
        """Add port statistics from an array of the shape (2, MAGs), all ones where unknown."""
        entry = self._entries[lma]
        entry.connected = True
        entry.ports.add(counters, now)

    def lose_switch(self, lma: str) -> None:
        """Mark the LMA's switch as disconnected: Load_info counts until the next statistics, which bridge the gap."""
        self._entries[lma].connected = False

    def add_load_info(self, lma: str, cpu: float, total_packets: int, per_mag: Mapping[str, int], now: float) -> None:
        """Add a Load_info: ``cpu`` is a fraction, counts are packets in the recent window.

        The sum of the MAGs' counts replaces a total below it (erratum E17); the count of a MAG that is not listed is
        unknown. A report that is no later than the last is passed over. Raises ``ValueError`` if ``cpu`` is
        not between 0 and 1 (erratum E9).
        """
        if not 0 <= cpu <= 1:
            raise ValueError(f"CPU of {lma} is {cpu}; it must be between 0 and 1")
        entry = self._entries[lma]
        packets = self._nothing.copy()
        packets[[self._mags[mag] for mag in per_mag]] = list(per_mag.values())
        if entry.cpu is not None and now <= entry.cpu_time:
            return
        entry.cpu, entry.cpu_time = cpu, now
        if cpu < _NO_LONGER_FULL:
            entry.full_since = None
        elif entry.full and entry.full_since is None:
            entry.full_since = now
        if not entry.cpus or now - entry.cpus[-1][0] >= self._window / ROWS_PER_WINDOW:
            entry.cpus = [each for each in entry.cpus if each[0] > now - self._window] + [(now, cpu)]
        entry.hot = self._rule.is_hot(cpu, entry.hot)
        entry.signalled = _SourceCounts(
            source=Source.SIGNALLING,
            time=now,
            span=self._window,
            total=max(total_packets, sum(per_mag.values())),
            total_octets=None,
            packets=packets,
            octets=self._nothing,
            spans=self._whole,
            newest=self._no_spans,
        )

    def add_sent_statistics(self, mag: str, counters: Mapping[str, int], now: float) -> None:
        """Add cumulative 64-bit counters (LMA -> packets sent there) of a MAG's switch; all ones is unknown."""
        read = np.full((len(self._lmas), 1), UNKNOWN_COUNTER, dtype=np.uint64)
        for lma, packets in counters.items():
            read[self._lmas[lma]] = packets
        column = self._mags[mag]
        self._offered.add(slice(column, column + 1), read, now)

    def add_sent_counters(self, counters: Counters, now: float) -> None:
        """Add sent statistics of all MAGs at once, from an array of the shape (LMAs, MAGs)."""
        self._offered.add(slice(None), counters, now)

    def add_uplink_counters(self, mag: str, anchor: str, packets: Sequence[int], now: float) -> None:
        """Add cumulative 64-bit packet counters of an uplink's slots, or the one of all that one LMA carries."""
        self._slots.add(mag, anchor, packets, now)

    def begin_uplink_anew(self, mag: str, anchor: str) -> None:
        """Have the counters of an uplink begin anew: others carry its slots."""
        self._slots.begin_anew(mag, anchor)

    # States set from outside.

    def set_draining(self, lma: str, draining: bool) -> None:
        """Set the operator's wish that the LMA be free of traffic."""
        self._entries[lma].draining = draining

    def set_dead(self, lma: str, dead: bool, cause: str | None = None) -> None:
        """Set an LMA as failed, with the cause, or as back with all its flow entries."""
        self._entries[lma].dead, self._entries[lma].cause = dead, cause

    # Results.

    def full(self) -> list[str]:
        """The LMAs that may be offered more than they forward: the MAGs' counters show how much that is."""
        return [lma for lma, entry in self._entries.items() if entry.full]

    def hot(self) -> list[str]:
        """The LMAs that are hot or full: it matters how much each slot carries that leads there."""
        return [lma for lma, entry in self._entries.items() if entry.hot or entry.full]

    def slot_rates(self, now: float) -> SlotRatesByUplink:
        """The packets per second of slots, as far as they are known."""
        return self._slots.rates(now)

    def snapshot(self, now: float) -> LoadSnapshot:
        """The load list as it stands at ``now``."""
        chosen = {lma: self._counts(entry, now) for lma, entry in self._entries.items()}
        nothing = self._nothing, self._nothing, self._no_spans
        rows = [
            nothing if counts is None else (counts.packets, counts.octets, counts.spans)
            for counts, _ in chosen.values()
        ]
        packets, octets, spans = (np.stack(row) for row in zip(*rows, strict=True))
        offered, counted = self._offered.rates(now)
        return LoadSnapshot(
            time=now,
            window=self._window,
            report_interval=self._report_interval,
            mags=self._names,
            lmas=tuple(
                self._load(lma, *counts, now, sent)
                for (lma, counts), sent in zip(chosen.items(), zip(offered, counted, strict=True), strict=True)
            ),
            packets=packets,
            octets=octets,
            spans=spans,
            offered=offered,
        )

    def _fresh(self, time: float, now: float) -> bool:
        return now - time <= self._stale_after

    def _counts(self, entry: _LmaRecord, now: float) -> tuple[_SourceCounts | None, bool]:
        """The counts to show, and true if they may be acted upon.

        Port statistics of a connected switch win over a Load_info (erratum E30) while they are fresh; when no counts
        may be acted upon, the latest are shown.
        """
        ports, signalled = entry.from_ports(), entry.signalled
        if ports is not None and entry.connected and self._fresh(ports.time, now):
            return ports, True
        if signalled is not None and self._fresh(signalled.time, now):
            return signalled, True
        known = [counts for counts in (ports, signalled) if counts is not None]
        return max(known, key=lambda counts: counts.time, default=None), False

    def _load(
        self, lma: str, counts: _SourceCounts | None, usable: bool, now: float, sent: tuple[Floats, Floats]
    ) -> LmaLoad:
        entry, capacity = self._entries[lma], self._capacities.get(lma, 1.0)
        # A full LMA's switch is slow to tell its counters: what it has told lately still counts for its losses.
        read = entry.ports.counts()
        late = min(self._window, LOSS_INTERVALS * self._report_interval) / 2
        lossy = usable and entry.full and entry.connected and read is not None and now - read.time <= late
        return LmaLoad(
            lma=lma,
            state=self._state(entry, counts if usable else None, capacity, now),
            cpu=entry.cpu,
            cpu_age=None if entry.cpu is None else now - entry.cpu_time,
            packets=None if counts is None else counts.total,
            octets=None if counts is None else counts.total_octets,
            source=None if counts is None else counts.source,
            counts_age=None if counts is None else now - counts.time,
            span=None if counts is None else counts.span,
            signalled_packets=None if entry.signalled is None else entry.signalled.total,
            capacity=capacity,
            cause=entry.cause,
            loss=_loss(*sent, entry.ports) if lossy else None,
            rise=entry.rise(),
            full_for=None if entry.full_since is None else now - entry.full_since,
            forwarded=self._forwarded(entry, now) if usable and entry.connected else None,
        )

    def _forwarded(self, entry: _LmaRecord, now: float) -> float | None:
        """Packets per second that an LMA has forwarded since it is full, within a window; None before that is known."""
        read = entry.ports.counts()
        if entry.full_since is None or read is None:
            return None
        span = min(self._window, read.time - entry.full_since)
        if span < _LEAST_FULL * self._report_interval or now - read.time > self._window / 2:
            return None
        rates = entry.ports.rates(span)
        return float(np.nansum(rates)) if np.isfinite(rates).any() else None

    def _state(self, entry: _LmaRecord, counts: _SourceCounts | None, capacity: float, now: float) -> LmaState:
        if entry.dead:
            return LmaState.DEAD
        if entry.draining:
            return LmaState.DRAINING
        if entry.cpu is None or counts is None or not self._fresh(entry.cpu_time, now):
            return LmaState.STALE
        projected = counts.projected(self._window) if self._rule.combine == "or" else None
        return self._rule.state(entry.hot, counts.total / capacity, None if projected is None else projected / capacity)


def _loss(offered: Floats, spans: Floats, ports: PortWindows) -> float | None:
    """The fraction lost of the packets that MAGs sent to an LMA (packets/s, over ``spans`` s), where both are known."""
    if not np.isfinite(spans).any():
        return None
    arriving = ports.rates(float(np.nanmedian(spans)))
    known = np.isfinite(offered) & np.isfinite(arriving)
    sent = float(offered[known].sum())
    return max(0.0, 1 - float(arriving[known].sum()) / sent) if sent > 0 else None
