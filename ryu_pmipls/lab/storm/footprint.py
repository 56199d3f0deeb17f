"""Resources that a lab takes of its machine, and their growth."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from ovs_setup import OvsSetupError
from ovs_setup.cgroup import CpuGroup
from ryu_pmipls.lab import cleanup, namespaces, processes
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_layout import LabLayout, cpu_group
from ryu_pmipls.lab.storm.flow_tables import read_flows
from ryu_pmipls.lab.storm.supervision import Supervisor

_MIB = 1 << 20
#: What a process may have more than before: caches, pools of threads, connections that are about to be closed.
_MORE_MEMORY, _MORE_DESCRIPTORS, _MORE_THREADS = 32 * _MIB, 16, 8
#: The file that comes with the first command, and has bounds of its own.
_FIRST_COMMAND = "audit.jsonl"
#: Octets that a file may grow by, and a second of the storm by which it may grow: logs, databases, records of events.
_MORE_FILE, _FILE_RATE = 2 * _MIB, 10_000
#: Looks at processes and files, of which each must see what is to count, and seconds between them.
_LOOKS, _LOOK_INTERVAL = 5, 0.3


@dataclass(frozen=True)
class ProcessFootprint:
    """Resident memory in octets, open descriptors, threads."""

    memory: int
    descriptors: int
    threads: int


@dataclass(frozen=True)
class Footprint:
    """``processes``: by daemon. ``files``: path in the lab's directory -> octets. ``entries``: switch -> flow entries.

    ``process_count`` is the number of all processes of the lab.
    """

    processes: Mapping[str, ProcessFootprint]
    process_count: int
    files: Mapping[str, int]
    entries: Mapping[str, int]

    def document(self) -> dict[str, Any]:
        return asdict(self)


def measure(lab: Lab, supervisor: Supervisor) -> Footprint:
    """The footprint of a lab."""
    found = {}
    for name, pid in supervisor.pids().items():
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            found[name] = ProcessFootprint(process.memory_info().rss, process.num_fds(), process.num_threads())
    entries = {}
    for node in lab.plan.switches:
        with suppress(OvsSetupError):
            entries[node] = read_flows(lab, node).entries
    spaces = namespaces.identities(lab.plan.namespaces)
    count, files = len(processes.of_lab(lab.plan.prefix, spaces)), _files(lab.directory)
    for _ in range(_LOOKS - 1):  # agents run commands of a moment, and write files beside those that they replace
        time.sleep(_LOOK_INTERVAL)
        count = min(count, len(processes.of_lab(lab.plan.prefix, spaces)))
        files = {path: size for path, size in _files(lab.directory).items() if path in files}
    return Footprint(found, count, files, entries)


def _files(directory: Path) -> dict[str, int]:
    found = {}
    for path in directory.rglob("*"):
        with suppress(OSError):
            if path.is_file():
                found[str(path.relative_to(directory))] = path.stat().st_size
    return found


def grown(before: Footprint, after: Footprint, seconds: float) -> list[str]:
    """Growth beyond what is allowed for so many seconds, in lines for people."""
    return [*_grown(before, after, seconds)]


def _grown(before: Footprint, after: Footprint, seconds: float) -> Iterator[str]:
    for name, old in before.processes.items():
        new = after.processes.get(name)
        if new is None:
            yield f"{name} does not run"
            continue
        if new.memory > 1.5 * old.memory + _MORE_MEMORY:
            yield f"memory of {name}: {old.memory / _MIB:.0f} -> {new.memory / _MIB:.0f} MiB"
        if new.descriptors > old.descriptors + _MORE_DESCRIPTORS:
            yield f"descriptors of {name}: {old.descriptors} -> {new.descriptors}"
        if new.threads > old.threads + _MORE_THREADS:
            yield f"threads of {name}: {old.threads} -> {new.threads}"
    if after.process_count > before.process_count:
        yield f"processes: {before.process_count} -> {after.process_count}"
    if sum(after.entries.values()) > sum(before.entries.values()):
        yield f"flow entries: {sum(before.entries.values())} -> {sum(after.entries.values())}"
    for path, size in after.files.items():
        old_size = before.files.get(path, 0)
        if size > old_size + _MORE_FILE + _FILE_RATE * seconds:
            yield f"{path}: {old_size / _MIB:.1f} -> {size / _MIB:.1f} MiB"
    new_files = sorted(path for path in after.files.keys() - before.files.keys() if Path(path).name != _FIRST_COMMAND)
    if new_files:
        yield f"new files: {', '.join(new_files)}"


def left_behind(plan: LabLayout) -> list[str]:
    """Remains of a lab that has gone down, in lines for people."""
    spaces = namespaces.identities(plan.namespaces)
    left = [f"process {process.pid}: {process.name()}" for process in processes.of_lab(plan.prefix, spaces)]
    left += [f"namespace {name}" for name in plan.namespaces if namespaces.identities([name])]
    left += [f"{cleanup.directory(plan.prefix)}"] if cleanup.directory(plan.prefix).exists() else []
    left += [f"link {plan.host_port}"] if Path("/sys/class/net", plan.host_port).exists() else []
    return left + [f"control group {name}" for name in _groups(plan)]


def _groups(plan: LabLayout) -> Iterator[str]:
    """The CPU control groups of a lab that exist."""
    for node in plan.switches:
        name = cpu_group(plan.prefix, node)
        with suppress(OvsSetupError):  # there is none
            CpuGroup(name).usage()
            yield name
