from __future__ import annotations

import struct

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from openflow_helpers import FakeDatapath, barrier, messages

from ryu_pmipls.controller.switches import session as module
from ryu_pmipls.controller.switches.session import (
    CHANGE_TIMEOUT,
    MAX_LAPSED,
    MAX_PENDING,
    MAX_WRITE,
    WINDOW,
    SwitchSession,
    WriteOutcome,
)

_NOW = 1000.0


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(module.time, "monotonic", lambda: _NOW)


def message(xid: int, size: int = 8) -> bytes:
    return struct.pack("!BBHI", 4, 14, size, xid) + bytes(size - 8)


def submit(session: SwitchSession, count: int = 1, size: int = 8):
    first = session.reserve(count)
    return session.submit(b"".join(message(first + number, size) for number in range(count)), first, count)


def test_what_is_submitted_goes_out_at_once_with_a_barrier_behind_it():
    session = SwitchSession(FakeDatapath())
    transaction = submit(session, 3)
    (octets,) = session.datapath.sent
    assert [kind for kind, _, _ in messages(octets)] == [14, 14, 14, 20]
    assert transaction.outcome is None
    session.barrier_reply(barrier(octets))
    assert transaction.outcome is WriteOutcome.ACKED


def test_what_waits_for_a_busy_switch_goes_out_as_one_write_with_one_barrier():
    session = SwitchSession(FakeDatapath())
    under_way = [submit(session) for _ in range(WINDOW)]
    waiting = [submit(session) for _ in range(50)]
    assert len(session.datapath.sent) == WINDOW
    session.barrier_reply(barrier(session.datapath.sent[0]))
    assert under_way[0].outcome is WriteOutcome.ACKED
    assert len(session.datapath.sent) == WINDOW + 1
    assert len(list(messages(session.datapath.sent[-1]))) == 50 + 1
    session.barrier_reply(barrier(session.datapath.sent[-1]))
    assert {transaction.outcome for transaction in waiting} == {WriteOutcome.ACKED}


def test_a_write_has_a_largest_size_unless_a_single_transaction_is_larger():
    session = SwitchSession(FakeDatapath())
    for _ in range(WINDOW):
        submit(session)
    for size in (MAX_WRITE - 1000, 2000, 2000, 2 * MAX_WRITE // 1000):
        submit(session, 1 if size < 2**16 else size, size if size < 2**16 else 1000)
    submit(session, 200, 1000)
    submit(session)
    for number in range(2, 6):
        session.barrier_reply(barrier(session.datapath.sent[number - 2]))
    sizes = [len(octets) - 8 for octets in session.datapath.sent[2:]]
    assert max(size for size in sizes if size != 200_000) <= MAX_WRITE
    assert 200_000 in sizes


def test_an_error_is_that_of_its_own_message_and_makes_the_outcome():
    session = SwitchSession(FakeDatapath())
    good, bad = submit(session, 2), submit(session, 3)
    session.record_error(bad.first_xid + 2, "FMFC_TABLE_FULL")
    session.record_error(12345, "of nobody")
    for octets in session.datapath.sent:
        session.barrier_reply(barrier(octets))
    assert (good.outcome, good.errors) == (WriteOutcome.ACKED, {})
    assert (bad.outcome, bad.errors) == (WriteOutcome.ERROR, {2: "FMFC_TABLE_FULL"})


def test_an_answer_that_comes_too_late_does_not_change_the_outcome():
    session = SwitchSession(FakeDatapath())
    transaction = submit(session)
    session.expire(_NOW + CHANGE_TIMEOUT - 0.1)
    assert transaction.outcome is None
    session.expire(_NOW + CHANGE_TIMEOUT)
    session.barrier_reply(barrier(session.datapath.sent[0]))
    assert transaction.outcome is WriteOutcome.TIMEOUT
    assert submit(session).outcome is None
    assert len(session.datapath.sent) == 2  # the window is free again


def test_a_barrier_that_was_never_answered_acknowledges_nothing():
    session = SwitchSession(FakeDatapath())
    first, second = submit(session), submit(session)
    session.barrier_reply(barrier(session.datapath.sent[1]))
    assert first.outcome is WriteOutcome.TIMEOUT
    assert second.outcome is WriteOutcome.ACKED
    session.barrier_reply(99)  # Ryu's own, or a stranger's
    assert first.outcome is WriteOutcome.TIMEOUT


def test_a_switch_that_does_not_keep_up_is_disconnected():
    session = SwitchSession(FakeDatapath())
    transactions = [submit(session, 60, 1000) for _ in range(MAX_PENDING // 60_000 + WINDOW + 1)]
    assert session.closed
    assert {transaction.outcome for transaction in transactions} == {WriteOutcome.DISCONNECTED}
    assert submit(session).outcome is WriteOutcome.DISCONNECTED


def test_a_callback_may_submit_and_one_that_fails_hurts_nobody():
    session = SwitchSession(FakeDatapath())
    first, second = submit(session), submit(session)
    followed = []
    first.then(lambda transaction: 1 / 0)
    first.then(lambda transaction: followed.append(submit(session)))
    session.barrier_reply(barrier(session.datapath.sent[1]))
    assert second.outcome is WriteOutcome.ACKED
    assert followed[0].outcome is None
    late = []
    second.then(late.append)
    assert late == [second]
    session.close()
    assert followed[0].outcome is WriteOutcome.DISCONNECTED


def test_transaction_ids_do_not_run_over():
    session = SwitchSession(FakeDatapath(xid=0xFFFFFFF0))
    first = session.reserve(100)
    assert first + 99 <= 0xFFFFFFFF
    assert session.reserve(1) == first + 100


def test_writes_that_are_given_up_free_their_places_and_a_late_answer_counts_for_those_behind():
    session = SwitchSession(FakeDatapath())
    doubts = []
    session.doubted = lambda: doubts.append(True)
    old = [submit(session) for _ in range(WINDOW)]
    new = submit(session)
    assert len(session.datapath.sent) == WINDOW
    assert session.unanswered_since == _NOW
    session.expire(_NOW + CHANGE_TIMEOUT)
    assert {each.outcome for each in (*old, new)} == {WriteOutcome.TIMEOUT}
    assert len(session.datapath.sent) == WINDOW + 1
    newer = submit(session)
    for octets in session.datapath.sent[:]:
        assert session.barrier_reply(barrier(octets))
    assert newer.outcome is WriteOutcome.ACKED
    assert (session.unanswered_since, doubts) == (None, [])  # the switch has done all of it, only late


@pytest.mark.parametrize("refused", [True, False], ids=["refused", "skipped"])
def test_what_was_given_up_and_perhaps_not_done_is_doubted_when_the_switch_answers_again(refused):
    session = SwitchSession(FakeDatapath())
    doubts = []
    session.doubted = lambda: doubts.append(True)
    lapsed = submit(session)
    session.expire(_NOW + CHANGE_TIMEOUT)
    second = submit(session)
    if refused:
        session.record_error(lapsed.first_xid, "FMFC_TABLE_FULL")
        session.barrier_reply(barrier(session.datapath.sent[0]))
    session.barrier_reply(barrier(session.datapath.sent[1]))
    assert second.outcome is WriteOutcome.ACKED
    assert doubts == [True]


def test_a_switch_that_never_answers_barriers_is_disconnected(monkeypatch):
    session = SwitchSession(FakeDatapath())
    for number in range(MAX_LAPSED + 1):
        assert not session.closed
        submit(session)
        monkeypatch.setattr(module.time, "monotonic", lambda number=number: _NOW + number * CHANGE_TIMEOUT)
        session.expire(_NOW + (number + 1) * CHANGE_TIMEOUT)
    assert session.closed
    assert submit(session).outcome is WriteOutcome.DISCONNECTED


class Session(RuleBasedStateMachine):
    """Whatever happens in whatever order: each transaction gets one outcome, and ``ACKED`` only by its barrier."""

    def __init__(self) -> None:
        super().__init__()
        self.session = SwitchSession(FakeDatapath())
        self.transactions = []
        self.told = {}
        self.answered = 0
        self.lost = set()  # places of writes whose barriers are never answered

    @rule(count=st.integers(0, 3), size=st.sampled_from([8, 200, MAX_WRITE // 2]))
    def submit(self, count, size):
        transaction = submit(self.session, count, min(size, 0xFFF8))
        self.transactions.append(transaction)
        transaction.then(lambda finished: self.told.setdefault(id(finished), []).append(finished.outcome))

    @precondition(lambda self: self.answered < len(self.session.datapath.sent))
    @rule(errors=st.lists(st.integers(0, 40)))
    def answer(self, errors):
        octets = self.session.datapath.sent[self.answered]
        self.answered += 1
        xids = [xid for kind, xid, _ in messages(octets) if kind == 14]
        for number in errors:
            if number < len(xids):
                self.session.record_error(xids[number], "error")
        self.session.barrier_reply(barrier(octets))

    @precondition(lambda self: self.answered < len(self.session.datapath.sent))
    @rule()
    def lose_an_answer(self):
        self.lost.add(self.answered)
        self.answered += 1

    @rule(later=st.sampled_from([0.0, CHANGE_TIMEOUT]))
    def expire(self, later):
        self.session.expire(_NOW + later)

    @rule()
    def close(self):
        self.session.close()

    @invariant()
    def everything_goes_out_once_and_in_order(self):
        sent = [xid for octets in self.session.datapath.sent for kind, xid, _ in messages(octets) if kind == 14]
        submitted = [t.first_xid + number for t in self.transactions for number in range(t.xids)]
        assert sent == submitted[: len(sent)]
        given_up = len(self.session._lapsed) + len(self.lost)
        assert self.session.closed or len(self.session.datapath.sent) - self.answered <= WINDOW + given_up
        assert len(self.session._lapsed) <= MAX_LAPSED

    @invariant()
    def outcomes_are_true_and_final(self):
        answered = {
            xid
            for place, octets in enumerate(self.session.datapath.sent[: self.answered])
            if place not in self.lost
            for kind, xid, _ in messages(octets)
            if kind == 14
        }
        for transaction in self.transactions:
            told = self.told.get(id(transaction), [])
            assert told == ([] if transaction.outcome is None else [transaction.outcome])
            if transaction.outcome is WriteOutcome.ACKED:
                xids = {transaction.first_xid + number for number in range(transaction.xids)}
                assert xids <= answered
                assert not transaction.errors
            if self.session.closed:
                assert transaction.outcome is not None


TestSession = Session.TestCase
TestSession.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
