"""Network namespaces: entering them from this process, and with commands."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pyroute2 import netns

Result = TypeVar("Result")

_DIRECTORY = Path("/run/netns")
_SYSCTL = Path("/proc/sys/net/ipv6")


def create(name: str) -> None:
    """Create a namespace; ``OSError`` when there is one of that name."""
    netns.create(name)


def remove(name: str) -> None:
    """Remove a namespace's name, if it is there; the namespace itself goes when nothing is left in it."""
    with suppress(FileNotFoundError):
        netns.remove(name)


def identities(names: Iterable[str]) -> set[tuple[int, int]]:
    """Device and inode numbers of those namespaces that exist, as /proc/PID/ns/net shows them for processes inside."""
    found = set()
    for name in names:
        with suppress(OSError):
            found.add(identity(_DIRECTORY / name))
    return found


def identity(path: Path) -> tuple[int, int]:
    """Device and inode number of a namespace file; ``OSError`` when it cannot be read."""
    status = path.stat()
    return status.st_dev, status.st_ino


def command(name: str | None, argv: Iterable[str]) -> list[str]:
    """A command line that runs ``argv`` in a namespace, in the same process (the pid is that of ``argv``)."""
    # Not "ip netns exec": that puts a new /sys in place, and with it hides the control groups.
    return [*argv] if name is None else ["nsenter", f"--net={_DIRECTORY / name}", "--", *argv]


def run_in(name: str, function: Callable[[], Result]) -> Result:
    """Call a function inside a namespace; its exceptions are raised here."""
    results: list[Result] = []
    failures: list[BaseException] = []

    def body() -> None:
        try:
            netns.setns(name, flags=0)
            results.append(function())
        except BaseException as failure:
            failures.append(failure)

    # A namespace belongs to a thread: one that ends afterwards cannot leave the process in the wrong one.
    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def open_socket(name: str, family: int, kind: int, protocol: int = 0) -> socket.socket:
    """A socket that lives in a namespace and can be used from here."""
    return run_in(name, lambda: socket.socket(family, kind, protocol))


def write_sysctls(values: Iterable[tuple[str, int]]) -> None:
    """Set ``net.ipv6`` parameters, such as ``("conf/all/forwarding", 0)``, of the calling thread's namespace."""
    for path, value in values:
        descriptor = os.open(_SYSCTL / path, os.O_WRONLY)
        try:
            os.write(descriptor, str(value).encode())
        finally:
            os.close(descriptor)
