"""Changes of a node's files of certificates, noticed without reading them."""

from __future__ import annotations

from pathlib import Path

from ryu_pmipls.pki.folder import Folder

#: Time of the last change of each file, which chmod changes as well, its inode and octets; None for a missing file.
Stamps = tuple[tuple[int, int, int] | None, ...]


def stamps(folder: Folder, node: str) -> Stamps:
    """The stamps of the authority's certificate and list, and of a node's certificate and key: other after a change."""
    return tuple(map(_stamp, (folder.authority, folder.revocations, folder.certificate(node), folder.key(node))))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ctime_ns, found.st_ino, found.st_size
