"""State that an agent keeps over its restarts: their number, and the leases of prefixes."""

from __future__ import annotations

import json
import logging
import os
from ipaddress import IPv6Network
from pathlib import Path

from ryu_pmipls.mobility import Lease

LOG = logging.getLogger(__name__)

#: Directory where agents of a host keep their state; those of a lab keep it in the run directory of their node.
STATE_DIRECTORY = Path("/var/lib/pmipls")
#: Files with identifiers and prefixes of mobile nodes are nobody else's business.
_MODE = 0o600


def state_directory(name: str, run_directory: Path | None) -> Path:
    """The directory of the agent of that name; created if missing."""
    directory = STATE_DIRECTORY / name if run_directory is None else run_directory / "agent"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def count_restart(directory: Path) -> int:
    """The restart counter (RFC 5847, section 3.4) of an agent that starts now: 0 at first, then one more each time.

    An agent begins without sessions, whatever it had. An unreadable counter starts again, which peers notice as well.
    """
    path = directory / "restarts"
    try:
        count = (int(path.read_text()) + 1) % 2**32
    except FileNotFoundError:
        count = 0
    except (OSError, ValueError) as error:
        LOG.warning("%s: %s; counting from 1 again", path, error)
        count = 1
    _replace(path, f"{count}\n")
    return count


class LeaseFile:
    """The leases of an LMA: a line of JSON, ``[prefix, identifier]``, for each change, in the order of the changes.

    A line that a crash cut short ends the file: it belongs to a lease that no message has announced.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "leases"
        self.leases = self._load()
        lines = (_line(Lease(prefix, identifier)) for prefix, identifier in self.leases.items())
        _replace(self._path, "".join(lines))
        self._file = self._path.open("a", encoding="utf-8")

    def record(self, lease: Lease) -> None:
        """Record a change; when this returns, it survives a crash of the machine."""
        self._file.write(_line(lease))
        self._file.flush()
        os.fdatasync(self._file.fileno())

    def _load(self) -> dict[IPv6Network, bytes]:
        leases: dict[IPv6Network, bytes] = {}
        text = self._path.read_text(encoding="utf-8", errors="replace") if self._path.exists() else ""
        for line in text.splitlines():
            try:
                prefix, identifier = json.loads(line)
                leases[IPv6Network(prefix)] = str(identifier).encode("latin-1")
            except ValueError as error:
                LOG.warning("%s: %r is no lease (%s); what follows is ignored", self._path, line, error)
                break
        return {prefix: identifier for prefix, identifier in leases.items() if identifier}


def _line(lease: Lease) -> str:
    return json.dumps([str(lease.prefix), lease.identifier.decode("latin-1")]) + "\n"


def _replace(path: Path, text: str) -> None:
    """Write a file so that a crash leaves either the old or the new one."""
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), _MODE)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
