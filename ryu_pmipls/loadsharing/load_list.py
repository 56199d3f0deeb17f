"""The load list of the RMS (draft section 3.2, figure 3): CPU and packets of every LMA, and packets per MAG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from ryu_pmipls.loadsharing.window import CounterWindow


class LmaState(str, Enum):
    """What an LMA may be in a move (erratum E20): overloaded a source, light a target, the others neither."""

    OVERLOADED = "overloaded"
    LIGHT = "light"
    NEUTRAL = "neutral"  # hot, but with too few packets to count as overloaded
    STALE = "stale"  # CPU or counts are unknown or too old to act upon (erratum E28)


class Source(str, Enum):
    """Where packet counts come from."""

    OPENFLOW = "openflow"  # statistics of the LMA's tunnel ports
    SIGNALLING = "signalling"  # Load_info


@dataclass(frozen=True, slots=True)
class OverloadRule:
    """When an LMA is overloaded: CPU *and* packets over their thresholds (draft section 3.2), or either.

    ``cpu_threshold`` and ``hysteresis`` are fractions, ``packet_threshold`` is packets in a window. An LMA is hot from
    ``cpu_threshold`` on, and until its CPU falls below ``cpu_threshold - hysteresis`` (erratum E25).
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

    def state(self, hot: bool, packets: int) -> LmaState:
        """The state of an LMA of which everything is known."""
        many = packets > self.packet_threshold
        if (hot and many) if self.combine == "and" else (hot or many):
            return LmaState.OVERLOADED
        return LmaState.NEUTRAL if hot else LmaState.LIGHT


@dataclass(frozen=True, slots=True)
class MagTraffic:
    """What one MAG sent through one LMA in the window; None is unknown."""

    mag: str
    packets: int | None
    octets: int | None


@dataclass(frozen=True, slots=True)
class LmaLoad:
    """One entry of the load list. ``cpu`` is a fraction, ages and ``span`` are seconds; None is unknown.

    ``packets``, ``octets`` and ``mags`` (one for each MAG of the domain, in the profile's order) tell what arrived
    from the MAGs in the last ``span`` seconds: a window, once that much time was watched. ``signalled_packets`` is the
    total of the newest Load_info, for comparison.
    """

    lma: str
    state: LmaState
    cpu: float | None
    cpu_age: float | None
    packets: int | None
    octets: int | None
    mags: tuple[MagTraffic, ...]
    source: Source | None
    counts_age: float | None
    span: float | None
    signalled_packets: int | None


@dataclass(frozen=True, slots=True)
class LoadSnapshot:
    """The load list at a time: one entry per LMA, in the profile's order. ``window`` is in seconds."""

    time: float
    window: float
    lmas: tuple[LmaLoad, ...]

    def lma(self, name: str) -> LmaLoad:
        """The entry of that LMA; ``KeyError`` if there is none."""
        for load in self.lmas:
            if load.lma == name:
                return load
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class _Counts:
    """Counts of one LMA from one source, as of ``time``."""

    source: Source
    time: float
    span: float
    packets: int
    octets: int | None
    mags: Mapping[str, tuple[int, int | None]]


class _Entry:
    """What is remembered of one LMA."""

    def __init__(self) -> None:
        self.cpu: float | None = None
        self.cpu_time = 0.0
        self.hot = False
        self.connected = False
        self.ports: dict[str, CounterWindow] = {}
        self.signalled: _Counts | None = None

    def from_ports(self) -> _Counts | None:
        """Counts of the tunnel ports, as of the one that was read longest ago; None while one of them is unknown."""
        if not self.connected:
            return None
        counts = {mag: window.count() for mag, window in self.ports.items()}
        known = {mag: count for mag, count in counts.items() if count is not None}
        if not known or len(known) < len(counts):
            return None
        return _Counts(
            source=Source.OPENFLOW,
            time=min(count.time for count in known.values()),
            span=min(count.span for count in known.values()),
            packets=sum(count.packets for count in known.values()),
            octets=sum(count.octets for count in known.values()),
            mags={mag: (count.packets, count.octets) for mag, count in known.items()},
        )


class LoadList:
    """Collects samples of the domain's ``lmas`` and ``mags`` (names, in the profile's order).

    ``window`` and ``report_interval`` are seconds; what is older than ``stale_after`` seconds, by default two report
    intervals (erratum E28), is not acted upon. Names that are not of the domain raise ``KeyError``.
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
    ) -> None:
        self._entries = {lma: _Entry() for lma in lmas}
        self._mags = dict.fromkeys(mags)
        self._rule = rule or OverloadRule()
        self._window = window
        self._stale_after = 2 * report_interval if stale_after is None else stale_after

    def port_sample(self, lma: str, mag: str, rx_packets: int, rx_octets: int, now: float) -> None:
        """Take the cumulative 64-bit counters of ``lma``'s tunnel port towards ``mag``; all ones is unknown."""
        entry, _ = self._entries[lma], self._mags[mag]
        entry.connected = True
        entry.ports.setdefault(mag, CounterWindow(self._window)).add(rx_packets, rx_octets, now)

    def port_lost(self, lma: str, mag: str) -> None:
        """The tunnel port is gone; nothing arrives through it any more. Unknown ports are ignored."""
        self._entries[lma].ports.pop(mag, None)

    def switch_lost(self, lma: str) -> None:
        """The LMA's switch is disconnected: Load_info counts until the next ``port_sample``, which bridges the gap."""
        self._entries[lma].connected = False

    def load_info(self, lma: str, cpu: float, total_packets: int, per_mag: Mapping[str, int], now: float) -> None:
        """Take a Load_info: ``cpu`` is a fraction, counts are packets in the recent window.

        A total below the sum of the MAGs' counts is replaced by the sum (erratum E17). Raises ``ValueError`` if ``cpu``
        is not between 0 and 1 (erratum E9).
        """
        if not 0 <= cpu <= 1:
            raise ValueError(f"CPU of {lma} is {cpu}; it must be between 0 and 1")
        entry = self._entries[lma]
        for mag in per_mag:
            self._mags[mag]
        entry.cpu, entry.cpu_time = cpu, now
        entry.hot = self._rule.is_hot(cpu, entry.hot)
        entry.signalled = _Counts(
            source=Source.SIGNALLING,
            time=now,
            span=self._window,
            packets=max(total_packets, sum(per_mag.values())),
            octets=None,
            mags={mag: (packets, None) for mag, packets in per_mag.items()},
        )

    def snapshot(self, now: float) -> LoadSnapshot:
        """The load list as it stands at ``now``."""
        loads = tuple(self._load(lma, entry, now) for lma, entry in self._entries.items())
        return LoadSnapshot(now, self._window, loads)

    def _load(self, lma: str, entry: _Entry, now: float) -> LmaLoad:
        def fresh(time: float) -> bool:
            return now - time <= self._stale_after

        # Fresh port statistics win over a Load_info (erratum E30); when neither is fresh the later one is shown.
        known = [counts for counts in (entry.from_ports(), entry.signalled) if counts is not None]
        counts = max(known, key=lambda counts: (fresh(counts.time), counts.source is Source.OPENFLOW), default=None)
        if entry.cpu is None or counts is None or not (fresh(entry.cpu_time) and fresh(counts.time)):
            state = LmaState.STALE
        else:
            state = self._rule.state(entry.hot, counts.packets)
        per_mag = {} if counts is None else counts.mags
        return LmaLoad(
            lma=lma,
            state=state,
            cpu=entry.cpu,
            cpu_age=None if entry.cpu is None else now - entry.cpu_time,
            packets=None if counts is None else counts.packets,
            octets=None if counts is None else counts.octets,
            mags=tuple(MagTraffic(mag, *per_mag.get(mag, (None, None))) for mag in self._mags),
            source=None if counts is None else counts.source,
            counts_age=None if counts is None else now - counts.time,
            span=None if counts is None else counts.span,
            signalled_packets=None if entry.signalled is None else entry.signalled.packets,
        )
