from __future__ import annotations

from ipaddress import IPv6Network
from pathlib import Path

import pytest

from ryu_pmipls.agents.agent_state import LeaseFile, count_restart, state_directory
from ryu_pmipls.mobility import Lease

ONE, TWO = IPv6Network("2001:db8:1::/64"), IPv6Network("2001:db8:2::/64")


def test_restarts_are_counted(tmp_path: Path) -> None:
    assert [count_restart(tmp_path) for _ in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("content", ["", "abc", "-"])
def test_an_unreadable_counter_begins_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "restarts").write_text(content)
    assert [count_restart(tmp_path) for _ in range(2)] == [1, 2]


def test_leases_outlive_a_restart(tmp_path: Path) -> None:
    file = LeaseFile(tmp_path)
    for lease in (Lease(ONE, b"a@x"), Lease(TWO, b"\xff@y"), Lease(ONE, b""), Lease(ONE, b"c@z")):
        file.record(lease)
    assert LeaseFile(tmp_path).leases == {TWO: b"\xff@y", ONE: b"c@z"}
    assert len((tmp_path / "leases").read_text().splitlines()) == 2


def test_what_was_cut_short_was_told_to_nobody(tmp_path: Path) -> None:
    file = LeaseFile(tmp_path)
    file.record(Lease(ONE, b"a@x"))
    file.record(Lease(TWO, b"b@x"))
    whole = (tmp_path / "leases").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "leases").write_bytes(whole[:length])
        leases = LeaseFile(tmp_path).leases
        assert leases in ({}, {ONE: b"a@x"}, {ONE: b"a@x", TWO: b"b@x"})
        assert (ONE in leases) == (length >= whole.index(b"\n"))


def test_the_directory_of_a_lab_node_is_its_own(tmp_path: Path) -> None:
    directory = state_directory("lma1", tmp_path)
    assert directory.is_dir() and directory.parent == tmp_path


def test_only_its_user_can_read_the_state(tmp_path: Path) -> None:
    (tmp_path / "leases").touch(0o644)
    count_restart(tmp_path)
    LeaseFile(tmp_path)
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
