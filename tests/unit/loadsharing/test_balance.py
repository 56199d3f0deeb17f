from __future__ import annotations

from dataclasses import replace

import pytest
from sharing_helpers import (
    DEAD,
    LIGHT,
    LMAS,
    NEUTRAL,
    OVERLOADED,
    SETTINGS,
    STALE,
    Domain,
    Rounds,
    load,
    moves,
    snapshot,
)

from ryu_pmipls.loadsharing import SLOTS, Inputs, Settings, decide, slots_of, weights, whole

BALANCE = replace(SETTINGS, policy="balance")


def policy(settings: Settings = BALANCE) -> Rounds:
    return Rounds(settings)


def test_a_whole_mag_moves_where_that_evens_things_out() -> None:
    shot = snapshot(load("lma1", LIGHT, 0.6, {"mag1": 3000, "mag2": 3000}), load("lma2", LIGHT, 0.0, {}))
    rounds = policy()
    decisions = rounds.decide(shot, {}, 100.0)
    assert moves(decisions) == [("mag1", "lma1", "lma2")]
    assert (decisions[0].share, decisions[0].rate, decisions[0].predicted_cpu) == (1.0, 300.0, pytest.approx(0.3))
    assert decisions[0].reason == (
        "lma1 is at CPU 60%, where evenly divided work would bring all to 30%; 100% of what mag1 sends through it, "
        "300 packets/s, bring lma2 from CPU 0% to 30%"
    )
    assert rounds.last is not None and rounds.last.outlook is not None
    outlook = rounds.last.outlook
    assert (outlook.before, outlook.after, outlook.optimum, outlook.gap) == pytest.approx((0.6, 0.3, 0.3, 0.0))


def test_a_mag_that_is_too_big_is_divided_over_several_lmas() -> None:
    shot = snapshot(load("lma1", LIGHT, 0.8, {"mag1": 8000}), *(load(lma, LIGHT, 0.0, {}) for lma in LMAS[1:]))
    decisions = policy().decide(shot, {}, 100.0)
    assert sorted(decision.new_lma for decision in decisions) == ["lma2", "lma3", "lma4"]
    assert {decision.share for decision in decisions} == {0.25}
    assert len({decision.id for decision in decisions}) == 3
    taken = [number for decision in decisions for number in decision.slots["lma1"]]
    assert len(set(taken)) == len(taken) == 24


def test_capacities() -> None:
    shot = snapshot(load("lma1", LIGHT, 0.8, {"mag1": 8000}), load("lma2", LIGHT, 0.0, {}, capacity=3.0))
    decisions = policy().decide(shot, {}, 100.0)
    assert [(decision.new_lma, decision.share) for decision in decisions] == [("lma2", 0.75)]
    assert decisions[0].predicted_cpu == pytest.approx(0.2)


def test_within_the_tolerance_or_with_little_to_do_nothing_moves() -> None:
    even = [load("lma1", LIGHT, 0.51, {"mag1": 4000}), load("lma2", LIGHT, 0.49, {"mag2": 4000})]
    assert policy().decide(snapshot(*even), {}, 100.0) == []
    idle = [load("lma1", LIGHT, 0.29, {"mag1": 4000}), load("lma2", LIGHT, 0.01, {})]
    assert policy().decide(snapshot(*idle), {}, 100.0) == []


def test_max_moves() -> None:
    shot = snapshot(load("lma1", LIGHT, 0.8, {"mag1": 8000}), *(load(lma, LIGHT, 0.0, {}) for lma in LMAS[1:]))
    assert len(policy(replace(BALANCE, max_moves=2)).decide(shot, {}, 100.0)) == 2


@pytest.mark.parametrize("state", [STALE, OVERLOADED, DEAD])
def test_never_to_one_that_may_not_take_anything(state: object) -> None:
    other = load("lma2", state, 0.0, {})  # type: ignore[arg-type]
    assert policy().decide(snapshot(load("lma1", OVERLOADED, 0.9, {"mag1": 4000}), other), {}, 100.0) == []


def test_an_overload_that_nothing_relieves_is_an_alarm_that_stands() -> None:
    rounds = policy()
    shot = snapshot(load("lma1", OVERLOADED, 0.9, {"mag1": 4000}), load("lma2", OVERLOADED, 0.85, {"mag2": 4000}))
    for now in (100.0, 102.0):
        assert rounds.decide(shot, {}, now) == []
        assert [(alarm.lma, alarm.since) for alarm in rounds.memory.alarms] == [("lma1", 100.0), ("lma2", 100.0)]


def test_a_neutral_lma_gives_as_well() -> None:
    shot = snapshot(load("lma1", NEUTRAL, 0.9, {"mag1": 400, "mag2": 400}), load("lma2", LIGHT, 0.1, {}))
    assert moves(policy().decide(shot, {}, 100.0)) == [("mag1", "lma1", "lma2")]


def test_an_lma_waits_until_its_cpu_was_measured_after_a_move() -> None:
    """CPU is measured over a report interval of 1 s, and here as of half a second ago."""

    def shot() -> object:
        mags = {"mag1": 2000, "mag2": 2000, "mag3": 2000}
        return snapshot(
            load("lma1", OVERLOADED, 0.9, mags, cpu_age=0.5), load("lma2", LIGHT, 0.0, {"mag4": 1}, cpu_age=0.5)
        )

    rounds = policy()
    assert len(rounds.decide(shot(), {}, 100.0)) > 0  # type: ignore[arg-type]
    assert rounds.decide(shot(), {}, 101.4) == []  # type: ignore[arg-type]
    assert len(rounds.decide(shot(), {}, 101.5)) > 0  # type: ignore[arg-type]


def test_uplinks_go_home_when_the_load_has_fallen_and_not_before() -> None:
    uplinks = {"mag1": {"lma1": whole("lma2")}, "mag2": {"lma1": ("lma2",) * 8 + ("lma1",) * (SLOTS - 8)}}

    def decided(cpu: float) -> list[tuple[str, str, str]]:
        traffic = {"mag1": 300, "mag2": 100, "mag3": 600}
        shot = snapshot(load("lma1", LIGHT, cpu, {"mag2": 500}), load("lma2", LIGHT, cpu, traffic))
        return moves(policy().decide(shot, uplinks, 100.0))

    assert decided(0.4) == []
    assert decided(0.15) == [("mag1", "lma2", "lma1"), ("mag2", "lma2", "lma1")]
    assert decided(0.21) == [("mag2", "lma2", "lma1")]  # with mag1 lma1 would be at 27%


def test_what_others_anchor_goes_home_rather_than_elsewhere() -> None:
    uplinks = {"mag2": {"lma3": whole("lma1")}}
    shot = snapshot(
        load("lma1", LIGHT, 0.7, {"mag1": 4000, "mag2": 3000}),
        load("lma2", LIGHT, 0.1, {}),
        load("lma3", LIGHT, 0.2, {}),
    )
    decisions = policy().decide(shot, uplinks, 100.0)
    assert moves(decisions[:1]) == [("mag2", "lma1", "lma3")]
    assert set(decisions[0].slots) == {"lma3"}
    assert decisions[0].predicted_cpu == pytest.approx(1 / 3, abs=0.01)


def test_what_was_moved_in_a_round_is_not_sent_home_in_the_same() -> None:
    """Once lma3 carries half of what it anchors no LMA has much to do, and the other half could go home too."""
    shot = snapshot(
        load("lma1", LIGHT, 0.38, {"mag1": 2000, "mag2": 2000}), *(load(lma, LIGHT, 0.0, {}) for lma in LMAS[1:])
    )
    decisions = policy().decide(shot, {"mag1": {"lma3": whole("lma1")}}, 100.0)
    assert moves(decisions) == [("mag1", "lma1", "lma3")]
    assert decisions[0].share == 0.5


def test_uplinks_of_anchors_without_sessions_do_not_count() -> None:
    """lma1 carries a MAG's uplinks of two anchors; which of them the packets are of only the sessions tell."""
    uplinks = {"mag1": {"lma3": whole("lma1"), "lma2": whole("lma1")}}
    loads = [load("lma1", LIGHT, 0.8, {"mag1": 6000}), *(load(lma, LIGHT, 0.0, {}) for lma in LMAS[1:])]
    sessions = {"mag1": {"lma1": 9}}
    decided = decide(Inputs(BALANCE, snapshot(*loads), uplinks, sessions=sessions)).decisions
    assert {anchor for decision in decided if decision.rate for anchor in decision.slots} == {"lma1"}
    assert sum(decision.share for decision in decided) == 0.75
    both = decide(Inputs(BALANCE, snapshot(*loads), uplinks, sessions={"mag1": {"lma2": 3, "lma1": 1}})).decisions
    assert both[0].slots == {"lma2": tuple(range(10))}  # 10 of 32 of three quarters are 23%
    assert both[0].share == pytest.approx(0.234, abs=0.001)


# The loop closed.


def shares(domain: Domain) -> list[float]:
    return [domain.utilisation(lma) for lma in domain.lmas]


def test_closed_loop_one_mag_fills_four_lmas_evenly() -> None:
    domain = Domain({"mag1": 2400.0}, LMAS)
    decided = domain.run(BALANCE, 60)
    assert shares(domain) == pytest.approx([0.6] * 4, abs=0.03)
    assert domain.run(BALANCE, 200) == []
    # However much more a saturated LMA is offered than it forwards, a few rounds are enough.
    assert decided[-1].time <= 20


def test_closed_loop_capacities() -> None:
    capacities = {"lma2": 2.0, "lma3": 0.5}
    domain = Domain({f"mag{n}": 300.0 for n in range(1, 9)}, LMAS[:3], capacities=capacities)
    domain.run(BALANCE, 60)
    assert shares(domain) == pytest.approx([2400 / 3500] * 3, rel=0.1)
    assert domain.run(BALANCE, 200) == []


def test_closed_loop_it_returns_to_the_anchors_when_the_load_falls_and_comes_again() -> None:
    domain = Domain({"mag1": 1200.0, "mag2": 300.0}, LMAS[:3])
    assert domain.run(BALANCE, 60)
    domain.offered = {"mag1": 100.0, "mag2": 50.0}
    domain.run(BALANCE, 60)
    assert all(slots == whole("lma1") for anchors in domain.uplinks.values() for slots in anchors.values())
    domain.offered = {"mag1": 1200.0, "mag2": 300.0}
    domain.run(BALANCE, 60)
    assert max(shares(domain)) < 0.6


def test_closed_loop_slots_stay_where_they_are() -> None:
    """A change moves no more slots than it has to: those that stay keep their flows."""
    domain = Domain({"mag1": 1000.0, "mag2": 900.0}, LMAS[:2])
    domain.run(BALANCE, 60)
    before = slots_of(domain.uplinks, "mag1", "lma1"), slots_of(domain.uplinks, "mag2", "lma1")
    domain.offered["mag1"] = 1200.0
    decided = domain.run(BALANCE, 60)
    after = slots_of(domain.uplinks, "mag1", "lma1"), slots_of(domain.uplinks, "mag2", "lma1")
    changed = sum(x != y for one, other in zip(before, after, strict=True) for x, y in zip(one, other, strict=True))
    assert changed == sum(len(numbers) for decision in decided for numbers in decision.slots.values())
    assert changed <= 6
    assert sum(weights(after[0]).values()) == SLOTS
