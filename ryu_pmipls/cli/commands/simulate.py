"""``pmipls simulate``: a scenario in virtual time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ryu_pmipls.cli.failures import InputError
from ryu_pmipls.cli.options import json_option, output_option
from ryu_pmipls.cli.parameter_types import FiniteRange, ScenarioName
from ryu_pmipls.cli.sections import MEASURE
from ryu_pmipls.cli.tables import print_document, print_table

if TYPE_CHECKING:
    from ryu_pmipls.simulator.engine import Run
    from ryu_pmipls.simulator.scenario import Contender, Scenario


@MEASURE.command("simulate", bad="a file cannot be written", wrong="no such scenario, contender or hours")
@click.argument("scenario", type=ScenarioName())
@click.option("--only", multiple=True, metavar="CONTENDER", help="Play only this contender; may be repeated.")
@click.option("--hours", type=FiniteRange(min=0.01), help="Hours to play, in place of the scenario's.")
@click.option("--between", nargs=2, type=float, metavar="HOUR HOUR", help="Draw only the part between these hours.")
@output_option()
@json_option
def simulate(
    scenario: str,
    only: tuple[str, ...],
    hours: float | None,
    between: tuple[float, float] | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Simulate a scenario with each of its contenders.

    SCENARIO is a file, or the name of a shipped one. With --output, all figures and a picture are left in a folder. The
    document of --json has all figures.
    """
    from ryu_pmipls.simulator.picture import draw
    from ryu_pmipls.simulator.results import document, figures, rows
    from ryu_pmipls.simulator.scenario import load_scenario
    from ryu_pmipls.simulator.traffic import traffic_of

    loaded, path = load_scenario(scenario)
    if hours is not None:
        loaded = loaded.model_copy(update={"hours": hours})
    chosen = _chosen(loaded, only, between)
    traffic = traffic_of(loaded, path)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
    runs = _play(loaded, path, chosen)
    if as_json:
        print_document(document(loaded, runs))
    else:
        click.echo(
            f"{path.stem}: {loaded.lmas.count} LMAs, {len(traffic.mags)} MAGs, {loaded.hours:g} hours in steps of "
            f"{loaded.step:g} s. {loaded.description}"
        )
        results = [figures(loaded, run) for run in runs]
        print_table(("", *(one.contender for one in results)), rows(results), prose=("",))
    if output is not None:
        file, picture = output / "simulation.json", output / "simulation.png"
        file.write_text(json.dumps(document(loaded, runs)) + "\n", encoding="utf-8")
        draw(runs, picture, path.stem, between)
        click.echo(f"Left in {output}: {file.name}, {picture.name}", err=as_json)


def _chosen(loaded: Scenario, only: Sequence[str], between: tuple[float, float] | None) -> list[Contender]:
    """The contenders that play; ``InputError`` for options that do not fit the scenario."""
    if loaded.steps < 1:
        raise InputError(f"--hours: must be at least a step of {loaded.step:g} s")
    if between is not None and not 0 <= between[0] < between[1] <= loaded.hours:
        raise InputError(f"--between: must be two hours from 0 to {loaded.hours:g}, in order")
    names = [contender.name for contender in loaded.contenders]
    for name in only:
        if name not in names:
            raise InputError(f"--only: {name} is no contender; there are: {', '.join(names)}")
    return [contender for contender in loaded.contenders if not only or contender.name in only]


def _play(loaded: Scenario, path: Path, chosen: Sequence[Contender]) -> list[Run]:
    """Play the contenders, with their progress on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from ryu_pmipls.simulator.contest import play

    columns = TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks = [progress.add_task(contender.name, total=loaded.steps) for contender in chosen]

        def show(steps: Sequence[int]) -> None:
            for task, done in zip(tasks, steps, strict=True):
                progress.update(task, completed=done)

        return play(loaded, path, chosen, show)
