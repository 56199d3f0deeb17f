"""A handoff in the middle of a TCP transfer, beside a probe that measures its gap."""

from __future__ import annotations

import json
import time
from ipaddress import IPv6Network
from math import isfinite

from ryu_pmipls.controller.switches.ports import tunnel_port
from ryu_pmipls.domain.profile import MobileNode
from ryu_pmipls.lab.measuring.demo.stage import Stage
from ryu_pmipls.lab.probe import Probe
from ryu_pmipls.lab.traffic_generator import Flow

PROBE_RATE = 1000  # datagrams per second
#: Rate of the TCP transfer during the handoff, in Mbit/s: an LMA of the default lab carries it besides the probe.
TCP_RATE = 5.0


def hand_off(stage: Stage) -> None:
    node = stage.profile.mobile_nodes[-1]
    here = next(entry for entry in stage.fetch("bindings") if entry["identifier"] == node.identifier)
    target = next(mag.name for mag in stage.profile.mags if mag.name != here["mag"])
    address = stage.address(node.name)
    flow = Flow(stage.lab, node.name, "tcp", "down", TCP_RATE)
    stage.flows.append(flow)
    flow.start()
    probe = Probe(stage.lab, stage.lab.plan.correspondent, node.name, PROBE_RATE)
    probe.start()
    time.sleep(3.0)
    change = stage.lab.handoff(node.name, target)
    stage.mark(f"handoff of {node.name} to {target}", change.started)
    time.sleep(5.0)
    alive = flow.running()
    seen, result = probe.stop(), flow.stop()
    stage.add_goodput([result])
    gap = seen.gap_at(change.joined)
    protocol = _protocol_part(stage, node, target, change.started)
    later = result.goodput(change.joined + 1)
    stage.report.figures["handoff"] = {
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
    parts = f"link layer {change.link_layer_ms:.0f} ms"
    if total is not None:
        parts += f", router solicitation to last barrier {total:.0f} ms"
    silence = f"{gap.milliseconds:.0f} ms" if isfinite(gap.milliseconds) else "without end"
    stage.say(f"{gap.lost} packets lost in the gap, of {PROBE_RATE}/s")
    kept = stage.address(node.name) == address
    stage.saw(
        "handoff keeps TCP",
        alive and later > 0 and result.error is None and kept,
        f"{later:.1f} Mbit/s after it, address {'kept' if kept else 'LOST'}; downlink gap {silence} ({parts})",
        "the TCP transfer goes on and the mobile node keeps its address",
    )
    routes = {lma.name: _route_at(stage, lma.name, here["prefix"]) for lma in stage.profile.lmas}
    right = [lma for lma, mag in routes.items() if mag == target]
    wrong = "".join(f"; {lma} to {mag or 'nowhere'}" for lma, mag in routes.items() if mag != target)
    stage.saw(
        "routes on all LMAs",
        not wrong and total is not None,
        f"{len(right)} of {len(routes)} LMAs route {here['prefix']} to {target}{wrong}",
        "the flow table of every LMA, read from the switch, routes the prefix to the new MAG",
    )


def _protocol_part(stage: Stage, node: MobileNode, mag: str, since: float) -> dict[str, float] | None:
    """Milliseconds from the router solicitation to each step at the new MAG, as its agent recorded them."""
    lines = (stage.lab.directory / mag / "events.jsonl").read_text().splitlines()
    for line in reversed(lines):
        event = json.loads(line)
        if event["event"] == "attachment" and event["mobile_node"] == node.name and event["solicited"] >= since:
            times: dict[str, float] = event["milliseconds"]
            return times
    return None


def _route_at(stage: Stage, lma: str, prefix: str) -> str | None:
    """The MAG to whose tunnel an LMA's switch sends a prefix, by its own flow table."""
    vswitch = stage.lab.openvswitch(lma)
    # A masked match would select more; ovs-ofctl prints a prefix as it is.
    for line in vswitch.ofctl("dump-flows", "br-pm").splitlines():
        if f"ipv6_dst={IPv6Network(prefix)}" in line and "output:" in line:
            port = line.rsplit("output:", 1)[1].split(",")[0].strip().strip('"')
            for mag in stage.profile.mags:
                name = tunnel_port(mag.name)
                if port in (name, vswitch.vsctl("get", "interface", name, "ofport").strip()):
                    return mag.name
    return None
