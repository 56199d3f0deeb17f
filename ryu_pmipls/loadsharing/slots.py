"""Slots: the LMAs that carry the uplink of a MAG's mobile nodes, and their shares.

The uplink of the mobile nodes at a MAG that one LMA anchors is dealt out over ``SLOTS`` equal slots; each flow keeps to
one slot by its hash (the buckets of an OpenFlow select group), and each slot is carried by one LMA. A share is a number
of slots. So a change touches the flows of the slots that it reassigns, and no other (``docs/load-sharing.md``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache

import numpy as np

#: A power of two, and no more than the 64 that Open vSwitch maps to hash values one to one by default.
SLOTS = 32

#: Fraction of the golden section: its multiples, modulo 1, lie most evenly.
_GOLDEN = (5**0.5 - 1) / 2

#: The LMA that carries each slot; ``SLOTS`` names.
Slots = tuple[str, ...]
#: MAG -> anchor LMA -> slots. The anchor carries slots that have no entry.
Uplinks = Mapping[str, Mapping[str, Slots]]


@cache
def whole(lma: str) -> Slots:
    """All slots carried by one LMA."""
    return (lma,) * SLOTS


class SpreadSlots:
    """Uplinks spread out over LMAs (names) in proportion to their ``capacities``, as a hash of flows would do it.

    MAGs go by their place in the profile, as LMAs do: so each uplink has its own order of LMAs.
    """

    def __init__(self, lmas: tuple[str, ...], capacities: tuple[float, ...]) -> None:
        self._lmas = lmas
        self._bounds = np.cumsum(capacities) / np.sum(capacities)
        self._dealt: dict[tuple[int, int], Slots] = {}

    def __getitem__(self, place: tuple[int, int]) -> Slots:
        """The slots of the uplink of the MAG and the anchor with these places."""
        if place not in self._dealt:
            mag, anchor = place
            numbers = np.arange(SLOTS) + (mag * len(self._lmas) + anchor) * SLOTS
            rows = np.searchsorted(self._bounds, numbers * _GOLDEN % 1.0, side="right").clip(max=len(self._lmas) - 1)
            self._dealt[place] = tuple(self._lmas[row] for row in rows)
        return self._dealt[place]


@lru_cache(maxsize=4)
def spread_slots(lmas: tuple[str, ...], capacities: tuple[float, ...]) -> SpreadSlots:
    """The spread-out uplinks of a domain."""
    return SpreadSlots(lmas, capacities)


def slots_of(uplinks: Uplinks, mag: str, anchor: str) -> Slots:
    """The slots of the mobile nodes of ``anchor`` at ``mag``."""
    return uplinks.get(mag, {}).get(anchor) or whole(anchor)


def weights(slots: Slots) -> dict[str, int]:
    """Number of slots that each LMA carries, in the order of their first slots."""
    return {lma: slots.count(lma) for lma in dict.fromkeys(slots)}


def carried(uplinks: Uplinks, mag: str, lma: str) -> dict[str, tuple[int, ...]]:
    """Anchor -> slots (their numbers) of ``mag`` that ``lma`` carries, of the anchors of which it carries any."""
    entries = uplinks.get(mag, {})
    found = {
        anchor: tuple(number for number, carrier in enumerate(slots) if carrier == lma)
        for anchor, slots in entries.items()
        if lma in slots
    }
    if lma not in entries:
        found[lma] = tuple(range(SLOTS))
    return found


def totals(uplinks: Uplinks, mag: str) -> dict[str, int]:
    """Number of slots that each LMA carries, of all anchors of ``mag`` together."""
    found: Counter[str] = Counter()
    for anchor in uplinks.get(mag, {}):
        found.update(slots_of(uplinks, mag, anchor))
    return dict(found)


def reassigned(slots: Slots, numbers: Sequence[int], lma: str) -> Slots:
    """Copy of the slots with those ``numbers`` carried by ``lma``."""
    changed = list(slots)
    for number in numbers:
        changed[number] = lma
    return tuple(changed)
