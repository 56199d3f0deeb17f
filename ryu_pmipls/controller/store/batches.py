"""Fast insertion of bindings into a large table: each batch at once in one row, each binding to its place later."""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring_ascii

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.store.database import transaction

#: Entries that may wait to be folded into the table; a caller who adds more must do some of the folding.
_MOST_WAITING = 2**18
#: Entries that are folded at a time when it is quiet: when fewer than this have come since the last time.
_SLICE = 2**9

#: Folds the batches up to a number: in the order of the prefixes, so that it visits no page of the table twice, and for
#: one prefix in the order in which the entries came.
_FOLD = """
    INSERT OR REPLACE INTO binding
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7
        FROM batch, json_each(batch.entries) WHERE number <= ?
        ORDER BY 1, number, key
"""


class Batches:
    """The tables ``batch`` and ``binding``.

    Finding the place of each of many bindings in a table of a million costs ten times as much as adding a batch to the
    end of another, most of all in writing to the disk. So a save waits only for the latter; the rest is done when there
    is nothing else to do, or when the store is opened.

    Errors are those of ``sqlite3``, and ``ValueError`` when a row is malformed.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._waiting: deque[tuple[int, int]] = deque()  # number of each batch, and its number of entries
        self._entries_waiting = 0
        self._last = 0
        self._new = 0  # entries since the last tidying
        (last,) = database.execute("SELECT max(number) FROM batch").fetchone()
        self._fold(last or 0)

    def save(self, bindings: Iterable[Binding]) -> None:
        self._append([*map(_entry, bindings)])

    def delete(self, prefixes: Iterable[bytes]) -> None:
        self._append([f'["{prefix.hex()}",null,null,null,null,null,null,null]' for prefix in prefixes])

    def load(self) -> Iterator[Binding]:
        self._fold(self._last)
        for prefix, mag, previous_mag, identifier, address, port, anchor, timestamp in self._database.execute(
            "SELECT * FROM binding"
        ):
            link_layer_address = None if address is None else bytes.fromhex(address)
            yield Binding(
                bytes.fromhex(prefix), mag, previous_mag, identifier, link_layer_address, port, anchor, timestamp
            )

    def tidy(self) -> None:
        """Fold some of the waiting batches, unless the store is busy."""
        if self._new < _SLICE:
            self._fold_some(_SLICE)
        self._new = 0

    def _append(self, entries: list[str]) -> None:
        if not entries:
            return
        # One statement is a transaction of its own. Several would each have to wait for Python's lock.
        self._database.execute("INSERT INTO batch VALUES (?, ?)", (self._last + 1, f"[{','.join(entries)}]"))
        self._last += 1
        self._waiting.append((self._last, len(entries)))
        self._entries_waiting += len(entries)
        self._new += len(entries)
        if self._entries_waiting > _MOST_WAITING:
            self._fold_some(2 * len(entries))

    def _fold_some(self, entries: int) -> None:
        """Fold the oldest batches until at least that many entries are done, or all."""
        until = folded = 0
        for number, size in self._waiting:
            until, folded = number, folded + size
            if folded >= entries:
                break
        if until:
            self._fold(until)

    def _fold(self, until: int) -> None:
        with transaction(self._database):
            self._database.execute(_FOLD, (until,))
            self._database.execute("DELETE FROM binding WHERE timestamp IS NULL")
            self._database.execute("DELETE FROM batch WHERE number <= ?", (until,))
        while self._waiting and self._waiting[0][0] <= until:
            self._entries_waiting -= self._waiting.popleft()[1]


class _Names(dict[str | None, str]):
    """The names of nodes as JSON."""

    def __missing__(self, name: str | None) -> str:
        text = self[name] = json.dumps(name)
        return text


_names = _Names()


def _entry(binding: Binding) -> str:
    """A row for the table of bindings as JSON; one without a timestamp deletes the binding.

    Hand-made, which needs half the time: the only part that may need an escape is the identifier.
    """
    prefix, mag, previous_mag, identifier, address, port, anchor, timestamp = binding
    # A NUL in a JSON string would end it for SQLite.
    who = "null" if identifier is None else encode_basestring_ascii(identifier.replace("\0", "\ufffd"))
    where = "null" if address is None else f'"{address.hex()}"'
    names, number = _names, "null" if port is None else port
    return f'["{prefix.hex()}",{names[mag]},{names[previous_mag]},{who},{where},{number},{names[anchor]},{timestamp}]'
