"""``pmipls handoffs``: what a handoff costs a downlink, in three ways and in that of PMIPv6 without load sharing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import click
import matplotlib

matplotlib.use("Agg")
import yaml
from matplotlib import pyplot
from matplotlib.ticker import ScalarFormatter
from rich.console import Console
from rich.table import Table

from ovs_setup.tunnel import add_tunnel, encapsulation, remove_tunnel
from ryu_pmipls.domain.profile import Profile, SwitchNode, find_profile, load_profile
from ryu_pmipls.http.client import base_url, fetch
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.measuring.handoff_series import PROBE_RATE, MeasuredHandoff, series
from ryu_pmipls.lab.measuring.options import report_option
from ryu_pmipls.lab.waiting import expect

_TUNNELS_TIMEOUT = 30.0  # s
_LINEAR = 50  # datagrams or ms up to which the picture's scale is linear
_SETTLING = 0.3  # s in which the RMS notices that a tunnel has gone


@dataclass(frozen=True)
class Way:
    """A way to do handoffs; ``lmas`` is the number of LMAs of the profile to use, None: all."""

    name: str
    handoff: Mapping[str, Any]
    lmas: int | None = None


#: Way of RFC 5213: one LMA for a mobile node, which makes the tunnel when it accepts the PBU (section 5.6.1).
STANDARD = Way("standard PMIPv6", {"forwarding": False, "buffer": 0}, lmas=1)
WAYS = (
    STANDARD,
    Way("routes only", {"forwarding": False, "buffer": 0}),
    Way("forwarding", {"forwarding": True, "buffer": 0}),
    Way("forwarding and buffering", {"forwarding": True, "buffer": 1000}),
)


def derive(document: dict[str, Any], way: Way) -> dict[str, Any]:
    """The profile document for one way."""
    there = document["lmas"][: way.lmas]
    names = {lma["name"] for lma in there}
    nodes = [
        {key: value for key, value in node.items() if key != "anchor" or value in names}
        for node in document["mobile_nodes"]
    ]
    # No quotas: losses of a busy LMA must not show here.
    settings = document["lab"] | {"lma_cpu": {}}
    # The tunnels of the standard way come and go; with BFD, they would not be used at first.
    tunnel = document.get("tunnel", {}) | ({"bfd_interval": None} if way is STANDARD else {})
    changes = {"lmas": there, "mobile_nodes": nodes, "lab": settings, "handoff": dict(way.handoff), "tunnel": tunnel}
    return document | changes


def measure(profile: Path, way: Way, number: int, interval: float) -> list[MeasuredHandoff]:
    """Bring a lab up for one way, do the handoffs in it, take it down."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "profile.yaml"
        document = yaml.safe_load(profile.read_text(encoding="utf-8"))
        path.write_text(yaml.safe_dump(derive(document, way)), encoding="utf-8")
        lab = Lab(load_profile(path), path)
        try:
            lab.up()
            expect(
                lambda: all(tunnel["up"] for tunnel in fetch(base_url(lab.profile), "tunnels")),
                _TUNNELS_TIMEOUT,
                f"not all tunnels are up within {_TUNNELS_TIMEOUT:.0f} s",
            )
            before = _tunnel_on_demand(lab) if way is STANDARD else lambda mag: lambda: None
            return series(lab, lab.profile.mobile_nodes[0].name, number, interval, before)
        finally:
            lab.down()


def _tunnel_on_demand(lab: Lab) -> Callable[[str], Callable[[], None]]:
    """Keep the MAG without a tunnel until the mobile node is there; then build both ends at once."""
    (lma,) = lab.profile.lmas
    kind = encapsulation(lab.openvswitch(lma.name), lab.profile.tunnel.type)

    def before(name: str) -> Callable[[], None]:
        mag = lab.profile.mag(name)
        ends = ((mag, lma), (lma, mag))
        for node, peer in ends:
            remove_tunnel(lab.openvswitch(node.name), peer.name)
        time.sleep(_SETTLING)

        def build_end(node: SwitchNode, peer: SwitchNode) -> None:
            add_tunnel(lab.openvswitch(node.name), peer.name, node.address, peer.address, kind)

        def build() -> None:
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(build_end, *zip(*ends, strict=True)))

        return build

    return before


def draw(results: Mapping[str, Sequence[MeasuredHandoff]], path: Path) -> None:
    """Draw the distributions of packets lost and of gaps, for each way."""
    figure, axes = pyplot.subplots(1, 3, figsize=(14, 5))
    panels: tuple[tuple[str, Callable[[MeasuredHandoff], float]], ...] = (
        ("datagrams lost while there was no link", lambda handoff: handoff.lost_link_layer),
        ("datagrams lost with the new link up (protocol)", lambda handoff: handoff.lost_protocol),
        ("gap at the receiver (ms)", lambda handoff: handoff.gap_ms),
    )
    for axis, (title, value) in zip(axes, panels, strict=True):
        for name, handoffs in results.items():
            values = sorted(value(handoff) for handoff in handoffs)
            shares = [(place + 1) / len(values) for place in range(len(values))]
            axis.step([values[0], *values], [0.0, *shares], where="post", label=name, linewidth=1.8)
        axis.set_title(title, fontsize=10)
        axis.set_ylim(0, 1.02)
        axis.set_xlim(left=-0.5)
        axis.grid(alpha=0.3)
    for axis in axes[1:]:  # one that waits for a message to be repeated is far beyond all others
        axis.set_xscale("symlog", linthresh=_LINEAR)
        axis.xaxis.set_major_formatter(ScalarFormatter())
    axes[0].set_ylabel("share of the handoffs with at most so many")
    axes[1].legend(loc="lower right", fontsize=8)
    least, most = min(map(len, results.values())), max(map(len, results.values()))
    number = str(most) if least == most else f"{least} to {most}"
    figure.suptitle(f"{number} handoffs each, downlink of {PROBE_RATE} datagrams/s beside a TCP transfer")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _table(results: Mapping[str, Sequence[MeasuredHandoff]]) -> Table:
    table = Table("way", title="Median and worst of a handoff")
    columns: tuple[tuple[str, Callable[[MeasuredHandoff], float]], ...] = (
        ("link layer (ms)", lambda handoff: handoff.link_layer_ms),
        ("gap (ms)", lambda handoff: handoff.gap_ms),
        ("of it protocol (ms)", lambda handoff: handoff.protocol_gap_ms),
        ("lost, link layer", lambda handoff: handoff.lost_link_layer),
        ("lost, protocol", lambda handoff: handoff.lost_protocol),
        ("late", lambda handoff: handoff.late),
        ("TCP segments again", lambda handoff: handoff.tcp_retransmitted),
    )
    for title, _ in columns:
        table.add_column(title, justify="right")
    for name, handoffs in results.items():
        values = ([value(handoff) for handoff in handoffs] for _, value in columns)
        table.add_row(name, *(f"{median(column):.0f}, {max(column):.0f}" for column in values))
    return table


@click.command()
@click.argument("profile", required=False)
@click.option("--number", type=click.IntRange(1, 1000), default=30, show_default=True, help="Handoffs in each way.")
@click.option("--interval", type=click.FloatRange(1, 60), default=1.5, show_default=True, help="Seconds between two.")
@click.option(
    "--way",
    "names",
    type=click.Choice([way.name for way in WAYS]),
    multiple=True,
    help="Only this one; others that the report has are kept.",
)
@report_option("handoff-report", directory=True)
def handoffs(profile: str | None, number: int, interval: float, names: tuple[str, ...], report: Path) -> None:
    """Hand a mobile node of PROFILE off under traffic, in several ways, and compare what is lost."""
    console = Console(highlight=False)
    path = find_profile(profile, lab=True)
    _check(load_profile(path), path)
    report.mkdir(parents=True, exist_ok=True)
    document, picture = report / "handoffs.json", report / "handoffs.png"
    results = _load_results(document) if names else {}
    for way in WAYS:
        if names and way.name not in names:
            continue
        with console.status(f"{way.name}: {number} handoffs"):
            try:
                results[way.name] = measure(path, way, number, interval)
            except LabError as error:
                console.print(f"[red]{way.name}:[/red] {error}")
                raise click.exceptions.Exit(1) from None
    results = {way.name: results[way.name] for way in WAYS if way.name in results}
    text = json.dumps({name: [asdict(each) for each in found] for name, found in results.items()}, indent=2)
    document.write_text(text + "\n", encoding="utf-8")
    draw(results, picture)
    console.print(_table(results))
    console.print(f"Figures and picture: {document}, {picture}")


def _load_results(document: Path) -> dict[str, list[MeasuredHandoff]]:
    if not document.exists():
        return {}
    found = json.loads(document.read_text(encoding="utf-8"))
    return {name: [MeasuredHandoff(**each) for each in entries] for name, entries in found.items()}


def _check(profile: Profile, path: Path) -> None:
    if profile.lab is None or len(profile.mags) < 2 or not profile.mobile_nodes:
        raise click.UsageError(f"{path}: lab, two mags and one of mobile_nodes are needed")
