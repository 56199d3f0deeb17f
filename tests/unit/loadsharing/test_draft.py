from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sharing_helpers import (
    LIGHT,
    LMAS,
    MAGS,
    NEUTRAL,
    OVERLOADED,
    RULE,
    SETTINGS,
    STALE,
    Domain,
    Rounds,
    carried_by,
    load,
    moves,
    snapshot,
)

from ryu_pmipls.loadsharing import (
    SLOTS,
    LoadSnapshot,
    OverloadRule,
    Uplinks,
    slots_of,
    whole,
)


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

LETTER = replace(SETTINGS, rule=replace(RULE, hysteresis=0.0), cool_down=0.0, predict=False)


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


# Properties over arbitrary snapshots.

counts = st.none() | st.sampled_from([0, 1, 2000, 2000, 5000]) | st.integers(0, 10**6)


@st.composite
def snapshots(draw: st.DrawFn) -> LoadSnapshot:
    loads = []
    for lma in LMAS:
        cpu = draw(st.none() | st.sampled_from([0.0, 0.5, 0.79, 0.8, 1.0]) | st.floats(0, 1))
        traffic = {mag: draw(counts) for mag in MAGS}
        total = sum(packets or 0 for packets in traffic.values())
        state = STALE if cpu is None else draw(st.just(STALE) | st.just(RULE.state(RULE.is_hot(cpu, False), total)))
        loads.append(load(lma, state, cpu, traffic))
    return snapshot(*loads)


dealt_out = st.integers(1, SLOTS).flatmap(
    lambda first: st.tuples(st.sampled_from(LMAS), st.sampled_from(LMAS)).map(
        lambda lmas: (lmas[0],) * first + (lmas[1],) * (SLOTS - first)
    )
)
uplink_tables = st.fixed_dictionaries(
    {mag: st.dictionaries(st.sampled_from(LMAS), dealt_out, max_size=3) for mag in MAGS}
)
rounds = st.lists(st.tuples(snapshots(), uplink_tables, st.floats(0.5, 12)), min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(rounds)
def test_moves_go_from_overloaded_to_light_and_one_per_lma_and_mag(
    given_rounds: list[tuple[LoadSnapshot, Uplinks, float]],
) -> None:
    rule, now = policy(), 0.0
    for shot, uplinks, pause in given_rounds:
        now += pause
        decisions = rule.decide(shot, uplinks, now)
        for decision in decisions:
            assert shot.lma(decision.old_lma).state is OVERLOADED
            assert shot.lma(decision.new_lma).state is LIGHT
            assert decision.slots and all(decision.slots.values())
            for anchor, numbers in decision.slots.items():
                slots = slots_of(uplinks, decision.mag, anchor)
                assert {slots[number] for number in numbers} == {decision.old_lma}
            assert decision.predicted_cpu is not None
            assert decision.predicted_cpu < RULE.cpu_threshold
        assert len({decision.old_lma for decision in decisions}) == len(decisions)
        assert len({decision.mag for decision in decisions}) == len(decisions)


def sent(shot: LoadSnapshot, lma: str) -> list[tuple[str, int | None]]:
    return [(traffic.mag, traffic.packets) for traffic in shot.traffic(lma)]


def renamed(shot: LoadSnapshot, names: Mapping[str, str]) -> LoadSnapshot:
    return snapshot(
        *(
            load(
                names[entry.lma],
                entry.state,
                entry.cpu,
                {names[mag.mag]: mag.packets for mag in shot.traffic(entry.lma)},
            )
            for entry in shot.lmas
        ),
        mags=[names[mag] for mag in shot.mags],
    )


@settings(max_examples=100, deadline=None)
@given(rounds, st.permutations(LMAS), st.permutations(MAGS))
def test_names_decide_nothing(
    given_rounds: list[tuple[LoadSnapshot, Uplinks, float]], lmas: list[str], mags: list[str]
) -> None:
    names = dict(zip(LMAS + MAGS, lmas + mags, strict=True))
    one, other, now = policy(), policy(), 0.0
    for shot, uplinks, pause in given_rounds:
        now += pause
        expected = [
            (names[decision.mag], names[decision.old_lma], names[decision.new_lma])
            for decision in one.decide(shot, uplinks, now)
        ]
        new_uplinks = {
            names[mag]: {names[anchor]: tuple(names[lma] for lma in slots) for anchor, slots in table.items()}
            for mag, table in uplinks.items()
        }
        assert moves(other.decide(renamed(shot, names), new_uplinks, now)) == expected


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
