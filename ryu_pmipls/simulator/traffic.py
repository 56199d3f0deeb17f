"""Traffic of a simulation: generated mobile nodes, or rates recorded in a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ryu_pmipls.domain.profile import ProfileError
from ryu_pmipls.loadsharing import SLOTS
from ryu_pmipls.simulator.scenario import Mags, Nodes, Recorded, Scenario

Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Step:
    """Traffic that is constant for a step; MAGs and LMAs by their number from 0.

    One element a node: ``mag`` where it is, ``home`` its anchor by the scenario, ``new`` true if its session begins.
    One element a flow: ``node`` that owns it, ``slot`` that its hash leads to, ``rate`` in packets per second.
    """

    mag: Indices
    home: Indices
    new: Flags
    node: Indices
    slot: Indices
    rate: Floats


class TrafficSource(Protocol):
    """Source of the MAGs' traffic."""

    @property
    def mags(self) -> tuple[str, ...]:
        """The names of the MAGs."""

    def steps(self) -> Iterator[Step]:
        """The steps from the beginning; always the same ones."""


def traffic_of(scenario: Scenario, path: Path) -> TrafficSource:
    """The traffic of a scenario that was read from ``path``; ``ProfileError`` if it names a faulty file."""
    if scenario.recorded is not None:
        return RecordedTraffic(scenario, scenario.recorded, path.parent)
    assert scenario.nodes is not None and scenario.mags is not None
    return NodeTraffic(scenario, scenario.mags, scenario.nodes)


class NodeTraffic:
    """Mobile nodes that come, send, are handed off and go."""

    def __init__(self, scenario: Scenario, mags: Mags, nodes: Nodes) -> None:
        self._scenario = scenario
        self._mags = mags
        self._nodes = nodes
        self.mags = tuple(f"mag{number}" for number in range(1, mags.count + 1))

    def steps(self) -> Iterator[Step]:
        nodes, step = self._nodes, self._scenario.step
        random = np.random.default_rng(self._scenario.seed)
        order = random.permutation(self._mags.count)  # popular MAGs lie anywhere
        popularity = (1.0 + order) ** -self._mags.zipf
        popularity /= popularity.sum()
        peaks = random.normal(nodes.diurnal.peak_hour, nodes.diurnal.spread_hours, self._mags.count)
        crowded = np.argsort(order, kind="stable")  # the most popular first

        owner = np.repeat(np.arange(nodes.count), nodes.flows)
        mag = random.choice(self._mags.count, nodes.count, p=popularity)
        home = self._homes(random, mag)
        slot = random.integers(SLOTS, size=nodes.count * nodes.flows)
        rate = self._rates(random, nodes.count)
        new: Flags = np.ones(nodes.count, dtype=np.bool_)
        for number in range(self._scenario.steps):
            level = self._level(number * step / 3600, peaks, crowded)
            yield Step(mag.copy(), home.copy(), new.copy(), owner, slot.copy(), rate.ravel() * level[mag][owner])
            handed_off = random.random(nodes.count) < nodes.handoffs_per_hour * step / 3600
            way = random.choice((-2, -1, 1, 2), int(handed_off.sum()))
            mag[handed_off] = (mag[handed_off] + way) % self._mags.count  # to a MAG nearby
            new = random.random(nodes.count) < (step / nodes.session if nodes.session else 0.0)
            begun = int(new.sum())
            mag[new] = random.choice(self._mags.count, begun, p=popularity)
            home[new] = self._homes(random, mag[new])
            slot[new[owner]] = random.integers(SLOTS, size=begun * nodes.flows)
            rate[new] = self._rates(random, begun)

    def _rates(self, random: np.random.Generator, count: int) -> Floats:
        """Packets per second at the top of the day, shape (nodes, flows)."""
        nodes = self._nodes
        mean = nodes.packets_per_second
        rates = random.lognormal(np.log(mean) - nodes.spread**2 / 2, nodes.spread, count)
        shares: Floats = random.dirichlet(np.ones(nodes.flows), count)
        return shares * rates[:, None]

    def _homes(self, random: np.random.Generator, mag: Indices) -> Indices:
        lmas = self._scenario.lmas.count
        if self._nodes.anchors == "hash":
            return random.integers(lmas, size=len(mag))
        return mag * lmas // self._mags.count

    def _level(self, hour: float, peaks: Floats, crowded: Indices) -> Floats:
        """Traffic of each MAG as a fraction of that at the top of its day."""
        low = self._nodes.diurnal.low
        level: Floats = (1 + low) / 2 + (1 - low) / 2 * np.cos((hour - peaks) * (2 * np.pi / 24))
        for crowd in self._nodes.flash_crowds:
            if crowd.at <= hour < crowd.at + crowd.minutes / 60:
                level[crowded[: crowd.mags]] *= crowd.factor
        return level


class RecordedTraffic:
    """Rates by MAG from a CSV file."""

    def __init__(self, scenario: Scenario, recorded: Recorded, directory: Path) -> None:
        self._scenario = scenario
        self._recorded = recorded
        path = directory / recorded.csv
        series: dict[str, list[tuple[float, float]]] = {}
        try:
            with path.open(newline="", encoding="utf-8") as file:
                for line, row in enumerate(csv.DictReader(file), start=2):
                    try:
                        time, rate = float(row["time"]), float(row["packets_per_second"])
                        name = row["mag"]
                    except (KeyError, TypeError, ValueError) as error:
                        raise ProfileError(
                            f"{path}:{line}: {error}; needed are the columns time, mag and packets_per_second"
                        ) from None
                    if not (0 <= time < np.inf and 0 <= rate < np.inf and name):
                        raise ProfileError(f"{path}:{line}: time and rate must not be negative, and mag not empty")
                    series.setdefault(name, []).append((time, rate))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise ProfileError(f"{path}: cannot be read: {error}") from None
        if not series:
            raise ProfileError(f"{path}: has no rows; needed are the columns time, mag and packets_per_second")
        self.mags = tuple(series)
        self._series = [sorted(rows) for rows in series.values()]

    def steps(self) -> Iterator[Step]:
        count, flows, lmas = len(self.mags), self._recorded.flows, self._scenario.lmas.count
        random = np.random.default_rng(self._scenario.seed)
        mag = np.repeat(np.arange(count), flows)  # each flow is a node of its own
        home = random.integers(lmas, size=len(mag)) if self._recorded.anchors == "hash" else mag * lmas // count
        slot = random.integers(SLOTS, size=len(mag))
        share = random.dirichlet(np.ones(flows), count).ravel()
        node = np.arange(len(mag))
        times = [np.array([time for time, _ in rows]) for rows in self._series]
        rates = [np.array([0.0, *(rate for _, rate in rows)]) for rows in self._series]
        for number in range(self._scenario.steps):
            now = number * self._scenario.step
            by_mag = np.array([rates[m][np.searchsorted(times[m], now, side="right")] for m in range(count)])
            new = np.full(len(mag), number == 0)
            yield Step(mag, home, new, node, slot, share * by_mag[mag])
