"""Since when something is wrong, and from when on that is told."""

from __future__ import annotations

from ryu_pmipls.controller.reasons import MOST, Reason, Reasons, Symptom, shown

DOWN = Symptom("lma1", "lma1 is down")


def test_a_reason_has_the_time_of_the_first_look_that_found_it() -> None:
    reasons = Reasons()
    assert reasons.update([DOWN], 1000.0, 5.0) == [Reason("lma1", 1000.0, "lma1 is down")]
    assert reasons.update([DOWN], 1002.0, 7.0) == [Reason("lma1", 1000.0, "lma1 is down")]


def test_what_was_away_for_a_look_begins_anew() -> None:
    reasons = Reasons()
    reasons.update([DOWN], 1000.0, 5.0)
    assert reasons.update([], 1001.0, 6.0) == []
    assert reasons.update([DOWN], 1002.0, 7.0) == [Reason("lma1", 1002.0, "lma1 is down")]


def test_a_symptom_is_no_reason_before_it_has_lasted_however_the_wall_clock_jumps() -> None:
    reasons, late = Reasons(), Symptom("lma1", "lma1 is late", patience=3.0)
    assert reasons.update([late], 1000.0, 5.0) == []
    assert reasons.update([late], 5000.0, 7.9) == []
    assert reasons.update([late], 900.0, 8.0) == [Reason("lma1", 1000.0, "lma1 is late")]


def test_a_symptom_may_know_better_since_when_it_is() -> None:
    assert Reasons().update([Symptom("lma1", "overloaded", since=990.0)], 1000.0, 5.0)[0].since == 990.0


def test_reasons_keep_their_order_and_show_once() -> None:
    other = Symptom("mag1", "mag1 is down")
    assert [reason.subject for reason in Reasons().update([other, DOWN, other], 1000.0, 5.0)] == ["mag1", "lma1"]


def test_of_many_reasons_the_rest_is_counted() -> None:
    many = [Reason(f"mn{number}", 1000.0 - number, f"mn{number} gets nothing") for number in range(MOST + 7)]
    told = shown(many, "two-lma")
    assert told[:MOST] == many[:MOST]
    assert told[MOST:] == [Reason("two-lma", 1000.0 - MOST - 6, "7 other things are wrong")]
    assert shown(many[:MOST], "two-lma") == many[:MOST]
