"""Costs of a handoff for a downlink, in three ways and in that of PMIPv6 without load sharing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from ovs_setup.tunnel import add_tunnel, encapsulation, remove_tunnel
from ryu_pmipls.domain.profile import SwitchNode, load_profile
from ryu_pmipls.http.client import fetch, rms_of
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.measuring.handoff_series import PROBE_RATE, MeasuredHandoff, series
from ryu_pmipls.lab.measuring.handoff_ways import STANDARD, Way
from ryu_pmipls.lab.waiting import expect

_TUNNELS_TIMEOUT = 30.0  # s
_LINEAR = 50  # datagrams or ms up to which the picture's scale is linear
_SETTLING = 0.3  # s in which the RMS notices that a tunnel has gone


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
                lambda: all(tunnel["up"] for tunnel in fetch(rms_of(lab.profile), "tunnels")),
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
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import, and needed at the end only
    from matplotlib.figure import Figure
    from matplotlib.ticker import ScalarFormatter

    figure = Figure(figsize=(14, 5))
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 3)
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
