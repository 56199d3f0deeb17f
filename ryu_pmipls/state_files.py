"""Files of state that only the user of their directory can read, written so that no crash leaves half of one."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

#: Files with secrets, or with identifiers and prefixes of mobile nodes, are nobody else's business.
MODE = 0o600


def replace_file(path: Path, text: str) -> None:
    """Write a file so that a crash leaves either the old or the new one; ``OSError`` leaves the old one.

    It belongs to whom its directory belongs to, also when root writes it: a process of that user has to read it.
    """
    new = path.with_suffix(".new")
    try:
        new.unlink(missing_ok=True)  # another user may have it open
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), "w", encoding="utf-8") as file:
            _give_to_owner(file.fileno(), path.parent)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise


def open_appending(path: Path) -> int:
    """A descriptor to read and append to a file, which is made if need be; raises ``OSError``."""
    flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW  # root may write where another user could have put a link
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, MODE)
    except FileExistsError:
        return os.open(path, flags)
    _give_to_owner(descriptor, path.parent)
    return descriptor


def _give_to_owner(descriptor: int, directory: Path) -> None:
    """Set the mode of a file that was just made, and when root has made it, its owner: that of ``directory``."""
    os.fchmod(descriptor, MODE)
    owner = directory.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def sync_directory(directory: Path) -> None:
    """Have the names in a directory survive a crash of the machine."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
