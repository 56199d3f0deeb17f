"""State that an agent keeps over its restarts, and their number."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

from ryu_pmipls.domain.places import STATE_DIRECTORY

LOG = logging.getLogger(__name__)

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
    try:
        replace_file(path, f"{count}\n")
    except OSError as error:
        LOG.error("%s: %s; peers may not notice the next restart", path, error.strerror)
    return count


def replace_file(path: Path, text: str) -> None:
    """Write a file so that a crash leaves either the old or the new one; ``OSError`` leaves the old one."""
    new = path.with_suffix(".new")
    try:
        with new.open("w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), _MODE)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise
