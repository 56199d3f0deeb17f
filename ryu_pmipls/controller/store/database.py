"""The database of the embedded store: its tables, their migration from older releases, and transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

#: Scripts that bring the schema from the version that is their index to the next; ``PRAGMA user_version`` holds it.
MIGRATIONS = (
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
    """
    ALTER TABLE binding RENAME TO binding_1;
    CREATE TABLE binding (
        prefix TEXT PRIMARY KEY NOT NULL CHECK (length(prefix) = 16),  -- 64 bits, hexadecimal
        mag TEXT,
        previous_mag TEXT,
        identifier TEXT,
        link_layer_address TEXT,  -- hexadecimal
        port INTEGER,
        anchor TEXT,
        timestamp INTEGER  -- 1/65536 s; null: to be deleted
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX deleted_binding ON binding (prefix) WHERE timestamp IS NULL;
    INSERT INTO binding
        SELECT lower(hex(substr(prefix, 1, 8))), mag, previous_mag, identifier,
            nullif(lower(hex(link_layer_address)), ''), port, anchor, timestamp
        FROM binding_1 WHERE prefix_length = 64;
    DROP TABLE binding_1;
    CREATE TABLE batch (
        number INTEGER PRIMARY KEY NOT NULL,
        entries TEXT NOT NULL  -- JSON: a list of lists, each a row for the table binding
    ) STRICT;

    ALTER TABLE uplink RENAME TO uplink_1;
    CREATE TABLE uplink (
        mag TEXT NOT NULL,
        anchor TEXT NOT NULL,
        lmas TEXT NOT NULL,  -- JSON: a list of names
        PRIMARY KEY (mag, anchor)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO uplink SELECT mag, anchor, json_array(lma) FROM uplink_1;
    DROP TABLE uplink_1;

    CREATE TABLE met_switch (
        name TEXT PRIMARY KEY NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE setting (
        name TEXT PRIMARY KEY NOT NULL,
        value TEXT NOT NULL  -- JSON
    ) STRICT, WITHOUT ROWID;
    """,
    """
    DELETE FROM decision;  -- those of older releases do not have their inputs
    CREATE TABLE round (
        id TEXT PRIMARY KEY NOT NULL,
        time REAL NOT NULL,
        inputs TEXT NOT NULL  -- JSON
    ) STRICT;
    """,
    """
    CREATE TABLE incident (
        number INTEGER PRIMARY KEY NOT NULL,
        time REAL NOT NULL,
        lma TEXT NOT NULL,
        kind TEXT NOT NULL,
        reason TEXT NOT NULL
    ) STRICT;
    """,
)


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Do all of the statements inside, or none."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # some failures have rolled it back already
            database.execute("ROLLBACK")
        raise
