"""A million bindings: what the table and the store make of them, beside the ordinary way to keep them; and how quickly
an LMA that has lost its flow entries gets 100 000 routes back, beside a raw writer.

Takes some minutes, and a few hundred MiB of memory and of the disk.
"""

from __future__ import annotations

import os
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from ryu_pmipls.controller.bindings import Binding, BindingTable, RouteChange
from ryu_pmipls.controller.store import SqliteStore
from tests.bench.arena import RAW_PORT, RMS_PORT, Arena
from tests.bench.comparison import Comparison, Effort, compare
from tests.bench.raw_writer import routes
from tests.unit.bindings.naive_table import NaiveTable

T = TypeVar("T")

MANY = 1_000_000
#: Prefixes that are handed off, and as many in each batch as come while a commit is under way.
FEW, BATCH = 20_000, 100
#: Routes of an LMA that is refilled.
ROUTES = 100_000
_NOW = 1_700_000_000.0
_TICKS = int(_NOW * 65536)
_LIMIT = 400  # octets for each binding

_TABLE = (
    "CREATE TABLE binding (prefix BLOB PRIMARY KEY, mag TEXT, previous_mag TEXT, identifier TEXT, "
    "link_layer_address BLOB, port INTEGER, anchor TEXT, timestamp INTEGER) WITHOUT ROWID"
)


def prefix(number: int) -> bytes:
    return (0x20010DB801000000 + number).to_bytes(8, "big")


def change(number: int, turn: int) -> RouteChange:
    """A mobile node comes to one of sixteen MAGs, in each turn to another."""
    return RouteChange(
        prefix(number),
        None,
        f"mag{(number + turn) % 16 + 1}",
        _TICKS - 10**9 + turn,
        f"node{number}@example.net",
        (0x020000000000 + number).to_bytes(6, "big"),
        number % 40 + 1,
        f"lma{number % 4 + 1}",
    )


def binding(number: int, turn: int) -> Binding:
    (update,) = BindingTable().update([change(number, turn)], _NOW)
    assert update.binding is not None
    return update.binding


def octets_each(many: int, packed: bool) -> float:
    """Octets of the process's memory that one of many bindings takes in the table, after a handoff of each."""
    table: BindingTable | NaiveTable = BindingTable() if packed else NaiveTable()
    before = _memory()
    for turn in (0, 1):
        for first in range(0, many, BATCH):
            table.update([change(number, turn) for number in range(first, first + BATCH)], _NOW)
    return (_memory() - before) / many


def _memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def memory(many: int) -> Iterator[Comparison]:
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        ours, theirs = pool.map(partial(octets_each, many), (True, False), chunksize=1)
    yield Comparison("bindings in memory", 2**20 / ours, f"{_LIMIT} octets each", 2**20 / _LIMIT, 1, unit="per MiB")
    yield Comparison("bindings in memory", 2**20 / ours, "a dict of objects", 2**20 / theirs, 2, unit="per MiB")


def updates(effort: Effort) -> Comparison:
    turns, few = count(), effort.of(FEW)

    def handoffs() -> list[RouteChange]:
        turn = next(turns)
        return [change(number, turn) for number in range(few)]

    def doing(table: BindingTable | NaiveTable) -> Callable[[Sequence[RouteChange]], object]:
        def update(changes: Sequence[RouteChange]) -> None:
            for begin in range(0, len(changes), BATCH):
                table.update(changes[begin : begin + BATCH], _NOW)

        return update

    ours, theirs = _best(handoffs, [doing(BindingTable()), doing(NaiveTable())], time.process_time, effort.of(9))
    return Comparison("handoff in the table", ours, "a dict of objects", theirs, 0.4)


def _best(
    make: Callable[[], Sequence[T]],
    contenders: Sequence[Callable[[Sequence[T]], object]],
    clock: Callable[[], float],
    rounds: int,
) -> list[float]:
    """The best rate of each contender; ``make`` makes what they work on, and its time does not count."""
    rates = [0.0 for _ in contenders]
    for _ in range(rounds):
        for which, work in enumerate(contenders):
            things = make()
            begin = clock()
            work(things)
            rates[which] = max(rates[which], len(things) / (clock() - begin))
    return rates


def store(effort: Effort) -> Iterator[Comparison]:
    many, rounds = effort.of(MANY), effort.of(5)
    with tempfile.TemporaryDirectory(prefix="pmbench-", dir="/var/tmp") as directory:
        ours, plain = SqliteStore(Path(directory) / "ours"), sqlite3.connect(Path(directory) / "plain.sqlite")
        plain.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; {_TABLE};")
        for start in range(0, many, 10_000):
            some = [binding(number, 0) for number in range(start, start + 10_000)]
            ours.save_bindings(some)
            _replace(plain, some)
        list(ours.load_bindings())
        chance, turns = random.Random(5213), count(1)

        def handoffs() -> list[Binding]:
            turn = next(turns)
            return [binding(number, turn) for number in chance.sample(range(many), effort.of(100 * BATCH))]

        def saving(save: Callable[[list[Binding]], None]) -> Callable[[Sequence[Binding]], None]:
            def save_all(bindings: Sequence[Binding]) -> None:
                for start in range(0, len(bindings), BATCH):
                    save([*bindings[start : start + BATCH]])

            return save_all

        contenders = [saving(ours.save_bindings), saving(partial(_replace, plain))]
        for clock, text in ((time.process_time, "processor time"), (time.perf_counter, "until it is on the disk")):
            rates = _best(handoffs, contenders, clock, rounds)
            operation = f"binding stored, {BATCH} at a time, {text}"
            yield Comparison(operation, rates[0], "INSERT OR REPLACE of each", rates[1], 2)
        yield compare(
            "binding loaded from the store into the table",
            lambda: len(BindingTable(ours.load_bindings())),
            "SELECT of all rows",
            lambda: len(plain.execute("SELECT * FROM binding").fetchall()),
            0.1,
            rounds=effort.of(2),
        )
        ours.close()
        begin = time.perf_counter()
        opened = SqliteStore(Path(directory) / "ours")
        print(f"A store with {many} bindings is opened in {time.perf_counter() - begin:.1f} s, ", end="")
        begin = time.perf_counter()
        BindingTable(opened.load_bindings())
        print(f"and loaded into the table in {time.perf_counter() - begin:.1f} s.")
        opened.close()
        plain.close()


def _replace(database: sqlite3.Connection, some: list[Binding]) -> None:
    with database:
        database.executemany("INSERT OR REPLACE INTO binding VALUES (?, ?, ?, ?, ?, ?, ?, ?)", some)


def refill(effort: Effort) -> Comparison:
    """From the connection of a switch without a flow entry until all of its routes are acknowledged."""
    number, rounds = effort.of(ROUTES), effort.of(3)
    with Arena(1) as arena:
        (lma,), tunnel = arena.profile.lmas, 10
        arena.seed(number)
        (switch,) = arena.start_switches([RAW_PORT, RMS_PORT])
        bridge, controller = f"br-{lma.name}", f"tcp:[{arena.profile.rms.address}]:{RMS_PORT}"
        writer = arena.raw_writer()
        writer.accept()
        pieces, raw, ours = routes(number, tunnel), [], []
        for _ in range(rounds):
            raw.append(writer.write(pieces))
            switch.ofctl("del-flows", bridge)
        arena.start_rms()
        for _ in range(rounds):
            switch.vsctl("del-controller", bridge)
            switch.ofctl("del-flows", bridge)
            arena.expect(
                lambda: arena.rest("health")["switches"][lma.name] == "disconnected", "the end of the connection"
            )
            begin = time.perf_counter()
            switch.vsctl("set-controller", bridge, controller)
            arena.await_ready()
            ours.append(time.perf_counter() - begin)
            told = switch.ofctl("dump-aggregate", bridge, "table=2,cookie=0x504d000000000000/0xffff000000000000")
            assert int(told.split("flow_count=")[1]) > number, told
    return Comparison("route of an LMA that is refilled", number / min(ours), "raw writer", number / min(raw), 1 / 3)


def measure(effort: Effort) -> list[Comparison]:
    return [*memory(effort.of(MANY)), updates(effort), *store(effort), refill(effort)]
