"""The stage that all steps of the demo share: the lab, the console, and the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape

from ryu_pmipls import __version__
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.http.client import fetch, rms_of
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.measuring.demo.demo_report import DemoReport, Effect, PictureMark, Sample
from ryu_pmipls.lab.traffic_generator import Flow, FlowResult


@dataclass(frozen=True)
class DemoStep:
    """A part of the demo: its title, its approximate seconds on an idle machine, and the function that performs it."""

    title: str
    seconds: float
    play: Callable[[Stage], None]


class Stage:
    """The lab of one performance; each step adds what it saw to ``report`` and its flows to ``flows``."""

    def __init__(self, lab: Lab, console: Console) -> None:
        self.lab = lab
        self.profile: Profile = lab.profile
        self.report = DemoReport(domain=lab.profile.domain, start=time.time(), versions={"ryu_pmipls": __version__})
        self.flows: list[Flow] = []
        self._console = console
        self._rms = rms_of(lab.profile)

    def perform(self, steps: Sequence[DemoStep]) -> None:
        """Play all steps in order, each under its title; ``LabError`` when one cannot go on."""
        seconds = sum(step.seconds for step in steps)
        self._console.print(f"The demo has {len(steps)} parts and takes about {seconds:.0f} s.")
        for number, step in enumerate(steps, 1):
            part = f"{number} of {len(steps)}"
            self._console.print(f"[bold]{part}: {step.title}[/bold], about {step.seconds:.0f} s")
            start = time.monotonic()
            with self._console.status(part):
                step.play(self)
            self.say(f"[dim]took {time.monotonic() - start:.1f} s[/dim]")

    def end(self) -> None:
        """End the flows that a step has left behind."""
        for flow in self.flows:
            if flow.running():
                flow.stop()

    # Reporting.

    def say(self, text: str) -> None:
        self._console.print(f"  {text}", soft_wrap=True)

    def saw(self, name: str, seen: bool, measured: str, wanted: str) -> None:
        """Report an effect, seen or not."""
        self.report.effects.append(Effect(name, seen, measured, wanted))
        mark = "[green]seen[/green]" if seen else "[red]NOT SEEN[/red]"
        self.say(f"{mark}: {escape(name)}: {escape(measured)}")

    def mark(self, text: str, when: float) -> None:
        """Add a mark to the picture; ``when`` is seconds since 1970."""
        self.report.events.append(PictureMark(when, text))

    def add_goodput(self, results: Sequence[FlowResult]) -> None:
        """Add the goodput of flows to the picture."""
        for result in results:
            self.report.goodput[result.name] = [
                (interval.start + interval.seconds, interval.octets * 8e-6 / interval.seconds)
                for interval in result.received
                if interval.seconds > 0.25
            ]

    # Observing.

    def fetch(self, resource: str) -> Any:
        """Resource of the RMS's REST interface."""
        return fetch(self._rms, resource)

    def sample(self) -> bool:
        """Record the load list; true when an LMA is overloaded."""
        document = self.fetch("load-list")
        self.report.samples.append(
            Sample(
                document["time"],
                {load["lma"]: load["cpu"] for load in document["lmas"]},
                {load["lma"]: load["packets"] for load in document["lmas"]},
            )
        )
        return any(load["state"] == "overloaded" for load in document["lmas"])

    def address(self, node: str) -> str | None:
        """The address of a mobile node, if it has one."""
        try:
            return str(self.lab.address(node))
        except LabError:
            return None
