"""Traffic of each flow in each part of the overload, and its continuity: before, after, and alone (TCP)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ryu_pmipls.lab.traffic_generator import FlowResult


@dataclass(frozen=True)
class FlowShare:
    """Traffic of one flow in one part: goodput in Mbit/s, the fraction lost (UDP), retransmitted segments (TCP)."""

    flow: str
    goodput_mbit_s: float
    loss_fraction: float | None
    retransmitted_segments: int | None

    def __str__(self) -> str:
        lost = self.loss_fraction
        quality = f"{self.retransmitted_segments} segments retransmitted" if lost is None else f"{lost:.1%} lost"
        return f"{self.flow} {self.goodput_mbit_s:.1f} Mbit/s, {quality}"


def measure(results: Sequence[FlowResult], parts: Mapping[str, tuple[float, float]]) -> dict[str, list[FlowShare]]:
    """Traffic of each flow in each part, which lasts from one instant to another (s since 1970)."""
    return {
        part: [
            FlowShare(
                flow=result.name,
                goodput_mbit_s=result.goodput(*span),
                loss_fraction=result.loss(*span) if result.protocol == "udp" else None,
                retransmitted_segments=result.retransmits(*span) if result.protocol == "tcp" else None,
            )
            for result in results
            if part != "alone" or result.protocol == "tcp"
        ]
        for part, span in parts.items()
    }


def continuity(shares: Mapping[str, Sequence[FlowShare]], broken: Mapping[str, str]) -> tuple[bool, str]:
    """True when every flow went on, and a text about it.

    A flow went on if it has not ended by itself (``broken`` has the reason) and carried something before the adjustment
    and thereafter. TCP may get next to nothing beside UDP flows that heed no loss: then the text says so, and the
    connection shows that it lives when it is alone.
    """
    rates: dict[str, dict[str, float]] = {}
    for part, flows in shares.items():
        for share in flows:
            rates.setdefault(share.flow, {})[part] = share.goodput_mbit_s
    went_on = [
        flow
        for flow, carried in rates.items()
        if flow not in broken and carried["before"] > 0 and carried["after"] + carried.get("alone", 0) > 0
    ]
    told = [f"{len(went_on)} of {len(rates)} flows went on"]
    for flow, carried in rates.items():
        if flow in broken:
            told.append(f"{flow}: {broken[flow]}")
        elif flow not in went_on or "alone" in carried:
            told.append(f"{flow}: " + ", ".join(f"{rate:.1f} {part}" for part, rate in carried.items()) + " (Mbit/s)")
    return len(went_on) == len(rates), "; ".join(told)
