"""State that an agent keeps over its restarts, and their number."""

from __future__ import annotations

import logging
from pathlib import Path

from ryu_pmipls.domain.places import STATE_DIRECTORY
from ryu_pmipls.state_files import replace_file

LOG = logging.getLogger(__name__)


def state_path(name: str, run_directory: Path | None) -> Path:
    """The directory for the state of the agent of that name."""
    return STATE_DIRECTORY / name if run_directory is None else run_directory / "agent"


def state_directory(name: str, run_directory: Path | None) -> Path:
    """The directory of the agent of that name; created if missing."""
    directory = state_path(name, run_directory)
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
