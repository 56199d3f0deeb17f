"""What every back end of the store has to do, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.store import BACK_ENDS, Store, StoreError, open_store
from ryu_pmipls.loadsharing import Answer, Decision, DecisionOutcome, Incident, Record

#: The last decisions and incidents that the stores under test keep.
KEPT = 5


def prefix(number: int) -> bytes:
    return (0x20010DB801000000 + number).to_bytes(8, "big")


BINDING = Binding(
    prefix=prefix(1),
    mag="mag1",
    previous_mag=None,
    identifier="mn1@example.net",
    link_layer_address=bytes.fromhex("020000000101"),
    port=3,
    anchor="lma1",
    timestamp=1_700_000_000 * 65536,
)
BARE = Binding(prefix(2), None, "mag2", None, None, None, None, 1)


def record(number: int, mag: str = "mag1") -> Record:
    slots = {"lma1": (0, 1)}
    return Record(
        Decision(
            f"{number}-{mag}", f"{number}", float(number), mag, "lma1", "lma2", slots, 0.0625, 0.5, 100.0, "because"
        )
    )


@pytest.fixture(params=[*BACK_ENDS])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = BACK_ENDS[request.param](tmp_path / "state", decisions_kept=KEPT)
    yield opened
    opened.close()


def ids(store: Store) -> list[str]:
    return [kept.decision.id for kept in store.load_decisions()]


def test_a_store_that_does_not_exist_is_refused_with_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no store is called 'etcd' \(rms.store of the profile\); there are: sqlite,"):
        open_store("etcd", tmp_path)


def test_a_new_store_has_nothing(store: Store) -> None:
    assert list(store.load_bindings()) == store.load_decisions() == store.load_incidents() == []
    assert store.load_uplinks() == store.load_core_gateways() == store.load_settings() == {}
    assert store.load_met_switches() == set()
    assert store.load_round("1") is None
    store.tidy()


def test_bindings_come_back_as_they_were_saved(store: Store) -> None:
    store.save_bindings(iter([BARE, BINDING]))
    assert {*store.load_bindings()} == {BINDING, BARE}
    store.tidy()
    assert {*store.load_bindings()} == {BINDING, BARE}


def test_of_two_bindings_of_a_prefix_the_latter_is_kept(store: Store) -> None:
    store.save_bindings([BINDING, BARE, BINDING._replace(mag="mag2", previous_mag="mag1")])
    assert {*store.load_bindings()} == {BINDING._replace(mag="mag2", previous_mag="mag1"), BARE}
    store.save_bindings([BINDING])
    assert {*store.load_bindings()} == {BINDING, BARE}


def test_bindings_that_are_deleted_are_gone_until_they_are_saved_again(store: Store) -> None:
    store.save_bindings([BINDING, BARE])
    store.delete_bindings(iter([BARE.prefix, prefix(3)]))
    assert [*store.load_bindings()] == [BINDING]
    store.save_bindings([BARE])
    assert {*store.load_bindings()} == {BINDING, BARE}


@pytest.mark.parametrize("method", ["save_bindings", "delete_bindings", "save_decisions"])
def test_a_batch_is_saved_whole_or_not_at_all(store: Store, method: str) -> None:
    store.save_bindings([BARE])

    def batch() -> Iterator[object]:
        yield {"save_bindings": BINDING, "delete_bindings": BARE.prefix, "save_decisions": record(1)}[method]
        raise RuntimeError("the source of the batch failed")

    with pytest.raises(RuntimeError):
        getattr(store, method)(batch())
    assert [*store.load_bindings()] == [BARE]
    assert store.load_decisions() == []
    store.save_bindings([BINDING])
    assert {*store.load_bindings()} == {BARE, BINDING}


def test_the_uplinks_of_the_mags_named_are_replaced_anchor_by_anchor(store: Store) -> None:
    store.save_uplinks({"mag1": {"lma1": ("lma2", "lma1", "lma2"), "lma2": ["lma2"]}})
    store.save_uplinks({"mag2": {"lma1": ("lma1",)}})
    store.save_uplinks({"mag1": {"lma1": ["lma1"]}})
    assert store.load_uplinks() == {"mag1": {"lma1": ("lma1",), "lma2": ("lma2",)}, "mag2": {"lma1": ("lma1",)}}


def test_the_last_core_gateway_of_an_lma_is_kept(store: Store) -> None:
    for lma, gateway in (("lma1", b"\2\0\0\0\0\1"), ("lma2", b"\2\0\0\0\0\1"), ("lma1", b"\2\0\0\0\0\2")):
        store.save_core_gateway(lma, gateway)
    assert store.load_core_gateways() == {"lma1": b"\2\0\0\0\0\2", "lma2": b"\2\0\0\0\0\1"}


def test_switches_that_were_met_are_told_once(store: Store) -> None:
    for name in ("mag1", "lma1", "mag1"):
        store.save_met_switch(name)
    assert store.load_met_switches() == {"mag1", "lma1"}


@pytest.mark.parametrize("value", [["lma1"], "static", 0, False, {"a": [1, None]}, 0.5])
def test_a_setting_is_any_json_value_and_none_forgets_it(store: Store, value: object) -> None:
    store.save_setting("kept", "kept")
    store.save_setting("name", "before")
    store.save_setting("name", value)
    assert store.load_settings() == {"kept": "kept", "name": value}
    store.save_setting("name", None)
    store.save_setting("never there", None)
    assert store.load_settings() == {"kept": "kept"}


def test_what_is_loaded_is_the_callers_to_change(store: Store) -> None:
    wish = ["lma1"]
    store.save_setting("drained", wish)
    wish.append("lma2")
    store.load_settings()["drained"].append("lma3")
    store.save_uplinks({"mag1": {"lma1": ["lma1"]}})
    store.load_uplinks()["mag1"].clear()
    store.load_core_gateways()["lma1"] = b""
    store.load_met_switches().add("lma1")
    store.load_incidents().append(Incident(1.0, "lma1", "died", "because"))
    assert store.load_settings() == {"drained": ["lma1"]}
    assert store.load_uplinks() == {"mag1": {"lma1": ("lma1",)}}
    assert (store.load_core_gateways(), store.load_met_switches(), store.load_incidents()) == ({}, set(), [])


def test_decisions_come_oldest_first_and_of_one_the_latest_state(store: Store) -> None:
    store.save_decisions([record(11), record(9, "mag2"), record(9, "mag1")])
    answered = replace(record(9), answers=(Answer("switch of mag1", DecisionOutcome.TIMED_OUT, 13.0, "timeout"),))
    store.save_decisions([answered])
    assert ids(store) == ["9-mag1", "9-mag2", "11-mag1"]
    assert store.load_decisions()[0] == answered


def test_the_last_decisions_are_kept_and_what_they_were_made_from(store: Store) -> None:
    for number in range(3):
        store.save_round(f"{number}", float(number), f"inputs {number}")
    store.save_decisions(record(number) for number in range(KEPT + 1))
    assert ids(store) == [f"{number}-mag1" for number in range(1, KEPT + 1)]
    assert [store.load_round(f"{number}") for number in range(4)] == [None, "inputs 1", "inputs 2", None]
    store.save_round("2", 2.0, "others")
    assert store.load_round("2") == "others"


def test_what_comes_after_the_wall_clock_was_set_back_is_the_latest_all_the_same(store: Store) -> None:
    numbers = [100, 101, *range(1, KEPT + 1)]
    for number in numbers:
        store.save_round(f"{number}", float(number), f"inputs {number}")
        store.save_decisions([record(number)])
    assert ids(store) == [f"{number}-mag1" for number in numbers[-KEPT:]]
    kept = [number for number in numbers if store.load_round(f"{number}") is not None]
    assert kept == numbers[-KEPT:]
    store.save_decisions([record(numbers[-KEPT])])
    assert ids(store) == [f"{number}-mag1" for number in numbers[-KEPT:]]


def test_the_last_incidents_are_kept_in_the_order_in_which_they_came(store: Store) -> None:
    for number in range(KEPT + 2):
        store.save_incident(Incident(float(KEPT - number), f"lma{number}", "died", "because"))
    incidents = store.load_incidents()
    assert len(incidents) == KEPT
    assert incidents[0] == Incident(float(KEPT - 2), "lma2", "died", "because")
    assert incidents[-1] == Incident(-1.0, f"lma{KEPT + 1}", "died", "because")


def reopened(name: str, directory: Path, fill: Callable[[Store], None]) -> Store:
    first = open_store(name, directory)
    fill(first)
    first.close()
    return open_store(name, directory)


def test_only_memory_forgets(tmp_path: Path) -> None:
    def fill(store: Store) -> None:
        store.save_bindings([BINDING])
        store.save_met_switch("lma1")

    for name in BACK_ENDS:
        again = reopened(name, tmp_path / name, fill)
        assert ([*again.load_bindings()], again.load_met_switches()) == (
            ([], set()) if name == "memory" else ([BINDING], {"lma1"})
        )
        again.close()
