"""Handoffs through the whole RMS: Route_adjust in, routes in force on all LMAs and stored, Route_adjust back.

Beside it what the same switches take from a controller that does nothing but write, and what an application that is
written the ordinary way makes of the same messages.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.arena import Arena
from tests.bench.arena.jobs import ORDINARY_PORT, RAW_PORT, RMS_PORT, Handoffs, Writing
from tests.bench.comparison import Comparison

#: LMAs, and of the raw writer's rate what is wanted at least.
WANTED = {1: 0.25, 4: 0.4}
#: Times the rate of the ordinary application.
TIMES = 5
NODES = 5000
#: Messages that MAGs leave unanswered.
WINDOW = 1000
ROUNDS = 3
HANDOFFS, ORDINARY_HANDOFFS, WRITTEN = 40_000, 4000, 40_000


def measure() -> list[Comparison]:
    return [each for lmas, at_least in WANTED.items() for each in handoffs(lmas, at_least)]


def handoffs(lmas: int, at_least: float) -> Iterator[Comparison]:
    """Rates are flow-mods per second, of all LMAs together: the best of the rounds, in which all take turns."""
    with Arena(lmas) as arena:
        arena.start_switches((RMS_PORT, RAW_PORT, ORDINARY_PORT))
        arena.start_rms()
        arena.start_ordinary()
        ours = raw = ordinary = 0.0
        for _ in range(ROUNDS):
            raw = max(raw, lmas * WRITTEN / min(arena.write(Writing(2, WRITTEN))))
            ours = max(ours, lmas * HANDOFFS / arena.load(Handoffs(HANDOFFS, NODES, WINDOW)).seconds)
            done = arena.load(Handoffs(ORDINARY_HANDOFFS, ORDINARY_HANDOFFS, 100, first_node=2**21), ordinary=True)
            ordinary = max(ordinary, lmas * ORDINARY_HANDOFFS / done.seconds)
    operation = f"flow-mods by handoffs, {lmas} LMA{'s' if lmas > 1 else ''}"
    yield Comparison(operation, ours, "raw writer", raw, at_least)
    yield Comparison(operation, ours, "ordinary application", ordinary, TIMES)
