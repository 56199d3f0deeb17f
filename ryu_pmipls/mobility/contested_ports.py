"""Access ports that have claimed mobile nodes which were elsewhere.

Anybody can send a router solicitation with the link-layer address of another node. It moves the node's binding at once;
when the node turns out to be where it was before, the claim was false, and the next one from there has to wait.
"""

from __future__ import annotations

from dataclasses import dataclass

from ryu_pmipls.mobility.update_list import Place

#: Seconds for which a port's claim of a node waits after a false one; twice as long after each further one.
FIRST_HOLD, LONGEST_HOLD = 1.0, 64.0
#: Seconds after the last false claim when all of them are forgotten.
MEMORY = 1200.0


@dataclass(frozen=True)
class ContestedPort:
    """False claims of a mobile node, by its ``place``; times are on the monotonic clock."""

    place: Place
    claims: int
    last: float
    held_until: float


class ContestedPorts:
    """The false claims of known nodes, at most one record for each place."""

    def __init__(self) -> None:
        self._ports: dict[Place, ContestedPort] = {}

    def record(self, place: Place, now: float) -> float:
        """Record a false claim; returns the time until which the next one waits."""
        self._forget(now)
        known = self._ports.pop(place, None)
        claims = 1 if known is None else known.claims + 1
        hold = min(FIRST_HOLD * 2.0 ** min(claims - 1, 32), LONGEST_HOLD)
        self._ports[place] = ContestedPort(place, claims, now, now + hold)
        return now + hold

    def held_until(self, place: Place, now: float) -> float | None:
        """The time until which a claim of the node from there has to wait; None if it need not."""
        known = self._ports.get(place)
        return None if known is None or known.held_until <= now else known.held_until

    def all(self, now: float) -> tuple[ContestedPort, ...]:
        """The records, the one with the oldest claim first."""
        self._forget(now)
        return tuple(self._ports.values())

    def _forget(self, now: float) -> None:
        while self._ports and (oldest := next(iter(self._ports.values()))).last + MEMORY <= now:
            del self._ports[oldest.place]
