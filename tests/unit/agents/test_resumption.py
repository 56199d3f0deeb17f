"""Who is resumed after a restart, and who is known to be there because the switch counts its packets."""

from __future__ import annotations

import asyncio
from ipaddress import IPv6Address, IPv6Network
from typing import Any

import pytest

from ryu_pmipls.agents import resumption
from ryu_pmipls.agents.access_entries import TABLE, AccessEntry, Senders, parse_entries
from ryu_pmipls.agents.binding_record import RecordedNode
from ryu_pmipls.agents.resumption import Resumption
from ryu_pmipls.controller.switches.mag_rules import MagRule
from ryu_pmipls.mobility import RecordedBinding

NODE, OTHER, STRANGER = (bytes.fromhex("0200000001") + bytes([number]) for number in (1, 2, 255))
PREFIX, SECOND = IPv6Network("2001:db8:100::/64"), IPv6Network("2001:db8:101::/64")
LMA = IPv6Address("fd00::11")
NO_SWITCH: Any = None
DUMP = """\
 cookie=0x504d4c0200000001, duration=3.1s, table=1, n_packets=0, n_bytes=0, priority=30,ipv6,ipv6_src=fe80::/10 actions=drop
 cookie=0x504d4c0200000001, duration=3.1s, table=1, n_packets=12, n_bytes=1416, priority=20,ipv6,in_port=3,dl_src=02:00:00:00:01:01,ipv6_src=2001:db8:100::/64 actions=goto_table:2
 cookie=0x504d4c0200000001, duration=3.1s, table=1, n_packets=5, n_bytes=70, idle_age=3, priority=20,ipv6,in_port=4,dl_src=02:00:00:00:01:02,ipv6_src=2001:db8:101::/64 actions=goto_table:2
 cookie=0x504d4c0100000001, duration=3.2s, table=1, n_packets=2, n_bytes=140, priority=0 actions=drop
"""  # noqa: E501


def test_the_entries_are_those_of_the_guard() -> None:
    assert MagRule.GUARD.table.number == TABLE
    assert MagRule.GUARD.match.fields == {"in_port", "eth_src", "ipv6_src"}
    assert [*parse_entries(DUMP)] == [AccessEntry(NODE, 3, PREFIX, 12), AccessEntry(OTHER, 4, SECOND, 5)]
    assert [*parse_entries("")] == []


# Who sends


def entry(packets: int, node: bytes = NODE, prefix: IPv6Network = PREFIX) -> AccessEntry:
    return AccessEntry(node, 3, prefix, packets)


def asked(monkeypatch: pytest.MonkeyPatch, *nodes: bytes) -> tuple[Senders, list[tuple[bytes, int]]]:
    """Senders who were asked about nodes at the time 0, and who was found."""
    found: list[tuple[bytes, int]] = []
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    senders = Senders(NO_SWITCH, lambda node, port: found.append((node, port)))
    for node in nodes:
        senders.ask(node, 3)
    return senders, found


def test_a_node_whose_packets_are_counted_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    senders, found = asked(monkeypatch, NODE, OTHER)
    for now in (1.0, 1.5):
        senders.compare([entry(10), entry(10, OTHER)], now)
    assert found == []
    senders.compare([entry(11), entry(10, OTHER), entry(99, STRANGER)], 2.0)
    senders.compare([entry(12), entry(10, OTHER), entry(100, STRANGER)], 2.5)
    assert found == [(NODE, 3)]  # once


def test_a_packet_from_before_the_question_may_be_counted_late_and_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    senders, found = asked(monkeypatch, NODE)
    for now, packets in ((0.1, 10), (0.6, 11), (1.1, 11), (1.6, 11)):
        senders.compare([entry(packets)], now)
    assert found == []


def test_counters_that_begin_again_are_compared_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    senders, found = asked(monkeypatch, NODE)
    for now, packets in ((1.0, 10), (1.5, 0), (2.0, 1)):
        senders.compare([entry(packets), entry(0, prefix=SECOND)], now)
    assert found == [(NODE, 3)]


def test_a_question_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    senders, found = asked(monkeypatch, NODE)
    senders.compare([], 100.0)
    for now, packets in ((101.0, 1), (102.0, 2)):
        senders.compare([entry(packets)], now)
    assert found == []


# Who is resumed


def resumed(nodes: dict[bytes, RecordedNode], *ports: tuple[str, int], entries: tuple[AccessEntry, ...] = ()) -> Any:
    """What is resumed, when these ports are there and the switch has these entries."""
    found: list[RecordedBinding] = []
    made = Resumption(nodes, NO_SWITCH, {NODE, OTHER}.__contains__, found.append)
    for name, number in ports:
        made.opened(name, number)
    for binding in made.missing(entries):
        made._waiting.put_nowait(binding)

    async def run() -> None:
        task = asyncio.get_running_loop().create_task(made.run())
        while not made._waiting.empty():
            await asyncio.sleep(0.001)
        task.cancel()

    asyncio.run(run())
    return found


RECORDED = {
    b"mn1": RecordedNode(NODE, "acc1", (PREFIX,), LMA, 7),
    b"mn2": RecordedNode(OTHER, "acc2", (SECOND,), LMA, 8),
}


def test_recorded_nodes_are_resumed_when_their_port_is_there_by_its_number_of_today() -> None:
    assert resumed(RECORDED) == []
    assert resumed(RECORDED, ("acc1", 9)) == [RecordedBinding(NODE, 9, (PREFIX,), LMA, 7, b"mn1")]
    assert len(resumed(RECORDED, ("acc1", 9), ("acc1", 9), ("acc2", 4))) == 2


def test_the_switch_knows_nodes_that_the_record_lacks() -> None:
    entries = (entry(1), entry(2, prefix=SECOND), entry(3, STRANGER), AccessEntry(OTHER, 5, PREFIX, 1))
    assert resumed({}, ("acc1", 3), entries=entries) == [RecordedBinding(NODE, 3, (PREFIX, SECOND))]


def test_a_node_that_has_come_or_was_resumed_is_left_alone_though_its_entries_are_there() -> None:
    """It may have left meanwhile; the report of that must not be replaced by one of a binding without a time."""
    found: list[RecordedBinding] = []
    made = Resumption(RECORDED, NO_SWITCH, {NODE, OTHER}.__contains__, found.append)
    made.opened("acc1", 3)
    made.settle(OTHER)

    async def run() -> None:
        task = asyncio.get_running_loop().create_task(made.run())
        while not found:
            await asyncio.sleep(0.001)
        task.cancel()

    asyncio.run(run())
    assert [binding.link_layer_address for binding in found] == [NODE]
    assert made.missing([entry(1), AccessEntry(OTHER, 3, SECOND, 1)]) == []


def test_a_recorded_node_that_waits_for_its_port_is_not_resumed_elsewhere() -> None:
    waiting = {b"mn1": RecordedNode(NODE, "acc2", (PREFIX,), LMA, 7)}
    assert resumed(waiting, ("acc1", 3), entries=(entry(1),)) == []


def test_many_are_resumed_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumption, "_PAUSE", 0.001)
    many = {number.to_bytes(2, "big"): RECORDED[b"mn1"] for number in range(500)}
    found: list[RecordedBinding] = []

    async def run() -> int:
        made = Resumption(many, NO_SWITCH, bool, found.append)
        made.opened("acc1", 3)
        task = asyncio.get_running_loop().create_task(made.run())
        await asyncio.sleep(0)
        first = len(found)
        while len(found) < 500:
            await asyncio.sleep(0.001)
        task.cancel()
        return first

    assert asyncio.run(run()) == resumption._BATCH
