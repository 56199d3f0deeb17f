from __future__ import annotations

from dataclasses import replace

import pytest
from sharing_helpers import (
    DEAD,
    DRAINING,
    LIGHT,
    LMAS,
    NEUTRAL,
    OVERLOADED,
    SETTINGS,
    STALE,
    Rounds,
    load,
    snapshot,
)

from ryu_pmipls.loadsharing import POLICIES, SLOTS, Decision, Inputs, LoadSnapshot, PolicyName, decide, slots_of, whole

MAGS = ("mag1", "mag2", "mag3")


def rounds(policy: PolicyName) -> Rounds:
    return Rounds(replace(SETTINGS, policy=policy))


def lost(state: object = DEAD, cpus: tuple[float, ...] = (0.2, 0.3)) -> LoadSnapshot:
    """lma1 is lost, and nobody knows its CPU; the MAGs sent it 1000, 2000 and 500 packets while it lived."""
    return snapshot(
        load("lma1", state, None, {"mag1": 1000, "mag2": 2000, "mag3": 500}),  # type: ignore[arg-type]
        *(load(lma, LIGHT, cpu, {"mag1": 1000}) for lma, cpu in zip(LMAS[1:], cpus, strict=False)),
        mags=MAGS,
    )


def carriers(decisions: list[Decision], anchor: str = "lma1") -> dict[str, tuple[str, ...]]:
    """Slots of each MAG after the decisions, all of which began at their anchor."""
    uplinks: dict[str, dict[str, tuple[str, ...]]] = {}
    for decision in decisions:
        uplinks.setdefault(decision.mag, {}).update(decision.apply(uplinks))
    return {mag: slots_of(uplinks, mag, anchor) for mag in MAGS}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("state", [DEAD, DRAINING])
def test_everything_leaves_at_once_and_goes_where_there_is_room(policy: PolicyName, state: object) -> None:
    decisions = rounds(policy).decide(lost(state), {}, 100.0)
    left = carriers(decisions)
    assert all("lma1" not in slots for slots in left.values())
    assert {(decision.old_lma, decision.evacuation) for decision in decisions} == {("lma1", True)}
    # 50% of the CPU for 2000 packets: 3500 more bring both to 69%, lma2 with 1950 of them.
    by_lma = {
        lma: sum(slots.count(lma) * n for slots, n in zip(left.values(), (1000, 2000, 500), strict=True))
        for lma in LMAS[1:3]
    }
    assert by_lma["lma2"] / SLOTS == pytest.approx(1950, rel=0.1)
    assert decisions[0].reason.startswith(f"lma1 is {state.value}; ")  # type: ignore[attr-defined]


@pytest.mark.parametrize("policy", POLICIES)
def test_nobody_rests_when_an_lma_dies(policy: PolicyName) -> None:
    memory = rounds(policy)
    memory.decide(lost(), {}, 100.0)
    uplinks = {mag: {"lma1": whole("lma2")} for mag in MAGS}
    dying = snapshot(
        load("lma1", DEAD, None, {}),
        load("lma2", DEAD, None, {"mag1": 1000, "mag2": 2000}),
        load("lma3", LIGHT, 0.1, {}),
        mags=MAGS,
    )
    decisions = memory.decide(dying, uplinks, 101.0)
    assert {(decision.mag, decision.old_lma, decision.new_lma) for decision in decisions} == {
        (mag, "lma2", "lma3") for mag in MAGS
    }
    # Their own of lma2 go as well, though nothing is known to use them.
    assert all(set(decision.slots) == {"lma1", "lma2"} for decision in decisions)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("state", [OVERLOADED, STALE, DRAINING, DEAD])
def test_with_nowhere_to_go_everything_stays_and_an_alarm_stands(policy: PolicyName, state: object) -> None:
    shot = snapshot(
        load("lma1", DEAD, None, {"mag1": 1000}),
        load("lma2", state, 0.9, {"mag2": 4000}),
        mags=MAGS,  # type: ignore[arg-type]
    )
    memory = rounds(policy)
    assert memory.decide(shot, {}, 100.0) == []
    assert memory.memory.alarms[0].reason == "lma1 is dead and carries uplinks of 3 MAGs; no LMA may take them"


@pytest.mark.parametrize("policy", POLICIES)
def test_a_neutral_lma_is_better_than_a_dead_one(policy: PolicyName) -> None:
    shot = snapshot(load("lma1", DEAD, None, {"mag1": 1000}), load("lma2", NEUTRAL, 0.9, {}), mags=MAGS)
    assert {decision.new_lma for decision in rounds(policy).decide(shot, {}, 100.0)} == {"lma2"}


def test_what_sends_nothing_is_dealt_out_as_well() -> None:
    shot = snapshot(load("lma1", DEAD, None, {}), load("lma2", LIGHT, 0.2, {}), load("lma3", LIGHT, 0.3, {}), mags=MAGS)
    decisions = rounds("static").decide(shot, {}, 100.0)
    assert {decision.new_lma for decision in decisions} == {"lma2", "lma3"}


def test_a_mag_that_is_too_big_for_one_lma_is_divided() -> None:
    shot = snapshot(
        load("lma1", DEAD, None, {"mag1": 4000}),
        *(load(lma, LIGHT, 0.2, {"mag2": 1000}) for lma in LMAS[1:]),
        mags=MAGS,
    )
    slots = carriers(rounds("draft").decide(shot, {}, 100.0))["mag1"]
    assert [slots.count(lma) for lma in LMAS] == pytest.approx([0, 11, 11, 11], abs=1.1)


@pytest.mark.parametrize("policy", POLICIES)
def test_its_record_divides_it_alike_though_that_leaves_out_who_carries_its_own(policy: PolicyName) -> None:
    shot = snapshot(
        load("lma1", DEAD, None, {"mag1": 4000}),
        *(load(lma, LIGHT, 0.2, {"mag2": 1000}) for lma in LMAS[1:]),
        mags=MAGS,
    )
    inputs = Inputs(replace(SETTINGS, policy=policy), shot, {"mag1": {lma: whole("lma1") for lma in LMAS[:2]}})
    assert len(decide(inputs).decisions) > 1
    assert decide(Inputs.from_document(inputs.to_document())).decisions == decide(inputs).decisions


@pytest.mark.parametrize("policy", ["static", "draft"])
def test_what_had_to_leave_its_anchor_comes_back_when_that_is_light_again(policy: PolicyName) -> None:
    memory = rounds(policy)
    elsewhere = {"mag1": {"lma2": whole("lma1")}}  # carried by lma1, but not its own
    uplinks = {mag: dict(elsewhere.get(mag, {})) for mag in MAGS}
    for decision in memory.decide(lost(), elsewhere, 100.0):
        uplinks[decision.mag].update(decision.apply(uplinks))
    back = snapshot(
        load("lma1", LIGHT, 0.1, {}), load("lma2", LIGHT, 0.4, {"mag1": 5000}), load("lma3", LIGHT, 0.1, {}), mags=MAGS
    )
    assert memory.decide(replace(back, lmas=(replace(back.lmas[0], state=STALE), *back.lmas[1:])), uplinks, 111.0) == []
    decisions = memory.decide(back, uplinks, 112.0)
    for decision in decisions:
        uplinks[decision.mag].update(decision.apply(uplinks))
    assert all(slots_of(uplinks, mag, "lma1") == whole("lma1") for mag in MAGS)
    assert "lma1" not in slots_of(uplinks, "mag1", "lma2")
    memory.decide(back, uplinks, 113.0)
    assert memory.memory.evacuated == ()


def test_it_comes_back_slowly_and_only_as_far_as_there_is_room() -> None:
    memory = Rounds(replace(SETTINGS, policy="static", max_moves=2))
    uplinks = {mag: {"lma1": whole("lma2")} for mag in MAGS}
    memory.decide(snapshot(load("lma1", DEAD, None, {}), load("lma2", LIGHT, 0.1, {}), mags=MAGS), {}, 100.0)
    room = snapshot(load("lma1", LIGHT, 0.1, {}), load("lma2", LIGHT, 0.3, dict.fromkeys(MAGS, 1000)), mags=MAGS)
    assert len(memory.decide(room, uplinks, 111.0)) == 2
    full = snapshot(load("lma1", LIGHT, 0.65, {}), load("lma2", LIGHT, 0.9, dict.fromkeys(MAGS, 1000)), mags=MAGS)
    assert memory.decide(full, uplinks, 130.0) == []


def test_with_balance_it_is_used_again_after_a_window_and_nobody_rests_for_having_had_to_leave() -> None:
    memory = rounds("balance")
    uplinks = {mag: {"lma1": whole("lma2")} for mag in MAGS}
    memory.decide(snapshot(load("lma1", DEAD, None, {}), load("lma2", LIGHT, 0.1, {}), mags=MAGS), {}, 100.0)
    back = snapshot(load("lma1", LIGHT, 0.0, {}), load("lma2", LIGHT, 0.6, dict.fromkeys(MAGS, 1000)), mags=MAGS)
    assert memory.decide(back, uplinks, 109.9) == []
    assert {decision.new_lma for decision in memory.decide(back, uplinks, 110.0)} == {"lma1"}
