"""Files for strongSwan: those of a host's own daemon, or of a private one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ryu_pmipls.ipsec.charon import vici_socket
from ryu_pmipls.pki.folder import Folder

_NAME = "pmipls"
_PUBLIC, _SECRET, _PROGRAM = 0o644, 0o600, 0o755


@dataclass(frozen=True)
class DaemonFiles:
    """The places of a daemon's files: ``daemon`` for strongswan.conf(5), ``swanctl`` a folder as swanctl(8) has it."""

    daemon: Path
    swanctl: Path
    socket: Path

    @classmethod
    def of_host(cls) -> DaemonFiles:
        """The places of the host's own daemon, as Debian has them."""
        return cls(Path(f"/etc/strongswan.d/{_NAME}.conf"), Path("/etc/swanctl"), vici_socket())

    @classmethod
    def private(cls, directory: Path) -> DaemonFiles:
        """The places of a daemon of its own."""
        return cls(directory / "strongswan.conf", directory / "swanctl", directory / "charon.vici")

    @property
    def start(self) -> Path:
        """The script that the daemon executes when it has started."""
        return self.swanctl / f"{_NAME}-start"

    @property
    def connections(self) -> Path:
        """The connections of this node."""
        return self.swanctl / "conf.d" / f"{_NAME}.conf"

    def prepare(self) -> None:
        """Make the folders of a private daemon, and have it read :attr:`connections`."""
        (self.swanctl / "conf.d").mkdir(parents=True, exist_ok=True)
        write(self.swanctl / "swanctl.conf", "include conf.d/*.conf\n")

    def write(self, daemon: str, connections: str, start: str) -> bool:
        """Write all; true when the daemon must be started anew to read its part."""
        anew = not self.daemon.exists() or self.daemon.read_text(encoding="utf-8") != daemon
        for path, text, mode in (
            (self.connections, connections, _SECRET),
            (self.start, start, _PROGRAM),
            (self.daemon, daemon, _PUBLIC),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, text, mode)
        return anew

    def link(self, folder: Folder, node: str) -> None:
        """Have swanctl(8) find a node's key, the authority and the revocation list of a folder of certificates."""
        for link, target in self._links(folder, node):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(target)

    def remove(self) -> None:
        """Remove what was written."""
        links = (link for link, _ in self._links(Folder(Path()), ""))
        for path in (self.connections, self.start, self.daemon, *links):
            path.unlink(missing_ok=True)

    def _links(self, folder: Folder, node: str) -> Iterator[tuple[Path, Path]]:
        for kind, target in (
            ("private", folder.key(node)),
            ("x509ca", folder.authority),
            ("x509crl", folder.revocations),
        ):
            yield self.swanctl / kind / f"{_NAME}.pem", target


def write(path: Path, text: str, mode: int = _PUBLIC) -> None:
    """Write a file at once; at no time others can read more than ``mode`` allows."""
    new = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _SECRET), "w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(file.fileno(), mode)
    new.replace(path)
