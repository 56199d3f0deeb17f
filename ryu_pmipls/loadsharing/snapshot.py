"""The load list at one time: the input of policies, recorded with their decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

import numpy as np

from ryu_pmipls.loadsharing.window import UNKNOWN, Floats, Integers


class LmaState(str, Enum):
    """Role of an LMA in a move (erratum E20): an overloaded one is a source, a light one a target.

    A draining or dead one must give up all that it carries; the others are neither source nor target by the draft.
    """

    OVERLOADED = "overloaded"
    LIGHT = "light"
    NEUTRAL = "neutral"  # hot, but with too few packets to count as overloaded
    STALE = "stale"  # CPU or counts are unknown or too old to act upon (erratum E28)
    DRAINING = "draining"  # on the operator's word
    DEAD = "dead"

    @property
    def to_be_left(self) -> bool:
        """True when it may get no uplink and must give up those it has. Its switch alone may make an LMA dead."""
        return self in (LmaState.DRAINING, LmaState.DEAD)


class Source(str, Enum):
    """Source of packet counts."""

    OPENFLOW = "openflow"  # statistics of the LMA's tunnel ports
    SIGNALLING = "signalling"  # Load_info


@dataclass(frozen=True, slots=True)
class MagTraffic:
    """Traffic of one MAG through one LMA in the last ``span`` seconds; None is unknown.

    ``offered`` is the packets per second it has lately sent there, lost ones included, as its own switch counts them.
    """

    mag: str
    packets: int | None
    octets: int | None
    span: float | None
    offered: float | None = None


@dataclass(frozen=True, slots=True)
class LmaLoad:
    """One entry of the load list. ``cpu`` is a fraction, ages and ``span`` are seconds; None is unknown.

    ``packets`` and ``octets`` arrived from the MAGs in the window, of which at least ``span`` seconds were
    watched for every MAG. ``signalled_packets`` is the total of the newest Load_info, for comparison. ``capacity`` is
    relative to that of the other LMAs. ``cause`` is the reason an LMA counts as dead, or the party that drains it.
    ``loss`` is the fraction lately lost of the packets that MAGs sent to the LMA, if that is full.
    ``rise`` is that of the CPU, per second, in the last window; ``full_for`` the seconds since when the LMA is full,
    and ``forwarded`` the packets per second that it has forwarded since then, within a window.
    """

    lma: str
    state: LmaState
    cpu: float | None
    cpu_age: float | None
    packets: int | None
    octets: int | None
    source: Source | None
    counts_age: float | None
    span: float | None
    signalled_packets: int | None
    capacity: float = 1.0
    cause: str | None = None
    loss: float | None = None
    rise: float | None = None
    full_for: float | None = None
    forwarded: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LoadSnapshot:
    """The load list at a time: entries in the profile's order of LMAs, ``mags`` in its order of MAGs.

    ``packets``, ``octets`` (int64) and ``spans`` (float64, s) have the shape (LMAs, MAGs): arrivals from each MAG in
    the last ``spans`` seconds; ``UNKNOWN`` and NaN for unknown. ``offered`` (float64, packets/s, NaN for unknown), of
    the same shape, is the rate that each MAG has lately sent there. ``window`` and ``report_interval`` are seconds.
    Arrays must not be changed.
    """

    time: float
    window: float
    report_interval: float
    mags: tuple[str, ...]
    lmas: tuple[LmaLoad, ...]
    packets: Integers
    octets: Integers
    spans: Floats
    offered: Floats

    @staticmethod
    def of(
        time: float,
        window: float,
        report_interval: float,
        mags: Iterable[str],
        loads: Sequence[tuple[LmaLoad, Iterable[MagTraffic]]],
    ) -> LoadSnapshot:
        """A snapshot from entries with their traffic; MAGs that are not named sent nothing."""
        names = tuple(mags)
        shape = (len(loads), len(names))
        packets, octets, spans = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape)
        offered = np.full(shape, np.nan)
        column = {mag: index for index, mag in enumerate(names)}
        for row, (load, traffic) in enumerate(loads):
            spans[row] = np.nan if load.span is None else load.span
            if load.packets is None:
                packets[row] = octets[row] = UNKNOWN
            for entry in traffic:
                at = row, column[entry.mag]
                packets[at] = UNKNOWN if entry.packets is None else entry.packets
                octets[at] = UNKNOWN if entry.octets is None else entry.octets
                spans[at] = np.nan if entry.span is None else entry.span
                offered[at] = np.nan if entry.offered is None else entry.offered
        return LoadSnapshot(
            time, window, report_interval, names, tuple(load for load, _ in loads), packets, octets, spans, offered
        )

    def lma(self, name: str) -> LmaLoad:
        """The entry of that LMA; ``KeyError`` if there is none."""
        return self.lmas[self._row(name)]

    def traffic(self, lma: str) -> tuple[MagTraffic, ...]:
        """Traffic through an LMA from the MAGs that send anything there, or may do so for all that is known."""
        row = self._row(lma)
        return tuple(
            MagTraffic(
                mag=self.mags[column],
                packets=_known(self.packets[row, column]),
                octets=_known(self.octets[row, column]),
                span=_number(self.spans[row, column]),
                offered=_number(self.offered[row, column]),
            )
            for column in np.flatnonzero((self.packets[row] != 0) | (self.offered[row] > 0)).tolist()
        )

    def rates(self) -> Floats:
        """Packets per second of each MAG through each LMA, shape (LMAs, MAGs); NaN where unknown."""
        with np.errstate(invalid="ignore", divide="ignore"):
            rates: Floats = np.where(self.packets == UNKNOWN, np.nan, self.packets / self.spans)
        return rates

    def to_document(self) -> dict[str, Any]:
        """The load list as a JSON document; an LMA's entry leaves out MAGs that sent nothing through it."""
        return {
            "time": self.time,
            "window": self.window,
            "report_interval": self.report_interval,
            "mags": list(self.mags),
            "lmas": [self.entry_document(load.lma) for load in self.lmas],
        }

    def entry_document(self, lma: str) -> dict[str, Any]:
        """One entry as in ``to_document``."""
        load = self.lma(lma)
        names = {"state": load.state.value, "source": None if load.source is None else load.source.value}
        return asdict(load) | names | {"mags": [asdict(traffic) for traffic in self.traffic(lma)]}

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> LoadSnapshot:
        """Build from the result of ``to_document``; ``KeyError``, ``TypeError`` or ``ValueError`` for anything else."""
        loads = []
        for entry in document["lmas"]:
            fields = {key: value for key, value in entry.items() if key != "mags"}
            fields["state"] = LmaState(entry["state"])
            fields["source"] = None if entry["source"] is None else Source(entry["source"])
            loads.append((LmaLoad(**fields), [MagTraffic(**traffic) for traffic in entry["mags"]]))
        return LoadSnapshot.of(
            document["time"], document["window"], document["report_interval"], document["mags"], loads
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LoadSnapshot) and self.to_document() == other.to_document()

    def __hash__(self) -> int:
        return hash((self.time, self.lmas))

    def _row(self, lma: str) -> int:
        for row, load in enumerate(self.lmas):
            if load.lma == lma:
                return row
        raise KeyError(lma)


def _known(count: np.int64) -> int | None:
    return None if count == UNKNOWN else int(count)


def _number(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)
