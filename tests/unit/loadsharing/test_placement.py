from __future__ import annotations

from dataclasses import replace

import pytest
from sharing_helpers import DEAD, DRAINING, LIGHT, NEUTRAL, OVERLOADED, SETTINGS, STALE, load, snapshot

from ryu_pmipls.loadsharing import Inputs, LmaState, NewSessionTargets, Settings

LMAS = ("lma1", "lma2", "lma3")


def inputs(*states: LmaState, cpus: tuple[float, ...] = (0.9, 0.5, 0.3), settings: Settings = SETTINGS) -> Inputs:
    loads = (load(lma, state, cpu, {"mag1": 100}) for lma, state, cpu in zip(LMAS, states, cpus, strict=True))
    return Inputs(settings, snapshot(*loads))


def settled() -> NewSessionTargets:
    """All LMAs have confirmed that new sessions stay with them."""
    placement = NewSessionTargets(LMAS)
    for lma, target in placement.decide(inputs(LIGHT, LIGHT, LIGHT)):
        placement.confirm(lma, target)
    return placement


def test_after_a_start_every_lma_is_told_until_it_confirms() -> None:
    placement = NewSessionTargets(LMAS)
    everyone = [(lma, lma) for lma in LMAS]
    assert placement.decide(inputs(STALE, STALE, STALE)) == everyone
    assert placement.confirm("lma1", "lma1")
    assert placement.decide(inputs(LIGHT, LIGHT, LIGHT)) == everyone[1:]


def test_an_overloaded_lma_sends_new_sessions_to_the_lightest_and_is_told_every_round() -> None:
    placement = settled()
    for _ in range(2):
        assert placement.decide(inputs(OVERLOADED, LIGHT, LIGHT)) == [("lma1", "lma3")]
        placement.confirm("lma1", "lma3")
    assert not placement.confirm("lma1", "lma3")


@pytest.mark.parametrize("state", [DEAD, DRAINING])
def test_an_lma_that_is_to_be_left_gets_no_new_sessions(state: LmaState) -> None:
    assert settled().decide(inputs(LIGHT, state, LIGHT)) == [("lma2", "lma3")]


def test_it_keeps_to_its_target_as_long_as_that_is_light() -> None:
    placement = settled()
    placement.decide(inputs(OVERLOADED, LIGHT, LIGHT))
    assert placement.decide(inputs(OVERLOADED, LIGHT, LIGHT, cpus=(0.9, 0.1, 0.3))) == [("lma1", "lma3")]
    assert placement.decide(inputs(OVERLOADED, LIGHT, NEUTRAL)) == [("lma1", "lma2")]


def test_it_ends_with_the_overload_and_is_told_until_confirmed() -> None:
    placement = settled()
    for lma, target in placement.decide(inputs(OVERLOADED, LIGHT, LIGHT)):
        placement.confirm(lma, target)
    for _ in range(2):
        assert placement.decide(inputs(NEUTRAL, LIGHT, LIGHT)) == [("lma1", "lma1")]
    placement.confirm("lma1", "lma1")
    assert placement.decide(inputs(LIGHT, LIGHT, LIGHT)) == []


def test_without_a_light_lma_new_sessions_stay() -> None:
    assert settled().decide(inputs(OVERLOADED, NEUTRAL, STALE)) == []


def test_two_overloaded_lmas_never_name_each_other() -> None:
    placement = settled()
    assert placement.decide(inputs(OVERLOADED, OVERLOADED, LIGHT)) == [("lma1", "lma3"), ("lma2", "lma3")]


BALANCE = replace(SETTINGS, policy="balance")


def test_with_balance_who_is_above_the_mean_sends_new_sessions_to_who_is_below() -> None:
    told = settled().decide(inputs(LIGHT, LIGHT, LIGHT, cpus=(0.60, 0.56, 0.50), settings=BALANCE))
    assert told == [("lma1", "lma3")]


def test_with_balance_several_choose_different_ones_and_keep_to_them_while_these_are_below_the_mean() -> None:
    lmas = ("lma1", "lma2", "lma3", "lma4")
    placement = NewSessionTargets(lmas)

    def decided(*cpus: float) -> dict[str, str]:
        shot = snapshot(*(load(lma, LIGHT, cpu, {}) for lma, cpu in zip(lmas, cpus, strict=True)))
        placement.decide(Inputs(BALANCE, shot))
        return {lma: target for lma, target in placement.targets.items() if target != lma}

    assert decided(0.7, 0.6, 0.4, 0.3) == {"lma1": "lma4", "lma2": "lma3"}
    assert decided(0.7, 0.6, 0.3, 0.4) == {"lma1": "lma4", "lma2": "lma3"}
    assert decided(0.7, 0.6, 0.3, 0.6) == {"lma1": "lma3", "lma2": "lma3", "lma4": "lma3"}
    assert decided(0.5, 0.5, 0.5, 0.5) == {}


def test_with_balance_and_little_to_do_sessions_stay() -> None:
    assert settled().decide(inputs(LIGHT, LIGHT, LIGHT, cpus=(0.29, 0.1, 0.0), settings=BALANCE)) == []
