"""``pmipls measure``: figures of load sharing, failure and drain, from real traffic in a lab of four LMAs."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ryu_pmipls.cli.failures import InputError
from ryu_pmipls.cli.options import json_option, lab_profile_option, output_option
from ryu_pmipls.cli.progress import progress_console
from ryu_pmipls.cli.sections import MEASURE
from ryu_pmipls.cli.tables import print_document, print_table

if TYPE_CHECKING:
    from ryu_pmipls.lab.measuring.sharing.testbed import Figures, Testbed

#: Profile of the lab without any other: the measurements need more than the default lab has.
_FALLBACK = "four-lma"
_NAMES = ("goodput", "move", "failure", "fallback", "drain", "agent")


def measurements() -> dict[str, Callable[[Testbed], Figures]]:
    """The measurements by name."""
    from ryu_pmipls.lab.measuring.sharing import agent_death, drain, goodput, lma_failure, moves

    return {
        "goodput": goodput.measure,
        "move": moves.measure,
        "failure": partial(lma_failure.measure, rms=True),
        "fallback": partial(lma_failure.measure, rms=False),
        "drain": drain.measure,
        "agent": agent_death.measure,
    }


@MEASURE.command("measure", bad="it cannot go on", wrong="the lab is too small")
@click.argument("what", nargs=-1, type=click.Choice(_NAMES))
@click.option(
    "--repeat", type=click.IntRange(min=1), default=1, show_default=True, help="Measure goodput so many times."
)
@lab_profile_option(_FALLBACK)
@output_option("measure-report")
@json_option
def measure(what: tuple[str, ...], repeat: int, profile: str | None, output: Path, as_json: bool) -> None:
    """Measure load sharing, failure and drain of LMAs in a lab.

    WHAT is some of these, all by default: goodput by policy at 0.7, 1.0 and 1.5 times what the LMAs carry, with the
    spread of several measurements, a table and a picture; packets lost by a move; a killed LMA, with the RMS
    (failure) and without it (fallback); a drain; ten minutes without the agent of a MAG. It needs the lab of a profile
    with at least 2 LMAs, 4 MAGs and 8 mobile nodes.
    """
    from ryu_pmipls.domain.profile import find_profile, load_profile
    from ryu_pmipls.lab.lab import Lab
    from ryu_pmipls.lab.measuring.sharing import goodput_report
    from ryu_pmipls.lab.measuring.sharing.testbed import Testbed

    path = find_profile(profile, fallback=_FALLBACK)
    lab = Lab(load_profile(path), path)
    if len(lab.profile.lmas) < 2 or len(lab.profile.mags) < 4 or len(lab.profile.mobile_nodes) < 8:
        raise InputError(
            f"{path}: at least 2 LMAs, 4 MAGs and 8 mobile nodes are needed; --profile {_FALLBACK} has them"
        )
    output.mkdir(parents=True, exist_ok=True)
    file = output / "measurements.json"
    console = progress_console(document=as_json)
    testbed = Testbed(lab, console)
    figures: Figures = {}
    left = [file.name]
    try:
        lab.up()
        for name in what or _NAMES:
            console.print(name, style="bold", markup=False)
            if name == "goodput":
                figures[name] = []
            for _ in range(repeat if name == "goodput" else 1):
                found = measurements()[name](testbed)
                figures[name] = [*figures[name], found] if name == "goodput" else found
                file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    finally:
        lab.down()
    if figures.get("goodput"):
        picture = output / "goodput.png"
        goodput_report.draw(figures["goodput"], picture)
        left.append(picture.name)
        if not as_json:
            print_table(goodput_report.HEADINGS, goodput_report.rows(figures["goodput"]))
            click.echo("\n".join(goodput_report.summary(figures["goodput"])))
    if as_json:
        print_document(figures)
    click.echo(f"Left in {output}: {', '.join(left)}", err=as_json)
