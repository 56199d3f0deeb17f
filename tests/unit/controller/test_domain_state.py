"""The state that an RMS keeps: over a restart, over failures of the store, and over changes of the profile."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import pytest

from ryu_pmipls.controller.bindings import Binding, RouteChange
from ryu_pmipls.controller.state import DomainState
from ryu_pmipls.controller.store import MemoryStore, StoreError
from ryu_pmipls.controller.unsaved import Unsaved, save_all
from ryu_pmipls.domain.profile import Profile, load_profile
from ryu_pmipls.loadsharing import (
    SLOTS,
    Answer,
    Decision,
    DecisionOutcome,
    Incident,
    Inputs,
    LoadSnapshot,
    Memory,
    Round,
    spread_slots,
    whole,
)

PROFILE = load_profile("two-lma")
PREFIX = PROFILE.home_prefix_pool.network_address.packed[:8]
FOUND = Binding(PREFIX, "mag1", None, "mn1", bytes(6), 1, "lma1", 0)
GATEWAY, OTHER = bytes.fromhex("02000000c0de"), bytes.fromhex("02000000c0d0")
SNAPSHOT = LoadSnapshot.of(1000.0, 300.0, 10.0, ["mag1", "mag2"], [])


class FailingStore:
    """A store in memory whose ``failing`` methods fail."""

    def __init__(self) -> None:
        self.inner = MemoryStore(PROFILE.rms.state_directory)
        self.failing: Collection[str] = ()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name in self.failing:
            raise StoreError(f"the disk is full ({name})")
        return getattr(self.inner, name)  # type: ignore[no-any-return]


@pytest.fixture
def store() -> Any:
    return FailingStore()


def decision(id: str = "1000-1", numbers: tuple[int, ...] = tuple(range(SLOTS)), to: str = "lma2") -> Decision:
    return Decision(id, "1000000", 1000.0, "mag1", "lma1", to, {"lma1": numbers}, 1.0, None, None, "a test")


def outcome(*decisions: Decision, evacuated: tuple[tuple[str, str], ...] = ()) -> Round:
    return Round(Inputs(PROFILE.load_sharing.settings, SNAPSHOT), decisions, Memory(decisions, (), evacuated), None)


def test_uplinks_go_to_their_anchors_until_they_are_moved(store: Any) -> None:
    state = DomainState(PROFILE, store)
    own = {"lma1": whole("lma1"), "lma2": whole("lma2")}
    assert state.uplinks == {"mag1": own, "mag2": own}
    before = dict(state.uplinks)
    state.move_uplinks(outcome(decision(numbers=(0, 1))))
    moved = ("lma2", "lma2", *whole("lma1")[2:])
    assert state.uplinks == {"mag1": own | {"lma1": moved}, "mag2": own}
    assert before == {"mag1": own, "mag2": own}  # what was read before does not change under its reader
    assert DomainState(PROFILE, store).uplinks == state.uplinks


def test_a_round_is_kept_with_its_decisions_and_inputs(store: Any) -> None:
    state = DomainState(PROFILE, store)
    state.move_uplinks(outcome(decision(), evacuated=(("mag1", "lma1"),)))
    answer = Answer("switch of mag1", DecisionOutcome.ACKNOWLEDGED, 1001.0)
    assert state.add_answer([decision(), decision("forgotten")], answer) == [decision()]
    again = DomainState(PROFILE, store)
    assert [record.answers for record in again.journal] == [(answer,)]
    assert again.memory == Memory(evacuated=(("mag1", "lma1"),))
    assert again.inputs_of(decision()) == state.inputs_of(decision()) == outcome().inputs.to_document()


def test_a_round_without_decisions_is_not_kept(store: Any) -> None:
    state = DomainState(PROFILE, store)
    state.move_uplinks(outcome())
    assert state.inputs_of(decision()) is None
    assert store.load_uplinks() == {}


def test_uplinks_that_could_not_be_saved_are_moved_all_the_same_and_saved_later(store: Any) -> None:
    state = DomainState(PROFILE, store)
    store.failing = ["save_uplinks", "save_setting"]
    with pytest.raises(StoreError, match="save_setting"):  # the first error
        state.move_uplinks(outcome(decision(), evacuated=(("mag1", "lma1"),)))
    assert state.uplinks["mag1"]["lma1"] == whole("lma2")
    store.failing = ["save_uplinks"]
    with pytest.raises(StoreError, match="save_uplinks"):
        state.save()
    assert store.load_settings() == {"evacuated": [["mag1", "lma1"]]}
    store.failing = []
    state.save()
    assert DomainState(PROFILE, store).uplinks == state.uplinks
    store.failing = ["save_uplinks", "save_setting"]
    state.save()  # nothing is left to save


def test_a_core_gateway_is_known_at_once_and_saved_until_that_succeeds(store: Any) -> None:
    state = DomainState(PROFILE, store)
    assert state.learn_core_gateway("lma1", OTHER)
    assert state.learn_core_gateway("lma1", GATEWAY)
    assert not state.learn_core_gateway("lma1", GATEWAY)
    assert state.core_gateways == {"lma1": GATEWAY}
    store.failing = ["save_core_gateway"]
    for _ in range(2):
        with pytest.raises(StoreError):
            state.save()
    store.failing = []
    state.save()
    assert DomainState(PROFILE, store).core_gateways == {"lma1": GATEWAY}


def test_the_dead_are_kept_until_they_return(store: Any) -> None:
    state = DomainState(PROFILE, store)
    store.failing = ["save_setting"]
    with pytest.raises(StoreError):
        state.set_dead(["lma2", "lma1"])
    assert state.dead == ("lma2", "lma1")
    store.failing = []
    state.save()
    assert DomainState(PROFILE, store).dead == ("lma2", "lma1")
    state.set_dead([])
    assert store.load_settings() == {}


def test_commands_of_the_operator_change_nothing_unless_they_are_saved(store: Any) -> None:
    state = DomainState(PROFILE, store)
    own = state.settings
    store.failing = ["save_setting"]
    for command in (lambda: state.set_drained("lma1", True), lambda: state.choose_policy("static")):
        with pytest.raises(StoreError):
            command()
    assert (state.drained, state.settings) == ((), own)
    store.failing = []
    state.save()
    assert store.load_settings() == {}
    for lma in ("lma2", "lma1"):
        state.set_drained(lma, True)
    state.choose_policy("static")
    assert state.drained == ("lma2", "lma1")
    again = DomainState(PROFILE, store)
    assert (again.drained, again.settings.policy) == (("lma1", "lma2"), "static")
    for lma in ("lma1", "lma2"):
        again.set_drained(lma, False)
    again.choose_policy(None)
    assert (again.drained, again.settings, store.load_settings()) == ((), own, {})


def test_recovered_bindings_are_saved_even_if_that_fails_at_first(store: Any) -> None:
    state = DomainState(PROFILE, store)
    assert [update.binding for update in state.recover_bindings([FOUND])] == [FOUND]
    store.failing = ["save_bindings"]
    with pytest.raises(StoreError):
        state.save()
    assert state.recover_bindings([FOUND]) == []  # read from the switch again
    store.failing = []
    state.save()
    assert [*store.load_bindings()] == [FOUND]
    assert state.met_switches == set()
    state.meet_switch("mag1")
    again = DomainState(PROFILE, store)
    assert (again.bindings.get(PREFIX), again.met_switches) == (FOUND, {"mag1"})


def test_a_switch_is_not_met_unless_that_is_saved(store: Any) -> None:
    state = DomainState(PROFILE, store)
    store.failing = ["save_met_switch"]
    with pytest.raises(StoreError):
        state.meet_switch("mag1")
    assert state.met_switches == set()


def test_prefixes_that_were_detached_long_ago_are_forgotten(store: Any) -> None:
    state = DomainState(PROFILE, store)
    for time, mag in ((10, "mag1"), (20, None)):
        state.bindings.update([RouteChange(PREFIX, "mag1", mag, time << 16)], time)
        state.save_bindings([*state.bindings])
    state.expire_bindings(3000)
    assert len(state.bindings) == 1
    state.expire_bindings(4000)
    assert len(state.bindings) == 0
    assert [*store.load_bindings()] == []


def test_incidents_are_kept_and_shown_even_without_the_store(store: Any) -> None:
    state = DomainState(PROFILE, store)
    first, second = (Incident(time, "lma1", "died", "a test") for time in (1.0, 2.0))
    state.incidents.record(first)
    store.failing = ["save_incident"]
    state.incidents.record(second)
    assert [*state.incidents] == [first, second]
    assert [*DomainState(PROFILE, store).incidents] == [first]


def test_what_the_profile_no_longer_has_is_left_out(store: Any) -> None:
    store.save_uplinks({"mag1": {"lma1": ("lma9",) * SLOTS, "lma2": ("lma1",)}, "mag9": {"lma1": ("lma2",)}})
    store.save_setting("dead", ["lma9", "lma2"])
    store.save_setting("drained", ["lma9"])
    store.save_setting("policy", "guess")
    store.save_setting("evacuated", [["mag1", "lma9"], ["mag9", "lma1"], ["mag2", "lma1"]])
    state = DomainState(PROFILE, store)
    assert state.uplinks["mag1"] == {"lma1": whole("lma1"), "lma2": whole("lma1")}
    assert {*state.uplinks} == {"mag1", "mag2"}
    assert (state.dead, state.drained, state.settings) == (("lma2",), (), PROFILE.load_sharing.settings)
    assert state.memory.evacuated == (("mag2", "lma1"),)


def test_names_that_come_while_the_store_works_are_saved_by_the_next_call() -> None:
    written: list[list[str]] = []

    def write(names: list[str]) -> None:
        written.append(names)
        if len(written) == 1:
            unsaved.add("b", "c")
            raise StoreError("full")

    unsaved = Unsaved(write)
    unsaved.add("a", "b")
    with pytest.raises(StoreError):
        unsaved.save()
    unsaved.save()
    unsaved.save()
    assert written == [["a", "b"], ["a", "b", "c"]]


def test_one_failure_keeps_nothing_else_from_being_saved() -> None:
    written: list[str] = []

    def fail(names: list[str]) -> None:
        raise StoreError(f"no {names}")

    kinds = [Unsaved(fail), Unsaved(written.extend), Unsaved(fail)]
    for number, kind in enumerate(kinds):
        kind.add(str(number))
    with pytest.raises(StoreError, match="0"):
        save_all(kinds)
    assert written == ["1"]


def spread_profile() -> Profile:
    sharing = PROFILE.load_sharing.model_copy(update={"policy": "balance"})
    return PROFILE.model_copy(update={"load_sharing": sharing})


def test_with_balance_uplinks_that_carry_nothing_are_spread_out_over_all_lmas(store: Any) -> None:
    state = DomainState(spread_profile(), store)
    spread = spread_slots(("lma1", "lma2"), (1.0, 1.0))
    assert state.uplinks["mag2"] == {"lma1": spread[1, 0], "lma2": spread[1, 1]}
    assert {slots.count("lma1") for anchors in state.uplinks.values() for slots in anchors.values()} <= {15, 16, 17}


def test_spread_uplinks_stay_where_they_are_when_the_domain_changes(store: Any) -> None:
    first = DomainState(spread_profile(), store)
    first.save()
    profile = spread_profile()
    doubled = (profile.lmas[0].model_copy(update={"capacity": 2.0}), *profile.lmas[1:])
    again = DomainState(profile.model_copy(update={"lmas": doubled}), store)
    assert again.uplinks == first.uplinks


def test_the_uplink_of_a_mobile_node_is_not_spread_out_by_a_restart(store: Any) -> None:
    """An earlier release has kept the node's binding, and nothing of an uplink that its anchor carries."""
    store.save_bindings([FOUND])
    state = DomainState(spread_profile(), store)
    assert state.uplinks["mag1"]["lma1"] == whole("lma1")
    assert len({*state.uplinks["mag1"]["lma2"]}) == len({*state.uplinks["mag2"]["lma1"]}) == 2
