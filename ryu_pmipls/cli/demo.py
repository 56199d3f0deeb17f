"""``pmipls demo``: the main job, step by step."""

from __future__ import annotations

import shutil
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from ryu_pmipls.domain.profile import find_profile, load_profile
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.measuring.demo import beginning
from ryu_pmipls.lab.measuring.demo.diagnosis import diagnose
from ryu_pmipls.lab.measuring.demo.overload import overload
from ryu_pmipls.lab.measuring.demo.signalling_capture import Capture
from ryu_pmipls.lab.measuring.demo.stage import DemoStep, Stage
from ryu_pmipls.lab.measuring.demo.summary import summary
from ryu_pmipls.lab.measuring.demo.tcp_handoff import hand_off
from ryu_pmipls.lab.measuring.options import report_option


def _steps(capture: Capture) -> tuple[DemoStep, ...]:
    return (
        DemoStep("The lab: namespaces, Open vSwitch, RMS", 6, lambda stage: beginning.bring_up(stage, capture)),
        DemoStep("Tunnels between MAGs and LMAs (Tnl_request, Tnl_ack)", 4, beginning.tunnels),
        DemoStep("Mobile nodes attach (RS, PBU, PBA, RA)", 5, beginning.attach),
        DemoStep("An overloaded LMA (Load_info, Load_adjust)", 36, overload),
        DemoStep("A handoff during a TCP transfer (Route_adjust)", 9, hand_off),
        DemoStep("The capture of the signalling, read by tshark", 1, capture.judge),
    )


@click.command()
@click.argument("profile", required=False)
@click.option("--keep", is_flag=True, help="Leave the lab running.")
@report_option("demo-report", directory=True)
def demo(profile: str | None, keep: bool, report: Path) -> None:
    """Play the main job in the lab of PROFILE, measure it, and fail when an effect is not seen."""
    console = Console(highlight=False)
    path = find_profile(profile, lab=True)
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
        stopped = _play(stage, capture)
        if stopped is not None:
            console.print(f"[red]The demo cannot go on:[/red] {escape(stopped)}")
        if up and lab.running():
            _conclude(stage, capture, report, console)
    finally:
        stage.end()
        if keep:
            console.print("The lab is still up: 'pmipls lab status' shows it, 'pmipls lab down' removes it.")
        elif up:
            lab.down()
    if stopped is not None or not stage.report.complete:
        raise click.exceptions.Exit(1)


def _play(stage: Stage, capture: Capture) -> str | None:
    """All parts in order; returns why one could not go on, if so."""
    try:
        stage.perform(_steps(capture))
    except (LabError, click.ClickException) as error:
        return str(error)
    return None


def _conclude(stage: Stage, capture: Capture, directory: Path, console: Console) -> None:
    """Leave report, capture and logs behind, and say what was seen and, if not all was, what may be the reason."""
    written = stage.report.write(directory)
    shutil.copytree(stage.lab.directory / "log", directory / "log", dirs_exist_ok=True)
    if capture.file.exists():
        written.append(Path(shutil.copy(capture.file, directory)))
    console.print()
    console.print(summary(stage.report))
    if not stage.report.complete:
        console.print()
        console.print("What may be the reason:")
        for line in [*diagnose(stage.lab)] or ["health, the doctor and the logs complain of nothing"]:
            console.print(f"  {line}", markup=False, soft_wrap=True)
    console.print()
    files = ", ".join(file.name for file in written)
    console.print(f"Left in {directory}: {files}, log/", soft_wrap=True)
