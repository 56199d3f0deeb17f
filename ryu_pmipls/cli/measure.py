"""``pmipls measure``: figures of load sharing, failure and drain, from real traffic in a lab of four LMAs."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
from rich.console import Console

from ryu_pmipls.domain.profile import find_profile, load_profile
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.measuring.options import report_option
from ryu_pmipls.lab.measuring.sharing import drain, goodput, moves
from ryu_pmipls.lab.measuring.sharing import lma_failure as failure
from ryu_pmipls.lab.measuring.sharing.testbed import Figures, Testbed

MEASUREMENTS: dict[str, Callable[[Testbed], Figures]] = {
    "goodput": goodput.measure,
    "move": moves.measure,
    "failure": partial(failure.measure, rms=True),
    "fallback": partial(failure.measure, rms=False),
    "drain": drain.measure,
}


@click.command()
@click.argument("what", nargs=-1, type=click.Choice([*MEASUREMENTS]))
@click.option("--profile", default="four-lma", show_default=True, help="Profile of the lab; it needs four LMAs.")
@report_option("measurements.json", directory=False)
def measure(what: tuple[str, ...], profile: str, report: Path) -> None:
    """Measure load sharing, failure and drain in a lab, WHAT of it or all.

    goodput by policy; packets lost by a move; a killed LMA, with the RMS (failure) and without it (fallback); a drain.
    """
    console = Console(highlight=False)
    path = find_profile(profile)
    lab = Lab(load_profile(path), path)
    if len(lab.profile.lmas) < 2 or len(lab.profile.mags) < 4 or len(lab.profile.mobile_nodes) < 8:
        raise click.UsageError(f"{path}: at least 2 LMAs, 4 MAGs and 8 mobile nodes are needed")
    testbed = Testbed(lab, console)
    figures: Figures = {}
    try:
        lab.up()
        for name in what or MEASUREMENTS:
            console.print(f"[bold]{name}[/bold]")
            figures[name] = MEASUREMENTS[name](testbed)
            report.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    except LabError as error:
        console.print(f"[red]It cannot go on:[/red] {error}")
        raise click.exceptions.Exit(1) from None
    finally:
        lab.down()
    console.print_json(json.dumps(figures))
