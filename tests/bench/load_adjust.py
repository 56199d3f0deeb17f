"""Load_adjust on a MAG with few and with many attached nodes: it takes as long, and as many OpenFlow messages."""

from __future__ import annotations

import json
from statistics import median

from tests.bench.arena import RMS_PORT, Arena
from tests.bench.comparison import Comparison, Effort

FEW, MANY, ROUNDS = 10, 100_000, 300
#: How much longer it may take with many.
AT_MOST = 1.2


def measure(effort: Effort) -> list[Comparison]:
    rounds, crowd = effort.of(ROUNDS), effort.of(MANY)
    (few, few_messages), (many, many_messages) = (_adjustments(nodes, rounds) for nodes in (FEW, crowd))
    return [
        Comparison(f"Load_adjust with {crowd:,} nodes", 1 / many, f"with {FEW}", 1 / few, 1 / AT_MOST),
        Comparison(
            f"Load_adjusts of 1000 messages, {crowd:,} nodes",
            1000 / many_messages,
            f"with {FEW}",
            1000 / few_messages,
            1,
        ),
    ]


def _adjustments(nodes: int, rounds: int) -> tuple[float, float]:
    """Seconds until the MAG's switch has acknowledged an adjustment (median), and OpenFlow messages of one."""
    with Arena(2) as arena:
        arena.seed(nodes)
        arena.start_switches([RMS_PORT], [arena.profile.mags[0], *arena.profile.lmas])
        result = arena.directory / "adjustments.json"
        arena.start_rms("tests.bench.adjusting_rms", PMIPLS_ADJUSTMENTS=f"{rounds} {result}")
        text = arena.expect(lambda: result.exists() and result.read_text(), "uplinks that are adjusted")
        document = json.loads(text)
    return median(document["seconds"]), document["messages"]
