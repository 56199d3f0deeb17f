"""An object in a thread of its own, as green threads see it."""

from __future__ import annotations

import gc
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import eventlet
import greenlet
import pytest
from eventlet import patcher
from eventlet.hubs import get_hub
from hypothesis import given, settings
from hypothesis import strategies as st

from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.controller.ryu.threads import in_thread
from tests.waiting import PATIENCE

_threading = patcher.original("threading")


class Result:
    pass


class Resident:
    def __init__(self, name: str = "resident") -> None:
        if not name:
            raise ValueError("no name")
        self.name = name
        self.made_in = threading.get_ident()
        self.done: list[object] = []
        self.held = _threading.Event()

    def do(self, what: object) -> object:
        assert threading.get_ident() == self.made_in
        self.done.append(what)
        return what

    def wait(self, what: object) -> object:
        """Until the other thread lets it go on."""
        assert self.held.wait(PATIENCE)
        self.held.clear()
        return self.do(what)

    def fail(self, error: BaseException) -> None:
        raise error

    def call(self, function: Callable[..., object], /, *arguments: object, **named: object) -> object:
        return function(*arguments, **named)


def resident() -> tuple[Any, Resident]:
    """One that lives in a thread, and what is behind it, to look into."""
    stand_in: Any = in_thread(Resident)
    behind = stand_in._resident
    assert isinstance(behind, Resident)
    return stand_in, behind


def until(condition: Callable[[], object]) -> None:
    with eventlet.Timeout(PATIENCE):
        while not condition():
            hub.sleep(0.001)


def test_maker_and_methods_are_called_in_one_other_thread() -> None:
    stand_in, behind = resident()
    assert behind.made_in != threading.get_ident()
    assert stand_in.do("it") == "it" and behind.done == ["it"]
    assert stand_in.call(dict, [("a", 1)], function=2) == {"a": 1, "function": 2}


def test_a_maker_that_fails() -> None:
    with pytest.raises(ValueError, match="no name"):
        in_thread(Resident, "")


def test_what_is_raised_there_is_raised_here() -> None:
    stand_in, _ = resident()
    for error in (KeyError("key"), SystemExit(3), greenlet.GreenletExit()):
        with pytest.raises(type(error)) as raised:
            stand_in.fail(error)
        assert raised.value is error
        assert {"call", "fail"} <= {frame.name for frame in traceback.extract_tb(error.__traceback__)}
    assert stand_in.do(1) == 1


def test_others_have_their_turn_meanwhile() -> None:
    stand_in, behind = resident()
    waiting = eventlet.spawn(stand_in.wait, 1)
    for _ in range(3):
        hub.sleep(0.001)
    assert behind.done == []
    behind.held.set()
    with eventlet.Timeout(PATIENCE):
        assert waiting.wait() == 1


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=5), max_size=20))
def test_many_callers(callers: list[list[tuple[int, bool]]]) -> None:
    """Each gets his own answers; the calls are made in the order of time."""
    stand_in, behind = resident()
    order = []

    def calls(mine: list[tuple[int, bool]]) -> None:
        for turns, fails in mine:
            for _ in range(turns):
                hub.sleep(0)
            what = len(order)
            order.append(what)
            if fails:
                error = KeyError(what)
                with pytest.raises(KeyError) as raised:
                    stand_in.call(partial(_do_and_raise, behind, error))
                assert raised.value is error
            else:
                assert stand_in.do(what) == what

    threads = [eventlet.spawn(calls, mine) for mine in callers]
    with eventlet.Timeout(PATIENCE):
        for thread in threads:
            thread.wait()
    assert behind.done == order == [*range(sum(map(len, callers)))]


def _do_and_raise(behind: Resident, error: KeyError) -> None:
    behind.do(error.args[0])
    raise error


def test_a_caller_that_no_longer_waits() -> None:
    """What comes of it does not disturb what he waits for next, be it from the same thread or not."""
    stand_in, behind = resident()
    steps = []

    def call() -> None:
        with eventlet.Timeout(0.01, False):
            stand_in.wait("late")
            steps.append("not reached")
        behind.held.set()
        steps.append(stand_in.do("next"))
        hub.sleep(0.05)
        steps.append("slept")

    began = time.monotonic()
    with eventlet.Timeout(PATIENCE):
        eventlet.spawn(call).wait()
    assert steps == ["next", "slept"] and time.monotonic() - began > 0.05
    assert behind.done == ["late", "next"]


def test_a_late_answer_does_not_end_another_wait() -> None:
    stand_in, behind = resident()

    def call() -> float:
        with eventlet.Timeout(0.01, False):
            stand_in.wait("late")
        began = time.monotonic()
        behind.held.set()
        hub.sleep(0.1)
        return time.monotonic() - began

    with eventlet.Timeout(PATIENCE):
        assert eventlet.spawn(call).wait() >= 0.1
    assert behind.done == ["late"]


def test_a_caller_that_is_killed() -> None:
    stand_in, behind = resident()
    killed = hub.spawn(stand_in.wait, "killed")
    other = hub.spawn(stand_in.do, "other")
    hub.sleep(0)
    hub.kill(killed)
    assert killed.dead
    behind.held.set()
    with eventlet.Timeout(PATIENCE):
        assert other.wait() == "other"
    assert behind.done == ["killed", "other"]


def test_a_caller_that_is_killed_when_the_answer_is_there() -> None:
    """The hub knows already that the callers are to go on; the first one kills the second."""
    stand_in, behind = resident()
    threads: list[Any] = []
    steps = []

    def first() -> None:
        stand_in.wait(1)
        hub.kill(threads[1])
        steps.append("killed")

    def second() -> None:
        stand_in.do(2)
        steps.append("not reached")

    threads += [hub.spawn(first), hub.spawn(second)]
    hub.sleep(0)
    behind.held.set()
    deadline = time.monotonic() + PATIENCE
    while len(behind.done) < 2 and time.monotonic() < deadline:
        pass  # the hub learns of both at once
    with eventlet.Timeout(PATIENCE):
        threads[0].wait()
    assert steps == ["killed"] and threads[1].dead


@pytest.mark.parametrize("error", [ValueError, eventlet.Timeout])
def test_a_caller_that_fails_does_not_concern_the_others(
    error: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    """Also if nobody catches what he raises, so that it comes to the hub."""
    stand_in, behind = resident()

    def fail() -> None:
        stand_in.wait(0)
        raise error

    raw = [greenlet.greenlet(fail, parent=get_hub().greenlet) for _ in range(2)]
    for thread in raw:
        get_hub().schedule_call_global(0, thread.switch)
    hub.sleep(0)
    others = [eventlet.spawn(stand_in.do, number) for number in range(3)]
    hub.sleep(0)
    behind.held.set()
    until(lambda: not behind.held.is_set())  # the first of them goes on
    behind.held.set()
    with eventlet.Timeout(PATIENCE):
        assert [other.wait() for other in others] == [0, 1, 2]
        assert stand_in.do(3) == 3
    assert all(thread.dead for thread in raw)
    assert error.__name__ in capsys.readouterr().err


def test_a_switch_that_is_not_the_answer() -> None:
    stand_in, behind = resident()
    waiting = eventlet.spawn(stand_in.wait, 1)
    hub.sleep(0)
    get_hub().schedule_call_global(0, waiting.switch)
    hub.sleep(0.01)
    assert not waiting.dead
    behind.held.set()
    with eventlet.Timeout(PATIENCE):
        assert waiting.wait() == 1


def test_two_threads_do_not_wait_for_each_other() -> None:
    (one, behind), (other, _) = resident(), resident()
    waiting = eventlet.spawn(one.wait, 1)
    hub.sleep(0)
    with eventlet.Timeout(PATIENCE):
        assert other.do(2) == 2
        assert not waiting.dead
        behind.held.set()
        assert waiting.wait() == 1


def test_a_result_is_not_kept() -> None:
    stand_in, _ = resident()
    result = weakref.ref(stand_in.call(Result))
    gc.collect()
    until(lambda: result() is None)
