"""``pmipls simulate``: a scenario in virtual time."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ryu_pmipls.simulator.contest import play
from ryu_pmipls.simulator.picture import draw
from ryu_pmipls.simulator.results import document, figures, table
from ryu_pmipls.simulator.scenario import load_scenario
from ryu_pmipls.simulator.traffic import traffic_of


@click.command()
@click.argument("scenario")
@click.option("--only", multiple=True, metavar="CONTENDER", help="Only this contender; may be given several times.")
@click.option("--hours", type=click.FloatRange(min=0.01), help="So many hours in place of those of the scenario.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write all figures here.")
@click.option("--plot", "plot_path", type=click.Path(dir_okay=False, path_type=Path), help="Draw here (.png or .svg).")
@click.option("--between", nargs=2, type=float, metavar="HOUR HOUR", help="Draw only what is between these hours.")
def simulate(
    scenario: str,
    only: tuple[str, ...],
    hours: float | None,
    json_path: Path | None,
    plot_path: Path | None,
    between: tuple[float, float] | None,
) -> None:
    """Play SCENARIO, a YAML file or the name of a shipped one, with each of its contenders."""
    loaded, path = load_scenario(scenario)
    if hours is not None:
        loaded = loaded.model_copy(update={"hours": hours})
        if loaded.steps < 1:
            raise click.BadParameter(f"must be at least a step of {loaded.step:g} s", param_hint="--hours")
    if between is not None and not 0 <= between[0] < between[1] <= loaded.hours:
        raise click.BadParameter(f"must be two hours from 0 to {loaded.hours:g}, in order", param_hint="--between")
    names = [contender.name for contender in loaded.contenders]
    for name in only:
        if name not in names:
            raise click.BadParameter(f"{name} is no contender; there are: {', '.join(names)}", param_hint="--only")
    chosen = [contender for contender in loaded.contenders if not only or contender.name in only]
    traffic = traffic_of(loaded, path)
    console = Console(width=None if sys.stdout.isatty() else 160)
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks = [progress.add_task(contender.name, total=loaded.steps) for contender in chosen]

        def show(steps: Sequence[int]) -> None:
            for task, done in zip(tasks, steps, strict=True):
                progress.update(task, completed=done)

        runs = play(loaded, path, chosen, show)
    console.print(
        f"{path.stem}: {loaded.lmas.count} LMAs, {len(traffic.mags)} MAGs, {loaded.hours:g} hours in steps of "
        f"{loaded.step:g} s. {loaded.description}",
        highlight=False,
    )
    console.print(table([figures(loaded, run) for run in runs]))
    try:
        if json_path is not None:
            json_path.write_text(json.dumps(document(loaded, runs)) + "\n", encoding="utf-8")
        if plot_path is not None:
            draw(runs, plot_path, path.stem, between)
    except OSError as error:
        raise click.FileError(str(error.filename), error.strerror) from None
