"""Measurements of goodput side by side: a table, and a picture of goodput and moves over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from ryu_pmipls.lab.measuring.sharing.goodput import QUIET, carried

_COLOURS = {"draft": "#d95f02", "balance": "#1f6fb4"}

HEADINGS = (
    "offered",
    "policy",
    "goodput, of evenly divided",
    "Mbit/s",
    "lost, most and least of a MAG",
    "TCP Mbit/s",
    "moves",
    f"in the last {QUIET:.0f} s",
)


def rows(measurements: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """A row for each policy at each ratio: the median of the measurements, and their least and most."""
    found: dict[tuple[float, str], list[Mapping[str, Any]]] = {}
    for each in measurements:
        for run in each["runs"]:
            found.setdefault((run["ratio"], run["policy"]), []).append(run)
    return [[f"{ratio:g}", policy, *_cells(runs)] for (ratio, policy), runs in found.items()]


def summary(measurements: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each thing that load sharing must show, with the number of measurements that show it."""
    names = dict.fromkeys(name for each in measurements for name in each["wanted"])
    return [
        f"{sum(each['wanted'].get(name, False) for each in measurements)} of {len(measurements)}  {name}"
        for name in names
    ]


def draw(measurements: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw goodput over time by ratio, with a mark for each move, into a PNG or SVG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ratios = list(dict.fromkeys(run["ratio"] for each in measurements for run in each["runs"]))
    figure = Figure(figsize=(11, 2.6 * len(ratios) + 0.6))
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(ratios), 1, sharex=True, squeeze=False)[:, 0]
    for axes, ratio in zip(panels, ratios, strict=True):
        for number, each in enumerate(measurements):
            axes.axhline(each["capacity_mbit_s"], lw=0.8, ls=":", color="black", label=None if number else "capacity")
            for run in (run for run in each["runs"] if run["ratio"] == ratio):
                colour = _COLOURS.get(run["policy"], "#444444")
                times, rates = zip(*run["goodput"], strict=True) if run["goodput"] else ((), ())
                axes.plot(times, rates, lw=1.0, color=colour, label=None if number else run["policy"])
                place = 0.03 + 0.05 * (run["policy"] == "balance")
                axes.plot(
                    run["moves"],
                    [place] * len(run["moves"]),
                    "|",
                    ms=8,
                    color=colour,
                    transform=axes.get_xaxis_transform(),
                )
        axes.set_ylim(bottom=0)
        axes.set_ylabel("Mbit/s")
        axes.set_title(f"{ratio:g} times the capacity offered; marks at the bottom are moves", loc="left", fontsize=10)
        axes.grid(alpha=0.25)
    panels[0].legend(fontsize=8, loc="lower right", frameon=False)
    panels[-1].set_xlabel("seconds since the policy began")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def _cells(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    def spread(value: Callable[[Mapping[str, Any]], float], form: str) -> str:
        values = [value(run) for run in runs]
        middle = format(median(values), form)
        return middle if len(values) == 1 else f"{middle} ({format(min(values), form)} to {format(max(values), form)})"

    lost = [[each["lost"] for each in run["lost_by_mag"].values()] for run in runs]
    return [
        spread(carried, ".2f"),
        spread(lambda run: run["mbit_s"], ".0f"),
        f"{median(max(each) for each in lost):.1%}, {median(min(each) for each in lost):.1%}",
        spread(lambda run: run["tcp_mbit_s"], ".1f"),
        spread(lambda run: len(run["moves"]), ".0f"),
        spread(lambda run: sum(move > run["seconds"] - QUIET for move in run["moves"]), ".0f"),
    ]
