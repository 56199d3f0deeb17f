from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.store import SqliteStore, Store, StoreError, batches
from ryu_pmipls.loadsharing import Answer, Decision, DecisionOutcome, Incident, Record


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


def record(number: int) -> Record:
    slots = {"lma1": (0, 1)}
    return Record(
        Decision(
            f"{number}-mag1", f"{number}", float(number), "mag1", "lma1", "lma2", slots, 0.0625, 0.5, 100.0, "because"
        )
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path, decisions_kept=3)
    yield opened
    opened.close()


def reopened(store: SqliteStore, directory: Path) -> Store:
    store.close()
    return SqliteStore(directory)


def test_an_empty_store_has_nothing(store: SqliteStore) -> None:
    assert list(store.load_bindings()) == store.load_decisions() == store.load_incidents() == []
    assert store.load_uplinks() == store.load_core_gateways() == store.load_settings() == {}


def test_everything_survives_a_restart(store: SqliteStore, tmp_path: Path) -> None:
    store.save_bindings([BARE, BINDING])
    store.save_uplinks({"mag1": {"lma1": ("lma2", "lma1", "lma2"), "lma2": ["lma2"]}})
    store.save_uplinks({"mag2": {"lma1": ("lma1",)}})
    store.save_setting("drained", ["lma1"])
    store.save_setting("policy", "static")
    store.save_core_gateway("lma1", bytes.fromhex("02000000000a"))
    died = Incident(1.25, "lma1", "died", "its switch is not connected")
    store.save_incident(died)
    answered = replace(record(1), answers=(Answer("mag1 switch", DecisionOutcome.ACKNOWLEDGED, 1.5),))
    store.save_decisions([answered])
    again = reopened(store, tmp_path)
    assert list(again.load_bindings()) == [BINDING, BARE]
    assert again.load_uplinks() == {
        "mag1": {"lma1": ("lma2", "lma1", "lma2"), "lma2": ("lma2",)},
        "mag2": {"lma1": ("lma1",)},
    }
    assert again.load_settings() == {"drained": ["lma1"], "policy": "static"}
    assert again.load_core_gateways() == {"lma1": bytes.fromhex("02000000000a")}
    assert again.load_decisions() == [answered]
    assert again.load_incidents() == [died]
    again.close()


def test_saving_replaces_and_deleting_forgets(store: SqliteStore) -> None:
    store.save_bindings([BINDING, BARE])
    moved = BINDING._replace(mag="mag2", previous_mag="mag1")
    store.save_bindings([BINDING, moved])
    store.delete_bindings([BARE.prefix, prefix(3)])
    assert list(store.load_bindings()) == [moved]
    store.save_bindings([BARE])
    assert list(store.load_bindings()) == [moved, BARE]
    store.save_uplinks({"mag1": {"lma1": ["lma1"], "lma2": ["lma2"]}})
    store.save_uplinks({"mag1": {"lma1": ["lma2"]}})
    assert store.load_uplinks() == {"mag1": {"lma1": ("lma2",), "lma2": ("lma2",)}}
    store.save_setting("drained", ["lma1"])
    store.save_setting("drained", ["lma2"])
    store.save_setting("policy", "static")
    store.save_setting("policy", None)
    assert store.load_settings() == {"drained": ["lma2"]}
    store.save_core_gateway("lma1", b"\2\0\0\0\0\1")
    store.save_core_gateway("lma1", b"\2\0\0\0\0\2")
    assert store.load_core_gateways() == {"lma1": b"\2\0\0\0\0\2"}


def test_the_last_decisions_are_kept(store: SqliteStore) -> None:
    for number in (9, 10, 11, 12):
        store.save_decisions([record(number)])
    store.save_decisions([replace(record(11), answers=(Answer("mag1 switch", DecisionOutcome.TIMED_OUT, 13.0),))])
    assert [kept.decision.id for kept in store.load_decisions()] == ["10-mag1", "11-mag1", "12-mag1"]
    assert [kept.outcome.value for kept in store.load_decisions()] == ["pending", "timed out", "pending"]


def test_the_last_incidents_are_kept(store: SqliteStore) -> None:
    for number in range(5):
        store.save_incident(Incident(9.0 - number, "lma1", "died", "because"))
    assert [incident.time for incident in store.load_incidents()] == [7.0, 6.0, 5.0]


def test_a_batch_is_saved_whole_or_not_at_all(store: SqliteStore) -> None:
    def batch() -> Iterator[Binding]:
        yield BINDING
        raise RuntimeError("the source of the batch failed")

    with pytest.raises(RuntimeError):
        store.save_bindings(batch())
    assert list(store.load_bindings()) == []
    store.save_bindings([BARE])
    assert list(store.load_bindings()) == [BARE]


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
    assert list(store.load_bindings()) == [BINDING]


def test_a_newer_schema_is_refused_and_left_alone(store: SqliteStore, tmp_path: Path) -> None:
    store.save_bindings([BINDING])
    store.close()
    raw = sqlite3.connect(tmp_path / "rms.sqlite")
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(StoreError, match=r"schema 99, this one knows up to 4.*move .*rms\.sqlite\* out of the way"):
        SqliteStore(tmp_path)
    raw = sqlite3.connect(tmp_path / "rms.sqlite")
    assert raw.execute("SELECT count(*) FROM batch").fetchone() == (1,)
    raw.close()


def assert_damaged_and_way_out_works(directory: Path) -> None:
    with pytest.raises(StoreError, match=r"rms\.sqlite: damaged .*move .*rms\.sqlite\* out of the way"):
        list(SqliteStore(directory).load_bindings())
    (directory / "aside").mkdir()
    for file in directory.glob("rms.sqlite*"):
        file.rename(directory / "aside" / file.name)
    fresh = SqliteStore(directory)
    assert list(fresh.load_bindings()) == []
    fresh.close()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "rms.sqlite").write_bytes(b"not a database at all" * 100)
    assert_damaged_and_way_out_works(tmp_path)


def fill(store: SqliteStore, directory: Path) -> None:
    """Have so many bindings in the table of bindings that it has several pages."""
    store.save_bindings(BARE._replace(prefix=prefix(n)) for n in range(2000))
    store.close()
    SqliteStore(directory).close()


@pytest.mark.parametrize("page", [1, 2, 3])
def test_an_overwritten_page(store: SqliteStore, tmp_path: Path, page: int) -> None:
    fill(store, tmp_path)
    with (tmp_path / "rms.sqlite").open("r+b") as file:
        file.seek(page * 4096)
        file.write(b"\xa5" * 4096)
    assert_damaged_and_way_out_works(tmp_path)


def test_a_truncated_file(store: SqliteStore, tmp_path: Path) -> None:
    fill(store, tmp_path)
    with (tmp_path / "rms.sqlite").open("r+b") as file:
        file.truncate(5 * 4096)
    assert_damaged_and_way_out_works(tmp_path)


def test_a_damaged_row(store: SqliteStore, tmp_path: Path) -> None:
    store.save_bindings([BINDING])
    assert list(store.load_bindings()) == [BINDING]
    store._database.execute("UPDATE binding SET prefix = replace(prefix, '0', 'x')")
    store.close()
    assert_damaged_and_way_out_works(tmp_path)


def test_a_damaged_batch(store: SqliteStore, tmp_path: Path) -> None:
    store.save_bindings([BINDING])
    store._database.execute("UPDATE batch SET entries = substr(entries, 1, 20)")
    store.close()
    assert_damaged_and_way_out_works(tmp_path)


FIRST_SCHEMA = """
    CREATE TABLE binding (prefix BLOB NOT NULL, prefix_length INTEGER NOT NULL, mag TEXT, previous_mag TEXT,
        identifier TEXT, link_layer_address BLOB, port INTEGER, anchor TEXT, timestamp INTEGER NOT NULL,
        PRIMARY KEY (prefix, prefix_length)) STRICT, WITHOUT ROWID;
    CREATE TABLE uplink (mag TEXT NOT NULL, anchor TEXT NOT NULL, lma TEXT NOT NULL,
        PRIMARY KEY (mag, anchor)) STRICT, WITHOUT ROWID;
    CREATE TABLE core_gateway (lma TEXT PRIMARY KEY NOT NULL, link_layer_address BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE decision (id TEXT PRIMARY KEY NOT NULL, time REAL NOT NULL, record TEXT NOT NULL) STRICT;
    CREATE INDEX decision_by_time ON decision (time, id);
    INSERT INTO binding VALUES
        (x'20010db8010000010000000000000000', 64, 'mag1', NULL, 'mn1@example.net', x'020000000101', 3, 'lma1',
            111411200000000),
        (x'20010db8010000020000000000000000', 64, NULL, 'mag2', NULL, NULL, NULL, NULL, 1);
    INSERT INTO uplink VALUES ('mag1', 'lma1', 'lma2'), ('mag1', 'lma2', 'lma2');
    INSERT INTO core_gateway VALUES ('lma1', x'02000000000a');
    PRAGMA user_version = 1;
"""


def test_a_store_of_the_first_release_is_taken_over(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "rms.sqlite")
    old.executescript(FIRST_SCHEMA)
    old.execute("INSERT INTO decision VALUES ('1-mag1', 1.0, ?)", (record(1).to_json(),))
    old.commit()
    old.close()
    for _ in range(2):
        store = SqliteStore(tmp_path)
        assert list(store.load_bindings()) == [BINDING, BARE]
        assert store.load_uplinks() == {"mag1": {"lma1": ("lma2",), "lma2": ("lma2",)}}
        assert store.load_core_gateways() == {"lma1": bytes.fromhex("02000000000a")}
        assert store.load_decisions() == []  # they did not tell what they were made from
        assert store.load_settings() == {}
        store.close()


def test_a_migration_that_fails_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "rms.sqlite")
    old.executescript(FIRST_SCHEMA + "CREATE TABLE setting (this_is_in_the_way);")
    old.close()
    with pytest.raises(StoreError, match="setting already exists"):
        SqliteStore(tmp_path)
    old = sqlite3.connect(tmp_path / "rms.sqlite")
    assert old.execute("PRAGMA user_version").fetchone() == (1,)
    old.executescript("DROP TABLE setting")
    old.close()
    store = SqliteStore(tmp_path)
    assert list(store.load_bindings()) == [BINDING, BARE]
    store.close()


def test_the_store_works_in_another_thread(store: SqliteStore) -> None:
    worker = threading.Thread(target=store.save_bindings, args=([BINDING],))
    worker.start()
    worker.join()
    assert list(store.load_bindings()) == [BINDING]


NAMES = st.none() | st.sampled_from(["mag1", "mag2"])
BINDINGS = st.builds(
    Binding,
    prefix=st.integers(0, 5).map(prefix) | st.sampled_from([bytes(8), b"\xff" * 8]),
    mag=NAMES,
    previous_mag=NAMES,
    identifier=st.none() | st.text(min_size=1),
    link_layer_address=st.none() | st.binary(min_size=1, max_size=8),
    port=st.none() | st.integers(1, 2**32 - 1),
    anchor=st.none() | st.sampled_from(["lma1", "lma2"]),
    timestamp=st.integers(0, 2**63 - 1),
)
ACTIONS = st.lists(
    st.lists(BINDINGS, max_size=4)
    | st.lists(st.integers(0, 5).map(prefix), max_size=3)
    | st.sampled_from(["tidy", "load", "reopen"]),
    max_size=12,
)


@given(actions=ACTIONS, most_waiting=st.integers(0, 8), piece=st.integers(1, 4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_store_holds_what_was_saved_last_whatever_is_folded_when(
    actions: list[str | list[Binding] | list[bytes]],
    most_waiting: int,
    piece: int,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "_MOST_WAITING", most_waiting)
    monkeypatch.setattr(batches, "_SLICE", piece)
    directory = tmp_path_factory.mktemp("store")
    store, expected = SqliteStore(directory), {}
    for action in actions:
        if action == "tidy":
            store.tidy()
        elif action == "load":
            list(store.load_bindings())
        elif action == "reopen":
            store.close()
            store = SqliteStore(directory)
        elif action and isinstance(action[0], Binding):
            store.save_bindings(binding for binding in action if isinstance(binding, Binding))
            for binding in action:
                assert isinstance(binding, Binding)
                expected[binding.prefix] = binding._replace(
                    identifier=binding.identifier and binding.identifier.replace("\0", "\ufffd")
                )
        else:
            forgotten = [octets for octets in action if isinstance(octets, bytes)]
            store.delete_bindings(forgotten)
            for octets in forgotten:
                expected.pop(octets, None)
        assert store._batches._entries_waiting <= most_waiting or len(store._batches._waiting) <= 1
    assert {binding.prefix: binding for binding in store.load_bindings()} == expected
    store.close()


def test_what_waits_is_folded_when_it_is_quiet(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_SLICE", 4)

    def waiting() -> int:
        (count,) = store._database.execute("SELECT count(*) FROM batch").fetchone()
        assert isinstance(count, int)
        return count

    for number in range(8):
        store.save_bindings([BARE._replace(prefix=prefix(number))])
    store.tidy()
    assert waiting() == 8  # for much has come since the last time
    store.tidy()
    assert waiting() == 4
    store.tidy()
    store.tidy()
    assert waiting() == 0
    assert len(list(store.load_bindings())) == 8


#: Writes bindings until there are as many as it is told, and waits to be killed.
WRITER = """
import sys, time
from pathlib import Path
from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.store import SqliteStore

store = SqliteStore(Path(sys.argv[1]))
number = len(list(store.load_bindings()))
while number < float(sys.argv[2]):
    batch = [
        Binding(n.to_bytes(8, "big"), "mag1", None, None, None, n, None, n) for n in range(number, number + 7)
    ]
    store.save_bindings(batch)
    number += 7
    print(number, flush=True)
time.sleep(600)
"""


def test_what_was_acknowledged_survives_sigkill(tmp_path: Path) -> None:
    acknowledged = 0
    for commits in (1, 5, 23):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), "inf"], stdout=subprocess.PIPE, text=True
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


def test_a_torn_log_costs_only_what_is_behind_the_tear(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path), "420"], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        # More would not all be in the log any more: SQLite moves it into the database, 1000 pages at a time.
        acknowledged = [int(writer.stdout.readline()) for _ in range(60)][-1]
        writer.kill()
    database, log = tmp_path / "rms.sqlite", tmp_path / "rms.sqlite-wal"
    octets = {file: file.read_bytes() for file in (database, log)}
    counts = []
    for length in (0, 31, 32, 5000, 40000, 100000, None):
        database.write_bytes(octets[database])
        log.write_bytes(octets[log][:length] + b"\xa5" * 3000)
        store = SqliteStore(tmp_path)
        kept = [binding.timestamp for binding in store.load_bindings()]
        store.close()
        assert kept == list(range(len(kept)))
        assert len(kept) % 7 == 0
        counts.append(len(kept))
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert 0 < counts[-2] < acknowledged <= counts[-1]


def test_what_decisions_were_made_from_is_kept_as_long_as_they_are(store: SqliteStore) -> None:
    for number in (9, 10, 11, 12):
        store.save_round(f"{number}", float(number), f'{{"round": {number}}}')
        store.save_decisions([record(number)])
    assert [store.load_round(name) for name in ("9", "10", "12", "13")] == [
        None,
        '{"round": 10}',
        '{"round": 12}',
        None,
    ]


def test_only_its_user_can_read_it_even_when_others_could_before(tmp_path: Path) -> None:
    for _ in range(2):
        store = SqliteStore(tmp_path)
        store.save_bindings([BINDING])
        files = [*tmp_path.glob("rms.sqlite*")]
        assert len(files) >= 2 and {file.stat().st_mode & 0o777 for file in files} == {0o600}
        store.close()
        for file in tmp_path.glob("rms.sqlite*"):
            file.chmod(0o644)
