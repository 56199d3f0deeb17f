"""CPU control groups, versions 1 and 2: the share of a core that the processes of a group may use, and do use.

A group is known by its name alone, so that one process may limit a switch and another one measure it.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from pathlib import Path

from ovs_setup import OvsSetupError

#: Period of the CFS bandwidth control in microseconds: short, so that a throttled switch is slow and not jerky.
_PERIOD = 10_000
_LONGEST_PERIOD = 1_000_000
_LEAST_QUOTA = 1_000  # microseconds in a period; the kernel takes no less
#: Seconds in which the kernel must let go of processes that have ended.
_REMOVAL_TIMEOUT = 10.0


class CpuGroup:
    """The CPU control group ``name``, such as ``pmipls/pm/lma1`` (a path below the root of the hierarchy).

    The version of control groups with the ``cpu`` controller on this machine is used.
    ``OvsSetupError`` when none is mounted, and from every method when the group does not exist or the kernel refuses.
    """

    def __init__(self, name: str, mountinfo: Path = Path("/proc/self/mountinfo")) -> None:
        self.name = name
        self._hierarchy = _find_hierarchy(mountinfo)

    def create(self, quota: float) -> None:
        """Let the group, created if need be, use ``quota`` of one core (0.1: a tenth of it; 2: two cores)."""
        least = _LEAST_QUOTA / _LONGEST_PERIOD
        if quota < least:
            raise OvsSetupError(f"control group {self.name}: quota {quota} is too small; it must be at least {least}")
        period = max(_PERIOD, round(_LEAST_QUOTA / quota))
        self._hierarchy.create(self.name)
        self._hierarchy.set_quota(self.name, round(quota * period), period)

    def add(self, pid: int) -> None:
        """Move a process, with all its threads, into the group."""
        for directory in self._hierarchy.directories(self.name):
            _write(directory / "cgroup.procs", str(pid))

    def quota(self) -> float | None:
        """Fraction of one core the group may use; ``None`` when it is not limited."""
        return self._hierarchy.quota(self.name)

    def usage(self) -> float:
        """CPU seconds (user and system, all cores) the group has used since it was created."""
        return self._hierarchy.usage(self.name)

    def throttled(self) -> float:
        """Seconds for which the kernel kept the group from running because its quota was used up."""
        return self._hierarchy.throttled(self.name)

    def remove(self) -> None:
        """Remove the group, and those above it that are empty then; its processes must have ended."""
        for directory in self._hierarchy.directories(self.name):
            if directory.is_dir():
                _remove(directory)
            for above in list(directory.parents)[: self.name.count("/")]:
                try:
                    above.rmdir()
                except OSError:
                    break


class _Hierarchy(ABC):
    """Files and formats in which one version of control groups keeps the figures of a group."""

    def __init__(self, *roots: Path) -> None:
        self._roots = roots

    def directories(self, name: str) -> list[Path]:
        return [root / name for root in self._roots]

    def create(self, name: str) -> None:
        for directory in self.directories(name):
            try:
                directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OvsSetupError(f"control group {directory} cannot be created: {error.strerror}") from None

    @abstractmethod
    def set_quota(self, name: str, quota: int, period: int) -> None: ...

    @abstractmethod
    def quota(self, name: str) -> float | None: ...

    @abstractmethod
    def usage(self, name: str) -> float: ...

    @abstractmethod
    def throttled(self, name: str) -> float: ...


class _Version1(_Hierarchy):
    """Controllers ``cpu`` and ``cpuacct``, mounted together or apart."""

    def __init__(self, cpu: Path, cpuacct: Path) -> None:
        super().__init__(*dict.fromkeys((cpu, cpuacct)))
        self._cpu = cpu
        self._cpuacct = cpuacct

    def set_quota(self, name: str, quota: int, period: int) -> None:
        _write(self._cpu / name / "cpu.cfs_period_us", str(period))
        _write(self._cpu / name / "cpu.cfs_quota_us", str(quota))

    def quota(self, name: str) -> float | None:
        quota = int(_read(self._cpu / name / "cpu.cfs_quota_us"))
        return None if quota < 0 else quota / int(_read(self._cpu / name / "cpu.cfs_period_us"))

    def usage(self, name: str) -> float:
        return int(_read(self._cpuacct / name / "cpuacct.usage")) / 1e9

    def throttled(self, name: str) -> float:
        return _statistic(self._cpu / name / "cpu.stat", "throttled_time") / 1e9


class _Version2(_Hierarchy):
    """The unified hierarchy."""

    def create(self, name: str) -> None:
        super().create(name)
        for directory in self.directories(name):
            for above in list(directory.parents)[name.count("/") :: -1]:
                _write(above / "cgroup.subtree_control", "+cpu")

    def set_quota(self, name: str, quota: int, period: int) -> None:
        _write(self._file(name, "cpu.max"), f"{quota} {period}")

    def quota(self, name: str) -> float | None:
        quota, period = _read(self._file(name, "cpu.max")).split()
        return None if quota == "max" else int(quota) / int(period)

    def usage(self, name: str) -> float:
        return _statistic(self._file(name, "cpu.stat"), "usage_usec") / 1e6

    def throttled(self, name: str) -> float:
        return _statistic(self._file(name, "cpu.stat"), "throttled_usec") / 1e6

    def _file(self, name: str, file: str) -> Path:
        return self.directories(name)[0] / file


def _find_hierarchy(mountinfo: Path) -> _Hierarchy:
    """The mounted hierarchy with the CPU controllers; the first of each kind, in the order of proc(5) mountinfo."""
    version1: dict[str, Path] = {}
    version2: list[Path] = []
    for line in _read(mountinfo).splitlines():
        before, _, after = line.partition(" - ")
        mount_point, (kind, _source, options) = Path(before.split()[4]), after.split(maxsplit=2)
        if kind == "cgroup":
            for controller in options.split(","):
                version1.setdefault(controller, mount_point)
        elif kind == "cgroup2" and _offers_cpu(mount_point):
            version2.append(mount_point)
    if "cpu" in version1 and "cpuacct" in version1:
        return _Version1(version1["cpu"], version1["cpuacct"])
    if version2:
        return _Version2(version2[0])
    raise OvsSetupError(
        "no control group hierarchy with the cpu controller is mounted here"
        " (ip netns exec hides it: enter a network namespace with nsenter --net)"
    )


def _remove(directory: Path) -> None:
    deadline = time.monotonic() + _REMOVAL_TIMEOUT
    while True:
        try:
            directory.rmdir()
        except OSError as error:
            if time.monotonic() > deadline:
                raise OvsSetupError(f"control group {directory} cannot be removed: {error.strerror}") from None
            time.sleep(0.02)
        else:
            return


def _offers_cpu(mount_point: Path) -> bool:
    """True when a version 2 hierarchy has the cpu controller; false, too, where another mount hides it."""
    try:
        return "cpu" in (mount_point / "cgroup.controllers").read_text().split()
    except OSError:
        return False


def _statistic(path: Path, key: str) -> int:
    values = dict(line.split() for line in _read(path).splitlines())
    return int(values[key])


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise OvsSetupError(f"{path} cannot be read: {error.strerror}") from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise OvsSetupError(f"{path} does not take {text!r}: {error.strerror}") from None
