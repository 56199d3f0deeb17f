"""The demo's beginning: the lab, its tunnels, and mobile nodes that attach."""

from __future__ import annotations

import time

from ryu_pmipls.lab.measuring.demo.signalling_capture import Capture
from ryu_pmipls.lab.measuring.demo.stage import Stage
from ryu_pmipls.lab.waiting import until

_TUNNELS_TIMEOUT = 30.0  # s
_ADDRESS_TIMEOUT = 15.0  # s


def bring_up(stage: Stage, capture: Capture) -> None:
    """Bring up the lab, and start the capture before the agents have sent anything."""
    stage.lab.up(agents=False, progress=stage.say)
    vswitch = stage.lab.openvswitch(stage.profile.lmas[0].name)
    stage.report.versions = {
        **stage.report.versions,
        "openvswitch": ".".join(str(part) for part in vswitch.version()),
    }
    capture.start()
    stage.lab.start_agents()


def tunnels(stage: Stage) -> None:
    wanted = len(stage.profile.mags) * len(stage.profile.lmas)
    start = time.monotonic()
    until(lambda: sum(tunnel["up"] for tunnel in stage.fetch("tunnels")) == wanted, _TUNNELS_TIMEOUT)
    pairs = sum(tunnel["up"] for tunnel in stage.fetch("tunnels"))
    attached = len(stage.fetch("bindings"))
    seconds = time.monotonic() - start
    stage.report.figures["tunnels"] = {"pairs": pairs, "wanted": wanted, "seconds": seconds}
    stage.saw(
        "tunnels",
        pairs == wanted and attached == 0,
        f"{pairs} of {wanted} pairs up after {seconds:.1f} s, {attached or 'no'} mobile node attached",
        "every MAG has a tunnel to every LMA before any mobile node attaches",
    )


def attach(stage: Stage) -> None:
    mags = stage.profile.mags
    places = {node.name: mags[index % len(mags)].name for index, node in enumerate(stage.profile.mobile_nodes)}
    for node, mag in places.items():
        stage.lab.attach(node, mag)
    reached = {}
    for node, mag in places.items():
        until(lambda node=node: stage.address(node), _ADDRESS_TIMEOUT)  # type: ignore[misc]
        reached[node] = _ping(stage, node)
        stage.say(f"{node} at {mag}: {stage.address(node) or 'no address'}, {reached[node]} of 3 pings answered")
    stage.report.figures["attachments"] = {
        node: {"mag": mag, "address": stage.address(node), "pings_answered": reached[node]}
        for node, mag in places.items()
    }
    stage.saw(
        "attachment",
        all(answered == 3 for answered in reached.values()),
        f"{sum(answered == 3 for answered in reached.values())} of {len(places)} mobile nodes reach the "
        "correspondent node",
        "every mobile node forms an address and reaches the correspondent node",
    )


def _ping(stage: Stage, node: str) -> int:
    address = str(stage.lab.plan.correspondent_address.ip)
    argv = ["ping", "-6", "-c", "3", "-i", "0.3", "-W", "2", address]
    return stage.lab.execute(node, argv, timeout=15).stdout.count("bytes from")
