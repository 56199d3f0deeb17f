"""The audit log: a line of JSON for each command that came, and one for what became of it, in files of bounded size.

What is written is in the kernel's hands, and survives the death of the process; what is said to be durable survives a
crash of the machine as well.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ryu_pmipls.state_files import open_appending, sync_directory

FILE_NAME = "audit.jsonl"
#: Octets of a file after which the next one begins, and old files that are kept: some 100 000 commands in all.
MAX_SIZE, KEPT = 4 * 2**20, 8

Record = dict[str, Any]


class AuditLog:
    """Writes to ``audit.jsonl`` in a directory, both of which are made if need be; older records are in others.

    These are ``audit.jsonl.1`` and so on.
    """

    def __init__(self, directory: Path, max_size: int = MAX_SIZE, kept: int = KEPT) -> None:
        self._path = directory / FILE_NAME
        self._max_size, self._kept = max_size, kept
        self._descriptor: int | None = None
        self._size = 0
        self._torn = False

    def append(self, record: Mapping[str, Any], durable: bool) -> None:
        """Write a record; when it is ``durable``, all up to it have got to the disk. Raises ``OSError``."""
        line = json.dumps(record).encode() + b"\n"
        descriptor = self._opened()
        if self._size and self._size + len(line) > self._max_size:
            descriptor = self._rotated(descriptor)
        self._write(descriptor, b"\n" + line if self._torn else line)
        if durable:
            os.fsync(descriptor)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, descriptor: int, octets: bytes) -> None:
        while octets:  # a disk that becomes full takes a part, and then nothing
            written = os.write(descriptor, octets)
            self._size += written
            octets = octets[written:]
            self._torn = bool(octets)

    def _opened(self) -> int:
        if self._descriptor is None:
            directory = self._path.parent
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = open_appending(self._path)
            sync_directory(directory)
            self._size = os.fstat(descriptor).st_size
            self._torn = self._size > 0 and os.pread(descriptor, 1, self._size - 1) != b"\n"
            self._descriptor = descriptor
        return self._descriptor

    def _rotated(self, descriptor: int) -> int:
        """Begin a new file, and return its descriptor."""
        os.fsync(descriptor)
        for number in range(self._kept, 0, -1):
            newer = _numbered(self._path, number - 1)
            if newer.exists():
                newer.replace(_numbered(self._path, number))
        self.close()
        return self._opened()


def _numbered(path: Path, number: int) -> Path:
    return path if number == 0 else path.with_name(f"{path.name}.{number}")


def read_audit(directory: Path, since: float = 0.0) -> Iterator[Record]:
    """The commands since then (seconds since 1970), the oldest first, each with what became of it.

    ``status`` and ``outcome`` are missing when the process ended before that was known. Lines that are no records are
    left out, such as one that a crash cut short. ``OSError`` when the log cannot be read; none is no commands.
    """
    commands: list[Record] = []
    begun: dict[str, Record] = {}
    for record in _records(directory / FILE_NAME):
        key = str(record.pop("id", None))
        if isinstance(record.get("method"), str):
            commands.append(record)
            if "status" not in record:
                begun[key] = record
        elif key in begun:
            begun.pop(key).update(status=record.get("status"), outcome=record.get("outcome"))
    for command in commands:
        when = command.get("time")
        if isinstance(when, int | float) and when >= since:
            yield command


def _records(path: Path) -> Iterator[Record]:
    numbers = (number for number in range(KEPT, -1, -1) if _numbered(path, number).exists())
    for number in numbers:
        with _numbered(path, number).open("rb") as file:
            for line in file:
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError):
                    continue
                if isinstance(record, dict):
                    yield record
