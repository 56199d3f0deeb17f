"""``balance`` in a model of the lab of ``pmipls measure goodput``, over many seeds: what that measurement wants."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab_model import Lab

SEEDS = range(12)


@pytest.mark.parametrize("lumps", [True, False], ids=["a slot for a node", "a slot for a flow"])
@pytest.mark.parametrize("ratio", [0.7, 1.0, 1.5])
def test_what_the_measurement_of_goodput_wants(ratio: float, lumps: bool) -> None:
    for lab in (Lab(ratio, seed, lumps=lumps).run() for seed in SEEDS):
        assert lab.goodput >= 0.97 * min(1.0, ratio)
        assert len(lab.decided) <= 12
        assert all(decision.time <= 30 for decision in lab.decided)
        assert max(lab.lost.values()) <= lab.lost["mag1"] + 0.05


@pytest.mark.parametrize("ratio", [0.7, 1.0, 1.5])
def test_the_same_where_all_have_one_anchor_and_each_node_a_slot(ratio: float) -> None:
    for lab in (Lab(ratio, seed, one_anchor=True).run() for seed in SEEDS):
        assert lab.goodput >= 0.97 * min(1.0, ratio)
        assert len(lab.decided) <= 12
        assert max(lab.lost.values()) <= lab.lost["mag1"] + 0.05


@pytest.mark.parametrize("ratio", [1.0, 1.5])
def test_the_same_where_uplinks_must_be_divided(ratio: float) -> None:
    """All mobile nodes have one anchor, and how flows hash is not known before their uplink has been divided."""
    labs = [Lab(ratio, seed, one_anchor=True, lumps=False).run() for seed in SEEDS]
    assert sum(lab.goodput for lab in labs) / len(labs) >= 0.97
    for lab in labs:
        assert lab.goodput >= 0.95
        assert len(lab.decided) <= 12
        assert max(lab.lost.values()) <= lab.lost["mag1"] + 0.08
    assert sum(decision.time > 30 for lab in labs for decision in lab.decided) <= 1


def test_without_rates_of_slots_divided_uplinks_lose_more() -> None:
    seen, blind = (
        [Lab(1.0, seed, slots, one_anchor=True, lumps=False).run() for seed in range(6)] for slots in (True, False)
    )
    assert sum(lab.goodput for lab in seen) > sum(lab.goodput for lab in blind) + 6 * 0.01


@settings(max_examples=12, deadline=None)
@given(ratio=st.floats(0.3, 3.0), seed=st.integers(0, 2**16), one_anchor=st.booleans(), lumps=st.booleans())
def test_moves_come_to_an_end_whatever_is_offered(ratio: float, seed: int, one_anchor: bool, lumps: bool) -> None:
    lab = Lab(ratio, seed, one_anchor=one_anchor, lumps=lumps).run(100)
    assert len(lab.decided) <= 16
    assert sum(decision.time > 60 for decision in lab.decided) <= 1
