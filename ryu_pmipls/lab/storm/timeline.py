"""The picture of a storm: who was down when, what else happened, and when mobile nodes were served."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ryu_pmipls.lab.storm.service import INTERVAL
from ryu_pmipls.lab.storm.storm_report import StormReport

_COLOURS = {
    "handoff": "tab:blue",
    "attach": "tab:cyan",
    "detach": "tab:gray",
    "drain": "tab:purple",
    "undrain": "tab:pink",
    "clock step": "tab:orange",
    "stranger": "black",
}
_DOWN, _SERVED, _UNSERVED = "tab:red", "tab:green", "tab:red"
_ROW = 0.19  # inches


def draw(report: StormReport, path: Path) -> None:
    """Draw a row for each daemon, mobile node and LMA that something happened to."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    daemons = sorted({downtime.daemon for downtime in report.downtimes})
    others = sorted({struck.blow.target for struck in report.blows} - {*daemons} - {*report.asked})
    rows = {name: row for row, name in enumerate((*report.asked, *others, *daemons))}
    figure = Figure(figsize=(15, 2 + _ROW * len(rows)))
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    for node in report.asked:
        _draw_service(axis, rows[node], report.asked[node], {*report.answered.get(node, ())})
    for downtime in report.downtimes:
        span = (downtime.since, max(downtime.until - downtime.since, 0.3))
        axis.broken_barh([span], (rows[downtime.daemon] - 0.4, 0.8), color=_DOWN)
    for kind, colour in _COLOURS.items():
        marks = [(struck.begun, rows[struck.blow.target]) for struck in report.blows if struck.blow.kind == kind]
        if marks:
            times, places = zip(*marks, strict=True)
            axis.scatter(times, places, s=14, color=colour, label=kind, zorder=3, marker="|", linewidths=2)
    axis.axvline(report.duration, color="black", linestyle="--", linewidth=1)
    axis.set_yticks([*rows.values()], [*rows], fontsize=7)
    axis.invert_yaxis()
    axis.set_xlabel("seconds since the beginning; nothing is touched after the broken line")
    axis.set_title(
        f"Storm of seed {report.seed} in the domain {report.domain}: daemons that are down (red), "
        "mobile nodes served (green) or not (red)",
        fontsize=10,
    )
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def _draw_service(axis: Any, row: int, asked: Sequence[float], answered: set[float]) -> None:
    for colour, times in (
        (_SERVED, [time for time in asked if time in answered]),
        (_UNSERVED, [time for time in asked if time not in answered]),
    ):
        axis.broken_barh([(time, INTERVAL) for time in times], (row - 0.25, 0.5), color=colour, alpha=0.5)
