"""``pmipls keys``: keys for the nodes of a domain."""

from __future__ import annotations

import click

from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.signalling.keys import generate


@click.command()
@click.argument("profile", required=False)
def keys(profile: str | None) -> None:
    """Print new keys for all nodes of PROFILE that talk, for the file that signalling.keys names."""
    for line in generate(load_profile(profile)):
        click.echo(line)
