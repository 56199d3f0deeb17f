"""``pmipls demo``: the main job, played and measured in the lab; every effect is seen, or the demo fails."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table

from ryu_pmipls import __version__
from ryu_pmipls.domain.profile import MobileNode, Profile, find_profile, load_profile
from ryu_pmipls.lab import traffic
from ryu_pmipls.lab.errors import LabError
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.measuring.report import Effect, Event, Report, Sample
from ryu_pmipls.lab.plan import UNDERLAY
from ryu_pmipls.lab.probe import Probe
from ryu_pmipls.lab.traffic import Flow, FlowResult
from ryu_pmipls.openflow.rules import tunnel_port
from ryu_pmipls.rest.cli import base_url, fetch

T = TypeVar("T")

#: Offered load of each UDP flow in Mbit/s: two of them are more than one LMA of the default lab can carry.
UDP_RATE = 130.0
PROBE_RATE = 1000  # datagrams per second
#: Of the TCP transfer during the handoff, in Mbit/s: what an LMA of the default lab carries besides the probe.
TCP_RATE = 5.0
#: The capture of all Mobility Headers on the underlay.
CAPTURE = "signalling.pcap"
#: Wanted ratio of the goodput after the adjustment to that before it.
GOODPUT_RATIO = 1.6

_TUNNELS_TIMEOUT = 30.0  # s
_ADDRESS_TIMEOUT = 15.0  # s
_OVERLOAD_TIMEOUT = 60.0  # s
_RELIEF = 12.0  # s for which the traffic goes on after the adjustment
_START_UP = 0.5  # s until the flows are at their rate
_SETTLING = 2.0  # s after a change until what is measured counts


@dataclass(frozen=True)
class _TunnelCount:
    """Packets that an LMA's switch took from a tunnel to forward them, read from its flow table."""

    lma: str
    packets: int


class Demo:
    """One performance: each step adds what it saw to ``report``."""

    def __init__(self, lab: Lab, console: Console) -> None:
        self._lab = lab
        self._profile: Profile = lab.profile
        self._console = console
        self._url = base_url(lab.profile)
        self._capture_file = lab.directory / CAPTURE
        self._flows: list[Flow] = []
        self.report = Report(domain=lab.profile.domain, start=time.time(), versions={"ryu_pmipls": __version__})

    def play(self) -> None:
        """All steps in order; ``LabError`` when one cannot go on."""
        try:
            self._step("The lab: namespaces, Open vSwitch, RMS", self._bring_up)
            self._step("Tunnels between every MAG and every LMA (Tnl_request, Tnl_ack)", self._tunnels)
            self._step("Mobile nodes attach (router solicitation, PBU, PBA, router advertisement)", self._attach)
            self._step("More uplink than LMA capacity, until the RMS adjusts (Load_info, Load_adjust)", self._overload)
            self._step("A handoff in the middle of a TCP transfer (Route_adjust)", self._handoff)
            self._step("The capture of the signalling, read by tshark", self._check_capture)
        finally:
            for flow in self._flows:
                if flow.running():
                    flow.stop()

    def _step(self, title: str, play: Callable[[], None]) -> None:
        self._console.print(f"[bold]{title}[/bold]")
        start = time.monotonic()
        with self._console.status(title):
            play()
        self._say(f"[dim]{time.monotonic() - start:.1f} s[/dim]")

    def _say(self, text: str) -> None:
        self._console.print(f"  {text}", soft_wrap=True)

    def _saw(self, name: str, seen: bool, measured: str, wanted: str) -> None:
        self.report.effects.append(Effect(name, seen, measured, wanted))
        mark = "[green]seen[/green]" if seen else "[red]NOT SEEN[/red]"
        self._say(f"{mark}: {name}: {measured}")

    def _mark(self, text: str, when: float) -> None:
        self.report.events.append(Event(when, text))

    def _until(self, look: Callable[[], T | None], timeout: float, interval: float = 0.2) -> T | None:
        deadline = time.monotonic() + timeout
        while (found := look()) is None and time.monotonic() < deadline:
            time.sleep(interval)
        return found

    # --- steps --------------------------------------------------------------------------------------------------

    def _bring_up(self) -> None:
        self._lab.up(agents=False, progress=self._say)
        vswitch = self._lab.openvswitch(self._profile.lmas[0].name)
        self.report.versions = {
            **self.report.versions,
            "openvswitch": ".".join(str(part) for part in vswitch.version()),
        }
        argv = ["tcpdump", "-Z", "root", "-U", "-n", "-i", UNDERLAY, "-w", str(self._capture_file), "ip6 proto 135"]
        log = self._lab.directory / "log" / "tcpdump.log"
        self._capture = self._lab.launch(UNDERLAY, argv, log)
        if self._until(lambda: True if "listening on" in log.read_text() else None, 10.0) is None:
            raise LabError(f"tcpdump does not start: {log.read_text()}")
        self._lab.start_agents()

    def _tunnels(self) -> None:
        wanted = len(self._profile.mags) * len(self._profile.lmas)
        start = time.monotonic()

        def look() -> int | None:
            return wanted if sum(tunnel["up"] for tunnel in fetch(self._url, "tunnels")) == wanted else None

        self._until(look, _TUNNELS_TIMEOUT)
        tunnels = fetch(self._url, "tunnels")
        pairs = sum(tunnel["up"] for tunnel in tunnels)
        attached = len(fetch(self._url, "bindings"))
        seconds = time.monotonic() - start
        self.report.figures["tunnels"] = {"pairs": pairs, "wanted": wanted, "seconds": seconds}
        self._saw(
            "tunnels",
            pairs == wanted and attached == 0,
            f"{pairs} pairs up in {seconds:.1f} s, {attached} mobile nodes attached",
            f"{len(self._profile.mags)} x {len(self._profile.lmas)} pairs before any mobile node attaches",
        )

    def _attach(self) -> None:
        mags = self._profile.mags
        places = {node.name: mags[index % len(mags)].name for index, node in enumerate(self._profile.mobile_nodes)}
        for node, mag in places.items():
            self._lab.attach(node, mag)
        reached = {}
        for node, mag in places.items():
            self._until(lambda node=node: self._address(node), _ADDRESS_TIMEOUT)  # type: ignore[misc]
            reached[node] = self._ping(node)
            self._say(f"{node} at {mag}: {self._address(node) or 'no address'}, {reached[node]} of 3 pings answered")
        self.report.figures["attachments"] = {
            node: {"mag": mag, "address": self._address(node), "pings_answered": reached[node]}
            for node, mag in places.items()
        }
        self._saw(
            "attachment",
            all(answered == 3 for answered in reached.values()),
            f"{sum(answered == 3 for answered in reached.values())} of {len(places)} reach the correspondent node",
            "every mobile node forms an address and reaches the correspondent node",
        )

    def _overload(self) -> None:
        first, second, *others = self._profile.mobile_nodes
        known = {decision["id"] for decision in fetch(self._url, "decisions")}
        flows = [Flow(self._lab, node.name, "udp", "up", UDP_RATE) for node in (first, second)]
        flows += [Flow(self._lab, node.name, "tcp", "up") for node in others[:1]]
        self._flows += flows
        traffic.start(flows)
        started = time.time()
        self._say(f"{', '.join(flow.name for flow in flows)}; UDP at {UDP_RATE:.0f} Mbit/s each")
        overloaded_at: list[float] = []

        def look() -> Any | None:
            if self._sample() and not overloaded_at:
                overloaded_at.append(time.time())
            new = [decision for decision in fetch(self._url, "decisions") if decision["id"] not in known]
            return new[0] if new else None

        decision = self._until(look, _OVERLOAD_TIMEOUT)
        if decision is None:
            raise LabError(f"no decision within {_OVERLOAD_TIMEOUT:.0f} s; load list: {fetch(self._url, 'load-list')}")
        self._mark(
            f"Load_adjust: {decision['mag']} from {decision['old_lma']} to {decision['new_lma']}", decision["time"]
        )
        self._say(decision["reason"])
        time.sleep(_SETTLING)
        before = self._uplink_counts(decision)
        self._until(lambda: self._sample() and None, _RELIEF)
        after = self._uplink_counts(decision)
        ended = time.time()
        results = [flow.stop() for flow in flows]
        self._note_goodput(results)
        self._judge_overload(decision, overloaded_at[0] if overloaded_at else None)
        self._judge_uplink(decision, before, after)
        self._judge_relief(results, started + _START_UP, decision["time"], ended)

    def _judge_overload(self, decision: Any, overloaded_at: float | None) -> None:
        detail = fetch(self._url, f"decisions/{decision['id']}")
        load = next(load for load in detail["inputs"]["snapshot"]["lmas"] if load["lma"] == decision["old_lma"])
        settings = self._profile.load_sharing
        saw_first = decision["time"] if overloaded_at is None else min(overloaded_at, decision["time"])
        delay = decision["time"] - saw_first
        self.report.figures["decision"] = {**decision, "cpu": load["cpu"], "packets": load["packets"], "delay_s": delay}
        self._saw(
            "overload",
            load["cpu"] >= settings.cpu_threshold
            and load["packets"] > settings.packet_threshold
            and delay <= 2 * settings.evaluation_interval,
            f"{decision['old_lma']} at CPU {load['cpu']:.0%} with {load['packets']} packets in {settings.window:g} s; "
            f"decided {delay:.1f} s after it was seen; {self._outcome(decision['id'])}",
            f"CPU >= {settings.cpu_threshold:.0%}, packets > {settings.packet_threshold}, decision within two "
            f"evaluation periods ({2 * settings.evaluation_interval:g} s)",
        )

    def _outcome(self, decision_id: str) -> str:
        answers = fetch(self._url, f"decisions/{decision_id}")["answers"]
        return ", ".join(f"{answer['by']}: {answer['outcome']}" for answer in answers)

    def _judge_uplink(self, decision: Any, before: Sequence[_TunnelCount], after: Sequence[_TunnelCount]) -> None:
        moved = {late.lma: late.packets - early.packets for early, late in zip(before, after, strict=True)}
        self.report.figures["uplink_packets_after_adjustment"] = moved
        old, new = moved[decision["old_lma"]], moved[decision["new_lma"]]
        self._saw(
            "uplink moved",
            new > 1000 and old <= new / 1000,
            f"of {decision['mag']}'s packets {new} came to {decision['new_lma']} and {old} to {decision['old_lma']}",
            "the MAG's packets leave through the new tunnel and no longer through the old",
        )

    def _judge_relief(self, results: Sequence[FlowResult], start: float, moved: float, end: float) -> None:
        spans = {"before": (start, moved), "after": (moved + _SETTLING, end)}
        goodput = {name: sum(result.goodput(*span) for result in results) for name, span in spans.items()}
        ratio = goodput["after"] / goodput["before"] if goodput["before"] else float("inf")
        details = {
            name: {
                result.name: {
                    "goodput_mbit_s": result.goodput(*span),
                    "loss_fraction": result.loss(*span) if result.protocol == "udp" else None,
                    "retransmitted_segments": result.retransmits(*span) if result.protocol == "tcp" else None,
                }
                for result in results
            }
            for name, span in spans.items()
        }
        self.report.figures["goodput"] = {"mbit_s": goodput, "ratio": ratio, "flows": details}
        for name, flows in details.items():
            for flow, figures in flows.items():
                loss, again = figures["loss_fraction"], figures["retransmitted_segments"]
                quality = f"{loss:.1%} lost" if loss is not None else f"{again} segments retransmitted"
                self._say(f"{name}: {flow} {figures['goodput_mbit_s']:.1f} Mbit/s, {quality}")
        self._saw(
            "relief",
            goodput["before"] > 0 and ratio >= GOODPUT_RATIO,
            f"goodput {goodput['before']:.1f} -> {goodput['after']:.1f} Mbit/s, {ratio:.2f} times",
            f"aggregate uplink goodput at least {GOODPUT_RATIO} times that before",
        )
        broken = [f"{result.name}: {result.error}" for result in results if result.error is not None]
        self._saw(
            "Load_adjust breaks nothing",
            not broken,
            "; ".join(broken) or "every flow went on",
            "no connection breaks",
        )

    def _handoff(self) -> None:
        node = self._profile.mobile_nodes[-1]
        here = next(entry for entry in fetch(self._url, "bindings") if entry["identifier"] == node.identifier)
        target = next(mag.name for mag in self._profile.mags if mag.name != here["mag"])
        address = self._address(node.name)
        flow = Flow(self._lab, node.name, "tcp", "down", TCP_RATE)
        self._flows.append(flow)
        flow.start()
        probe = Probe(self._lab, self._lab.plan.correspondent, node.name, PROBE_RATE)
        probe.start()
        time.sleep(3.0)
        change = self._lab.handoff(node.name, target)
        self._mark(f"handoff of {node.name} to {target}", change.started)
        time.sleep(5.0)
        alive = flow.running()
        seen, result = probe.stop(), flow.stop()
        self._note_goodput([result])
        gap = seen.gap_at(change.joined)
        protocol = self._protocol_part(node, target, change.started)
        later = result.goodput(change.joined + 1)
        self.report.figures["handoff"] = {
            "mobile_node": node.name,
            "from": here["mag"],
            "to": target,
            "downlink_gap_ms": gap.milliseconds,
            "downlink_packets_lost": gap.lost,
            "probe": {"rate_per_s": PROBE_RATE, "sent": seen.sent, "lost": seen.lost, "reordered": seen.reordered},
            "link_layer_ms": change.link_layer_ms,
            "protocol_ms": protocol,
            "tcp_goodput_after_mbit_s": later,
            "tcp_retransmitted_segments": result.retransmits(),
        }
        total = None if protocol is None else protocol.get("route_adjust_acknowledged")
        self._say(
            f"downlink gap {gap.milliseconds:.1f} ms, {gap.lost} packets of {PROBE_RATE}/s lost; link layer "
            f"{change.link_layer_ms:.1f} ms; from router solicitation to the last barrier {total} ms"
        )
        self._saw(
            "handoff keeps TCP",
            alive and later > 0 and result.error is None and self._address(node.name) == address,
            f"{later:.1f} Mbit/s after it, address {address} "
            f"{'kept' if self._address(node.name) == address else 'LOST'}; gap {gap.milliseconds:.0f} ms",
            "the TCP transfer goes on and the mobile node keeps its address",
        )
        routes = {lma.name: self._route_at(lma.name, here["prefix"]) for lma in self._profile.lmas}
        self._saw(
            "routes on all LMAs",
            all(mag == target for mag in routes.values()) and total is not None,
            ", ".join(f"{lma}: {here['prefix']} to {mag}" for lma, mag in routes.items()),
            "the flow table of every LMA, read from the switch, routes the prefix to the new MAG",
        )

    def _protocol_part(self, node: MobileNode, mag: str, since: float) -> dict[str, float] | None:
        """Milliseconds from the router solicitation to each step at the new MAG, as its agent recorded them."""
        lines = (self._lab.directory / mag / "events.jsonl").read_text().splitlines()
        for line in reversed(lines):
            event = json.loads(line)
            if event["event"] == "attachment" and event["mobile_node"] == node.name and event["solicited"] >= since:
                times: dict[str, float] = event["milliseconds"]
                return times
        return None

    def _check_capture(self) -> None:
        self._capture.terminate()
        self._capture.wait(10)
        argv = ["tshark", "-r", str(self._capture_file), "-T", "fields", "-E", "separator=/t"]
        argv += ["-e", "mip6.mhtype", "-e", "_ws.malformed", "-e", "_ws.expert.message"]
        found = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        if found.returncode:
            raise LabError(f"tshark cannot read the capture: {found.stderr.strip()}")
        frames = [line.split("\t") for line in found.stdout.splitlines()]
        types: dict[str, int] = {}
        for frame in frames:
            types[frame[0] or "none"] = types.get(frame[0] or "none", 0) + 1
        faulty = [frame for frame in frames if not frame[0] or any(frame[1:])]
        self.report.figures["capture"] = {"frames": len(frames), "by_type": types, "faulty": len(faulty)}
        self._saw(
            "valid Mobility Headers",
            bool(frames) and not faulty and {"5", "6", "11"} <= set(types),
            f"{len(frames)} messages, {len(faulty)} faulty; "
            + ", ".join(f"type {kind}: {number}" for kind, number in sorted(types.items())),
            "tshark takes every message for a valid Mobility Header",
        )

    # --- looking ------------------------------------------------------------------------------------------------

    def _sample(self) -> bool:
        """Note the load list; whether an LMA is overloaded."""
        document = fetch(self._url, "load-list")
        self.report.samples.append(
            Sample(
                document["time"],
                {load["lma"]: load["cpu"] for load in document["lmas"]},
                {load["lma"]: load["packets"] for load in document["lmas"]},
            )
        )
        return any(load["state"] == "overloaded" for load in document["lmas"])

    def _note_goodput(self, results: Sequence[FlowResult]) -> None:
        for result in results:
            self.report.goodput[result.name] = [
                (interval.start + interval.seconds, interval.octets * 8e-6 / interval.seconds)
                for interval in result.received
                if interval.seconds > 0.25
            ]

    def _address(self, node: str) -> str | None:
        try:
            return str(self._lab.address(node))
        except LabError:
            return None

    def _ping(self, node: str) -> int:
        address = str(self._lab.plan.correspondent_address.ip)
        argv = ["ping", "-6", "-c", "3", "-i", "0.3", "-W", "2", address]
        return self._lab.execute(node, argv, timeout=15).stdout.count("bytes from")

    def _uplink_counts(self, decision: Any) -> list[_TunnelCount]:
        """Packets that came through the moved MAG's tunnel to each LMA, read from the switches."""
        port = tunnel_port(decision["mag"])
        counts = []
        for lma in self._profile.lmas:
            # The counters of the port have the packets by which the switches watch the tunnel as well.
            flows = self._lab.openvswitch(lma.name).ofctl("--names", "dump-flows", "br-pm", f"table=0,in_port={port}")
            counts_of_flows = [int(number) for number in re.findall(r"n_packets=(\d+)", flows)]
            counts.append(_TunnelCount(lma.name, sum(counts_of_flows)))
        return counts

    def _route_at(self, lma: str, prefix: str) -> str | None:
        """The MAG to whose tunnel an LMA's switch sends a prefix, by its own flow table."""
        vswitch = self._lab.openvswitch(lma)
        # A masked match would select more; ovs-ofctl prints a prefix as it is.
        for line in vswitch.ofctl("dump-flows", "br-pm").splitlines():
            if f"ipv6_dst={IPv6Network(prefix)}" in line and "output:" in line:
                port = line.rsplit("output:", 1)[1].split(",")[0].strip().strip('"')
                for mag in self._profile.mags:
                    name = tunnel_port(mag.name)
                    if port in (name, vswitch.vsctl("get", "interface", name, "ofport").strip()):
                        return mag.name
        return None


def _summary(report: Report) -> Table:
    table = Table("effect", "wanted", "measured", "seen", title="What the demo was to show")
    for effect in report.effects:
        table.add_row(effect.name, effect.wanted, effect.measured, "yes" if effect.seen else "[red]NO[/red]")
    return table


@click.command()
@click.argument("profile", required=False)
@click.option("--keep", is_flag=True, help="Leave the lab running.")
@click.option(
    "--report",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-report"),
    show_default=True,
    help="Where the figures and the picture go.",
)
def demo(profile: str | None, keep: bool, directory: Path) -> None:
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
    played = Demo(lab, console)
    up = not lab.running()
    try:
        played.play()
    except LabError as error:
        console.print(f"[red]The demo cannot go on:[/red] {error}")
        raise click.exceptions.Exit(1) from None
    finally:
        if played.report.effects:
            shutil.copytree(lab.directory / "log", directory / "log", dirs_exist_ok=True)
            shutil.copy(lab.directory / CAPTURE, directory)
            written = played.report.write(directory)
            console.print(_summary(played.report))
            console.print(f"Figures and picture: {', '.join(str(file) for file in written)}")
        if keep:
            console.print("The lab is still up: 'pmipls lab status' shows it, 'pmipls lab down' removes it.")
        elif up:
            lab.down()
    if not played.report.complete:
        raise click.exceptions.Exit(1)
