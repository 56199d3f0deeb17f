"""Route updates through the whole RMS, with real switches: Route_adjust in, stored, in force on all LMAs, answered.

The RMS speaks to the switches by TCP, and by TLS.
"""

from __future__ import annotations

from collections.abc import Iterator

from ryu_pmipls.domain.profile import PROFILE_VARIABLE
from tests.bench import raw_writer
from tests.bench.arena import FIRST_TUNNEL, ORDINARY_PORT, RAW_PORT, RMS_PORT, TLS_PORT, Arena
from tests.bench.comparison import Comparison, Effort
from tests.bench.load_generator import Job

NODES = 5000
#: With fewer under way the RMS would wait for messages; the raw writer has all of its flow-mods under way at once.
HANDOFFS, WINDOW = 60_000, 2048
#: Handoffs of the ordinary application, which takes its time, with and without a store.
ORDINARY = {True: 3000, False: 6000}
ROUNDS = 3
#: LMAs -> the least flow-mods of the RMS for one of the raw writer.
AT_LEAST = {1: 0.25, 4: 0.4}
AT_LEAST_ORDINARY = 5
#: Of the RMS's own by TCP.
AT_LEAST_TLS = 0.6


def measure(effort: Effort) -> list[Comparison]:
    figures = []
    for lmas in [*AT_LEAST][: effort.of(len(AT_LEAST))]:
        for figure in _with(lmas, effort):
            print(f"{figure.operation}: {figure.rate:.0f} per second; {figure.yardstick}: {figure.yardstick_rate:.0f}")
            figures.append(figure)
    return figures


def _with(lmas: int, effort: Effort) -> Iterator[Comparison]:
    nodes, handoffs, rounds = effort.of(NODES), effort.of(HANDOFFS), effort.of(ROUNDS)
    window = min(WINDOW, nodes)  # no node has two handoffs under way
    with Arena(lmas) as arena:
        writer = arena.raw_writer()
        arena.start_switches([RMS_PORT, RAW_PORT, ORDINARY_PORT, TLS_PORT])
        writer.accept()
        there, back = (raw_writer.routes(nodes, port) for port in (FIRST_TUNNEL, FIRST_TUNNEL + 1))
        writer.write(back)  # a first one, as of ours, so that all others find a route that they replace
        round_ = (there + back) * (handoffs // (2 * nodes))
        raw = max(handoffs * lmas / writer.write(round_) for _ in range(rounds))
        writer.close()
        profiles = {"TCP": arena.profile_path, "TLS": arena.tls_profile}
        best = dict.fromkeys(profiles, 0.0)
        for _ in range(rounds):  # by turns, for the machine is not the same all the time
            for way, profile in profiles.items():
                rms = arena.start_rms(**{PROFILE_VARIABLE: str(profile)})
                best[way] = max(best[way], _rate(arena, Job(handoffs, nodes, window)) * lmas)
                arena.end(rms)
        ours = best["TCP"]
        yield Comparison(f"flow-mods of handoffs, {lmas} LMA", ours, "raw writer", raw, AT_LEAST[lmas])
        yield Comparison(
            f"flow-mods of handoffs by TLS, {lmas} LMA", best["TLS"], "the same by TCP", ours, AT_LEAST_TLS
        )
        for stored, all_handoffs in ORDINARY.items():
            process = arena.start_ordinary(stored=stored)
            some = effort.of(all_handoffs)
            job = Job(some, min(nodes, some // 2), window)
            theirs = _rate(arena, job, ordinary=True) * lmas
            arena.end(process)
            name = f"OFPFlowMod and send_msg, {'a commit each' if stored else 'nothing stored'}"
            at_least = AT_LEAST_ORDINARY if stored else 1
            yield Comparison(f"flow-mods of handoffs, {lmas} LMA", ours, name, theirs, at_least)


def _rate(arena: Arena, job: Job, *, ordinary: bool = False) -> float:
    """Handoffs per second; others come first, for the nodes to come."""
    profile = arena.ordinary_profile if ordinary else None
    arena.generate(Job(job.nodes, job.nodes, job.window), profile)
    outcome = arena.generate(job, profile)
    return len(outcome.latencies) / outcome.seconds
