from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv6Network
from pathlib import Path

import pytest

from ryu_pmipls.loadsharing import Answer, Decision, LoadSnapshot, Outcome, Record
from ryu_pmipls.routing import Binding
from ryu_pmipls.store import SqliteStore, Store, StoreError

BINDING = Binding(
    prefix=IPv6Network("2001:db8:100:1::/64"),
    mag="mag1",
    previous_mag=None,
    identifier="mn1@example.net",
    link_layer_address=bytes.fromhex("020000000101"),
    port=3,
    anchor="lma1",
    timestamp=1_700_000_000 * 65536,
)
BARE = Binding(IPv6Network("2001:db8:100:2::/64"), None, "mag2", None, None, None, None, 1)


def record(number: int) -> Record:
    shot = LoadSnapshot(float(number), 10.0, ())
    return Record(Decision(f"{number}-mag1", float(number), "mag1", "lma1", "lma2", ("lma1",), 0.5, "because", shot))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path, decisions_kept=3)
    yield opened
    opened.close()


def reopened(store: SqliteStore, directory: Path) -> Store:
    store.close()
    return SqliteStore(directory)


def test_an_empty_store_has_nothing(store: SqliteStore) -> None:
    assert (store.load_bindings(), store.load_uplinks(), store.load_core_gateways(), store.load_decisions()) == (
        [],
        {},
        {},
        [],
    )


def test_everything_survives_a_restart(store: SqliteStore, tmp_path: Path) -> None:
    store.save_bindings([BARE, BINDING])
    store.save_uplinks("mag1", {"lma1": "lma2", "lma2": "lma2"})
    store.save_uplinks("mag2", {"lma1": "lma1"})
    store.save_core_gateway("lma1", bytes.fromhex("02000000000a"))
    answered = replace(record(1), answers=(Answer("mag1 switch", Outcome.ACKNOWLEDGED, 1.5),))
    store.save_decision(answered)
    again = reopened(store, tmp_path)
    assert again.load_bindings() == [BINDING, BARE]
    assert again.load_uplinks() == {"mag1": {"lma1": "lma2", "lma2": "lma2"}, "mag2": {"lma1": "lma1"}}
    assert again.load_core_gateways() == {"lma1": bytes.fromhex("02000000000a")}
    assert again.load_decisions() == [answered]
    again.close()


def test_saving_replaces_and_deleting_forgets(store: SqliteStore) -> None:
    store.save_bindings([BINDING, BARE])
    moved = replace(BINDING, mag="mag2", previous_mag="mag1")
    store.save_bindings([moved])
    store.delete_bindings([BARE.prefix, IPv6Network("2001:db8:100:3::/64")])
    assert store.load_bindings() == [moved]
    store.save_uplinks("mag1", {"lma1": "lma1", "lma2": "lma2"})
    store.save_uplinks("mag1", {"lma1": "lma2"})
    assert store.load_uplinks() == {"mag1": {"lma1": "lma2", "lma2": "lma2"}}
    store.save_core_gateway("lma1", b"\2\0\0\0\0\1")
    store.save_core_gateway("lma1", b"\2\0\0\0\0\2")
    assert store.load_core_gateways() == {"lma1": b"\2\0\0\0\0\2"}


def test_the_last_decisions_are_kept(store: SqliteStore) -> None:
    for number in (9, 10, 11, 12):
        store.save_decision(record(number))
    store.save_decision(replace(record(11), answers=(Answer("mag1 switch", Outcome.TIMED_OUT, 13.0),)))
    assert [kept.decision.id for kept in store.load_decisions()] == ["10-mag1", "11-mag1", "12-mag1"]
    assert [kept.outcome.value for kept in store.load_decisions()] == ["pending", "timed out", "pending"]


def test_a_batch_is_saved_whole_or_not_at_all(store: SqliteStore) -> None:
    def batch() -> Iterator[Binding]:
        yield BINDING
        raise RuntimeError("the source of the batch failed")

    with pytest.raises(RuntimeError):
        store.save_bindings(batch())
    assert store.load_bindings() == []
    store.save_bindings([BARE])
    assert store.load_bindings() == [BARE]


def test_commits_are_synchronous(store: SqliteStore) -> None:
    """FULL (2): what was saved survives a power failure, which a test cannot bring about."""
    assert store._database.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_directory_is_made_or_the_error_names_it(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "a" / "b").close()
    assert (tmp_path / "a" / "b" / "rms.sqlite").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/state: the state directory cannot be made"):
        SqliteStore(tmp_path / "file" / "state")


def test_a_second_rms_is_refused(store: SqliteStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="in use by another process"):
        SqliteStore(tmp_path)
    store.save_bindings([BINDING])
    assert store.load_bindings() == [BINDING]


def test_a_newer_schema_is_refused_and_left_alone(store: SqliteStore, tmp_path: Path) -> None:
    store.save_bindings([BINDING])
    store.close()
    raw = sqlite3.connect(tmp_path / "rms.sqlite")
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(StoreError, match=r"schema 99, this one knows up to 1.*move .*rms\.sqlite\* out of the way"):
        SqliteStore(tmp_path)
    raw = sqlite3.connect(tmp_path / "rms.sqlite")
    assert raw.execute("SELECT count(*) FROM binding").fetchone() == (1,)
    raw.close()


def assert_damaged_and_way_out_works(directory: Path) -> None:
    with pytest.raises(StoreError, match=r"rms\.sqlite: damaged .*move .*rms\.sqlite\* out of the way"):
        SqliteStore(directory).load_bindings()
    (directory / "aside").mkdir()
    for file in directory.glob("rms.sqlite*"):
        file.rename(directory / "aside" / file.name)
    fresh = SqliteStore(directory)
    assert fresh.load_bindings() == []
    fresh.close()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "rms.sqlite").write_bytes(b"not a database at all" * 100)
    assert_damaged_and_way_out_works(tmp_path)


@pytest.mark.parametrize("page", [1, 2, 3])
def test_an_overwritten_page(store: SqliteStore, tmp_path: Path, page: int) -> None:
    store.save_bindings(replace(BARE, prefix=IPv6Network((n << 64, 64))) for n in range(2000))
    store.close()
    with (tmp_path / "rms.sqlite").open("r+b") as file:
        file.seek(page * 4096)
        file.write(b"\xa5" * 4096)
    assert_damaged_and_way_out_works(tmp_path)


def test_a_truncated_file(store: SqliteStore, tmp_path: Path) -> None:
    store.save_bindings(replace(BARE, prefix=IPv6Network((n << 64, 64))) for n in range(2000))
    store.close()
    with (tmp_path / "rms.sqlite").open("r+b") as file:
        file.truncate(5 * 4096)
    assert_damaged_and_way_out_works(tmp_path)


def test_a_damaged_row(store: SqliteStore, tmp_path: Path) -> None:
    store.save_bindings([BINDING])
    store._database.execute("UPDATE binding SET prefix_length = 300")
    store.close()
    assert_damaged_and_way_out_works(tmp_path)


ENDLESS_WRITER = """
import sys
from dataclasses import replace
from ipaddress import IPv6Network
from pathlib import Path
from ryu_pmipls.routing import Binding
from ryu_pmipls.store import SqliteStore

store = SqliteStore(Path(sys.argv[1]))
number = len(store.load_bindings())
while True:
    batch = [
        Binding(IPv6Network((n << 64, 64)), "mag1", None, None, None, n, None, n) for n in range(number, number + 7)
    ]
    store.save_bindings(batch)
    number += 7
    print(number, flush=True)
"""


def test_what_was_acknowledged_survives_sigkill(tmp_path: Path) -> None:
    acknowledged = 0
    for commits in (1, 5, 23):
        with subprocess.Popen(
            [sys.executable, "-c", ENDLESS_WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for _ in range(commits):
                acknowledged = int(writer.stdout.readline())
            writer.kill()
            # What it printed until it died was committed as well.
            acknowledged = max([acknowledged, *map(int, writer.stdout.read().split())])
        store = SqliteStore(tmp_path)
        kept = [binding.timestamp for binding in store.load_bindings()]
        store.close()
        assert kept == list(range(len(kept)))
        assert len(kept) >= acknowledged
        assert len(kept) % 7 == 0
