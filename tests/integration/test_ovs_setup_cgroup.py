"""CPU groups: the quota measured on the machine's own hierarchy, and the files of version 2 in a made-up one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ovs_setup import OvsSetupError
from ovs_setup.cgroup import CpuGroup
from tests.waiting import eventually

NAME = "pos-test/a/b"


@pytest.fixture
def group() -> Iterator[CpuGroup]:
    group = CpuGroup(NAME)
    group.create(0.1)
    yield group
    group.remove()


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    """Two threads that would use a core each, if the interpreter let them."""
    loop = "import hashlib, threading\ndef f():\n while True: hashlib.sha256(bytes(1 << 16))\n"
    process = subprocess.Popen([sys.executable, "-c", loop + "threading.Thread(target=f).start(); f()"])
    yield process
    process.kill()
    process.wait()


def used(group: CpuGroup, seconds: float) -> float:
    """Processor time used, in seconds per second of time; rather too little than too much."""
    started, usage = time.monotonic(), group.usage()
    time.sleep(seconds)
    usage = group.usage() - usage
    return usage / (time.monotonic() - started)


def test_quota_is_kept(group: CpuGroup, busy: subprocess.Popen[bytes]) -> None:
    """A machine with other things to do may give less, never more."""
    assert group.usage() < 0.01
    group.add(busy.pid)
    reader = CpuGroup(NAME)  # an agent knows the name only
    for quota in (0.1, 0.05, 0.2):
        group.create(quota)
        assert reader.quota() == pytest.approx(quota)
        throttled, usage = reader.throttled(), reader.usage()
        eventually(lambda: reader.throttled() > throttled + 0.1, "throttling")  # noqa: B023
        assert reader.usage() > usage
        assert used(reader, 2) < 1.1 * quota


def test_remove_takes_empty_parents_along_and_refuses_while_processes_are_in(
    group: CpuGroup, busy: subprocess.Popen[bytes]
) -> None:
    group.add(busy.pid)
    with pytest.raises(OvsSetupError, match="cannot be removed"):
        group.remove()
    sibling = CpuGroup("pos-test/a/c")
    sibling.create(0.5)
    busy.kill()
    busy.wait()
    group.remove()
    assert sibling.quota() == 0.5
    sibling.remove()
    with pytest.raises(OvsSetupError, match="cannot be read"):
        sibling.quota()
    with pytest.raises(OvsSetupError, match="does not take"):
        sibling.add(os.getpid())
    sibling.remove()


def write(directory: Path, **files: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name.replace("__", ".", 1)).write_text(text)


@pytest.fixture
def unified(tmp_path: Path) -> Path:
    """A unified hierarchy as the kernel shows it, with a version 1 hierarchy of another controller beside it."""
    root = tmp_path / "cgroup"
    write(root, cgroup__controllers="cpuset cpu io memory\n", cgroup__subtree_control="")
    write(root / "pmipls", cgroup__subtree_control="")
    write(root / "pmipls/pm", cgroup__subtree_control="")
    mounts = (
        f"30 23 0:28 / {root} rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate",
        f"31 23 0:29 / {tmp_path}/freezer rw - cgroup cgroup rw,freezer",
    )
    (tmp_path / "mountinfo").write_text("\n".join(mounts) + "\n")
    return root


def test_version_2_files(unified: Path) -> None:
    group = CpuGroup("pmipls/pm/lma1", unified.parent / "mountinfo")
    group.create(0.25)
    group.add(42)
    directory = unified / "pmipls/pm/lma1"
    for above in (unified, unified / "pmipls", unified / "pmipls/pm"):
        assert (above / "cgroup.subtree_control").read_text() == "+cpu"
    assert not (directory / "cgroup.subtree_control").exists()
    assert (directory / "cpu.max").read_text() == "2500 10000"
    assert (directory / "cgroup.procs").read_text() == "42"
    write(directory, cpu__stat="usage_usec 1500000\nuser_usec 1000000\nnr_throttled 7\nthrottled_usec 250000\n")
    assert (group.quota(), group.usage(), group.throttled()) == (0.25, 1.5, 0.25)
    (directory / "cpu.max").write_text("max 100000\n")
    assert group.quota() is None


def test_small_quotas_get_a_longer_period(unified: Path) -> None:
    group = CpuGroup("pmipls/pm/lma1", unified.parent / "mountinfo")
    group.create(0.02)
    assert (unified / "pmipls/pm/lma1/cpu.max").read_text() == "1000 50000"
    with pytest.raises(OvsSetupError, match=r"quota 0.0001 is too small; it must be at least 0.001"):
        group.create(0.0001)
    assert group.quota() == 0.02


@pytest.mark.parametrize("together", [True, False])
def test_version_1_hierarchies_are_found_together_and_apart(tmp_path: Path, together: bool) -> None:
    controllers = ("cpu,cpuacct",) if together else ("cpu", "cpuacct")
    lines = []
    for controller in controllers:
        (tmp_path / controller).mkdir()
        lines.append(f"32 31 0:29 / {tmp_path / controller} rw - cgroup cgroup rw,{controller}")
    (tmp_path / "mountinfo").write_text("\n".join(lines))
    group = CpuGroup("x/y", tmp_path / "mountinfo")
    group.create(1.5)
    group.add(42)
    for controller in controllers:
        assert (tmp_path / controller / "x/y/cgroup.procs").read_text() == "42"
    write(tmp_path / controllers[0] / "x/y", cpu__stat="nr_periods 9\nnr_throttled 3\nthrottled_time 2500000000\n")
    write(tmp_path / controllers[-1] / "x/y", cpuacct__usage="7250000000\n")
    assert (group.quota(), group.usage(), group.throttled()) == (1.5, 7.25, 2.5)
    (tmp_path / controllers[0] / "x/y/cpu.cfs_quota_us").write_text("-1\n")
    assert group.quota() is None


def test_a_machine_without_the_controller_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text("31 23 0:29 / /sys rw - sysfs sysfs rw\n")
    with pytest.raises(OvsSetupError, match="no control group hierarchy with the cpu controller"):
        CpuGroup("x", tmp_path / "mountinfo")


def test_a_hierarchy_that_another_mount_hides_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(f"31 23 0:29 / {tmp_path}/hidden rw - cgroup2 cgroup2 rw\n")
    with pytest.raises(OvsSetupError, match="no control group hierarchy with the cpu controller"):
        CpuGroup("x", tmp_path / "mountinfo")
