"""The embedded store: one SQLite file, nothing to configure."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import IPv6Network
from pathlib import Path

from ryu_pmipls.loadsharing import Record
from ryu_pmipls.routing import Binding
from ryu_pmipls.store.interface import StoreError

FILE_NAME = "rms.sqlite"

#: Each brings the schema from the version that is its index to the next; ``PRAGMA user_version`` holds the version.
_MIGRATIONS = (
    """
    CREATE TABLE binding (
        prefix BLOB NOT NULL,  -- 16 octets
        prefix_length INTEGER NOT NULL,
        mag TEXT,
        previous_mag TEXT,
        identifier TEXT,
        link_layer_address BLOB,
        port INTEGER,
        anchor TEXT,
        timestamp INTEGER NOT NULL,  -- 1/65536 s
        PRIMARY KEY (prefix, prefix_length)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE uplink (
        mag TEXT NOT NULL,
        anchor TEXT NOT NULL,
        lma TEXT NOT NULL,
        PRIMARY KEY (mag, anchor)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE core_gateway (
        lma TEXT PRIMARY KEY NOT NULL,
        link_layer_address BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE decision (
        id TEXT PRIMARY KEY NOT NULL,
        time REAL NOT NULL,
        record TEXT NOT NULL  -- JSON
    ) STRICT;
    CREATE INDEX decision_by_time ON decision (time, id);
    """,
)


class SqliteStore:
    """A store in ``directory`` (made if need be), which keeps the last ``decisions_kept`` decisions.

    A commit is on the disk when it returns (write-ahead log with ``synchronous=FULL``): a Route_adjust that the RMS has
    answered must survive a power failure, and with ``NORMAL`` it only survives a crash of the process. The price is one
    fsync, for which the RMS waits, in each call that saves; so many bindings are best saved in one. The file is locked
    while the store is open, so that a second RMS cannot write to it.
    """

    def __init__(self, directory: Path, *, decisions_kept: int = 1000) -> None:
        self._path = directory / FILE_NAME
        self._decisions_kept = decisions_kept
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{directory}: the state directory cannot be made: {error.strerror}") from error
        with self._explained():
            self._database = sqlite3.connect(self._path, timeout=2.0, isolation_level=None)
        try:
            with self._explained():
                self._open()
        except StoreError:
            self._database.close()
            raise

    def _open(self) -> None:
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        (verdict,) = self._database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(" ".join(verdict.split()))
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version > len(_MIGRATIONS):
            raise StoreError(
                f"{self._path}: written by a newer release (schema {version}, this one knows up to "
                f"{len(_MIGRATIONS)}); run that release, or {self._way_out()}"
            )
        for number, script in enumerate(_MIGRATIONS[version:], start=version + 1):
            self._database.executescript(f"BEGIN EXCLUSIVE; {script} PRAGMA user_version = {number}; COMMIT;")
        # The lock is only taken by a first write, which there is not when the schema is up to date.
        with self._transaction():
            pass

    def save_bindings(self, bindings: Iterable[Binding]) -> None:
        with self._transaction():
            self._database.executemany(
                "INSERT OR REPLACE INTO binding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        *_key(binding.prefix),
                        binding.mag,
                        binding.previous_mag,
                        binding.identifier,
                        binding.link_layer_address,
                        binding.port,
                        binding.anchor,
                        binding.timestamp,
                    )
                    for binding in bindings
                ),
            )

    def delete_bindings(self, prefixes: Iterable[IPv6Network]) -> None:
        with self._transaction():
            self._database.executemany(
                "DELETE FROM binding WHERE prefix = ? AND prefix_length = ?", (_key(prefix) for prefix in prefixes)
            )

    def load_bindings(self) -> list[Binding]:
        with self._explained():
            rows = self._database.execute("SELECT * FROM binding ORDER BY prefix, prefix_length")
            return [Binding(IPv6Network((prefix, length)), *rest) for prefix, length, *rest in rows]

    def save_uplinks(self, mag: str, carriers: Mapping[str, str]) -> None:
        with self._transaction():
            self._database.executemany(
                "INSERT OR REPLACE INTO uplink VALUES (?, ?, ?)",
                ((mag, anchor, lma) for anchor, lma in carriers.items()),
            )

    def load_uplinks(self) -> dict[str, dict[str, str]]:
        uplinks: dict[str, dict[str, str]] = {}
        with self._explained():
            for mag, anchor, lma in self._database.execute("SELECT * FROM uplink ORDER BY mag, anchor"):
                uplinks.setdefault(mag, {})[anchor] = lma
        return uplinks

    def save_core_gateway(self, lma: str, link_layer_address: bytes) -> None:
        with self._transaction():
            self._database.execute("INSERT OR REPLACE INTO core_gateway VALUES (?, ?)", (lma, link_layer_address))

    def load_core_gateways(self) -> dict[str, bytes]:
        with self._explained():
            return dict(self._database.execute("SELECT * FROM core_gateway ORDER BY lma").fetchall())

    def save_decision(self, record: Record) -> None:
        with self._transaction():
            self._database.execute(
                "INSERT OR REPLACE INTO decision VALUES (?, ?, ?)",
                (record.decision.id, record.decision.time, record.to_json()),
            )
            self._database.execute(
                "DELETE FROM decision WHERE id IN "
                "(SELECT id FROM decision ORDER BY time DESC, id DESC LIMIT -1 OFFSET ?)",
                (self._decisions_kept,),
            )

    def load_decisions(self) -> list[Record]:
        with self._explained():
            rows = self._database.execute("SELECT record FROM decision ORDER BY time, id")
            return [Record.from_json(text) for (text,) in rows]

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._explained():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:  # some failures have rolled it back already
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what SQLite or a reader of its rows complains of into a ``StoreError``."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise StoreError(f"{self._path}: in use by another process; only one RMS may run on a store") from error
            raise StoreError(f"{self._path}: cannot be read or written: {error}") from error
        except sqlite3.ProgrammingError:
            raise  # a fault of the caller, not of the file
        except (sqlite3.Error, ValueError) as error:
            text = " ".join(str(error).split())
            raise StoreError(f"{self._path}: damaged ({text}); {self._way_out()}") from error

    def _way_out(self) -> str:
        return (
            f"stop the RMS, move {self._path}* out of the way and start again: the RMS then begins with an empty "
            "store, and learns where a mobile node is when it next attaches or moves"
        )


def _key(prefix: IPv6Network) -> tuple[bytes, int]:
    return prefix.network_address.packed, prefix.prefixlen
