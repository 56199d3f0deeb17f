"""``pmipls check`` and ``pmipls show``: a profile, offline."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from ryu_pmipls.domain.domain_picture import draw as draw_picture
from ryu_pmipls.domain.profile import find_profile, load_profile
from ryu_pmipls.domain.topology import describe

PICTURE_SUFFIXES = (".png", ".svg")


def _picture(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    if value is not None and value.suffix.lower() not in PICTURE_SUFFIXES:
        raise click.BadParameter(f"{value} must end in {' or '.join(PICTURE_SUFFIXES)}")
    return value


@click.command()
@click.argument("profile", required=False)
def check(profile: str | None) -> None:
    """Validate PROFILE; report all that is wrong with it."""
    path = find_profile(profile)
    domain = load_profile(path)
    click.echo(
        f"{path}: valid. Domain {domain.domain}: {len(domain.lmas)} LMAs, {len(domain.mags)} MAGs, "
        f"{len(domain.mobile_nodes)} mobile nodes."
    )


@click.command()
@click.argument("profile", required=False)
@click.option(
    "--draw",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_picture,
    help="Draw the domain into this file as well (.png or .svg).",
)
def show(profile: str | None, draw: Path | None) -> None:
    """Print the domain of PROFILE as tables."""
    domain = load_profile(profile)
    console = Console()
    for table in describe(domain):
        console.print(table)
    if draw is not None:
        try:
            draw_picture(domain, draw)
        except OSError as error:
            raise click.FileError(str(draw), error.strerror) from None
        console.print(f"Drawn: {draw}", highlight=False, soft_wrap=True)
