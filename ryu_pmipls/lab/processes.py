"""Processes of a lab: started with a mark in their environment, by which they are found again without any record."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from ryu_pmipls.lab import namespaces

#: Environment variable that names a process's lab and its part there: ``pm:mag1``.
MARK = "PMIPLS_LAB_PROCESS"


def start(
    mark: str,
    argv: list[str],
    log: Path,
    namespace: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process in the background, its output going to ``log``."""
    with open(log, "ab", opener=_open_log) as output:
        return subprocess.Popen(
            namespaces.command(namespace, argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | dict(environment or {}) | {MARK: mark},
            start_new_session=True,
        )


def find(mark: str) -> psutil.Process | None:
    """The living process with that mark; its descendants inherit the mark, so it is the oldest one."""
    marked = [process for process in _of_this_machine() if _mark(process) == mark]
    return min(marked, key=lambda process: (process.create_time(), process.pid), default=None)


def of_lab(prefix: str, spaces: set[tuple[int, int]]) -> list[psutil.Process]:
    """All processes but this one that bear the lab's mark or are inside one of its namespaces."""
    return [
        process
        for process in _of_this_machine()
        if process.pid != os.getpid()
        and ((_mark(process) or "").startswith(f"{prefix}:") or _namespace(process) in spaces)
    ]


def stop(processes: Iterable[psutil.Process], patience: float = 3.0) -> None:
    """Send SIGTERM, wait for at most ``patience`` seconds, send SIGKILL to those that are left."""
    alive = list(processes)
    for signal_all in (psutil.Process.terminate, psutil.Process.kill):
        for process in alive:
            try:
                signal_all(process)
            except psutil.NoSuchProcess:
                continue
        _, alive = psutil.wait_procs(alive, timeout=patience)


def listening_ports(pid: int) -> set[int]:
    """TCP ports with a listener in the namespace of a process."""
    ports = set()
    for table in ("tcp", "tcp6"):
        try:
            rows = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        except OSError:  # the process has ended
            continue
        for row in rows:
            _, local, _, state, *_ = row.split()
            if state == "0A":
                ports.add(int(local.rpartition(":")[2], 16))
    return ports


def last_lines(log: Path, count: int = 8) -> str:
    """The end of a log file, for an error message."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return "\n".join(f"    {line}" for line in lines[-count:]) or "    (it wrote nothing)"


def _of_this_machine() -> Iterator[psutil.Process]:
    """Processes of this PID namespace: another one may have a lab of the same prefix, in namespaces of its own."""
    ours = namespaces.identity(Path("/proc/self/ns/pid"))
    for process in psutil.process_iter():
        with suppress(OSError):  # it has ended
            if namespaces.identity(Path(f"/proc/{process.pid}/ns/pid")) == ours:
                yield process


def _mark(process: psutil.Process) -> str | None:
    try:
        mark: str | None = process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None
    return mark


def _namespace(process: psutil.Process) -> tuple[int, int] | None:
    try:
        return namespaces.identity(Path(f"/proc/{process.pid}/ns/net"))
    except OSError:
        return None


def _open_log(path: str, flags: int) -> int:
    return os.open(path, flags, 0o640)  # identifiers and prefixes of mobile nodes are not for everybody
