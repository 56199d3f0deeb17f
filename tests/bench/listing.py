"""Handoffs while somebody lists 100 000 bindings again and again, against the same handoffs without that."""

from __future__ import annotations

import sys

from ryu_pmipls.http.client import base_url
from tests.bench.arena import RMS_PORT, Arena
from tests.bench.comparison import Comparison, Effort
from tests.bench.load_generator import Job, Outcome

LMAS, NODES, BINDINGS = 2, 5000, 100_000
#: Handoffs per second, and for how many seconds.
RATE, SECONDS = 5000, 10
#: Quantile -> how many times as long a handoff may take.
AT_MOST = {0.5: 2, 0.99: 3}
_LISTER = """
import sys
from ryu_pmipls.http.client import RmsOptions, fetch, where
while True:
    print(len(fetch(where(RmsOptions(url=sys.argv[1])), "bindings")), flush=True)
"""


def measure(effort: Effort) -> list[Comparison]:
    nodes = effort.of(NODES)
    job = Job(effort.of(RATE * SECONDS), nodes, rate=RATE)
    with Arena(LMAS) as arena:
        arena.seed(effort.of(BINDINGS))
        arena.start_switches([RMS_PORT])
        arena.start_rms()
        arena.generate(Job(nodes, nodes, 64))
        undisturbed = arena.generate(job)
        arena.start([sys.executable, "-c", _LISTER, base_url(arena.profile)], "lister.log")
        disturbed = arena.generate(job)
    return [
        Comparison(
            f"handoff while all bindings are listed, {quantile:.0%} of them",
            1 / _latency(disturbed, quantile),
            f"handoff among {RATE} per second, {quantile:.0%}",
            1 / _latency(undisturbed, quantile),
            1 / times,
        )
        for quantile, times in AT_MOST.items()
    ]


def _latency(outcome: Outcome, quantile: float) -> float:
    return outcome.latencies[int(quantile * (len(outcome.latencies) - 1))]
