"""The uplink of all MAGs through one LMA; by ``draft`` and ``balance``, where one MAG is more than an LMA."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ryu_pmipls.lab import traffic_generator as traffic
from ryu_pmipls.lab.measuring.sharing.testbed import Figures, Testbed
from ryu_pmipls.lab.traffic_generator import Flow, FlowResult

#: Offered load in Mbit/s: of each mobile node in UDP, with its number of flows, and of one TCP flow at each MAG.
UDP_RATE, UDP_FLOWS = 20.5, 8
TCP_RATE = 3.0

_SETTLED = 25.0  # seconds without a decision after which a policy has settled: twice what a moved MAG rests
_LONGEST = 80.0  # seconds in which it must
_SPAN = 12.0  # seconds for which goodput is measured


def measure(testbed: Testbed) -> Figures:
    mags = [mag.name for mag in testbed.profile.mags]
    nodes = [node.name for node in testbed.profile.mobile_nodes]
    testbed.attach({node: mags[0 if index < 4 else 1 + index % 3] for index, node in enumerate(nodes)})
    figures = {"one LMA": _shared(testbed, nodes, "static")}
    for policy in ("draft", "balance"):
        figures[policy] = _shared(testbed, nodes, policy)
    single, draft, balance = (figures[name]["mbit_s"] for name in ("one LMA", "draft", "balance"))
    return {
        "offered_mbit_s": len(nodes) * UDP_RATE + len(mags) * TCP_RATE,
        "runs": figures,
        "balance_to_one_lma": balance / single,
        "balance_to_draft": balance / draft,
    }


def _shared(testbed: Testbed, nodes: Sequence[str], policy: str) -> Figures:
    """Begin with all uplinks at the first LMA, let a policy work, and measure when it has settled."""
    testbed.renew("static")
    first = {testbed.located(node): node for node in reversed(nodes)}  # a node of each MAG
    flows = [Flow(testbed.lab, node, "udp", "up", UDP_RATE, streams=UDP_FLOWS) for node in nodes]
    streams = [Flow(testbed.lab, node, "tcp", "up", TCP_RATE) for node in first.values()]
    try:
        traffic.start(streams)
        traffic.start(flows)  # before the LMA is overloaded: otherwise some would not start
        for mag in testbed.profile.mags:
            testbed.move(mag.name, testbed.profile.lmas[0].name)
        before = len(testbed.fetch("decisions"))
        testbed.send("policy", {"policy": policy})
        if policy != "static":
            _settle(testbed)
        begin = time.time()
        time.sleep(_SPAN)
        end = time.time()
        cpu = {load["lma"]: load["cpu"] for load in testbed.fetch("load-list")["lmas"]}
        moves = len(testbed.fetch("decisions")) - before
    finally:
        # All at once: where most is lost, each takes its time to end.
        with ThreadPoolExecutor(len(flows) + len(streams)) as pool:
            results = list(pool.map(Flow.stop, (*flows, *streams)))
    figures = _figures(results, begin, end)
    testbed.show(figures)
    return figures | {"moves": moves, "cpu": cpu}


def _settle(testbed: Testbed) -> None:
    """Return when a policy has decided nothing for a while, or goes on deciding."""
    known, settled, deadline = 0, time.monotonic() + _SETTLED, time.monotonic() + _LONGEST
    while time.monotonic() < min(settled, deadline):
        time.sleep(0.5)
        decisions = len(testbed.fetch("decisions"))
        if decisions > known:
            known, settled = decisions, time.monotonic() + _SETTLED


def _figures(results: Sequence[FlowResult], begin: float, end: float) -> Figures:
    udp = [result for result in results if result.protocol == "udp"]
    tcp = [result for result in results if result.protocol == "tcp"]
    return {
        "mbit_s": sum(result.goodput(begin, end) for result in results),
        "udp_loss": sum(result.loss(begin, end) for result in udp) / len(udp),
        "tcp_mbit_s": sum(result.goodput(begin, end) for result in tcp),
        "tcp_retransmits": sum(result.retransmits(begin, end) for result in tcp),
        "broken": [f"{result.name}: {result.error}" for result in results if result.error is not None],
    }
