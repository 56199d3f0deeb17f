"""``pmipls keys``: keys for the nodes of a domain."""

from __future__ import annotations

import click

from ryu_pmipls.cli.options import profile_option
from ryu_pmipls.cli.sections import PROFILE


@PROFILE.command("keys", bad="")
@profile_option()
def keys(profile: str | None) -> None:
    """Print new keys for all pairs of nodes that talk.

    They are for the file that signalling.keys of the profile names.
    """
    from ryu_pmipls.domain.profile import load_profile
    from ryu_pmipls.signalling.keys import generate

    for line in generate(load_profile(profile)):
        click.echo(line)
