"""``pmipls demo``: the main job, step by step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ryu_pmipls.cli.failures import InputError
from ryu_pmipls.cli.options import json_option, lab_profile_option, output_option, protection_option
from ryu_pmipls.cli.progress import progress_console
from ryu_pmipls.cli.sections import LAB

if TYPE_CHECKING:
    from ryu_pmipls.lab.lab import Lab


@LAB.command("demo", bad="an effect was not seen, or it cannot go on", wrong="the lab is too small")
@lab_profile_option("two-lma")
@protection_option
@click.option("--keep", is_flag=True, help="Leave the lab up.")
@output_option("demo-report")
@json_option
def demo(profile: str | None, protection: str | None, keep: bool, output: Path, as_json: bool) -> None:
    """Play the main job in a lab, and measure it."""
    from ryu_pmipls.domain.profile import LAB_PROFILE, find_profile, load_profile
    from ryu_pmipls.lab.lab import Lab
    from ryu_pmipls.lab.measuring.demo.performance import perform
    from ryu_pmipls.lab.protection import protected_profile

    path = find_profile(profile, fallback=LAB_PROFILE)
    with protected_profile(path, protection) as played:
        lab = Lab(load_profile(played), played)
        _require_size(lab, path)
        report = perform(lab, keep, output, progress_console(document=as_json))
    if as_json:
        click.echo(report.to_json())
    if not report.complete:
        raise click.exceptions.Exit(1)


def _require_size(lab: Lab, path: Path) -> None:
    """Refuse a profile that has too little for the demo."""
    few = [
        f"{what}: at least {least} needed"
        for what, least, there in (
            ("lmas", 2, lab.profile.lmas),
            ("mags", 2, lab.profile.mags),
            ("mobile_nodes", 3, lab.profile.mobile_nodes),
        )
        if len(there) < least
    ]
    if few:
        raise InputError(f"{path}: too small for the demo: {'; '.join(few)}")
