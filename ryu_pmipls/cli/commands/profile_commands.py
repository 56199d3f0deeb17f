"""``pmipls check`` and ``pmipls show``: a profile, offline."""

from __future__ import annotations

from pathlib import Path

import click

from ryu_pmipls.cli.options import json_option, output_option, profile_option
from ryu_pmipls.cli.sections import PROFILE
from ryu_pmipls.cli.tables import print_document, print_table


@PROFILE.command("check", bad="")
@profile_option()
@json_option
def check(profile: str | None, as_json: bool) -> None:
    """Check a profile, and report all its faults at once.

    Each fault has the file, the line, the name of the item, and what is allowed. Warnings are of what is allowed and
    will surprise somebody.
    """
    from ryu_pmipls.domain.profile import find_profile, load_profile, warning_lines

    path = find_profile(profile)
    domain = load_profile(path)
    counts = {"lmas": len(domain.lmas), "mags": len(domain.mags), "mobile_nodes": len(domain.mobile_nodes)}
    warnings = warning_lines(path, domain)
    for line in warnings:
        click.echo(f"Warning: {line}", err=True)
    if as_json:
        print_document({"profile": str(path), "domain": domain.domain, **counts, "warnings": warnings})
        return
    lmas, mags, mobile_nodes = counts.values()
    click.echo(f"{path}: valid. Domain {domain.domain}: {lmas} LMAs, {mags} MAGs, {mobile_nodes} mobile nodes.")


@PROFILE.command("show", bad="a picture cannot be written")
@profile_option()
@output_option()
@json_option
def show(profile: str | None, output: Path | None, as_json: bool) -> None:
    """Show the domain of a profile; with --output, draw it as well.

    The document of --json has every setting, those that the profile leaves out too.
    """
    from ryu_pmipls.domain.domain_picture import draw
    from ryu_pmipls.domain.profile import load_profile
    from ryu_pmipls.domain.topology import describe

    domain = load_profile(profile)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
    if as_json:
        print_document(domain.model_dump(mode="json"))
    else:
        for number, table in enumerate(describe(domain)):
            click.echo(f"{'' if number == 0 else chr(10)}{table.title}")
            print_table(table.columns, table.rows, prose=table.prose)
    if output is not None:
        pictures = [output / "domain.png", output / "domain.svg"]
        for picture in pictures:
            draw(domain, picture)
        click.echo(f"Left in {output}: {', '.join(picture.name for picture in pictures)}", err=as_json)
