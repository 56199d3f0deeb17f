"""Utilisation of an LMA's processor, a fraction 0..1 of its allowance (erratum E30: OpenFlow does not report it)."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Protocol

from ovs_setup.cgroup import CpuGroup


class Cpu(Protocol):
    """Something whose utilisation can be measured."""

    def utilisation(self) -> float:
        """Utilisation since the last call, or since the object was made."""


class HostCpu:
    """All processors of the host (proc(5), ``/proc/stat``)."""

    def __init__(self, stat: Path = Path("/proc/stat")) -> None:
        self._stat = stat
        self._last = self._sample()

    def utilisation(self) -> float:
        (idle_before, total_before), self._last = self._last, self._sample()
        idle, total = self._last
        return _fraction((total - total_before) - (idle - idle_before), total - total_before)

    def _sample(self) -> tuple[int, int]:
        """Idle ticks, and all ticks."""
        # user nice system idle iowait irq softirq steal; user and nice include the columns behind these.
        ticks = [int(word) for word in self._stat.read_text().split("\n", 1)[0].split()[1:9]]
        return ticks[3] + ticks[4], sum(ticks)


class GroupCpu:
    """A control group: CPU time used over CPU time allowed. A group without quota may use the whole host."""

    def __init__(self, group: CpuGroup) -> None:
        self._group = group
        self._last = self._sample()

    def utilisation(self) -> float:
        (used_before, time_before), self._last = self._last, self._sample()
        used, now = self._last
        quota = self._group.quota()
        cores = (os.cpu_count() or 1) if quota is None else quota
        return _fraction(used - used_before, cores * (now - time_before))

    def _sample(self) -> tuple[float, float]:
        return self._group.usage(), time.monotonic()


def _fraction(used: float, allowed: float) -> float:
    return min(max(used / allowed, 0.0), 1.0) if allowed > 0 else 0.0
