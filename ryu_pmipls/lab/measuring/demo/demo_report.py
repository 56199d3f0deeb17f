"""The demo's report: ``demo-report/report.json`` with every figure, and ``demo-report/report.png``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot


@dataclass(frozen=True)
class Sample:
    """One look at the load list: ``time`` in s since 1970, per LMA CPU (fraction) and packets in the window."""

    time: float
    cpu: Mapping[str, float | None]
    packets: Mapping[str, int | None]


@dataclass(frozen=True)
class PictureMark:
    """A mark in the picture."""

    time: float
    text: str


@dataclass(frozen=True)
class Effect:
    """One of the effects that the demo should show, seen or not; ``measured`` is the evidence."""

    name: str
    seen: bool
    measured: str
    wanted: str


@dataclass
class DemoReport:
    """All measured figures. Goodput is (seconds since 1970, Mbit/s) at the receiver, by flow."""

    domain: str
    start: float
    versions: Mapping[str, str]
    effects: list[Effect] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    goodput: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    events: list[PictureMark] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    stopped: str | None = None  # the reason why the demo could not go on, if so

    @property
    def complete(self) -> bool:
        return self.stopped is None and bool(self.effects) and all(effect.seen for effect in self.effects)

    def to_json(self) -> str:
        """The report as a JSON document."""
        return json.dumps(asdict(self), indent=2)

    def write(self, directory: Path) -> list[Path]:
        """Write the JSON document and, when there is something to draw, the picture; returns their paths."""
        directory.mkdir(parents=True, exist_ok=True)
        document, picture = directory / "report.json", directory / "report.png"
        document.write_text(self.to_json() + "\n", encoding="utf-8")
        if not (self.goodput or self.samples):
            picture.unlink(missing_ok=True)  # that of an earlier demo would be taken for this one's
            return [document]
        draw(self, picture)
        return [document, picture]


def draw(report: DemoReport, path: Path) -> None:
    """Draw goodput of each flow and CPU of each LMA over time, with the decisions and the handoff marked."""
    colours = pyplot.get_cmap("tab10").colors
    figure, (upper, lower) = pyplot.subplots(2, 1, figsize=(11, 7), sharex=True, height_ratios=(3, 2))
    _curves(upper, report.goodput, report.start, colours)
    upper.set_ylabel("goodput at the receiver (Mbit/s)")
    cpu = {
        lma: [(sample.time, 100 * value) for sample in report.samples if (value := sample.cpu.get(lma)) is not None]
        for lma in (report.samples[0].cpu if report.samples else ())
    }
    _curves(lower, cpu, report.start, colours)
    lower.axhline(80, color="grey", linestyle=":", linewidth=1)
    lower.set_ylabel("CPU of the LMA (% of its quota)")
    lower.set_ylim(0, 105)
    lower.set_xlabel("seconds since the start")
    for event in report.events:
        for axis in (upper, lower):
            axis.axvline(event.time - report.start, color="black", linestyle="--", linewidth=1)
        upper.annotate(
            event.text,
            (event.time - report.start, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(4, -4),
            textcoords="offset points",
            rotation=90,
            va="top",
            fontsize=8,
        )
    upper.set_title(f"Load sharing in the domain {report.domain}: measured in the lab")
    for axis in (upper, lower):
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _curves(axis: Any, curves: Mapping[str, Sequence[tuple[float, float]]], start: float, colours: Any) -> None:
    if not any(curves.values()):
        axis.text(0.5, 0.5, "nothing was measured", transform=axis.transAxes, ha="center", color="grey")
        return
    for index, (name, points) in enumerate(curves.items()):
        times = [time - start for time, _ in points]
        axis.plot(times, [value for _, value in points], label=name, color=colours[index], linewidth=1.8)
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
