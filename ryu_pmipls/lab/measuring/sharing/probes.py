"""Probes between mobile nodes and the correspondent node: datagrams of 100 octets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.measuring.sharing.testbed import Figures
from ryu_pmipls.lab.probe import Probe, ProbeResult

#: Datagrams per second: of the probe that is moved or drained, and of the others.
FAST, SLOW = 10_000, 1000


def start(lab: Lab, *, up: Mapping[str, int], down: Iterable[str], down_rate: int = SLOW) -> dict[str, Probe]:
    """Start probes from mobile nodes, and others to mobile nodes, at the given datagrams per second; by name."""
    correspondent = lab.plan.correspondent
    probes = {f"{node} up": Probe(lab, node, correspondent, rate) for node, rate in up.items()}
    probes |= {f"{node} down": Probe(lab, correspondent, node, down_rate) for node in down}
    for probe in probes.values():
        probe.start()
    return probes


def stop(probes: Mapping[str, Probe]) -> dict[str, ProbeResult]:
    """End the probes; returns the result of each."""
    return {name: probe.stop() for name, probe in probes.items()}


def figures(result: ProbeResult, since: float = 0.0) -> Figures:
    """Total losses, and the longest gap after ``since`` (seconds since 1970)."""
    return {
        "sent": result.sent,
        "lost": result.lost,
        "reordered": result.reordered,
        "longest_gap_ms": round(result.longest_gap(since).milliseconds, 1),
    }
