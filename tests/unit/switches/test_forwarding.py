"""When the MAG that a mobile node has left is told to forward what comes too late, and known to do so."""

from __future__ import annotations

import pytest
from openflow_helpers import FakeSwitch

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.fast.binding_encoder import RouteUpdate
from ryu_pmipls.controller.switches.route_batch import RouteBatch
from ryu_pmipls.controller.switches.session import WriteOutcome


def binding(mag, number=1, timestamp=1):
    return Binding(bytes([number] * 8), mag, None, None, b"\2\0\0\0\0\1", 3, "lma1", timestamp)


class Course:
    """A batch to mag2 (or to where ``to`` says) and what it has told."""

    def __init__(self, *updates, to="mag2", away=()):
        self.mags = {name: FakeSwitch(name not in away) for name in ("mag1", "mag2", "mag3")}
        self.lmas = {name: FakeSwitch(name not in away) for name in ("lma1", "lma2")}
        self.forwarding, self.done = [], []
        batch = RouteBatch(
            updates,
            self.mags,
            self.lmas,
            (),
            self.done.append,
            lambda mag, gone: self.forwarding.append((mag, list(gone))),
        )
        batch.start(to)

    def lmas_answer(self):
        for lma in self.lmas.values():
            if lma.connected:
                lma.answer()


def moved(origin="mag1", to="mag2", number=1):
    return RouteUpdate(binding(to, number), (binding(origin, number),))


def test_the_old_mag_forwards_after_all_lmas_route_to_the_new_one():
    update = moved()
    course = Course(update)
    assert course.mags["mag2"].updates == [[update]] and course.lmas["lma1"].updates == []
    course.mags["mag2"].answer()
    assert course.lmas["lma1"].updates == course.lmas["lma2"].updates == [[update]]
    course.lmas["lma1"].answer()
    assert course.mags["mag1"].updates == [] and course.done == []
    course.lmas["lma2"].answer()
    assert course.mags["mag1"].updates == [[update]] and len(course.done) == 1
    assert course.forwarding == []  # what its agent sends on now could still come back to it
    course.mags["mag1"].answer()
    assert course.forwarding == [("mag1", [update])]


@pytest.mark.parametrize("outcome", [WriteOutcome.ERROR, WriteOutcome.TIMEOUT, WriteOutcome.DISCONNECTED])
def test_a_mag_that_has_not_acknowledged_is_not_taken_to_forward(outcome):
    course = Course(moved())
    course.mags["mag2"].answer()
    course.lmas_answer()
    course.mags["mag1"].answer(outcome)
    assert course.forwarding == [] and len(course.done) == 1


def test_a_handoff_from_a_mag_whose_switch_is_away_is_in_force_all_the_same():
    course = Course(moved(), away=("mag1",))
    course.mags["mag2"].answer()
    course.lmas_answer()
    (batch,) = course.done
    assert batch.acknowledged == ["mag2", "lma1", "lma2"] and not batch.failures
    assert course.forwarding == []


def test_a_mobile_node_that_is_back_before_the_first_handoff_is_done_is_not_forwarded_by_its_mag():
    """A-B-A: the second handoff finds entries of either MAG, and takes care of the other one's alone."""
    back = RouteUpdate(binding("mag1", timestamp=3), (binding("mag1"), binding("mag2", timestamp=2)))
    there = moved()
    first = Course(there)
    there.superseded = True
    first.mags["mag2"].answer()
    assert first.lmas["lma1"].updates == [] and first.mags["mag1"].updates == []
    second = Course(back, to="mag1")
    second.mags["mag1"].answer()
    second.lmas_answer()
    assert second.mags["mag1"].updates == [[back]] and second.mags["mag2"].updates == [[back]]
    second.mags["mag2"].answer()
    assert second.forwarding == [("mag2", [back])]


def test_each_mag_is_told_of_those_only_that_have_left_it():
    one, other, stays = moved("mag1", number=1), moved("mag3", number=2), moved("mag2", number=3)
    course = Course(one, other, stays)
    course.mags["mag2"].answer()
    course.lmas_answer()
    assert course.mags["mag1"].updates == [[one]] and course.mags["mag3"].updates == [[other]]
    assert course.mags["mag2"].updates == [[one, other, stays]]


def test_a_mobile_node_that_has_gone_altogether_leaves_nothing_at_its_mag():
    gone = moved("mag1", to=None)
    course = Course(gone, to=None)
    course.lmas_answer()
    assert course.mags["mag1"].updates == [[gone]]
