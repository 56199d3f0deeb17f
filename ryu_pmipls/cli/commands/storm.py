"""``pmipls storm``: random mishaps and strangers in a lab, and what is left of them."""

from __future__ import annotations

from pathlib import Path

import click

from ryu_pmipls.cli.options import json_option, lab_profile_option, output_option
from ryu_pmipls.cli.parameter_types import FiniteRange
from ryu_pmipls.cli.progress import progress_console
from ryu_pmipls.cli.sections import LAB
from ryu_pmipls.cli.tables import print_document

#: Profile of the lab without any other: with few nodes there is little to strike.
_FALLBACK = "three-lma"


@LAB.command("storm", bad="the domain has not recovered, or it cannot go on", wrong="a profile without a lab")
@lab_profile_option(_FALLBACK)
@click.option(
    "--duration",
    type=FiniteRange(min=10, max=86400),
    default=900,
    show_default=True,
    metavar="SECONDS",
    help="Time for which the storm lasts.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=1,
    show_default=True,
    metavar="NUMBER",
    help="What decides the sequence of the blows.",
)
@click.option("--keep", is_flag=True, help="Leave the lab up.")
@output_option("storm-report")
@json_option
def storm(profile: str | None, duration: float, seed: int, keep: bool, output: Path, as_json: bool) -> None:
    """Have a storm in a lab, and see whether the domain recovers.

    RMS, agents, switches, their databases and routing daemons are killed at random, and started again; mobile nodes
    move, LMAs are drained, clocks are set, and strangers try every port. Afterwards nothing is touched: within 60 s
    every mobile node must be served, and all parts must agree; nothing may have grown, and nothing may be left. The
    same seed, duration and profile give the same sequence of blows.
    """
    from ryu_pmipls.domain.profile import find_profile, load_profile
    from ryu_pmipls.lab.storm import storm_run

    path = find_profile(profile, fallback=_FALLBACK)
    settings = storm_run.StormSettings(seed, duration)
    console = progress_console(document=as_json)
    report = storm_run.storm(load_profile(path), path, settings, keep, output, console)
    if as_json:
        print_document(report.document())
    if not report.passed:
        raise click.exceptions.Exit(1)
