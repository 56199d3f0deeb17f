"""The embedded store: one SQLite file, nothing to configure."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.store.batches import Batches
from ryu_pmipls.controller.store.database import MIGRATIONS, transaction
from ryu_pmipls.controller.store.interface import StoreError, in_order
from ryu_pmipls.loadsharing import Incident, Record

FILE_NAME = "rms.sqlite"

#: Pages in the write-ahead log at which a commit copies them into the database, in 3 to 9 ms. (With 4096 pages that
#: took 35 ms. The smaller log causes no more writing: batches of bindings rarely share a page.)
_LOG_PAGES = 256
#: Initial octets of the log, header and pages: room for what a large transaction adds to ``_LOG_PAGES``.
_LOG_SIZE = 32 + 16 * _LOG_PAGES * (24 + 4096)
_CACHE_SIZE = 64 * 2**10  # KiB


class SqliteStore:
    """A store in ``directory`` (made if need be), with the last ``decisions_kept`` decisions, and incidents.

    A commit is on the disk when it returns (write-ahead log with ``synchronous=FULL``): a Route_adjust that the RMS has
    answered must survive a power failure, and with ``NORMAL`` it only survives a crash of the process. The price is one
    fsync in each call that saves, so save many bindings in one call. The store locks the file while it is open, so that
    a second RMS cannot write to it. A call holds Python's global lock only while it encodes or decodes, not while
    SQLite works.
    """

    def __init__(self, directory: Path, *, decisions_kept: int = 1000) -> None:
        self._path = directory / FILE_NAME
        self._decisions_kept = decisions_kept
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{directory}: the state directory cannot be made: {error.strerror}") from error
        _make_private(self._path)
        with self._explained():
            self._database = sqlite3.connect(self._path, timeout=2.0, isolation_level=None, check_same_thread=False)
        try:
            with self._explained():
                self._open()
                self._batches = Batches(self._database)
                self._extend_log()
        except StoreError:
            self._database.close()
            raise

    def _open(self) -> None:
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")  # the first write takes the lock
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        self._database.execute(f"PRAGMA cache_size = -{_CACHE_SIZE}")
        self._database.execute("PRAGMA temp_store = MEMORY")
        (verdict,) = self._database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(" ".join(verdict.split()))
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise StoreError(
                f"{self._path}: written by a newer release (schema {version}, this one knows up to "
                f"{len(MIGRATIONS)}); run that release, or {self._way_out()}"
            )
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            self._database.executescript(f"BEGIN EXCLUSIVE; {script} PRAGMA user_version = {number}; COMMIT;")

    def _extend_log(self) -> None:
        """Extend the log to its later length.

        Then only the octets must get to the disk, not the file's length and block list with each commit (ext4: 0.2 ms
        instead of 4 ms). SQLite ignores everything behind its last commit.
        """
        with Path(f"{self._path}-wal").open("r+b") as log:
            log.write(bytes(max(0, _LOG_SIZE - log.seek(0, os.SEEK_END))))
            log.flush()
            os.fsync(log.fileno())

    def save_bindings(self, bindings: Iterable[Binding]) -> None:
        with self._explained():
            self._batches.save(bindings)

    def delete_bindings(self, prefixes: Iterable[bytes]) -> None:
        with self._explained():
            self._batches.delete(prefixes)

    def load_bindings(self) -> Iterator[Binding]:
        with self._explained():
            yield from self._batches.load()

    def save_uplinks(self, uplinks: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        with self._explained(), transaction(self._database):
            self._database.executemany(
                "INSERT OR REPLACE INTO uplink VALUES (?, ?, ?)",
                (
                    (mag, anchor, json.dumps(lmas))
                    for mag, carriers in uplinks.items()
                    for anchor, lmas in carriers.items()
                ),
            )

    def load_uplinks(self) -> dict[str, dict[str, tuple[str, ...]]]:
        uplinks: dict[str, dict[str, tuple[str, ...]]] = {}
        with self._explained():
            for mag, anchor, lmas in self._database.execute("SELECT * FROM uplink ORDER BY mag, anchor"):
                uplinks.setdefault(mag, {})[anchor] = tuple(json.loads(lmas))
        return uplinks

    def save_core_gateway(self, lma: str, link_layer_address: bytes) -> None:
        with self._explained():
            self._database.execute("INSERT OR REPLACE INTO core_gateway VALUES (?, ?)", (lma, link_layer_address))

    def load_core_gateways(self) -> dict[str, bytes]:
        with self._explained():
            return dict(self._database.execute("SELECT * FROM core_gateway ORDER BY lma").fetchall())

    def save_met_switch(self, name: str) -> None:
        with self._explained():
            self._database.execute("INSERT OR REPLACE INTO met_switch VALUES (?)", (name,))

    def load_met_switches(self) -> set[str]:
        with self._explained():
            return {name for (name,) in self._database.execute("SELECT name FROM met_switch")}

    def save_setting(self, name: str, value: Any) -> None:
        with self._explained():
            if value is None:
                self._database.execute("DELETE FROM setting WHERE name = ?", (name,))
            else:
                self._database.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, json.dumps(value)))

    def load_settings(self) -> dict[str, Any]:
        with self._explained():
            rows = self._database.execute("SELECT * FROM setting ORDER BY name")
            return {name: json.loads(value) for name, value in rows}

    def save_round(self, name: str, time: float, inputs: str) -> None:
        with self._explained():
            self._database.execute(
                "INSERT INTO round VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET inputs = excluded.inputs",
                (name, time, inputs),
            )

    def load_round(self, name: str) -> str | None:
        with self._explained():
            row = self._database.execute("SELECT inputs FROM round WHERE id = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def save_decisions(self, records: Iterable[Record]) -> None:
        # Rows stay in the order of their coming: the wall clock, which dates them, may have been set back.
        with self._explained(), transaction(self._database):
            self._database.executemany(
                "INSERT INTO decision VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET record = excluded.record",
                ((each.decision.id, each.decision.time, each.to_json()) for each in in_order(records)),
            )
            self._database.execute(
                "DELETE FROM decision WHERE id IN (SELECT id FROM decision ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
                (self._decisions_kept,),
            )
            oldest = self._database.execute("SELECT record FROM decision ORDER BY rowid LIMIT 1").fetchone()
            if oldest is not None:
                made_in = Record.from_json(oldest[0]).decision.round
                self._database.execute(
                    "DELETE FROM round WHERE rowid < (SELECT rowid FROM round WHERE id = ?)", (made_in,)
                )

    def load_decisions(self) -> list[Record]:
        with self._explained():
            rows = self._database.execute("SELECT record FROM decision ORDER BY rowid")
            return [Record.from_json(text) for (text,) in rows]

    def save_incident(self, incident: Incident) -> None:
        values = incident.time, incident.lma, incident.kind, incident.reason
        with self._explained(), transaction(self._database):
            self._database.execute("INSERT INTO incident (time, lma, kind, reason) VALUES (?, ?, ?, ?)", values)
            self._database.execute(
                "DELETE FROM incident WHERE number <= (SELECT max(number) FROM incident) - ?", (self._decisions_kept,)
            )

    def load_incidents(self) -> list[Incident]:
        with self._explained():
            rows = self._database.execute("SELECT time, lma, kind, reason FROM incident ORDER BY number")
            return [Incident(*row) for row in rows]

    def tidy(self) -> None:
        with self._explained():
            self._batches.tidy()

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn errors of SQLite, the system or a reader of its rows into a ``StoreError``."""
        try:
            yield
        except sqlite3.ProgrammingError:
            raise  # a fault of the caller, not of the file
        except (sqlite3.Error, OSError, ValueError) as error:
            text = " ".join(str(error).split())
            if isinstance(error, sqlite3.OperationalError) and "locked" in text:
                explanation = "in use by another process; only one RMS may run on a store"
            elif isinstance(error, (sqlite3.OperationalError, OSError)) and "malformed" not in text:
                explanation = (
                    f"cannot be read or written ({text}); the RMS needs the right to do so, and room on the disk"
                )
            else:
                explanation = f"damaged ({text}); {self._way_out()}"
            raise StoreError(f"{self._path}: {explanation}") from error

    def _way_out(self) -> str:
        return (
            f"stop the RMS, move {self._path}* out of the way and start again: the RMS then begins with an empty "
            "store, and learns from the switches and the MAGs where mobile nodes are"
        )


def _make_private(path: Path) -> None:
    """Let only this user read the file and SQLite's others beside it, which get the mode of the first when made."""
    with suppress(OSError):  # SQLite says what is wrong
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    for each in (path, *path.parent.glob(f"{path.name}-*")):
        with suppress(OSError):
            each.chmod(0o600)
