"""``pmipls handoffs``: the costs of a handoff, measured in a lab."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import click

from ryu_pmipls.cli.failures import InputError
from ryu_pmipls.cli.options import json_option, lab_profile_option, output_option, protection_option
from ryu_pmipls.cli.parameter_types import FiniteRange
from ryu_pmipls.cli.progress import progress_console
from ryu_pmipls.cli.sections import MEASURE
from ryu_pmipls.cli.tables import print_document, print_table
from ryu_pmipls.lab.measuring.handoff_ways import WAYS

if TYPE_CHECKING:
    from ryu_pmipls.domain.profile import Profile
    from ryu_pmipls.lab.measuring.handoff_series import MeasuredHandoff

_Results = Mapping[str, Sequence["MeasuredHandoff"]]
_FIGURES: tuple[tuple[str, Callable[[Any], float]], ...] = (
    ("link layer (ms)", lambda handoff: handoff.link_layer_ms),
    ("gap (ms)", lambda handoff: handoff.gap_ms),
    ("of it the protocol's (ms)", lambda handoff: handoff.protocol_gap_ms),
    ("lost to the link layer", lambda handoff: handoff.lost_link_layer),
    ("lost to the protocol", lambda handoff: handoff.lost_protocol),
    ("late", lambda handoff: handoff.late),
    ("TCP segments sent again", lambda handoff: handoff.tcp_retransmitted),
)


@MEASURE.command("handoffs", bad="it cannot go on", wrong="the lab is too small")
@lab_profile_option("two-lma")
@click.option("--number", type=click.IntRange(1, 1000), default=30, show_default=True, help="Handoffs in each way.")
@click.option(
    "--interval", type=FiniteRange(1, 60), default=1.5, show_default=True, help="Seconds between two handoffs."
)
@click.option(
    "--way",
    "names",
    type=click.Choice([way.name for way in WAYS]),
    multiple=True,
    help="Measure only this way, and keep the other ones of an earlier report; may be repeated.",
)
@protection_option
@output_option("handoff-report")
@json_option
def handoffs(
    profile: str | None,
    number: int,
    interval: float,
    names: tuple[str, ...],
    protection: str | None,
    output: Path,
    as_json: bool,
) -> None:
    """Measure what a handoff costs a downlink, in several ways.

    The command hands a mobile node off to and fro in a lab, under traffic, and compares what is lost.
    """
    from ryu_pmipls.domain.profile import LAB_PROFILE, find_profile, load_profile
    from ryu_pmipls.lab.measuring.handoffs import draw, measure
    from ryu_pmipls.lab.protection import protected_profile

    path = find_profile(profile, fallback=LAB_PROFILE)
    _check(load_profile(path), path)
    output.mkdir(parents=True, exist_ok=True)
    figures, picture = output / "handoffs.json", output / "handoffs.png"
    results = _earlier(figures) if names else {}
    console = progress_console(document=as_json)
    for way in WAYS:
        if not names or way.name in names:
            status = console.status(f"{way.name}: {number} handoffs")
            with status, protected_profile(path, protection) as wanted:
                results[way.name] = measure(wanted, way, number, interval)
    results = {way.name: results[way.name] for way in WAYS if way.name in results}
    document = {name: [asdict(each) for each in found] for name, found in results.items()}
    figures.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    draw(results, picture)
    if as_json:
        print_document(document)
    else:
        _print_results(results)
    click.echo(f"Left in {output}: {figures.name}, {picture.name}", err=as_json)


def _print_results(results: _Results) -> None:
    click.echo("Median and worst of a handoff")
    rows = []
    for title, figure in _FIGURES:
        columns = [[figure(handoff) for handoff in found] for found in results.values()]
        rows.append([title, *(f"{median(column):.0f}, {max(column):.0f}" for column in columns)])
    print_table(("", *results), rows)


def _earlier(figures: Path) -> dict[str, Sequence[MeasuredHandoff]]:
    """The results of an earlier report, if there is one."""
    from ryu_pmipls.lab.measuring.handoff_series import MeasuredHandoff

    if not figures.exists():
        return {}
    try:
        found = json.loads(figures.read_text(encoding="utf-8"))
        return {name: [MeasuredHandoff(**each) for each in entries] for name, entries in found.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{figures}: is not an earlier report: {error}") from None


def _check(profile: Profile, path: Path) -> None:
    if profile.lab is None or len(profile.mags) < 2 or not profile.mobile_nodes:
        raise InputError(f"{path}: the sections lab, mags (two of them) and mobile_nodes (one) are needed")
