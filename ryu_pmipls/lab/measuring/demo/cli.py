"""``pmipls demo``: the main job, step by step."""

from __future__ import annotations

import shutil
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from ryu_pmipls.domain.profile import find_profile, load_profile
from ryu_pmipls.lab.errors import LabError
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.measuring.demo import beginning
from ryu_pmipls.lab.measuring.demo.capture import Capture
from ryu_pmipls.lab.measuring.demo.handoff import hand_off
from ryu_pmipls.lab.measuring.demo.overload import overload
from ryu_pmipls.lab.measuring.demo.report import Report
from ryu_pmipls.lab.measuring.demo.stage import Stage
from ryu_pmipls.lab.measuring.options import report_option


def play(stage: Stage, capture: Capture) -> None:
    """All steps in order; ``LabError`` when one cannot go on."""
    try:
        stage.step("The lab: namespaces, Open vSwitch, RMS", lambda stage: beginning.bring_up(stage, capture))
        stage.step("Tunnels between every MAG and every LMA (Tnl_request, Tnl_ack)", beginning.tunnels)
        stage.step("Mobile nodes attach (router solicitation, PBU, PBA, router advertisement)", beginning.attach)
        stage.step("More uplink than LMA capacity, until the RMS adjusts (Load_info, Load_adjust)", overload)
        stage.step("A handoff in the middle of a TCP transfer (Route_adjust)", hand_off)
        stage.step("The capture of the signalling, read by tshark", capture.judge)
    finally:
        stage.end()


def _summary(report: Report) -> Table:
    table = Table("effect", "wanted", "measured", "seen", title="What the demo was to show")
    for effect in report.effects:
        table.add_row(effect.name, effect.wanted, effect.measured, "yes" if effect.seen else "[red]NO[/red]")
    return table


@click.command()
@click.argument("profile", required=False)
@click.option("--keep", is_flag=True, help="Leave the lab running.")
@report_option("demo-report", directory=True)
def demo(profile: str | None, keep: bool, report: Path) -> None:
    """Play the main job in the lab of PROFILE, measure it, and fail when an effect is not seen."""
    console = Console(highlight=False)
    path = find_profile(profile)
    lab = Lab(load_profile(path), path)
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
        raise click.UsageError(f"{path}: too small for the demo: {'; '.join(few)}")
    stage, capture = Stage(lab, console), Capture(lab)
    up = not lab.running()
    try:
        play(stage, capture)
    except LabError as error:
        console.print(f"[red]The demo cannot go on:[/red] {error}")
        raise click.exceptions.Exit(1) from None
    finally:
        if stage.report.effects:
            shutil.copytree(lab.directory / "log", report / "log", dirs_exist_ok=True)
            shutil.copy(capture.file, report)
            written = stage.report.write(report)
            console.print(_summary(stage.report))
            console.print(f"Figures and picture: {', '.join(str(file) for file in written)}")
        if keep:
            console.print("The lab is still up: 'pmipls lab status' shows it, 'pmipls lab down' removes it.")
        elif up:
            lab.down()
    if not stage.report.complete:
        raise click.exceptions.Exit(1)
