"""Performance of the demo: its steps in order, its report, and what may be the reason when an effect is not seen."""

from __future__ import annotations

import shutil
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ryu_pmipls.http.client import ClientError
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.measuring.demo import beginning
from ryu_pmipls.lab.measuring.demo.demo_report import DemoReport
from ryu_pmipls.lab.measuring.demo.diagnosis import diagnose
from ryu_pmipls.lab.measuring.demo.overload import overload
from ryu_pmipls.lab.measuring.demo.signalling_capture import Capture
from ryu_pmipls.lab.measuring.demo.stage import DemoStep, Stage
from ryu_pmipls.lab.measuring.demo.tcp_handoff import hand_off
from ryu_pmipls.lab.verdicts import Verdict, verdict_table


def _steps(capture: Capture) -> tuple[DemoStep, ...]:
    return (
        DemoStep("The lab: namespaces, Open vSwitch, RMS", 6, lambda stage: beginning.bring_up(stage, capture)),
        DemoStep("Tunnels between MAGs and LMAs (Tnl_request, Tnl_ack)", 4, beginning.tunnels),
        DemoStep("Mobile nodes attach (RS, PBU, PBA, RA)", 5, beginning.attach),
        DemoStep("An overloaded LMA (Load_info, Load_adjust)", 36, overload),
        DemoStep("A handoff during a TCP transfer (Route_adjust)", 9, hand_off),
        DemoStep("The capture of the signalling, read by tshark", 1, capture.judge),
    )


def perform(lab: Lab, keep: bool, directory: Path, console: Console) -> DemoReport:
    """Play the demo in a lab, and leave report, capture and logs in a directory; the lab goes down unless ``keep``.

    A demo that cannot go on is incomplete in its report.
    """
    stage, capture = Stage(lab, console), Capture(lab)
    up = not lab.running()
    try:
        stopped = _play(stage, capture)
        if stopped is not None:
            console.print(f"[red]The demo cannot go on:[/red] {escape(stopped)}")
            stage.report.stopped = stopped
        if up and lab.running():
            _conclude(stage, capture, directory, console)
    finally:
        stage.end()
        if keep:
            console.print("The lab is still up: 'pmipls lab status' shows it, 'pmipls lab down' removes it.")
        elif up:
            lab.down()
    return stage.report


def _play(stage: Stage, capture: Capture) -> str | None:
    """All parts in order; returns why one could not go on, if so."""
    try:
        stage.perform(_steps(capture))
    except (LabError, ClientError) as error:
        return str(error)
    return None


def summary(report: DemoReport) -> Table:
    """Table of the effects, seen or not, with the measured figure; below a missing one, the wanted figure."""
    return verdict_table(
        "Was it seen?",
        (
            Verdict(effect.seen, effect.name, effect.measured, () if effect.seen else (f"wanted: {effect.wanted}",))
            for effect in report.effects
        ),
    )


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
