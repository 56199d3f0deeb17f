"""One handoff, from Route_adjust sent to acknowledgement received, with four real LMAs: at rest and among others."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import cycle, islice

from tests.bench import raw_writer
from tests.bench.arena import RAW_PORT, RMS_PORT, Arena
from tests.bench.comparison import Comparison, Effort
from tests.bench.load_generator import Job

LMAS, NODES = 4, 5000
SINGLE, PAUSE = 1000, 0.003
#: Other handoffs per second, and for how many seconds.
OTHERS, SECONDS = 5000, 6
#: Quantile -> how many times the floor the RMS may take.
AT_MOST = {0.5: 5, 0.99: 15}


def measure(effort: Effort) -> list[Comparison]:
    single, nodes = effort.of(SINGLE), effort.of(NODES)
    with Arena(LMAS) as arena:
        writer = arena.raw_writer()
        arena.start_switches([RMS_PORT, RAW_PORT])
        writer.accept()
        floor = []
        pieces = cycle([raw_writer.routes(1, port) for port in (10, 11)])
        for piece in islice(pieces, single):
            floor.append(writer.write(piece))
            time.sleep(PAUSE)
        writer.close()
        arena.start_rms()
        arena.generate(Job(nodes, nodes, 64))
        cases = {
            "at rest": arena.generate(Job(single, nodes, pause=PAUSE)),
            f"among {OTHERS} others per second": arena.generate(Job(effort.of(OTHERS * SECONDS), nodes, rate=OTHERS)),
        }
    return [
        Comparison(
            f"handoff {case}, {quantile:.0%} of them",
            1 / _quantile(outcome.latencies, quantile),
            f"flow-mod and barrier, {quantile:.0%}",
            1 / _quantile(sorted(floor), quantile),
            1 / times,
        )
        for case, outcome in cases.items()
        for quantile, times in AT_MOST.items()
    ]


def _quantile(values: Sequence[float], quantile: float) -> float:
    """Of values in order of size."""
    return values[int(quantile * (len(values) - 1))]
