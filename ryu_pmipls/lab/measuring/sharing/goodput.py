"""Goodput by policy at 0.7, 1.0 and 1.5 times what four LMAs carry here; one MAG offers half of it.

A run begins with all uplinks at the first LMA, where the policy finds them, and lasts a minute, in which every flow
goes on. Offers are fractions of a capacity that was measured before, with the uplinks divided evenly. What LMAs carry
varies from minute to minute, above all on a virtual machine; so each run is also set beside what they carry of the
very same flows just before and just after it, divided evenly by hand.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ryu_pmipls.lab import traffic_generator as traffic
from ryu_pmipls.lab.measuring.sharing.testbed import Figures, Testbed
from ryu_pmipls.lab.traffic_generator import Flow, FlowResult

#: Offered load as fractions of the capacity.
RATIOS = (0.7, 1.0, 1.5)
POLICIES = ("draft", "balance")
#: Seconds at the end of a run in which nothing should move; goodput and losses are those of that time.
QUIET = 30.0

_SPAN = 60.0  # seconds of a run, from the policy's first round on
_UDP_FLOWS = 8  # of each mobile node
_TCP_RATE = 3.0  # Mbit/s, of one flow at each MAG
_TOO_MUCH = 60.0  # Mbit/s of each mobile node, more than the machine carries
#: Quotas of the LMAs' switches (of one core) to choose from.
_QUOTAS = (0.07, 0.05, 0.035, 0.025, 0.018)
_MOST = 0.55  # of what the machine carries, for the LMAs
_HEADROOM = 1.1  # offered in the last trial of the capacity, by the goodput of the one before
_TRIAL = 8.0  # seconds of a trial
_SETTLING = 2.0  # s after a change


def measure(testbed: Testbed) -> Figures:
    """One measurement: the capacity, and a run of each policy at each ratio."""
    mags = [mag.name for mag in testbed.profile.mags]
    nodes = [node.name for node in testbed.profile.mobile_nodes]
    machine, quota, capacity = _capacity(testbed, nodes, mags)
    # Half of the mobile nodes at one MAG, and twice as many at one of the others as at each of the rest.
    testbed.attach({node: mags[0 if index < 4 else 1 + index % 3] for index, node in enumerate(nodes)})
    runs = [_run(testbed, nodes, policy, ratio, capacity, quota) for ratio in RATIOS for policy in POLICIES]
    found = {"machine_mbit_s": machine, "lma_quota": quota, "capacity_mbit_s": capacity}
    return {**found, "runs": runs, "wanted": wanted(runs, capacity)}


def carried(run: Mapping[str, Any]) -> float:
    """Goodput of a run, as a fraction of that of evenly divided uplinks."""
    return float(run["mbit_s"] / run["even_mbit_s"])


def wanted(runs: Sequence[Mapping[str, Any]], capacity: float) -> dict[str, bool]:
    """Requirements of load sharing by ``balance``, at each ratio: true for those that these runs meet.

    ``capacity`` is Mbit/s, as measured before all runs.
    """
    found = {(run["policy"], run["ratio"]): run for run in runs}
    shown = {}
    for ratio in sorted({run["ratio"] for run in runs}):
        draft, balance = found["draft", ratio], found["balance", ratio]
        name = f"at {ratio:g}"
        shown[f"{name}: no flow broke"] = not draft["broken"] and not balance["broken"]
        shown[f"{name}: as much as draft"] = carried(balance) >= carried(draft)
        if ratio >= 1:
            shown[f"{name}: 0.97 of the capacity"] = balance["mbit_s"] >= 0.97 * capacity
            shown[f"{name}: 0.97 of evenly divided uplinks"] = carried(balance) >= 0.97
        shown[f"{name}: at most 12 moves"] = len(balance["moves"]) <= 12
        shown[f"{name}: none in the last {QUIET:.0f} s"] = not any(
            move > balance["seconds"] - QUIET for move in balance["moves"]
        )
        lost = balance["lost_by_mag"]
        big = max(lost, key=lambda mag: float(lost[mag]["offered_mbit_s"]))
        shown[f"{name}: who offers little loses no more"] = all(
            each["lost"] <= lost[big]["lost"] + 0.05 for each in lost.values()
        )
    return shown


def _capacity(testbed: Testbed, nodes: Sequence[str], mags: Sequence[str]) -> tuple[float, float, float]:
    """Mbit/s that the machine carries, the LMAs' quota, and Mbit/s that all LMAs together carry with it.

    Two mobile nodes are at each MAG, and anchored at each LMA. The quota is made small enough that LMAs are what limits
    the traffic, also when half as much again is offered.
    """
    testbed.attach({node: mags[index // 2 % len(mags)] for index, node in enumerate(nodes)})
    testbed.renew("static")
    testbed.raise_lma_quotas()
    machine = _trial(testbed, nodes, _TOO_MUCH)
    quota, carried = _QUOTAS[0], machine
    for quota in _QUOTAS:
        testbed.set_lma_quotas(quota)
        carried = _trial(testbed, nodes, _MOST * 1.5 * machine / len(nodes))
        if carried <= _MOST * machine:
            break
    # A full LMA carries a little less than one that is offered just what it can carry.
    carried = max(carried, _trial(testbed, nodes, _HEADROOM * carried / len(nodes)))
    testbed.show({"machine_mbit_s": machine, "lma_quota": quota, "capacity_mbit_s": carried})
    return machine, quota, carried


def _trial(testbed: Testbed, nodes: Sequence[str], rate: float) -> float:
    """Goodput in Mbit/s when each mobile node offers ``rate``."""
    flows = [Flow(testbed.lab, node, "udp", "up", rate, streams=_UDP_FLOWS) for node in nodes]
    try:
        traffic.start(flows)
        trial = _trial_span()
    finally:
        results = _stopped(flows)
    return _goodput(results, *trial)


def _trial_span() -> tuple[float, float]:
    """Let the flows go on for a trial; returns its beginning and end (seconds since 1970)."""
    time.sleep(_SETTLING)
    begin = time.time()
    time.sleep(_TRIAL)
    return begin, time.time()


def _goodput(results: Sequence[FlowResult], begin: float, end: float) -> float:
    return sum(result.goodput(begin, end) for result in results)


def _run(testbed: Testbed, nodes: Sequence[str], policy: str, ratio: float, capacity: float, quota: float) -> Figures:
    testbed.renew("static")
    testbed.raise_lma_quotas()  # where much is lost, some flows would not start
    first = {testbed.located(node): node for node in reversed(nodes)}  # a node of each MAG
    rate = (ratio * capacity - len(first) * _TCP_RATE) / len(nodes)
    flows = [Flow(testbed.lab, node, "udp", "up", rate, streams=_UDP_FLOWS) for node in nodes]
    streams = [Flow(testbed.lab, node, "tcp", "up", _TCP_RATE) for node in first.values()]
    mags = {node: str(testbed.located(node)) for node in nodes}
    try:
        traffic.start(streams)
        traffic.start(flows)
        testbed.set_lma_quotas(quota)
        even = [_trial_span()]  # all uplinks are at their anchors, which is even
        testbed.raise_lma_quotas()
        for mag in testbed.profile.mags:
            testbed.move(mag.name, testbed.profile.lmas[0].name)
        time.sleep(_SETTLING)
        testbed.set_lma_quotas(quota)
        known = {decision["id"] for decision in testbed.fetch("decisions")}
        began = time.time()
        testbed.send("policy", {"policy": policy})
        loads = _watch(testbed, began)
        ended = time.time()
        decided = [decision for decision in testbed.fetch("decisions") if decision["id"] not in known]
        testbed.raise_lma_quotas()
        testbed.renew("static")
        testbed.set_lma_quotas(quota)
        even.append(_trial_span())
    finally:
        results = _stopped([*flows, *streams])
    figures = _figures(results, mags, ended - QUIET, ended) | {
        "policy": policy,
        "ratio": ratio,
        "offered_mbit_s": ratio * capacity,
        "even_mbit_s": sum(_goodput(results, *trial) for trial in even) / len(even),
        "seconds": ended - began,
        "moves": [decision["time"] - began for decision in decided],
        "decisions": [decision["reason"] for decision in decided],
    }
    shown = ("policy", "ratio", "mbit_s", "even_mbit_s", "lost_by_mag", "moves")
    testbed.show({name: figures[name] for name in shown})
    return figures | {"goodput": _over_time(results, began, ended), "loads": loads}


def _watch(testbed: Testbed, began: float) -> list[Figures]:
    """Sample the LMAs for the length of a run: CPU, and the loss of those that are full."""
    samples = []
    while time.time() < began + _SPAN:
        loads = testbed.fetch("load-list")["lmas"]
        samples.append(
            {
                "time": time.time() - began,
                "cpu": {load["lma"]: load["cpu"] for load in loads},
                "loss": {load["lma"]: load["loss"] for load in loads},
            }
        )
        time.sleep(2)
    return samples


def _stopped(flows: Sequence[Flow]) -> list[FlowResult]:
    """The results of flows, which end all at once: where most is lost, each takes its time to end."""
    with ThreadPoolExecutor(len(flows)) as pool:
        return list(pool.map(Flow.stop, flows))


def _figures(results: Sequence[FlowResult], mags: Mapping[str, str], begin: float, end: float) -> Figures:
    udp = {result.name: result for result in results if result.protocol == "udp"}
    tcp = [result for result in results if result.protocol == "tcp"]
    by_mag: dict[str, list[FlowResult]] = {}
    for result in udp.values():
        by_mag.setdefault(mags[result.name.split()[0]], []).append(result)
    return {
        "mbit_s": sum(result.goodput(begin, end) for result in results),
        "lost_by_flow": {name: result.loss(begin, end) for name, result in udp.items()},
        "lost_by_mag": {
            mag: {
                "offered_mbit_s": sum(
                    result.goodput(begin, end) / max(0.01, 1 - result.loss(begin, end)) for result in own
                ),
                "lost": sum(result.loss(begin, end) for result in own) / len(own),
            }
            for mag, own in sorted(by_mag.items())
        },
        "tcp_mbit_s": sum(result.goodput(begin, end) for result in tcp),
        "tcp_retransmits": sum(result.retransmits(begin, end) for result in tcp),
        "broken": [f"{result.name}: {result.error}" for result in results if result.error is not None],
    }


def _over_time(results: Sequence[FlowResult], began: float, ended: float) -> list[tuple[float, float]]:
    """(seconds from the beginning, Mbit/s of all flows), for every second."""
    instants = [began + second for second in range(int(ended - began))]
    return [
        (instant - began, sum(result.goodput(instant - 0.6, instant + 0.6) for result in results))
        for instant in instants
    ]
