"""Steps of the wall clocks of single daemons of a lab, for tests: the kernel has one wall clock for all processes."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from ryu_pmipls.lab.processes import MARK

#: Environment variable that names the directory with a file for each daemon: the seconds that its wall clock is ahead.
VARIABLE = "PMIPLS_CLOCK_STEPS"
_START_UP = "from ryu_pmipls.lab.clock_steps import install\n\ninstall()\n"


class ClockSteps:
    """Steps wall clocks of the Python processes of a lab that was given ``environment``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # Python executes a module of this name at the start of every process that finds one.
        (directory / "sitecustomize.py").write_text(_START_UP)

    @property
    def environment(self) -> Mapping[str, str]:
        paths = [str(self._directory), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {VARIABLE: str(self._directory), "PYTHONPATH": os.pathsep.join(paths)}

    def step(self, daemon: str, seconds: float) -> None:
        """Set the wall clock of a daemon (``rms``, ``mag1``) forward or back; it keeps that over restarts."""
        path = self._directory / daemon
        new = path.with_suffix(".new")
        new.write_text(repr(_ahead(path) + seconds))
        new.replace(path)


def install() -> None:
    """Have ``time.time`` of this process, a daemon of a lab, follow the steps."""
    path = Path(os.environ[VARIABLE]) / os.environ.get(MARK, "").rpartition(":")[2]
    wall = time.time
    time.time = lambda: wall() + _ahead(path)


def _ahead(path: Path) -> float:
    try:
        return float(path.read_text())
    except OSError:
        return 0.0
