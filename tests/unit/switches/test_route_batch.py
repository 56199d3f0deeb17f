"""Make before break, step by step, with switches that a test answers for."""

from __future__ import annotations

import gc
from weakref import ref

from openflow_helpers import FakeSwitch

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.fast.binding_encoder import RouteUpdate
from ryu_pmipls.controller.switches.route_batch import RouteBatch
from ryu_pmipls.controller.switches.session import WriteOutcome


class Scene:
    def __init__(self, updates=2):
        bindings = [Binding(bytes([number] * 8), "mag2", "mag1", None, None, 1, None, 5) for number in range(updates)]
        self.updates = [RouteUpdate(each, (each._replace(mag="mag1"),)) for each in bindings]
        self.mags, self.lmas = ({kind + n: FakeSwitch() for n in "12"} for kind in ("mag", "lma"))
        self.silent, self.done = set(), []
        self.batch = RouteBatch(self.updates, self.mags, self.lmas, self.silent, self.done.append, lambda *_: None)
        self.batch.start("mag2")

    def told(self):
        return {name for name, switch in (self.mags | self.lmas).items() if switch.told}


def test_new_mag_then_all_lmas_then_old_mag():
    scene = Scene()
    assert scene.told() == {"mag2"}
    scene.mags["mag2"].answer()
    assert scene.told() == {"mag2", "lma1", "lma2"}
    scene.lmas["lma2"].answer()
    assert not scene.done
    scene.lmas["lma1"].answer()
    assert scene.told() == {"mag1", "mag2", "lma1", "lma2"}
    assert scene.done == [scene.batch]
    assert scene.batch.acknowledged == ["mag2", "lma2", "lma1"]
    assert not scene.batch.failures


def test_errors_are_those_of_single_updates_and_a_timeout_is_of_all():
    scene = Scene()
    scene.mags["mag2"].answer(WriteOutcome.ERROR, **{"1": "FMFC_TABLE_FULL"})
    scene.lmas["lma1"].answer()
    scene.lmas["lma2"].answer(WriteOutcome.TIMEOUT)
    assert scene.batch.failures == {
        scene.updates[0]: {"lma2": "timeout"},
        scene.updates[1]: {"mag2": "FMFC_TABLE_FULL", "lma2": "timeout"},
    }


def test_a_silent_switch_is_told_and_not_waited_for():
    scene = Scene()
    scene.silent.add("mag2")
    scene.batch.leave_behind()
    assert scene.told() == {"mag2", "lma1", "lma2"}
    scene.batch.leave_behind()  # there is nobody else to be left behind
    scene.silent.add("lma1")
    scene.batch.leave_behind()
    assert not scene.done
    scene.lmas["lma2"].answer()
    assert scene.done == [scene.batch]
    assert scene.batch.acknowledged == ["lma2"]
    for late in (scene.mags["mag2"], scene.lmas["lma1"]):
        late.answer(WriteOutcome.TIMEOUT)
    assert scene.done == [scene.batch]
    assert not scene.batch.failures


def test_a_switch_that_is_known_to_be_silent_is_not_waited_for_at_all():
    scene = Scene()
    scene.silent.add("lma2")
    scene.mags["mag2"].answer()
    assert scene.told() == {"mag2", "lma1", "lma2"}
    scene.lmas["lma1"].answer()
    assert scene.done == [scene.batch]


def test_a_batch_that_is_done_goes_at_once_and_is_not_left_to_the_garbage_collector():
    scene, done = Scene(), []
    batch = RouteBatch(scene.updates, scene.mags, scene.lmas, set(), lambda _: done.append(True), lambda *_: None)
    gc.disable()
    try:
        batch.start("mag2")
        for switch in (scene.mags["mag2"], *scene.lmas.values(), scene.mags["mag1"]):
            switch.answer()
        assert done == [True]
        gone = ref(batch)
        del batch
        assert gone() is None
    finally:
        gc.enable()
