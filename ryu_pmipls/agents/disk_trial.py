"""Trials whether an agent's state directory can be written to, before there is something to lose."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ryu_pmipls.state_files import replace_file

#: Seconds between two trials, and octets written in one: those of a block of most file systems.
_INTERVAL = 10.0
_OCTETS = 4096


class DiskTrial:
    """Writes a file in ``directory`` again and again; ``fault`` says why that fails, if it does."""

    def __init__(self, directory: Path) -> None:
        self.fault: str | None = None
        self._path = directory / "trial"

    async def watch(self) -> None:
        """Try for ever, in a thread: a disk may be slow."""
        while True:
            await asyncio.to_thread(self.write)
            await asyncio.sleep(_INTERVAL)

    def write(self) -> None:
        """Try once."""
        try:
            replace_file(self._path, "x" * _OCTETS)
        except OSError as error:
            self.fault = f"nothing can be stored in {self._path.parent}: {error.strerror}"
        else:
            self.fault = None
