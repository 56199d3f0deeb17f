"""Places in a folder of certificates.

::

    ca.pem                      the authority's certificate; with its revocation list, on every host
    crl.pem
    nodes/NAME/certificate.pem  a node's certificate and key, on the node's host
    nodes/NAME/key.pem
    ca-key.pem                  the authority's key; with what follows, on the authority's host only
    issued/SERIAL.pem           every certificate that was ever issued
    lock
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Folder:
    """The places in a folder of certificates."""

    path: Path

    @property
    def authority(self) -> Path:
        """The authority's certificate."""
        return self.path / "ca.pem"

    @property
    def revocations(self) -> Path:
        """The revocation list."""
        return self.path / "crl.pem"

    @property
    def authority_key(self) -> Path:
        """The authority's key, unless it lives elsewhere."""
        return self.path / "ca-key.pem"

    @property
    def issued(self) -> Path:
        """The folder of all certificates that were issued."""
        return self.path / "issued"

    def certificate(self, node: str) -> Path:
        """A node's certificate."""
        return self.path / "nodes" / node / "certificate.pem"

    def key(self, node: str) -> Path:
        """A node's key."""
        return self.path / "nodes" / node / "key.pem"

    def has_records(self) -> bool:
        """True on the authority's host."""
        return self.issued.is_dir()

    def nodes(self) -> list[str]:
        """The nodes that have a folder here."""
        nodes = self.path / "nodes"
        return sorted(path.name for path in nodes.iterdir() if path.is_dir()) if nodes.is_dir() else []
