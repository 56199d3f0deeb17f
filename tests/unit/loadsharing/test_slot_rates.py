"""What slots carry: measured, kept, recorded, and chosen by."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sharing_helpers import DRAINING, LIGHT, MAGS, OVERLOADED, SETTINGS, load, snapshot

from ryu_pmipls.loadsharing import SLOTS, Inputs, Memory, decide, whole
from ryu_pmipls.loadsharing.pieces import Uplink, chosen, smallest
from ryu_pmipls.loadsharing.round_builder import RoundBuilder
from ryu_pmipls.loadsharing.slot_rates import SlotRates, watched_uplinks
from ryu_pmipls.loadsharing.window import UNKNOWN_COUNTER

BALANCE = replace(SETTINGS, policy="balance")
HALVES = ("lma1",) * 16 + ("lma2",) * 16


def slots(*first: int) -> list[int]:
    return [*first, *[0] * (SLOTS - len(first))]


def fed(*samples: tuple[float, Sequence[int]]) -> SlotRates:
    rates = SlotRates(span=10.0)
    for now, packets in samples:
        rates.add("mag1", "lma1", packets, now)
    return rates


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([(0, [500])], None),
        ([(0, [500]), (5, [800])], None),  # too little to go by
        ([(0, [500]), (6, [1100])], (100.0,)),
        ([(0, slots(5, 7)), (8, slots(85, 7))], tuple(map(float, slots(10)))),
        ([(0, [2**64 - 100]), (6, [500])], (100.0,)),  # wrapped
        ([(0, slots(50, 70)), (8, slots(20, 700))], None),  # one fell: all began anew
        ([(0, [500]), (8, slots(500))], None),  # another group
        ([(0, [500]), (11, [1600])], None),  # too long ago
        ([(0, [500]), (4, [UNKNOWN_COUNTER]), (8, [1300])], None),
        ([(0, [500]), (6, [1100]), (6, [1700]), (3, [2000])], (100.0,)),  # late
        ([(second, [100 * min(second, 20)]) for second in range(40)], (0.0,)),  # of the last 10 s
    ],
)
def test_rates_are_those_of_six_tenths_of_a_span_at_least(
    samples: list[tuple[float, Sequence[int]]], expected: tuple[float, ...] | None
) -> None:
    found = fed(*samples).rates(samples[-1][0])
    assert found == ({} if expected is None else {"mag1": {"lma1": expected}})


def test_a_rate_outlives_a_change_of_the_group_until_there_is_a_newer_one() -> None:
    rates = fed((0, [0]), (8, [800]))
    rates.begin_anew("mag1", "lma1")
    rates.add("mag1", "lma1", slots(10), 9)
    assert rates.rates(14) == {"mag1": {"lma1": (100.0,)}}
    rates.add("mag1", "lma1", slots(610), 15)
    assert rates.rates(15)["mag1"]["lma1"] == tuple(map(float, slots(100)))
    assert rates.rates(35) != {}
    assert rates.rates(35.1) == {}


def test_memory_is_bounded_and_other_numbers_of_counters_are_refused() -> None:
    rates = SlotRates(span=10.0, most=3)
    for now in (0, 8):
        for number in range(5):
            rates.add(f"mag{number}", "lma1", [100 * now], now)
    assert len(rates.rates(8)) <= 3
    with pytest.raises(ValueError, match="not 31"):
        rates.add("mag1", "lma1", [0] * 31, 9)


def test_uplinks_are_watched_that_carry_something_to_a_hot_lma() -> None:
    uplinks = {"lma1": whole("lma1"), "lma2": HALVES, "lma3": whole("lma2"), "lma4": whole("lma4")}
    sessions = {"lma1": 1, "lma2": 3, "lma3": 0, "lma4": 9}
    assert watched_uplinks(uplinks, sessions, ["lma1", "lma2"]) == ["lma2", "lma1"]
    assert watched_uplinks(uplinks, {}, ["lma2"]) == ["lma2", "lma3"]  # what carries something is not known
    assert watched_uplinks(uplinks, sessions, []) == []
    many = {f"lma{number}": whole("lma1") for number in range(99)}
    assert len(watched_uplinks(many, {}, ["lma1"])) == 32


def test_a_record_has_them_and_needs_none() -> None:
    rates = {"mag1": {"lma1": tuple(map(float, slots(10, 20))), "lma2": (7.5,)}}
    inputs = Inputs(BALANCE, snapshot(load("lma1", LIGHT, 0.1, {})), slot_rates=rates)
    document = json.loads(json.dumps(inputs.to_document()))
    assert Inputs.from_document(document) == inputs
    del document["slot_rates"]
    assert Inputs.from_document(document).slot_rates == {}
    with pytest.raises(ValueError, match="32 slots"):
        Inputs.from_document(document | {"slot_rates": {"mag1": {"lma1": [1.0, 2.0]}}})


def test_a_part_of_an_uplink_is_worth_what_its_slots_carry_and_an_unmeasured_one_as_much_for_a_session() -> None:
    shot = snapshot(load("lma1", LIGHT, 0.1, {"mag1": 9000}))
    rates = {"mag1": {"lma1": tuple(map(float, slots(30, 10)))}}
    plan = RoundBuilder(Inputs(BALANCE, shot, sessions={"mag1": {"lma1": 1, "lma2": 2}}, slot_rates=rates))
    everything = {"lma1": tuple(range(SLOTS)), "lma2": tuple(range(SLOTS))}
    assert plan.part("mag1", {"lma1": (0,)}, everything) == pytest.approx(30 / 120)
    assert plan.part("mag1", {"lma2": tuple(range(16))}, everything) == pytest.approx(40 / 120)
    found = plan.measured()[:, MAGS.index("mag1")]
    assert np.isfinite(found).tolist() == [True]  # what lma2 anchors goes to lma2, which is none of the snapshot's
    assert found[0] == 40.0


def full(forwarded: float, mags: dict[str, int]) -> tuple[object, object]:
    entry, traffic = load("lma1", OVERLOADED, 1.0, mags)
    return replace(entry, full_for=20.0, forwarded=forwarded, loss=0.5), traffic


def test_balance_moves_the_slots_that_fit() -> None:
    """Of 2000 packets/s, twice what lma1 forwards, 1000 have to go; three slots carry all of it."""
    shot = snapshot(full(1000.0, {"mag1": 10000}), load("lma2", LIGHT, 0.0, {}))  # type: ignore[arg-type]
    rates = {"mag1": {"lma1": tuple(map(float, slots(1400, 380, 220)))}}
    uplinks = {"mag1": {"lma1": ("lma1",) * 31 + ("lma2",)}}
    inputs = Inputs(BALANCE, shot, uplinks, Memory(), {"mag1": {"lma1": 1}}, rates)
    decided = decide(inputs).decisions
    assert [(decision.slots, decision.rate) for decision in decided] == [({"lma1": (1, 2)}, pytest.approx(600.0))]


def test_a_slot_that_is_too_big_goes_where_that_helps_more_than_what_fits() -> None:
    shot = snapshot(full(1000.0, {"mag1": 10000}), load("lma2", LIGHT, 0.0, {}))  # type: ignore[arg-type]
    rates = {"mag1": {"lma1": tuple(map(float, slots(900, 900, 80)))}}
    uplinks = {"mag1": {"lma1": ("lma1",) * 31 + ("lma2",)}}
    inputs = Inputs(BALANCE, shot, uplinks, Memory(), {"mag1": {"lma1": 1}}, rates)
    (decision, *_) = decide(inputs).decisions
    assert decision.rate == pytest.approx(900.0, abs=81)


def test_rates_that_are_much_less_than_what_arrives_are_not_believed() -> None:
    shot = snapshot(full(1000.0, {"mag1": 10000}), load("lma2", LIGHT, 0.0, {}))  # type: ignore[arg-type]
    sessions = {"mag1": {"lma1": 1}}
    without = Inputs(BALANCE, shot, {}, Memory(), sessions)
    assert decide(replace(without, slot_rates={"mag1": {"lma1": (0.0,)}})).decisions == decide(without).decisions != ()


def test_balance_waits_until_the_slots_of_a_divided_uplink_have_been_measured() -> None:
    shot = snapshot(full(1000.0, {"mag1": 10000}), load("lma2", LIGHT, 0.5, {}))  # type: ignore[arg-type]
    rates = {"mag1": {"lma1": (2000.0,)}}
    sessions = {"mag1": {"lma1": 1}}
    assert decide(Inputs(BALANCE, shot, {"mag1": {"lma1": HALVES}}, Memory(), sessions, rates)).decisions == ()
    assert decide(Inputs(BALANCE, shot, {}, Memory(), sessions, rates)).decisions != ()


def test_what_leaves_a_drained_lma_is_dealt_out_by_what_slots_carry() -> None:
    shot = snapshot(
        load("lma1", DRAINING, 0.4, {"mag1": 10000}), *(load(f"lma{number}", LIGHT, 0.0, {}) for number in (2, 3))
    )
    rates = {"mag1": {"lma1": tuple(map(float, slots(500, 250, 250)))}}
    inputs = Inputs(BALANCE, shot, {}, Memory(), {"mag1": {"lma1": 1}}, rates)
    decided = [decision for decision in decide(inputs).decisions if decision.mag == "mag1"]
    moved = {decision.new_lma: decision.rate for decision in decided}
    assert moved == {"lma2": pytest.approx(500.0), "lma3": pytest.approx(500.0)}


works = st.lists(st.floats(0, 100), min_size=1, max_size=8)


@given(given_=st.lists(st.tuples(works, st.booleans()), max_size=4), wanted=st.floats(0, 300), slack=st.floats(0, 9))
def test_a_piece_is_never_more_than_what_is_wanted_and_nothing_more_would_fit(
    given_: list[tuple[list[float], bool]], wanted: float, slack: float
) -> None:
    uplinks = [Uplink(f"lma{place}", dict(enumerate(work)), whole) for place, (work, whole) in enumerate(given_)]
    by_anchor = {uplink.anchor: uplink for uplink in uplinks}
    found = chosen(uplinks, wanted, slack, dividing=True)
    work = sum(by_anchor[anchor].slots[number] for anchor, numbers in found.items() for number in numbers)
    assert work <= (wanted + slack) * (1 + 1e-6) + 1e-6
    assert chosen(uplinks, wanted, slack, dividing=True) == found
    undivided = chosen(uplinks, wanted, slack, dividing=False)
    assert all(
        len(undivided[anchor]) == len(by_anchor[anchor].slots) for anchor in undivided if by_anchor[anchor].whole
    )
    everything = chosen(uplinks, inf, 0.0, dividing=True)
    assert {anchor: [*numbers] for anchor, numbers in everything.items()} == {
        uplink.anchor: [*uplink.slots] for uplink in uplinks
    }


def test_the_smallest_slot_is_one_that_carries_something() -> None:
    assert smallest([Uplink("lma1", {0: 3.0, 1: 0.0}, False), Uplink("lma2", {4: 2.0}, False)]) == {"lma2": (4,)}
    assert smallest([Uplink("lma1", {0: 0.0}, False)]) == {}
