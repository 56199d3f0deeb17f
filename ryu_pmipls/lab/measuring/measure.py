"""``pmipls measure``: figures of load sharing, failure and drain, from real traffic in a lab of four LMAs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from ovs_setup.cgroup import CpuGroup
from ryu_pmipls.domain.profile import Profile, find_profile, load_profile
from ryu_pmipls.lab import traffic
from ryu_pmipls.lab.errors import LabError
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.plan import cpu_group
from ryu_pmipls.lab.probe import Probe, ProbeResult
from ryu_pmipls.lab.traffic import Flow, FlowResult
from ryu_pmipls.rest.cli import base_url, fetch, send

T = TypeVar("T")
Figures = dict[str, Any]

#: Offered load of each mobile node: UDP in so many flows, and at each MAG one TCP flow, in Mbit/s.
UDP_RATE, UDP_FLOWS = 20.5, 8
TCP_RATE = 3.0
#: Datagrams per second, of 100 octets: of the probe that is moved or drained, and of the others.
FAST, SLOW = 10_000, 1000

_SETTLED = 25.0  # seconds without a decision after which a policy has settled: twice what a moved MAG rests
_LONGEST = 80.0  # seconds in which it has to
_SPAN = 12.0  # seconds for which goodput is measured
_TIMEOUT = 60.0  # seconds
_MOVES = 6
#: Where Linux has the octets that a socket may hold unread, and what those of the switches get. With the usual 0.2 MB a
#: switch that its quota has stopped for 30 ms loses packets that it has the time for.
_RECEIVE_BUFFER = Path("/proc/sys/net/core/rmem_default")
_BUFFER_OCTETS = 2 * 2**20


@dataclass(frozen=True)
class Sent:
    """What became of a probe."""

    name: str
    result: ProbeResult

    def figures(self, since: float = 0.0) -> Figures:
        gap = self.result.longest_gap(since)
        return {
            "sent": self.result.sent,
            "lost": self.result.lost,
            "reordered": self.result.reordered,
            "longest_gap_ms": round(gap.milliseconds, 1),
        }


class Measurement:
    """One lab and what is measured in it; every method leaves uplinks as they came."""

    def __init__(self, lab: Lab, console: Console) -> None:
        self._lab = lab
        self._console = console
        self._profile: Profile = lab.profile
        self._url = base_url(lab.profile)

    # What is measured.

    def goodput(self) -> Figures:
        """The uplink of all MAGs through one LMA; by ``draft`` and ``balance``, where one MAG is more than an LMA."""
        mags = [mag.name for mag in self._profile.mags]
        nodes = [node.name for node in self._profile.mobile_nodes]
        self._attach({node: mags[0 if index < 4 else 1 + index % 3] for index, node in enumerate(nodes)})
        figures = {"one LMA": self._shared(nodes, "static")}
        for policy in ("draft", "balance"):
            figures[policy] = self._shared(nodes, policy)
        single, draft, balance = (figures[name]["mbit_s"] for name in ("one LMA", "draft", "balance"))
        return {
            "offered_mbit_s": len(nodes) * UDP_RATE + len(mags) * TCP_RATE,
            "runs": figures,
            "balance_to_one_lma": balance / single,
            "balance_to_draft": balance / draft,
        }

    def _shared(self, nodes: Sequence[str], policy: str) -> Figures:
        """Begin with all uplinks at the first LMA, let a policy do what it does, and measure when it has settled."""
        self._renew("static")
        first = {self._located(node): node for node in reversed(nodes)}  # a node of each MAG
        flows = [Flow(self._lab, node, "udp", "up", UDP_RATE, streams=UDP_FLOWS) for node in nodes]
        streams = [Flow(self._lab, node, "tcp", "up", TCP_RATE) for node in first.values()]
        try:
            traffic.start(streams)
            traffic.start(flows)  # before the LMA is overloaded, for otherwise some would not come about
            for mag in self._profile.mags:
                self._move(mag.name, self._profile.lmas[0].name)
            before = len(fetch(self._url, "decisions"))
            send(self._url, "policy", {"policy": policy})
            if policy != "static":
                self._settle()
            begin = time.time()
            time.sleep(_SPAN)
            end = time.time()
            cpu = {load["lma"]: load["cpu"] for load in fetch(self._url, "load-list")["lmas"]}
            moves = len(fetch(self._url, "decisions")) - before
        finally:
            # All at once: where most is lost, each takes its time to end.
            with ThreadPoolExecutor(len(flows) + len(streams)) as pool:
                results = list(pool.map(Flow.stop, (*flows, *streams)))
        return self._goodput(results, begin, end) | {"moves": moves, "cpu": cpu}

    def _settle(self) -> None:
        """Return when a policy has decided nothing for a while, or goes on deciding."""
        known, settled, deadline = 0, time.monotonic() + _SETTLED, time.monotonic() + _LONGEST
        while time.monotonic() < min(settled, deadline):
            time.sleep(0.5)
            decisions = len(fetch(self._url, "decisions"))
            if decisions > known:
                known, settled = decisions, time.monotonic() + _SETTLED

    def _goodput(self, results: Sequence[FlowResult], begin: float, end: float) -> Figures:
        udp = [result for result in results if result.protocol == "udp"]
        tcp = [result for result in results if result.protocol == "tcp"]
        figures = {
            "mbit_s": sum(result.goodput(begin, end) for result in results),
            "udp_loss": sum(result.loss(begin, end) for result in udp) / len(udp),
            "tcp_mbit_s": sum(result.goodput(begin, end) for result in tcp),
            "tcp_retransmits": sum(result.retransmits(begin, end) for result in tcp),
            "broken": [f"{result.name}: {result.error}" for result in results if result.error is not None],
        }
        self._console.print(f"  {figures}")
        return figures

    def move(self) -> Figures:
        """What a move of a MAG costs at 10 000 packets per second: its uplink goes to and fro between two LMAs."""
        self._let_lmas_run()
        one, other = (lma.name for lma in self._profile.lmas[:2])
        node, mag = self._profile.mobile_nodes[0].name, self._profile.mags[0].name
        self._attach({node: mag})
        self._renew("static")
        probe = Probe(self._lab, node, self._lab.plan.correspondent, FAST)
        probe.start()
        for number in range(_MOVES):
            time.sleep(1.5)
            self._move(mag, (other, one)[number % 2])
        time.sleep(1.5)
        return Sent("uplink", probe.stop()).figures() | {"moves": _MOVES, "rate": FAST}

    def failure(self, rms: bool) -> Figures:
        """The switch of an LMA is killed under traffic of three mobile nodes and comes back, with an RMS or without."""
        self._let_lmas_run()
        lma = self._profile.lmas[0].name
        nodes = self._three_through(lma)
        if not rms:
            self._lab.stop_rms()
        probes = self._probes(nodes)
        time.sleep(2)
        killed = time.time()
        os.kill(self._lab.openvswitch(lma).vswitchd_pid(), signal.SIGKILL)
        figures: Figures = {}
        if rms:
            died = self._await("the death", lambda: self._incident("died", killed))
            self._await("the evacuation", lambda: lma not in self._carriers() or None)
            answers = [
                answer["time"]
                for decision in fetch(self._url, "decisions")
                if decision["time"] >= died["time"] - 0.01
                for answer in decision["answers"]
                if answer["by"].startswith("switch")
            ]
            figures["dead_after_s"] = died["time"] - killed
            figures["evacuated_after_s"] = max(answers, default=died["time"]) - killed
        time.sleep(4)
        figures |= {sent.name: sent.figures(killed - 0.2) for sent in self._results(probes)}
        if not rms:
            self._lab.start_rms()
            self._await("the death", lambda: self._incident("died", killed))
        probes = self._probes(nodes)
        time.sleep(1)
        began = time.time()
        self._lab.start_switch(lma)
        returned = self._await("the return", lambda: self._incident("returned", began))
        self._await("the uplinks", lambda: True if lma in self._carriers() else None)
        time.sleep(3)
        back = {sent.name: sent.result.lost for sent in self._results(probes)}
        figures["return"] = {"lost": back, "after_s": returned["time"] - began}
        self._console.print(f"  {figures}")
        return figures

    def drain(self) -> Figures:
        """An LMA is drained under UDP, 10 000 packets per second up, and down; and once more under a TCP stream.

        Not under both at once: what the stream takes of this machine's processors the datagrams miss, drain or not.
        """
        self._let_lmas_run()
        lma = self._profile.lmas[0].name
        nodes = self._three_through(lma)
        node, correspondent = nodes[0], self._lab.plan.correspondent
        probes = [(f"{node} up", Probe(self._lab, node, correspondent, FAST))]
        probes += [(f"{each} down", Probe(self._lab, correspondent, each, SLOW)) for each in nodes]
        for _, probe in probes:
            probe.start()
        figures: Figures = {"safe_to_stop_after_s": self._drained(lma)}
        figures |= {sent.name: sent.figures() for sent in self._results(probes)}
        send(self._url, f"lmas/{lma}/undrain", {})
        for mag in (mag.name for mag in self._profile.mags[:3]):
            self._move(mag, lma)
        stream = Flow(self._lab, node, "tcp", "up", 20.0)
        traffic.start([stream])
        time.sleep(2)
        before, began = self._timeouts(node), time.time()
        figures["safe_to_stop_after_s, tcp"] = self._drained(lma)
        timeouts = self._timeouts(node) - before
        result = stream.stop()
        send(self._url, f"lmas/{lma}/undrain", {})
        figures["tcp"] = {
            "mbit_s": result.goodput(began),
            "retransmits": result.retransmits(began),
            "timeouts": timeouts,
            "error": result.error,
        }
        self._console.print(f"  {figures}")
        return figures

    def _drained(self, lma: str) -> float:
        """Drain an LMA, after 2 s and with 2 s after it; seconds until it was safe to stop."""
        time.sleep(2)
        began = time.time()
        send(self._url, f"lmas/{lma}/drain", {})
        self._await("the end of the drain", lambda: fetch(self._url, f"lmas/{lma}")["drain"]["safe_to_stop"] or None)
        safe = time.time() - began
        time.sleep(2)
        return safe

    # How.

    def _attach(self, places: Mapping[str, str]) -> None:
        for node, mag in places.items():
            here = self._lab.network.attachments().get(node)
            if here is None:
                self._lab.attach(node, mag)
            elif here.mag != mag:
                self._lab.handoff(node, mag)
        for node, mag in places.items():
            self._await(f"{node} at {mag}", lambda node=node: self._lab.network.addresses(node) or None)  # type: ignore[misc]
            self._await(
                f"the binding of {node} at {mag}",
                lambda node=node, mag=mag: self._located(node) == mag or None,  # type: ignore[misc]
            )

    def _three_through(self, lma: str) -> tuple[str, str, str]:
        """Three mobile nodes, each at a MAG of its own, whose uplinks all go through one LMA."""
        mags = [mag.name for mag in self._profile.mags[:3]]
        one, other, third = (node.name for node in self._profile.mobile_nodes[:3])
        self._attach(dict(zip((one, other, third), mags, strict=True)))
        self._renew("static")
        for mag in mags:
            self._move(mag, lma)
        time.sleep(2)
        return one, other, third

    def _probes(self, nodes: Sequence[str]) -> list[tuple[str, Probe]]:
        correspondent = self._lab.plan.correspondent
        probes = [(f"{node} up", Probe(self._lab, node, correspondent, SLOW)) for node in nodes]
        probes += [(f"{node} down", Probe(self._lab, correspondent, node, SLOW)) for node in nodes]
        for _, probe in probes:
            probe.start()
        return probes

    def _results(self, probes: Sequence[tuple[str, Probe]]) -> list[Sent]:
        return [Sent(name, probe.stop()) for name, probe in probes]

    def _let_lmas_run(self) -> None:
        """LMAs that are to carry 10 000 packets per second must not be held up by their quotas."""
        for lma in self._profile.lmas:
            CpuGroup(cpu_group(self._lab.plan.prefix, lma.name)).create(1.0)

    def _renew(self, policy: str) -> None:
        """An RMS that decides by ``policy`` and knows nothing of earlier measurements, when it sees all LMAs."""
        self._lab.stop_rms()
        shutil.rmtree(self._profile.rms.state_directory, ignore_errors=True)
        self._lab.start_rms()
        send(self._url, "policy", {"policy": policy})

        def seen() -> bool | None:
            ready = fetch(self._url, "health")["status"] == "ok"
            states = {load["state"] for load in fetch(self._url, "load-list")["lmas"]}
            return True if ready and not states & {"stale", "dead"} else None

        self._await("an RMS that sees all LMAs", seen)

    def _move(self, mag: str, lma: str) -> None:
        decisions = send(self._url, f"mags/{mag}/adjust", {"lma": lma})
        ids = {decision["id"] for decision in decisions}

        def in_force() -> bool | None:
            shown = [decision for decision in fetch(self._url, "decisions") if decision["id"] in ids]
            return True if all(decision["outcome"] == "acknowledged" for decision in shown) else None

        self._await(f"the uplinks of {mag} at {lma}", in_force)

    def _carriers(self) -> set[str]:
        return {lma for mag in fetch(self._url, "mags") for shares in mag["uplinks"].values() for lma in shares}

    def _incident(self, kind: str, since: float) -> Any:
        found = [entry for entry in fetch(self._url, "incidents") if entry["kind"] == kind and entry["time"] >= since]
        return found[-1] if found else None

    def _located(self, node: str) -> str | None:
        identifier = self._profile.mobile_node(node).identifier
        return next((entry["mag"] for entry in fetch(self._url, "bindings") if entry["identifier"] == identifier), None)

    def _timeouts(self, node: str) -> int:
        """Retransmission timeouts of TCP at a node so far."""
        text = self._lab.execute(node, ["cat", "/proc/net/netstat"]).stdout
        names, values = (line.split() for line in text.splitlines() if line.startswith("TcpExt:"))
        return int(dict(zip(names, values, strict=True))["TCPTimeouts"])

    def _await(self, what: str, look: Callable[[], T | None]) -> T:
        deadline = time.monotonic() + _TIMEOUT
        while (found := look()) is None:
            if time.monotonic() > deadline:
                raise LabError(f"{what} did not come about within {_TIMEOUT:.0f} s")
            time.sleep(0.1)
        return found


@contextmanager
def _large_receive_buffers() -> Iterator[None]:
    """Sockets that are opened meanwhile hold more, on the whole machine: ``LabError`` where that cannot be set."""
    try:
        usual = _RECEIVE_BUFFER.read_text(encoding="ascii")
        _RECEIVE_BUFFER.write_text(str(_BUFFER_OCTETS), encoding="ascii")
    except OSError as error:
        raise LabError(f"{_RECEIVE_BUFFER}: cannot be set: {error.strerror}") from error
    try:
        yield
    finally:
        _RECEIVE_BUFFER.write_text(usual, encoding="ascii")


@click.command()
@click.argument("what", nargs=-1, type=click.Choice(["goodput", "move", "failure", "fallback", "drain"]))
@click.option("--profile", default="four-lma", show_default=True, help="Profile of the lab; it needs four LMAs.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("measurements.json"),
    show_default=True,
    help="Where the figures go.",
)
def measure(what: tuple[str, ...], profile: str, report: Path) -> None:
    """Measure load sharing, failure and drain in a lab, WHAT of it or all.

    goodput by policy; packets lost by a move; a killed LMA, with the RMS (failure) and without it (fallback); a drain.
    """
    console = Console(highlight=False)
    path = find_profile(profile)
    lab = Lab(load_profile(path), path)
    if len(lab.profile.lmas) < 2 or len(lab.profile.mags) < 4 or len(lab.profile.mobile_nodes) < 8:
        raise click.UsageError(f"{path}: at least 2 LMAs, 4 MAGs and 8 mobile nodes are needed")
    measurement = Measurement(lab, console)
    all_of_it: dict[str, Callable[[], Figures]] = {
        "goodput": measurement.goodput,
        "move": measurement.move,
        "failure": lambda: measurement.failure(rms=True),
        "fallback": lambda: measurement.failure(rms=False),
        "drain": measurement.drain,
    }
    figures: Figures = {}
    try:
        with _large_receive_buffers():
            lab.up()
        for name in what or all_of_it:
            console.print(f"[bold]{name}[/bold]")
            figures[name] = all_of_it[name]()
            report.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    except LabError as error:
        console.print(f"[red]It cannot go on:[/red] {error}")
        raise click.exceptions.Exit(1) from None
    finally:
        lab.down()
    console.print_json(json.dumps(figures))
