"""Uplinks that begin spread out over all LMAs."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

from sharing_helpers import LIGHT, LMAS, MAGS, SETTINGS, Rounds, load, moves, snapshot

from ryu_pmipls.loadsharing import SLOTS, Inputs, LoadSnapshot, spread_slots

SPREAD = replace(SETTINGS, policy="balance", spread_uplinks=True)
EVEN = spread_slots(LMAS, (1.0,) * 4)


def test_every_uplink_is_dealt_out_in_proportion_to_the_capacities() -> None:
    capacities = {"lma1": 1.0, "lma2": 2.0, "lma3": 0.5, "lma4": 0.5}
    spread = spread_slots(LMAS, tuple(capacities.values()))
    for place in ((0, 0), (3, 2), (1999, 3)):
        counts = Counter(spread[place])
        assert all(abs(counts[lma] - SLOTS * part / 4) <= 1.5 for lma, part in capacities.items()), counts
    together = Counter(lma for mag in range(100) for lma in spread[mag, 1])
    assert all(abs(together[lma] / (100 * SLOTS) - part / 4) < 0.005 for lma, part in capacities.items())


def test_where_there_are_more_lmas_than_slots_all_get_some() -> None:
    names = tuple(f"lma{number}" for number in range(100))
    spread = spread_slots(names, (1.0,) * 100)
    assert len({*spread[0, 0]}) >= 0.9 * SLOTS
    together = Counter(lma for mag in range(200) for lma in spread[mag, 7])
    assert max(together.values()) <= 1.4 * min(together.values())


def uplinks() -> dict[str, dict[str, tuple[str, ...]]]:
    return {mag: {lma: EVEN[m, a] for a, lma in enumerate(LMAS)} for m, mag in enumerate(MAGS)}


def test_uplinks_go_back_to_where_they_began_and_not_to_their_anchors() -> None:
    away = uplinks()
    assert moves(Rounds(SPREAD).decide(quiet(), away, 100.0)) == []
    away["mag2"]["lma3"] = ("lma4", *away["mag2"]["lma3"][1:])
    (decision,) = Rounds(SPREAD).decide(quiet(), away, 100.0)
    assert (decision.mag, decision.old_lma, decision.slots) == ("mag2", "lma4", {"lma3": (0,)})
    assert decision.new_lma == EVEN[1, 2][0]


def quiet() -> LoadSnapshot:
    return snapshot(*(load(lma, LIGHT, 0.1, dict.fromkeys(MAGS, 100)) for lma in LMAS))


def test_a_record_leaves_out_what_is_as_it_began() -> None:
    given = uplinks()
    given["mag2"]["lma3"] = ("lma4",) * SLOTS
    inputs = Inputs(SPREAD, quiet(), given)
    document = json.loads(json.dumps(inputs.to_document()))
    assert document["uplinks"] == {"mag2": {"lma3": [["lma4", SLOTS]]}}
    assert Inputs.from_document(document).uplinks == given
