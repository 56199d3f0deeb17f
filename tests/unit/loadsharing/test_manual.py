from __future__ import annotations

from dataclasses import replace

import pytest
from sharing_helpers import DEAD, DRAINING, LIGHT, SETTINGS, STALE, load, snapshot

from ryu_pmipls.loadsharing import Alarm, Inputs, Memory, adjust, decide, if_drained, whole

UPLINKS = {
    "mag1": {"lma1": whole("lma1"), "lma2": whole("lma3"), "lma3": whole("lma3")},
    "mag2": {"lma1": whole("lma1"), "lma2": whole("lma2"), "lma3": whole("lma3")},
}
ALARM = Alarm("lma1", 90.0, "lma1 is overloaded")


def inputs(memory: Memory = Memory()) -> Inputs:  # noqa: B008
    loads = snapshot(
        load("lma1", LIGHT, 0.4, {"mag1": 1000, "mag2": 1000}),
        load("lma2", LIGHT, 0.2, {"mag2": 500}),
        load("lma3", STALE, None, {"mag1": 300}),
        mags=("mag1", "mag2"),
    )
    return Inputs(replace(SETTINGS, policy="static"), loads, UPLINKS, memory)


def test_all_uplinks_of_the_mag_move_and_those_of_others_stay() -> None:
    outcome = adjust(inputs(Memory(alarms=(ALARM,), evacuated=(("mag1", "lma2"), ("mag2", "lma1")))), "mag1", "lma2")
    assert {(decision.mag, decision.old_lma, decision.new_lma) for decision in outcome.decisions} == {
        ("mag1", "lma1", "lma2"),
        ("mag1", "lma3", "lma2"),
    }
    uplinks = {"mag1": dict(UPLINKS["mag1"])}
    for decision in outcome.decisions:
        uplinks["mag1"].update(decision.apply(uplinks))
    assert set(uplinks["mag1"].values()) == {whole("lma2")}
    # The policy goes on from there: alarms stand, the MAG rests, and nothing that was evacuated takes it away.
    assert outcome.memory.alarms == (ALARM,)
    assert outcome.memory.moves == outcome.decisions
    assert outcome.memory.evacuated == (("mag2", "lma1"),)


def test_nothing_moves_where_all_is_there_already() -> None:
    there = replace(inputs(), uplinks={"mag1": {lma: whole("lma1") for lma in ("lma1", "lma2", "lma3")}})
    assert adjust(there, "mag1", "lma1").decisions == ()


@pytest.mark.parametrize(("mag", "lma"), [("mag9", "lma1"), ("mag1", "lma9")])
def test_names_have_to_exist(mag: str, lma: str) -> None:
    with pytest.raises(KeyError):
        adjust(inputs(), mag, lma)


def test_what_a_drain_would_do_can_be_told_without_doing_it() -> None:
    assert decide(inputs()).decisions == ()
    decisions = decide(if_drained(inputs(), frozenset({"lma1"}))).decisions
    assert {(decision.mag, decision.old_lma, decision.new_lma) for decision in decisions} == {
        ("mag1", "lma1", "lma2"),
        ("mag2", "lma1", "lma2"),
    }
    assert [entry.state for entry in if_drained(inputs(), frozenset({"lma3"})).snapshot.lmas] == [
        LIGHT,
        LIGHT,
        DRAINING,
    ]
    dead = replace(inputs(), snapshot=snapshot(load("lma1", DEAD, None, {}), mags=("mag1",)))
    assert if_drained(dead, frozenset({"lma1"})).snapshot.lmas[0].state is DEAD
