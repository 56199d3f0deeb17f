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
from ryu_pmipls.cli.tables import print_document

if TYPE_CHECKING:
    from ryu_pmipls.lab.measuring.sharing.testbed import Figures, Testbed

#: Profile of the lab without any other: the measurements need more than the default lab has.
_FALLBACK = "four-lma"
_NAMES = ("goodput", "move", "failure", "fallback", "drain")


def measurements() -> dict[str, Callable[[Testbed], Figures]]:
    """The measurements by name."""
    from ryu_pmipls.lab.measuring.sharing import drain, goodput, lma_failure, moves

    return {
        "goodput": goodput.measure,
        "move": moves.measure,
        "failure": partial(lma_failure.measure, rms=True),
        "fallback": partial(lma_failure.measure, rms=False),
        "drain": drain.measure,
    }


@MEASURE.command("measure", bad="it cannot go on", wrong="the lab is too small")
@click.argument("what", nargs=-1, type=click.Choice(_NAMES))
@lab_profile_option(_FALLBACK)
@output_option("measure-report")
@json_option
def measure(what: tuple[str, ...], profile: str | None, output: Path, as_json: bool) -> None:
    """Measure load sharing, failure and drain of LMAs in a lab.

    WHAT is some of these, all by default: goodput by policy; packets lost by a move; a killed LMA, with the RMS
    (failure) and without it (fallback); a drain. It needs the lab of a profile with at least 2 LMAs, 4 MAGs and 8
    mobile nodes.
    """
    from ryu_pmipls.domain.profile import find_profile, load_profile
    from ryu_pmipls.lab.lab import Lab
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
    try:
        lab.up()
        for name in what or _NAMES:
            console.print(name, style="bold", markup=False)
            figures[name] = measurements()[name](testbed)
            file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    finally:
        lab.down()
    if as_json:
        print_document(figures)
    click.echo(f"Left in {output}: {file.name}", err=as_json)
