"""Files of certificates: reading, writing that survives a crash, and the lock."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ryu_pmipls.pki.certificates import serial_text
from ryu_pmipls.pki.errors import PkiError
from ryu_pmipls.pki.folder import Folder

#: Seconds to wait for another process that is at work in the folder, and between two tries.
_PATIENCE, _PAUSE = 10.0, 0.05
_PUBLIC, _SECRET = 0o644, 0o600
_PUBLIC_FOLDER, _SECRET_FOLDER = 0o755, 0o700
#: Octets that are read of a file at most.
_LARGEST = 2**24

T = TypeVar("T")


# Reading


def read_certificate(path: Path) -> x509.Certificate:
    """The certificate in a file; ``FileNotFoundError`` if there is none, ``PkiError`` if it is no certificate."""
    return _parsed(path, x509.load_pem_x509_certificate, "a certificate")


def read_revocations(path: Path) -> x509.CertificateRevocationList:
    """The revocation list in a file; errors as with certificates."""
    return _parsed(path, x509.load_pem_x509_crl, "a revocation list")


def read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key in a file; errors as with certificates."""

    def parse(octets: bytes) -> ec.EllipticCurvePrivateKey:
        key = serialization.load_pem_private_key(octets, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("is of another kind")
        return key

    return _parsed(path, parse, "the private key of an elliptic curve, without a password,")


def read_issued(folder: Folder) -> list[x509.Certificate]:
    """All certificates that were ever issued."""
    paths = sorted(folder.issued.glob("*.pem")) if folder.has_records() else []
    return [read_certificate(path) for path in paths]


def others_may_read(path: Path) -> bool:
    """True when users other than a file's owner and group may use it."""
    return bool(path.stat().st_mode & stat.S_IRWXO)


def _parsed(path: Path, parse: Callable[[bytes], T], what: str) -> T:
    try:
        with path.open("rb") as file:
            octets = file.read(_LARGEST)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise PkiError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return parse(octets)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise PkiError(f"{path}: is not {what} in PEM") from None


# Writing


def write_certificate(path: Path, certificate: x509.Certificate) -> None:
    """Write a certificate."""
    _write(path, certificate.public_bytes(serialization.Encoding.PEM), _PUBLIC)


def write_issued(folder: Folder, certificate: x509.Certificate) -> None:
    """Write a certificate among those that were issued."""
    write_certificate(folder.issued / f"{serial_text(certificate.serial_number)}.pem", certificate)


def write_revocations(path: Path, revocations: x509.CertificateRevocationList) -> None:
    """Write a revocation list."""
    _write(path, revocations.public_bytes(serialization.Encoding.PEM), _PUBLIC)


def write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Write a private key, which nobody but its owner can read at any time."""
    octets = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(path, octets, _SECRET)


def touch(path: Path) -> None:
    """Give a file the present time, if it is there.

    Open vSwitch reads certificate and key again when both have another time than before, and looks at the key first.
    """
    if path.exists():
        os.utime(path)


def remove(path: Path) -> None:
    """Remove a file if it is there."""
    path.unlink(missing_ok=True)
    _sync(path.parent)


def make_folders(folder: Folder) -> None:
    """Make what is missing of the folder on the authority's host."""
    for path in (folder.path, folder.path / "nodes", folder.issued):
        _make_folder(path, _PUBLIC_FOLDER)


def make_node_folder(folder: Folder, node: str) -> None:
    """Make the folder of a node if it is missing."""
    _make_folder(folder.key(node).parent, _SECRET_FOLDER)


def _make_folder(path: Path, mode: int) -> None:
    if path.is_dir():
        return
    path.mkdir(mode, parents=True, exist_ok=True)
    path.chmod(mode)  # whatever the umask
    _sync(path.parent)


def _write(path: Path, octets: bytes, mode: int) -> None:
    """Write a file so that a crash at any moment leaves either the old or the new one."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _SECRET), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Have the names in a folder survive a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(folder: Folder) -> Iterator[None]:
    """Let no other process change the folder meanwhile; ``PkiError`` if one does so for long.

    The lock ends with the process that holds it, however that ends.
    """
    with os.fdopen(os.open(folder.path / "lock", os.O_RDWR | os.O_CREAT, _SECRET), "rb") as file:
        limit = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > limit:
                    raise PkiError(f"{folder.path}: another process is changing the certificates; try later") from None
                time.sleep(_PAUSE)
        yield
