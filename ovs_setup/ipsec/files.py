"""Files for strongSwan: those of a host's own daemon, or of a private one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ovs_setup.ipsec.connections import CERTIFICATE
from ryu_pmipls.ipsec.charon import vici_socket
from ryu_pmipls.pki.folder import Folder

_NAME = "pmipls"
_PUBLIC, _SECRET = 0o644, 0o600


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
            (self.start, start, _PUBLIC),
            (self.daemon, daemon, _PUBLIC),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, text, mode)
        return anew

    def copy(self, folder: Folder, node: str) -> None:
        """Give swanctl(8) a node's key and certificate, the authority and the revocation list of a folder.

        AppArmor may let it read nothing but its own folders.
        """
        for path, source, mode in self._certificates(folder, node):
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, source.read_text(encoding="ascii"), mode)

    def remove(self) -> None:
        """Remove what was written."""
        copies = (path for path, _, _ in self._certificates(Folder(Path()), ""))
        for path in (self.connections, self.start, self.daemon, *copies):
            path.unlink(missing_ok=True)

    def _certificates(self, folder: Folder, node: str) -> Iterator[tuple[Path, Path, int]]:
        for kind, source, mode in (
            ("private", folder.key(node), _SECRET),
            ("x509", folder.certificate(node), _PUBLIC),
            ("x509ca", folder.authority, _PUBLIC),
            ("x509crl", folder.revocations, _PUBLIC),
        ):
            yield self.swanctl / kind / CERTIFICATE, source, mode


def write(path: Path, text: str, mode: int = _PUBLIC) -> None:
    """Write a file at once; at no time others can read more than ``mode`` allows."""
    new = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _SECRET), "w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(file.fileno(), mode)
    new.replace(path)
