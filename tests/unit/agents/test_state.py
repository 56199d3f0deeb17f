from __future__ import annotations

from pathlib import Path

import pytest
from full_disk import disk_with_room_for

from ryu_pmipls.agents.agent_state import count_restart, state_directory
from ryu_pmipls.agents.disk_trial import DiskTrial
from ryu_pmipls.agents.lease_file import LeaseFile
from ryu_pmipls.state_files import replace_file


def test_restarts_are_counted(tmp_path: Path) -> None:
    assert [count_restart(tmp_path) for _ in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("content", ["", "abc", "-"])
def test_an_unreadable_counter_begins_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "restarts").write_text(content)
    assert [count_restart(tmp_path) for _ in range(2)] == [1, 2]


def test_an_agent_starts_when_its_counter_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert [count_restart(tmp_path) for _ in range(2)] == [0, 1]
    with disk_with_room_for(0):
        count = count_restart(tmp_path)
    assert count == 2
    assert "peers may not notice the next restart" in caplog.text
    assert [*tmp_path.iterdir()] == [tmp_path / "restarts"]
    assert count_restart(tmp_path) == 2


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_file(path, "old")
    with pytest.raises(OSError, match="large"), disk_with_room_for(1000):
        replace_file(path, "new" * 1000)
    assert path.read_text() == "old" and [*tmp_path.iterdir()] == [path]


def test_a_full_disk_is_noticed_before_there_is_something_to_store(tmp_path: Path) -> None:
    disk = DiskTrial(tmp_path)
    disk.write()
    assert disk.fault is None
    with disk_with_room_for(1000):
        disk.write()
    assert disk.fault == f"nothing can be stored in {tmp_path}: File too large"
    disk.write()
    assert disk.fault is None and [*tmp_path.iterdir()] == [tmp_path / "trial"]


def test_the_directory_of_a_lab_node_is_its_own(tmp_path: Path) -> None:
    directory = state_directory("lma1", tmp_path)
    assert directory.is_dir() and directory.parent == tmp_path


def test_only_its_user_can_read_the_state(tmp_path: Path) -> None:
    (tmp_path / "leases").touch(0o644)
    count_restart(tmp_path)
    LeaseFile(tmp_path)
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
