"""Utilisation and moves over time, a panel for each contender."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ryu_pmipls.simulator.engine import Run

#: Most LMAs that have a line each; with more the band between the highest and the lowest is drawn.
_LINES = 8
_COLOURS = ("#1f6fb4", "#d95f02", "#1b9e77", "#7570b3", "#e7298a", "#66a61e", "#a6761d", "#444444")


def draw(runs: Sequence[Run], path: Path, title: str, between: tuple[float, float] | None = None) -> None:
    """Draw runs, or their part ``between`` two hours, into a PNG or SVG file; ``OSError`` when it cannot be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 1.0 + 2.3 * len(runs)))
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(runs), 1, sharex=True, squeeze=False)[:, 0]
    # A minute of saturation must not flatten the rest.
    top = 1.08 * max(1.0, *(float(np.quantile(run.utilisation.max(axis=1), 0.995)) for run in runs))
    for axes, run in zip(panels, runs, strict=True):
        hours = run.times / 3600
        sharing = run.contender.load_sharing
        if run.utilisation.shape[1] <= _LINES:
            for number, line in enumerate(run.utilisation.T):
                axes.plot(hours, line, lw=1.0, color=_COLOURS[number % len(_COLOURS)], label=f"lma{number + 1}")
        else:
            low, high = run.utilisation.min(axis=1), run.utilisation.max(axis=1)
            axes.fill_between(hours, low, high, color="#9ec3e6", lw=0, label="all LMAs")
            axes.plot(hours, high, lw=0.8, color=_COLOURS[0], label="highest")
        axes.plot(hours, run.optimum, lw=1.0, ls="--", color="black", label="least possible highest")
        axes.axhline(sharing.cpu_threshold, lw=0.8, ls=":", color="#c0392b")
        axes.axhline(1.0, lw=0.8, color="#c0392b")
        moves = np.array([decision.time for decision in run.decisions]) / 3600
        axes.plot(moves, np.full(len(moves), 0.97 * top), "|", ms=7, color="#555555", alpha=0.6, label="move")
        axes.set_ylim(0, top)
        axes.set_xlim(between or (0, hours[-1]))
        axes.set_ylabel("utilisation")
        axes.set_title(f"{run.contender.name}: {len(run.decisions)} moves", loc="left", fontsize=10)
        axes.grid(alpha=0.25)
    panels[-1].set_xlabel("hours")
    handles, labels = panels[0].get_legend_handles_labels()
    height = figure.get_figheight()
    figure.text(0.01, 1 - 0.12 / height, title, fontsize=12, va="top")
    figure.legend(handles, labels, loc="upper right", ncols=6, fontsize=8, frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.4 / height))
    figure.savefig(path, dpi=110)
