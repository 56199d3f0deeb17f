"""Scenarios: LMAs, MAGs, traffic and the contenders, as a person writes them down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from ryu_pmipls.domain.profile import SHIPPED_PROFILES, Fraction, LoadSharingSettings, find_file, load_document
from ryu_pmipls.domain.profile.faults import Fault, Place
from ryu_pmipls.domain.profile.section import Section, WholeDocument
from ryu_pmipls.domain.profile.sound_parts import values

#: Scenarios that come with the package.
SHIPPED_SCENARIOS = SHIPPED_PROFILES / "scenarios"

Hours = Annotated[float, Field(ge=0, le=24 * 366)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Lmas(Section):
    """``count`` LMAs; each forwards at most ``packets_per_second`` times its capacity.

    ``capacities`` are relative, and repeat themselves when there are fewer of them than LMAs. An LMA with nothing to do
    has the CPU fraction ``idle_cpu``, one that forwards at its limit 1.
    """

    count: int = Field(ge=1, le=10000)
    packets_per_second: Positive
    capacities: tuple[Positive, ...] = Field(default=(1.0,), min_length=1)
    idle_cpu: float = Field(default=0.05, ge=0, lt=1)


class Mags(Section):
    """``count`` MAGs; the k-th most popular one gets a share of the mobile nodes in proportion to k ** -``zipf``."""

    count: int = Field(ge=1, le=100000)
    zipf: float = Field(default=0.0, ge=0, le=5)


class Diurnal(Section):
    """Traffic over the day: a cosine with its top at ``peak_hour`` and ``low`` of the top at the opposite hour.

    MAGs have their peaks at different hours: normally distributed, with a standard deviation of ``spread_hours``.
    """

    low: Fraction = 1.0
    peak_hour: float = Field(default=20.0, ge=0, lt=24)
    spread_hours: float = Field(default=0.0, ge=0, le=12)


class FlashCrowd(Section):
    """Traffic ``factor`` times as high at ``mags`` MAGs, from hour ``at`` on, for ``minutes``."""

    at: Hours
    minutes: Positive
    mags: int = Field(ge=1)
    factor: Positive


class Nodes(Section):
    """Mobile nodes: ``count`` at any time, each with ``packets_per_second`` on average at the top of the day.

    Their rates have a log-normal distribution with ``spread`` as its sigma; each has some ``flows`` of unequal size. A
    session lasts ``session`` seconds on average (0: for ever) and is followed by a new one elsewhere; a node is handed
    off to a MAG nearby ``handoffs_per_hour`` times. New sessions have their anchor by a hash of the node (``hash``), or
    all of a MAG have the same one (``region``); redirection may change that.
    """

    count: int = Field(ge=1, le=10_000_000)
    packets_per_second: Positive
    spread: float = Field(default=1.0, ge=0, le=4)
    flows: int = Field(default=4, ge=1, le=64)
    session: float = Field(default=0.0, ge=0)
    handoffs_per_hour: float = Field(default=0.0, ge=0)
    anchors: Literal["hash", "region"] = "hash"
    diurnal: Diurnal = Diurnal()
    flash_crowds: tuple[FlashCrowd, ...] = ()


class Recorded(Section):
    """Traffic from a CSV file with a header: ``time`` (s from the start), ``mag``, ``packets_per_second``.

    A rate holds until the next one for the same MAG. Paths are relative to the scenario's file. Each MAG's traffic is
    of some ``flows`` of unequal size, anchored as with mobile nodes.
    """

    csv: Path
    flows: int = Field(default=64, ge=1, le=4096)
    anchors: Literal["hash", "region"] = "hash"


class ScenarioEvent(Section):
    """Event at an LMA (numbered from 1) at an hour."""

    at: Hours
    lma: int = Field(ge=1)
    state: Literal["dead", "draining", "back"]


class Costs(Section):
    """Costs of sharing load, as measured in a lab (``docs/measurements.md``).

    A move disturbs ``move`` seconds of the traffic that it moves: these packets are overtaken by others, or lost. A
    MAG's switch has ``split`` (a fraction) more to do for a packet of an uplink that several LMAs carry.
    """

    move: float = Field(default=0.0001, ge=0, le=60)
    split: float = Field(default=0.23, ge=0, le=10)


class Contender(Section):
    """A policy with its settings. ``uplinks`` begin as the policy has them, or dealt out by a hash, as ECMP would."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
    uplinks: Literal["policy", "hash"] = "policy"
    load_sharing: LoadSharingSettings


class Scenario(WholeDocument):
    """A whole scenario. The same seed gives the same traffic, for every contender.

    Traffic comes from ``nodes`` at ``mags``, or from a file with ``recorded`` traffic. It is constant for a step, which
    is the contenders' report interval.
    """

    description: str = ""
    seed: int = Field(default=1, ge=0)
    hours: Positive
    lmas: Lmas
    mags: Mags | None = None
    nodes: Nodes | None = None
    recorded: Recorded | None = None
    events: tuple[ScenarioEvent, ...] = ()
    costs: Costs = Costs()
    contenders: tuple[Contender, ...] = Field(min_length=1)

    @classmethod
    def inconsistencies(cls, sound: Any) -> Iterator[Fault]:
        """Values that do not agree with others."""
        given = {name for name in ("mags", "nodes", "recorded") if getattr(sound, name) is not None}
        if ("nodes" in given) == ("recorded" in given):
            yield Fault(("nodes",), "either this or recorded must be given")
        if ("nodes" in given) != ("mags" in given):
            yield Fault(("mags",), "must be given with nodes, and with nothing else")
        for _, count in values(sound, "lmas.count"):
            for place, lma in values(sound, "events.*.lma"):
                if lma > count:
                    yield Fault(place, f"must be from 1 to {count}")
        first: dict[str, Place] = {}
        for place, name in values(sound, "contenders.*.name"):
            if first.setdefault(name, place) is not place:
                yield Fault(place, f"must be unique; {name} is already", first[name])
        steps = dict(values(sound, "contenders.*.load_sharing.report_interval"))
        step = steps.get(("contenders", 0, "load_sharing", "report_interval"))
        if step is None:
            return
        for place, interval in steps.items():
            if interval != step:
                yield Fault(place, f"must be {step:g}, as that of the first contender")
        for place, interval in values(sound, "contenders.*.load_sharing.evaluation_interval"):
            if interval % step:
                yield Fault(place, f"must be a multiple of report_interval ({step:g})")

    @property
    def step(self) -> float:
        """Seconds for which traffic is constant."""
        return self.contenders[0].load_sharing.report_interval

    @property
    def steps(self) -> int:
        return round(self.hours * 3600 / self.step)


def find_scenario(name: str | Path) -> Path:
    """The file of a scenario: a path, or the name of a shipped one."""
    return find_file(name, SHIPPED_SCENARIOS, "scenario")


def load_scenario(name: str | Path) -> tuple[Scenario, Path]:
    """Read and validate a scenario; returns it and its file. ``ProfileError`` lists all its faults."""
    path = find_scenario(name)
    return load_document(path, Scenario), path
