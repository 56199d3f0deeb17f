"""More uplink than an LMA can carry, until the RMS moves a MAG, and what that brings."""

from __future__ import annotations

import re
import time
from collections.abc import Container, Mapping, Sequence
from typing import Any

from ryu_pmipls.lab import traffic
from ryu_pmipls.lab.errors import LabError
from ryu_pmipls.lab.measuring.demo.stage import Stage
from ryu_pmipls.lab.traffic import Flow, FlowResult
from ryu_pmipls.openflow.rules import tunnel_port

#: Offered load of each UDP flow in Mbit/s: two of them are more than one LMA of the default lab can carry.
UDP_RATE = 130.0
#: Wanted ratio of the goodput after the adjustment to that before it.
GOODPUT_RATIO = 1.6

_TIMEOUT = 60.0  # s
_RELIEF = 12.0  # s for which the traffic goes on after the adjustment
_START_UP = 0.5  # s until the flows are at their rate
_SETTLING = 2.0  # s after a change until what is measured counts
_SAMPLING = 0.2  # s between two looks at the load list


def overload(stage: Stage) -> None:
    first, second, *others = stage.profile.mobile_nodes
    known = {decision["id"] for decision in stage.fetch("decisions")}
    flows = [Flow(stage.lab, node.name, "udp", "up", UDP_RATE) for node in (first, second)]
    flows += [Flow(stage.lab, node.name, "tcp", "up") for node in others[:1]]
    stage.flows += flows
    traffic.start(flows)
    started = time.time()
    stage.say(f"{', '.join(flow.name for flow in flows)}; UDP at {UDP_RATE:.0f} Mbit/s each")
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
    ended = time.time()
    results = [flow.stop() for flow in flows]
    stage.note_goodput(results)
    _judge_overload(stage, decision, overloaded_at)
    _judge_uplink(stage, decision, before, after)
    _judge_relief(stage, results, started + _START_UP, decision["time"], ended)


def _await_decision(stage: Stage, known: Container[str]) -> tuple[Any, float | None]:
    """The first decision that is not known, and when an LMA was first seen to be overloaded, if before it."""
    overloaded_at = None
    deadline = time.monotonic() + _TIMEOUT
    while time.monotonic() < deadline:
        if stage.sample() and overloaded_at is None:
            overloaded_at = time.time()
        for decision in stage.fetch("decisions"):
            if decision["id"] not in known:
                return decision, overloaded_at
        time.sleep(_SAMPLING)
    raise LabError(f"no decision within {_TIMEOUT:.0f} s; load list: {stage.fetch('load-list')}")


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
        f"decided {delay:.1f} s after it was seen; {_outcome(stage, decision['id'])}",
        f"CPU >= {settings.cpu_threshold:.0%}, packets > {settings.packet_threshold}, decision within two "
        f"evaluation periods ({2 * settings.evaluation_interval:g} s)",
    )


def _outcome(stage: Stage, decision_id: str) -> str:
    answers = stage.fetch(f"decisions/{decision_id}")["answers"]
    return ", ".join(f"{answer['by']}: {answer['outcome']}" for answer in answers)


def _judge_uplink(stage: Stage, decision: Any, before: Mapping[str, int], after: Mapping[str, int]) -> None:
    moved = {lma: packets - before[lma] for lma, packets in after.items()}
    stage.report.figures["uplink_packets_after_adjustment"] = moved
    old, new = moved[decision["old_lma"]], moved[decision["new_lma"]]
    stage.saw(
        "uplink moved",
        new > 1000 and old <= new / 1000,
        f"of {decision['mag']}'s packets {new} came to {decision['new_lma']} and {old} to {decision['old_lma']}",
        "the MAG's packets leave through the new tunnel and no longer through the old",
    )


def _judge_relief(stage: Stage, results: Sequence[FlowResult], start: float, moved: float, end: float) -> None:
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
    stage.report.figures["goodput"] = {"mbit_s": goodput, "ratio": ratio, "flows": details}
    for name, flows in details.items():
        for flow, figures in flows.items():
            loss, again = figures["loss_fraction"], figures["retransmitted_segments"]
            quality = f"{loss:.1%} lost" if loss is not None else f"{again} segments retransmitted"
            stage.say(f"{name}: {flow} {figures['goodput_mbit_s']:.1f} Mbit/s, {quality}")
    stage.saw(
        "relief",
        goodput["before"] > 0 and ratio >= GOODPUT_RATIO,
        f"goodput {goodput['before']:.1f} -> {goodput['after']:.1f} Mbit/s, {ratio:.2f} times",
        f"aggregate uplink goodput at least {GOODPUT_RATIO} times that before",
    )
    broken = [f"{result.name}: {result.error}" for result in results if result.error is not None]
    stage.saw(
        "Load_adjust breaks nothing",
        not broken,
        "; ".join(broken) or "every flow went on",
        "no connection breaks",
    )


def _uplink_counts(stage: Stage, decision: Any) -> dict[str, int]:
    """Packets that each LMA's switch took from the moved MAG's tunnel to forward them, read from its flow table."""
    port = tunnel_port(decision["mag"])
    counts = {}
    for lma in stage.profile.lmas:
        # The counters of the port have the packets by which the switches watch the tunnel as well.
        flows = stage.lab.openvswitch(lma.name).ofctl("--names", "dump-flows", "br-pm", f"table=0,in_port={port}")
        counts[lma.name] = sum(int(number) for number in re.findall(r"n_packets=(\d+)", flows))
    return counts
