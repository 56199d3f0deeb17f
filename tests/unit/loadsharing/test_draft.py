from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sharing_helpers import (
    LIGHT,
    LMAS,
    NEUTRAL,
    OVERLOADED,
    RULE,
    SETTINGS,
    Domain,
    Rounds,
    carried_by,
    load,
    moves,
    snapshot,
)

from ryu_pmipls.loadsharing import SLOTS, OverloadRule, whole


def policy(rule: OverloadRule = RULE, rest: float = 10.0) -> Rounds:
    return Rounds(replace(SETTINGS, rule=rule, cool_down=rest))


def test_the_biggest_mag_of_the_overloaded_lma_moves_to_the_lightest() -> None:
    shot = snapshot(
        load("lma1", OVERLOADED, 0.9, {"mag1": 2000, "mag2": 4000, "mag3": 3000}),
        load("lma2", LIGHT, 0.3, {}),
        load("lma3", LIGHT, 0.2, {}),
    )
    decisions = policy().decide(shot, carried_by(dict.fromkeys(["mag1", "mag2", "mag3"], "lma1")), 100.0)
    assert moves(decisions) == [("mag2", "lma1", "lma3")]
    decision = decisions[0]
    assert (decision.id, decision.round, decision.time) == ("100000-mag2", "100000", 100.0)
    assert (decision.share, decision.slots, decision.rate) == (1.0, {"lma1": tuple(range(SLOTS))}, 400.0)
    assert decision.predicted_cpu == pytest.approx(0.6)
    assert decision.reason == (
        "lma1 is overloaded: CPU 90% (from 80% on, until below 70%) and 9000 packets in a window of 10 s "
        "(more than 1000); 4000 packets from mag2 bring lma3 from CPU 20% to 60%"
    )


def test_a_saturated_lma_gives_up_one_of_two_equal_mags() -> None:
    shot = snapshot(load("lma1", OVERLOADED, 1.0, {"mag1": 5000, "mag2": 5000}), load("lma2", LIGHT, 0.02, {}))
    decisions = policy().decide(shot, carried_by({"mag1": "lma1", "mag2": "lma1"}), 100.0)
    assert moves(decisions) == [("mag1", "lma1", "lma2")]


def test_a_mag_that_saturates_an_lma_alone_stays() -> None:
    shot = snapshot(load("lma1", OVERLOADED, 1.0, {"mag1": 9000}), load("lma2", LIGHT, 0.0, {}))
    rule = policy()
    assert rule.decide(shot, carried_by({"mag1": "lma1"}), 100.0) == []
    assert [alarm.lma for alarm in rule.memory.alarms] == ["lma1"]
    assert "9000 packets from mag1 would bring lma2 to CPU 100%" in rule.memory.alarms[0].reason


def test_it_moves_to_an_lma_of_twice_the_capacity() -> None:
    shot = snapshot(load("lma1", OVERLOADED, 1.0, {"mag1": 9000}), load("lma2", LIGHT, 0.1, {}, capacity=2.0))
    decisions = policy().decide(shot, carried_by({"mag1": "lma1"}), 100.0)
    assert moves(decisions) == [("mag1", "lma1", "lma2")]
    assert decisions[0].predicted_cpu == pytest.approx(0.6)


def test_e24_when_the_biggest_does_not_fit_the_next_goes() -> None:
    shot = snapshot(load("lma1", OVERLOADED, 1.0, {"mag1": 7000, "mag2": 3000}), load("lma2", LIGHT, 0.3, {}))
    decisions = policy().decide(shot, carried_by({"mag1": "lma1", "mag2": "lma1"}), 100.0)
    assert moves(decisions) == [("mag2", "lma1", "lma2")]
    assert "7000 packets from mag1 would bring lma2 to CPU 100%" in decisions[0].reason


def test_e25_between_the_levels_a_pointless_swap_is_not_made() -> None:
    shot = snapshot(load("lma1", OVERLOADED, 0.75, {"mag1": 4950, "mag2": 50}), load("lma2", LIGHT, 0.0, {}))
    decisions = policy().decide(shot, carried_by({"mag1": "lma1", "mag2": "lma1"}), 100.0)
    assert moves(decisions) == [("mag2", "lma1", "lma2")]


def test_e23_no_light_lma_means_no_move_and_an_alarm_that_stands_until_it_is_over() -> None:
    crowded = snapshot(load("lma1", OVERLOADED, 0.9, {"mag1": 2000}), load("lma2", NEUTRAL, 0.9, {}))
    rule = policy()
    for now in (100.0, 102.0):
        assert rule.decide(crowded, carried_by({"mag1": "lma1"}), now) == []
    assert [(alarm.lma, alarm.since) for alarm in rule.memory.alarms] == [("lma1", 100.0)]
    assert rule.memory.alarms[0].reason.endswith("no LMA is light")
    rule.decide(snapshot(load("lma1", LIGHT, 0.1, {})), {}, 104.0)
    assert rule.memory.alarms == ()


def test_e25_after_a_move_both_lmas_are_left_alone_for_a_window_and_the_mag_for_its_rest() -> None:
    shot = snapshot(
        load("lma1", OVERLOADED, 0.9, {"mag1": 3000, "mag2": 3000, "mag3": 3000}), load("lma2", LIGHT, 0.1, {})
    )
    rule = policy(rest=30.0)
    uplinks = {mag: {"lma1": "lma1"} for mag in ("mag1", "mag2", "mag3")}
    assert moves(rule.decide(shot, uplinks, 100.0)) == [("mag1", "lma1", "lma2")]
    # The switch never took the order, say: the uplink still points to lma1.
    assert rule.decide(shot, uplinks, 109.9) == []
    assert rule.memory.alarms == ()
    assert moves(rule.decide(shot, uplinks, 110.0)) == [("mag2", "lma1", "lma2")]
    assert moves(rule.decide(shot, uplinks, 120.0)) == [("mag3", "lma1", "lma2")]
    assert moves(rule.decide(shot, uplinks, 130.0)) == [("mag1", "lma1", "lma2")]


def test_e26_an_lma_whose_counts_are_mixed_neither_gives_nor_takes() -> None:
    calm = load("lma3", LIGHT, 0.2, {})
    loads = [load("lma1", OVERLOADED, 0.9, {"mag1": 3000, "mag2": 2900}), load("lma2", LIGHT, 0.1, {}), calm]
    uplinks = carried_by({"mag1": "lma1", "mag2": "lma1", "mag3": "lma3"})
    rule = policy()
    assert moves(rule.decide(snapshot(*loads), uplinks, 100.0)) == [("mag1", "lma1", "lma2")]
    # Another light LMA is free, yet lma1 gives nothing before its window is over.
    assert rule.decide(snapshot(*loads), uplinks, 105.0) == []
    # lma3 must relieve itself elsewhere than at lma2; while nothing else is light it waits, which is no alarm.
    hot = load("lma3", OVERLOADED, 0.9, {"mag3": 3000, "mag4": 2000})
    assert rule.decide(snapshot(*loads[:2], hot), uplinks, 105.0) == []
    assert rule.memory.alarms == ()
    spare = load("lma4", LIGHT, 0.15, {})
    assert moves(rule.decide(snapshot(*loads[:2], hot, spare), uplinks, 105.0)) == [("mag3", "lma3", "lma4")]


def test_e29_the_worst_goes_first_and_moves_of_a_round_are_charged_to_their_target() -> None:
    loads = [
        load("lma1", OVERLOADED, 0.9, {"mag1": 3000, "mag2": 3000}),
        load("lma2", OVERLOADED, 1.0, {"mag3": 3000, "mag4": 3000}),
        load("lma3", LIGHT, 0.2, {}),
        load("lma4", LIGHT, 0.25, {}),
    ]
    uplinks = carried_by({"mag1": "lma1", "mag2": "lma1", "mag3": "lma2", "mag4": "lma2"})
    decisions = policy().decide(snapshot(*loads), uplinks, 100.0)
    assert moves(decisions) == [("mag3", "lma2", "lma3"), ("mag1", "lma1", "lma4")]
    one_target = snapshot(*loads[:3])
    rule = policy()
    assert moves(rule.decide(one_target, uplinks, 100.0)) == [("mag3", "lma2", "lma3")]
    assert [alarm.lma for alarm in rule.memory.alarms] == ["lma1"]


def test_e33_all_slots_that_point_to_the_overloaded_lma_move_and_no_others() -> None:
    shot = snapshot(load("lma1", OVERLOADED, 0.9, {"mag1": 3000, "mag2": 2900}), load("lma2", LIGHT, 0.1, {}))
    uplinks = {
        "mag1": {"lma1": whole("lma2"), "lma2": whole("lma2")},
        "mag2": {
            "lma1": whole("lma1"),
            "lma2": whole("lma2"),
            "lma3": ("lma1", "lma1", *("lma2",) * (SLOTS - 2)),
        },
    }
    decisions = policy().decide(shot, uplinks, 100.0)
    assert moves(decisions) == [("mag2", "lma1", "lma2")]
    assert decisions[0].slots == {"lma1": tuple(range(SLOTS)), "lma3": (0, 1)}
    assert decisions[0].apply(uplinks) == {"lma1": whole("lma2"), "lma3": whole("lma2")}


def test_an_overload_without_an_uplink_to_move_is_an_alarm() -> None:
    rule = policy()
    shot = snapshot(load("lma1", OVERLOADED, 0.9, {"mag1": None, "mag2": 0}), load("lma2", LIGHT, 0.1, {}))
    assert rule.decide(shot, carried_by({"mag1": "lma1", "mag2": "lma1"}), 100.0) == []
    shot = snapshot(load("lma1", OVERLOADED, 0.9, {"mag1": 2000}), load("lma2", LIGHT, 0.1, {}))
    assert rule.decide(shot, carried_by({"mag1": "lma2"}), 100.0) == []
    assert rule.memory.alarms[0].reason.endswith("no uplink that carries packets points to it")


def test_or_mode_does_not_pass_the_packet_threshold_on() -> None:
    rule = OverloadRule(packet_threshold=1000, combine="or")
    full = snapshot(load("lma1", OVERLOADED, 0.2, {"mag1": 900, "mag2": 400}), load("lma2", LIGHT, 0.1, {"mag3": 500}))
    uplinks = carried_by({"mag1": "lma1", "mag2": "lma1"})
    assert moves(policy(rule).decide(full, uplinks, 100.0)) == [("mag2", "lma1", "lma2")]


# To the letter: no prediction, no hysteresis, no cool-down.

LETTER = replace(SETTINGS, rule=replace(RULE, hysteresis=0.0), cool_down=0.0, own={"predict": False})


def test_to_the_letter_the_biggest_goes_to_the_lightest_whatever_that_does_to_it() -> None:
    shot = snapshot(load("lma1", OVERLOADED, 1.0, {"mag1": 9000, "mag2": 10}), load("lma2", LIGHT, 0.7, {}))
    decisions = Rounds(LETTER).decide(shot, {}, 100.0)
    assert moves(decisions) == [("mag1", "lma1", "lma2")]
    assert decisions[0].predicted_cpu == pytest.approx(1.7, abs=0.01)


def test_to_the_letter_all_overloaded_lmas_choose_the_same_target_and_nobody_rests() -> None:
    shot = snapshot(
        load("lma1", OVERLOADED, 0.9, {"mag1": 3000}),
        load("lma2", OVERLOADED, 1.0, {"mag2": 3000}),
        load("lma3", LIGHT, 0.2, {}),
        load("lma4", LIGHT, 0.25, {}),
    )
    rounds = Rounds(LETTER)
    for now in (100.0, 101.0):
        assert moves(rounds.decide(shot, {}, now)) == [("mag2", "lma2", "lma3"), ("mag1", "lma1", "lma3")]


# The loop closed: traffic, load list, policy, and LMAs of equal capacity that saturate and drop.


def test_closed_loop_two_equal_mags_need_one_move() -> None:
    assert len(Domain({"mag1": 900, "mag2": 900}, LMAS[:2]).run(SETTINGS, 200)) == 1


def test_closed_loop_the_decision_comes_within_two_evaluation_periods() -> None:
    decision = Domain({"mag1": 900, "mag2": 900}, LMAS[:2]).run(SETTINGS, 200)[0]
    # 1000 packets/s: the packet threshold is passed in the third second, one after the first reading.
    assert decision.time <= 3 + 2 * 2


def test_closed_loop_a_mag_bigger_than_an_lma_does_not_wander() -> None:
    assert Domain({"mag1": 3000}, LMAS[:2]).run(SETTINGS, 300) == []


def test_closed_loop_four_mags_spread_over_four_lmas() -> None:
    domain = Domain({f"mag{n}": 790 for n in range(1, 5)}, LMAS)
    decided = domain.run(SETTINGS, 300)
    assert sorted(decision.new_lma for decision in decided) == ["lma2", "lma3", "lma4"]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 2500), min_size=1, max_size=6), st.integers(2, 4))
def test_closed_loop_stable_input_settles(rates: list[int], lmas: int) -> None:
    domain = Domain({f"mag{n}": rate for n, rate in enumerate(rates, start=1)}, LMAS[:lmas])
    decided = domain.run(SETTINGS, 300)
    # Each move is followed by a window of quiet, and no MAG needs to move more often than there are LMAs.
    assert all(decision.time < 200 for decision in decided)
    assert len(decided) <= len(rates) * lmas
