"""Capabilities of Linux (capabilities(7)) that this process has."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

#: Those that a process of a domain may need, and their numbers (``linux/capability.h``).
CAPABILITIES = {"CAP_NET_BIND_SERVICE": 10, "CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13}
_STATUS = Path("/proc/self/status")


def missing(wanted: Iterable[str], status: Path = _STATUS) -> list[str]:
    """Those of the wanted capabilities that the process with that ``status`` (proc(5)) cannot use."""
    effective = mask(status, "CapEff")
    return [name for name in wanted if not effective >> CAPABILITIES[name] & 1]


def mask(status: Path, field: str) -> int:
    """A set of capabilities of a process, such as ``CapEff``: a bit for each."""
    lines = (line.partition(":") for line in status.read_text(encoding="utf-8").splitlines())
    return next(int(value, 16) for name, _, value in lines if name == field)
