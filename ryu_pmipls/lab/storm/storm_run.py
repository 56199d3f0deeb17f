"""A storm from beginning to end: the lab, the blows, the calm after them, and what is left."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from ovs_setup import OvsSetupError
from ryu_pmipls import __version__
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.lab.clock_steps import ClockSteps
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.lab_layout import RMS
from ryu_pmipls.lab.storm.agreement import Agreement
from ryu_pmipls.lab.storm.blow_plan import plan_blows
from ryu_pmipls.lab.storm.blows import Blow, DrainLma, Kill, StormTargets
from ryu_pmipls.lab.storm.footprint import grown, left_behind, measure
from ryu_pmipls.lab.storm.service import Service
from ryu_pmipls.lab.storm.storm_report import StormReport, counted, summary
from ryu_pmipls.lab.storm.strangers import stranger_kinds
from ryu_pmipls.lab.storm.strangers.at_networks import ReplayAttack
from ryu_pmipls.lab.storm.strangers.kinds import StrangerKind
from ryu_pmipls.lab.storm.strikes import Strikes
from ryu_pmipls.lab.storm.supervision import Downtime, Supervisor, victims
from ryu_pmipls.lab.storm.timeline import draw
from ryu_pmipls.lab.waiting import expect, until

#: Seconds within which all must be well before the storm begins.
_FAIR_WEATHER = 120.0
#: Echo requests in a row whose answers show that a node is served.
_IN_A_ROW = 3
_INTERVAL = 1.0  # s between two looks whether all agree
_ANSWER = 1.5  # s that an answer may take
#: Words in a log that tell of a fault in the code.
_FAULT = "Traceback (most recent call last)"


def storm_domain(lab: Lab, attached: Mapping[str, str], kinds: Mapping[str, StrangerKind]) -> StormTargets:
    """The names of what a storm may strike in a lab."""
    profile = lab.profile
    return StormTargets(
        daemons=victims(lab.daemons, lab.plan.switches),
        clocks=(RMS, *lab.plan.switches),
        lmas=tuple(lma.name for lma in profile.lmas),
        ports={mag.name: len(mag.access_ports) for mag in profile.mags},
        attached=attached,
        strangers={name: targets for name, kind in kinds.items() if (targets := kind.targets(profile))},
    )


def initial_places(profile: Profile) -> dict[str, str]:
    """Mobile nodes, dealt out to the MAGs in turn: node -> MAG."""
    return dict(zip((node.name for node in profile.mobile_nodes), cycle(mag.name for mag in profile.mags)))


@dataclass(frozen=True)
class StormSettings:
    """A storm's seed and duration; ``patience``: seconds after it within which all must be well again."""

    seed: int
    duration: float
    patience: float = 60.0


def storm(
    profile: Profile, path: Path, settings: StormSettings, keep: bool, directory: Path, console: Console
) -> StormReport:
    """Have a storm in the lab of a profile, and leave report, picture and logs in a directory.

    The lab goes down in the end unless ``keep``. A storm that cannot go on has ``stopped`` in its report.
    """
    with tempfile.TemporaryDirectory(prefix="pmipls-storm-") as folder:
        clocks = ClockSteps(Path(folder))
        run = _StormRun(Lab(profile, path, clocks.environment), clocks, settings, console)
        lab, report = run.lab, run.report
        try:
            run.play()
        except (LabError, OvsSetupError) as error:
            console.print(f"[red]The storm cannot go on:[/red] {escape(str(error))}")
            report.stopped = str(error)
        finally:
            run.end()
            if run.is_up:
                directory.mkdir(parents=True, exist_ok=True)
                shutil.copytree(lab.directory / "log", directory / "log", dirs_exist_ok=True)
            if run.is_up and not keep:
                _take_down(lab, report)
    if not run.is_up:
        return report
    if keep:
        console.print("The lab is still up: 'pmipls lab status' shows it, 'pmipls lab down' removes it.")
    report.write(directory)
    written = ["report.json", "log/"]
    if report.blows:
        draw(report, directory / "timeline.png")
        written.append("timeline.png")
    console.print()
    console.print(summary(report))
    console.print()
    console.print(f"Left in {directory}: {', '.join(written)}", soft_wrap=True)
    return report


def _take_down(lab: Lab, report: StormReport) -> None:
    """Remove the lab, and see whether anything is left of it."""
    failures = []
    try:
        lab.down()
    except (LabError, OvsSetupError) as error:
        failures.append(str(error))
    report.demand("nothing is left", "when the lab is down", failures + left_behind(lab.plan))


class _StormRun:
    """One storm; ``is_up`` when it has brought its lab up."""

    def __init__(self, lab: Lab, clocks: ClockSteps, settings: StormSettings, console: Console) -> None:
        self.lab = lab
        self.report = StormReport(lab.profile.domain, settings.seed, settings.duration, {"ryu_pmipls": __version__})
        self.is_up = False
        self._settings = settings
        self._console = console
        self._supervisor = Supervisor(lab)
        self._replay = ReplayAttack(lab)
        nodes = lab.plan.mobile_nodes
        self._service = Service(lab, nodes[::2])  # the others are silent, as far as hosts are
        self._strangers = stranger_kinds(self._replay)
        self._strikes = Strikes(lab, self._supervisor, clocks, self._strangers)
        self._ends: list[Callable[[], None]] = []

    def play(self) -> None:
        """Fair weather, the storm, and the calm, in which all demands are looked at.

        ``LabError`` if it cannot go on.
        """
        lab, report, settings = self.lab, self.report, self._settings
        lab.up(progress=self._say)
        self.is_up = True
        places = initial_places(lab.profile)
        for node, mag in places.items():
            lab.attach(node, mag)
        for part in (self._service, self._supervisor, self._replay):
            part.start()
            self._ends.append(part.stop)
        self._await_fair_weather()
        agreement = Agreement(lab)
        until(lambda: not agreement.differences(), _FAIR_WEATHER)
        differences = agreement.differences()
        if differences:
            raise LabError("\n".join(("all is not well before the storm:", *differences)))
        report.before = measure(lab, self._supervisor)
        blows = plan_blows(settings.seed, settings.duration, storm_domain(lab, places, self._strangers))
        self._say(f"{len(blows)} blows in {settings.duration:.0f} s, of seed {settings.seed}")
        begin = time.monotonic()
        try:
            self._strikes.carry_out(blows, begin, self._announce)
            time.sleep(max(0.0, begin + settings.duration - time.monotonic()))
        finally:
            report.blows = self._strikes.struck
        self._judge(agreement, begin)

    def end(self) -> None:
        """End what runs beside the lab."""
        while self._ends:
            self._ends.pop()()

    def _await_fair_weather(self) -> None:
        self._say("mobile nodes attach")
        start = time.monotonic()
        self._service.ask_all()
        for node in self.lab.plan.mobile_nodes:
            expect(
                lambda node=node: self._service.served_since(node, start, _IN_A_ROW),  # type: ignore[misc]
                _FAIR_WEATHER,
                f"{node} does not reach the correspondent node before the storm",
            )
        self._service.ask(self.lab.plan.mobile_nodes[::2])

    def _judge(self, agreement: Agreement, begin: float) -> None:
        """The calm: nothing is touched, but looked at."""
        lab, report, settings = self.lab, self.report, self._settings
        self._say("the storm is over")
        calm = time.monotonic()
        deadline = calm + settings.patience
        self._service.ask_all()
        nodes = lab.plan.mobile_nodes

        def served() -> dict[str, float | None]:
            """Node -> the time when it was served first, None if it is not, or not any more."""
            last = time.monotonic() - _ANSWER
            return {
                node: self._service.served_since(node, calm, _IN_A_ROW)
                if self._service.served_before(node, last, _IN_A_ROW)
                else None
                for node in nodes
            }

        differences = ["nobody has looked"]
        agreed = None
        # A binding that nobody extends is there, and serves its node, until its lifetime is over.
        least = calm + min(lab.profile.timers.binding_lifetime, settings.patience)
        while time.monotonic() < deadline:
            time.sleep(_INTERVAL)
            differences = agreement.differences()
            agreed = None if differences else (agreed or time.monotonic())
            if not differences and None not in served().values() and time.monotonic() > least:
                break
        report.served_after = {node: time_ and time_ - calm for node, time_ in served().items()}
        report.after = measure(lab, self._supervisor)
        self.end()
        self._record(begin)
        unserved = [node for node, seconds in report.served_after.items() if seconds is None]
        longest = max((seconds for seconds in report.served_after.values() if seconds is not None), default=0.0)
        report.demand(
            "every node is served",
            f"{len(nodes) - len(unserved)} of {len(nodes)}, the last after {longest:.0f} s",
            [f"{node} is not, after {time.monotonic() - calm:.0f} s" for node in unserved],
        )
        measured = f"after {agreed - calm:.0f} s" if agreed else f"not within {settings.patience:.0f} s"
        report.demand("all agree", f"RMS, LMAs, MAGs and flow tables, {measured}", differences)
        assert report.before is not None
        report.demand(
            "nothing has grown",
            "memory, descriptors, threads, processes, flow entries, files",
            grown(report.before, report.after, time.monotonic() - begin),
        )
        report.demand("nothing fails by itself", f"{counted(report.blows)}", [*self._failures()])

    def _record(self, begin: float) -> None:
        """Put into the report what was seen, in seconds after the storm's beginning."""
        report = self.report
        report.downtimes = [
            Downtime(each.daemon, each.since - begin, each.until - begin) for each in self._supervisor.downtimes
        ]
        report.asked = {node: [at - begin for at in times] for node, times in self._service.asked.items()}
        report.answered = {node: [at - begin for at in times] for node, times in self._service.answered.items()}

    def _failures(self) -> Iterator[str]:
        """Processes that ended by themselves with no reason to, tracebacks in logs, blows that could not be struck."""
        for death in self._supervisor.deaths:
            if not death.without_switch:
                yield f"{death.daemon} ended by itself with status {death.status}"
        for log in sorted((self.lab.directory / "log").glob("*.log")):
            faults = log.read_text(encoding="utf-8", errors="replace").count(_FAULT)
            if faults:
                yield f"{log.name} has {faults} tracebacks"
        for struck in self.report.blows:
            if struck.outcome and not isinstance(struck.blow, DrainLma | Kill):
                yield f"{struck.blow.kind} of {struck.blow.target}: {struck.outcome}"

    def _announce(self, blow: Blow) -> None:
        self._console.print(f"{blow.at:7.1f}  {blow.kind} {blow.target} {blow.detail()}", markup=False, soft_wrap=True)

    def _say(self, text: str) -> None:
        self._console.print(f"  {text}", markup=False, soft_wrap=True)
