from __future__ import annotations

import pytest

from ryu_pmipls.loadsharing import Answer, Decision, DecisionOutcome, Journal, Record


def decision(number: int) -> Decision:
    return Decision(
        id=f"{number}-mag1",
        round=f"{number}",
        time=float(number),
        mag="mag1",
        old_lma="lma1",
        new_lma="lma2",
        slots={"lma1": (0, 1, 2, 3)},
        share=0.125,
        predicted_cpu=0.45,
        rate=1000.0,
        reason="lma1 is overloaded",
    )


def test_outcomes() -> None:
    journal = Journal()
    records = [
        journal.add(decision(1)),
        journal.answer("1-mag1", Answer("mag1 agent", DecisionOutcome.REFUSED, 2.0, "old LMA does not match")),
        journal.answer("1-mag1", Answer("mag1 switch", DecisionOutcome.ACKNOWLEDGED, 3.0)),
        journal.answer("1-mag1", Answer("mag1 agent", DecisionOutcome.TIMED_OUT, 4.0)),
    ]
    assert [record.outcome.value for record in records] == ["pending", "refused", "acknowledged", "acknowledged"]
    assert [answer.by for answer in journal["1-mag1"].answers] == ["mag1 agent", "mag1 switch", "mag1 agent"]


def test_bounded_and_in_order_also_after_answers() -> None:
    journal = Journal(capacity=3)
    for number in range(5):
        journal.add(decision(number))
    journal.answer("2-mag1", Answer("switch", DecisionOutcome.ACKNOWLEDGED, 9.0))
    assert [record.decision.id for record in journal] == ["2-mag1", "3-mag1", "4-mag1"]
    assert len(journal) == 3
    with pytest.raises(KeyError):
        journal.answer("0-mag1", Answer("switch", DecisionOutcome.ACKNOWLEDGED, 9.0))


def test_a_record_survives_json() -> None:
    record = Record(decision(1), (Answer("switch", DecisionOutcome.TIMED_OUT, 2.5, "no barrier reply"),))
    assert Record.from_json(record.to_json()) == record
    assert list(Journal([record])) == [record]


def test_damaged_json_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="decision"):
        Record.from_json("{}")
