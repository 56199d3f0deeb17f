"""Overload: more uplink than an LMA can carry, until the RMS moves a MAG, and the effects of that."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Container, Mapping, Sequence
from typing import Any

from ryu_pmipls.controller.switches.ports import tunnel_port
from ryu_pmipls.lab import traffic_generator as traffic
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.lab_layout import MOBILE_PORT
from ryu_pmipls.lab.measuring.demo.flow_shares import FlowShare, continuity, measure
from ryu_pmipls.lab.measuring.demo.stage import Stage
from ryu_pmipls.lab.traffic_generator import Flow, FlowResult
from ryu_pmipls.lab.waiting import until

#: Mbit/s and s of the UDP flow that measures an LMA's capacity: not long enough to be an overload.
TRIAL_RATE, _TRIAL = 400.0, 1.0
#: Offered load of each UDP flow, as a fraction of what an LMA can carry: too much for two, and room for TCP beside one.
OFFERED = 0.8
#: Wanted ratio of the goodput after the adjustment to that before it.
GOODPUT_RATIO = 1.6

_TIMEOUT = 60.0  # s
_ALONE = 4.0  # s for which TCP has the path to itself at the end
_SENDING = 10  # packets between two samples, by which TCP counts as sending
_RELIEF = 12.0  # s for which the traffic goes on after the adjustment
_START_UP = 0.5  # s until the flows are at their rate
_SETTLING = 2.0  # s after a change until what is measured counts
_SAMPLING = 0.2  # s between two looks at the load list


def overload(stage: Stage) -> None:
    first, second, third, *_ = stage.profile.mobile_nodes
    known = {decision["id"] for decision in stage.fetch("decisions")}
    rate = _udp_rate(stage, first.name)
    flows = [Flow(stage.lab, node.name, "udp", "up", rate) for node in (first, second)]
    flows.append(Flow(stage.lab, third.name, "tcp", "up"))
    stage.flows += flows
    traffic.start(flows)
    started = time.time()
    stage.say(f"{', '.join(flow.name for flow in flows)}; UDP at {rate:.0f} Mbit/s each")
    decision, overloaded_at = _await_decision(stage, known)
    stage.mark(f"Load_adjust: {decision['mag']} from {decision['old_lma']} to {decision['new_lma']}", decision["time"])
    stage.say(decision["reason"])
    time.sleep(_SETTLING)
    before = _uplink_counts(stage, decision)
    deadline = time.monotonic() + _RELIEF
    while time.monotonic() < deadline:
        stage.sample()
        time.sleep(_SAMPLING)
    after = _uplink_counts(stage, decision)
    parts = {"before": (started + _START_UP, decision["time"]), "after": (decision["time"] + _SETTLING, time.time())}
    results = [flow.stop() for flow in flows if flow.protocol == "udp"]
    transfer = flows[-1]
    parts["alone"] = _leave_alone(stage, transfer.mobile_node)
    results.append(transfer.stop())
    stage.add_goodput(results)
    _judge_overload(stage, decision, overloaded_at)
    _judge_uplink(stage, decision, before, after)
    shares = measure(results, parts)
    stage.report.figures["flows"] = shares
    _judge_relief(stage, shares)
    _judge_flows(stage, results, shares)


def _udp_rate(stage: Stage, node: str) -> float:
    """Mbit/s that each UDP flow should offer: the CPU quota of an LMA is worth more on one machine than on another."""
    (trial,) = traffic.run([Flow(stage.lab, node, "udp", "up", TRIAL_RATE, _TRIAL)])
    carried = trial.goodput()
    stage.report.figures["lma_capacity_mbit_s"] = carried
    stage.say(f"an LMA carries {carried:.0f} Mbit/s")
    if carried <= 0:
        raise LabError(f"a trial of {TRIAL_RATE:.0f} Mbit/s brought nothing through: {trial.error or 'all was lost'}")
    time.sleep(stage.profile.load_sharing.window)  # until it does not count any more
    return OFFERED * carried


def _leave_alone(stage: Stage, node: str) -> tuple[float, float]:
    """Leave the mobile node's TCP alone for a while, from when it sends; returns beginning and end, s since 1970.

    TCP that got nothing through waits longer and longer before it tries again.
    """

    def sent() -> int:
        shown = stage.lab.execute(node, ["ip", "-json", "-statistics", "link", "show", "dev", MOBILE_PORT]).stdout
        packets: int = json.loads(shown)[0]["stats64"]["tx"]["packets"]
        return packets

    def sends() -> bool:
        before = sent()
        time.sleep(_SAMPLING)
        return sent() - before > _SENDING

    until(sends, _TIMEOUT)
    beginning = time.time()
    time.sleep(_ALONE)
    return beginning, time.time()


def _await_decision(stage: Stage, known: Container[str]) -> tuple[Any, float | None]:
    """The first unknown decision, and the time an LMA was first seen overloaded, if before it."""
    overloaded_at = None
    deadline = time.monotonic() + _TIMEOUT
    while time.monotonic() < deadline:
        if stage.sample() and overloaded_at is None:
            overloaded_at = time.time()
        for decision in stage.fetch("decisions"):
            if decision["id"] not in known:
                return decision, overloaded_at
        time.sleep(_SAMPLING)
    loads = ", ".join(
        f"{load['lma']} {load['state']}, CPU {'unknown' if load['cpu'] is None else format(load['cpu'], '.0%')}, "
        f"{load['packets']} packets"
        for load in stage.fetch("load-list")["lmas"]
    )
    raise LabError(f"no decision within {_TIMEOUT:.0f} s; the load list has: {loads}")


def _judge_overload(stage: Stage, decision: Any, overloaded_at: float | None) -> None:
    detail = stage.fetch(f"decisions/{decision['id']}")
    load = next(load for load in detail["inputs"]["snapshot"]["lmas"] if load["lma"] == decision["old_lma"])
    settings = stage.profile.load_sharing
    saw_first = decision["time"] if overloaded_at is None else min(overloaded_at, decision["time"])
    delay = decision["time"] - saw_first
    stage.report.figures["decision"] = {**decision, "cpu": load["cpu"], "packets": load["packets"], "delay_s": delay}
    stage.saw(
        "overload",
        load["cpu"] >= settings.cpu_threshold
        and load["packets"] > settings.packet_threshold
        and delay <= 2 * settings.evaluation_interval,
        f"{decision['old_lma']} at CPU {load['cpu']:.0%} with {load['packets']} packets in {settings.window:g} s; "
        f"decision after {delay:.1f} s, {_acknowledged(stage, decision)}",
        f"CPU >= {settings.cpu_threshold:.0%}, packets > {settings.packet_threshold}, decision within two "
        f"evaluation periods ({2 * settings.evaluation_interval:g} s)",
    )


def _acknowledged(stage: Stage, decision: Any) -> str:
    """Answers of the MAG's switch and agent."""
    answers = stage.fetch(f"decisions/{decision['id']}")["answers"]
    outcomes: dict[str, list[str]] = {}
    for answer in answers:
        outcomes.setdefault(answer["outcome"], []).append(answer["by"].removesuffix(f" of {decision['mag']}"))
    return ", ".join(f"{outcome} by {' and '.join(sorted(by))}" for outcome, by in outcomes.items()) or "not answered"


def _judge_uplink(stage: Stage, decision: Any, before: Mapping[str, int], after: Mapping[str, int]) -> None:
    moved = {lma: packets - before[lma] for lma, packets in after.items()}
    stage.report.figures["uplink_packets_after_adjustment"] = moved
    old, new = moved[decision["old_lma"]], moved[decision["new_lma"]]
    stage.saw(
        "uplink moved",
        new > 1000 and old <= new / 1000,
        f"{new} packets of its MAG come to {decision['new_lma']}, {old} to {decision['old_lma']}",
        "the MAG's packets leave through the new tunnel and no longer through the old",
    )


def _judge_relief(stage: Stage, shares: Mapping[str, Sequence[FlowShare]]) -> None:
    before, after = (sum(share.goodput_mbit_s for share in shares[part]) for part in ("before", "after"))
    ratio = after / before if before else float("inf")
    stage.report.figures["goodput"] = {"mbit_s": {"before": before, "after": after}, "ratio": ratio}
    for part, flows in shares.items():
        for share in flows:
            stage.say(f"{part}: {share}")
    stage.saw(
        "relief",
        before > 0 and ratio >= GOODPUT_RATIO,
        f"goodput {before:.1f} -> {after:.1f} Mbit/s, {ratio:.2f} times",
        f"aggregate uplink goodput at least {GOODPUT_RATIO} times that before",
    )


def _judge_flows(stage: Stage, results: Sequence[FlowResult], shares: Mapping[str, Sequence[FlowShare]]) -> None:
    broken = {result.name: result.error for result in results if result.error is not None}
    seen, measured = continuity(shares, broken)
    stage.saw("Load_adjust breaks nothing", seen, measured, "every flow carries something before and after it")


def _uplink_counts(stage: Stage, decision: Any) -> dict[str, int]:
    """Packets that each LMA's switch took from the moved MAG's tunnel to forward them, read from its flow table."""
    port = tunnel_port(decision["mag"])
    counts = {}
    for lma in stage.profile.lmas:
        # The counters of the port also include the packets by which the switches watch the tunnel.
        flows = stage.lab.openvswitch(lma.name).ofctl("--names", "dump-flows", "br-pm", f"table=0,in_port={port}")
        counts[lma.name] = sum(int(number) for number in re.findall(r"n_packets=(\d+)", flows))
    return counts
