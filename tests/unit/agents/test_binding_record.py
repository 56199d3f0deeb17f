"""A MAG's record of its bindings on disk."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path

import pytest
from full_disk import disk_with_room_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ryu_pmipls.agents import binding_record
from ryu_pmipls.agents.binding_record import BindingRecord, RecordedNode
from ryu_pmipls.mobility import EraseBinding, RecordBinding, RecordedBinding

NODE, OTHER = bytes.fromhex("020000000101"), bytes.fromhex("020000000102")
NAMES = {NODE: b"mn1@example.net", OTHER: b"mn\xff@example.net"}
LMA = IPv6Address("fd00::11")
PREFIX = IPv6Network("2001:db8:100::/64")
ADDRESS = IPv6Address("fe80::abcd")


def binding(node: bytes = NODE, registered: int = 7) -> RecordBinding:
    return RecordBinding(RecordedBinding(node, 3, (PREFIX,), LMA, registered, NAMES[node]))


def recorded(node: bytes, port: str, registered: int, link_local: IPv6Address | None = None) -> RecordedNode:
    return RecordedNode(node, port, (PREFIX,), LMA, registered, link_local)


def opened(directory: Path) -> BindingRecord:
    return BindingRecord(directory, Counter())


def found(directory: Path) -> BindingRecord:
    """What another process would find now; the one that writes goes on."""
    with tempfile.TemporaryDirectory() as copy:
        shutil.copy(directory / "bindings", copy)
        return opened(Path(copy))


def test_a_restarted_agent_finds_what_was_recorded(tmp_path: Path) -> None:
    record = opened(tmp_path)
    record.record(binding(), "acc1")
    record.record(binding(OTHER), "acc2")
    record.erase(EraseBinding(NAMES[OTHER]))
    record.learn(NODE, ADDRESS)
    again = opened(tmp_path)
    assert again.nodes == {NAMES[NODE]: recorded(NODE, "acc1", 7, ADDRESS)}
    assert (again.get(NODE), again.get(OTHER)) == (ADDRESS, None)
    assert (tmp_path / "bindings").stat().st_mode & 0o777 == 0o600


def test_an_address_learnt_before_the_registration_is_recorded_with_it(tmp_path: Path) -> None:
    record = opened(tmp_path)
    record.learn(NODE, ADDRESS)
    assert found(tmp_path).get(NODE) is None  # nobody else's business
    record.record(binding(), "acc1")
    assert found(tmp_path).get(NODE) == ADDRESS


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "7", "null", '{"identifier": 5}', '{"node": "02"}',
     '{"identifier": "a", "link_layer_address": "02"}',
     '{"identifier": "a", "link_layer_address": "zz:00:00:00:01:01"}', "\0\0\0",
     '{"identifier": "a", "link_layer_address": "02:00:00:00:01:01"}',
     '{"identifier": "a", "link_layer_address": "02:00:00:00:01:01", "access_port": "acc1", "prefixes": [1'],
)  # fmt: skip
def test_a_line_that_cannot_be_read_spoils_no_other(tmp_path: Path, damage: str) -> None:
    opened(tmp_path).record(binding(OTHER), "acc1")
    path = tmp_path / "bindings"
    path.write_text(damage + "\n" + path.read_text() + damage)
    assert [*opened(tmp_path).nodes] == [NAMES[OTHER]]
    assert [*opened(tmp_path).nodes] == [NAMES[OTHER]]  # and the file is whole again


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(octets=st.binary())
def test_any_octets_are_a_record(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "bindings").write_bytes(octets)
    opened(tmp_path)


def test_the_file_does_not_grow_with_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding_record, "_SPARE_LINES", 10)
    record = opened(tmp_path)
    for number in range(1000):
        record.record(binding(registered=number), "acc1")
        assert len((tmp_path / "bindings").read_text().splitlines()) <= 14
    assert opened(tmp_path).nodes[NAMES[NODE]].registered == 999


def test_addresses_of_nodes_that_are_gone_do_not_grow_with_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binding_record, "_SPARE_ADDRESSES", 10)
    record = opened(tmp_path)
    record.learn(NODE, ADDRESS)
    record.record(binding(), "acc1")
    for number in range(1000):
        record.learn(number.to_bytes(6, "big"), ADDRESS)
        assert len(record._addresses) <= 13
    assert record.get(NODE) == ADDRESS


def test_what_a_full_disk_refused_is_written_when_there_is_room(tmp_path: Path) -> None:
    counters: Counter[str] = Counter()
    record = BindingRecord(tmp_path, counters)
    record.record(binding(), "acc1")
    with disk_with_room_for((tmp_path / "bindings").stat().st_size + 5):
        record.record(binding(OTHER), "acc2")
        assert counters["record: not written"] == 1
        record.erase(EraseBinding(NAMES[NODE]))
        assert record.nodes.keys() == {NAMES[OTHER]}
    assert found(tmp_path).nodes.keys() <= {*NAMES.values()}  # readable, if not complete
    record.learn(OTHER, ADDRESS)
    assert found(tmp_path).nodes == {NAMES[OTHER]: recorded(OTHER, "acc2", 7, ADDRESS)}
