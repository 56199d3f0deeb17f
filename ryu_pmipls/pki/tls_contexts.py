"""TLS with the certificate of a process's own node, as the files in the folder of certificates are now."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from ryu_pmipls.pki.errors import PkiError
from ryu_pmipls.pki.file_stamps import Stamps, stamps
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.pki.library import require_cryptography

if TYPE_CHECKING:
    from ryu_pmipls.pki.validity import Trust

LOG = logging.getLogger(__name__)


class ServerContexts:
    """TLS of a server on the host of ``node``, with its certificate and key in ``folder``, by TLS 1.3.

    A client's certificate must be of the domain's authority and not be revoked; with ``clients`` ``ssl.CERT_OPTIONAL``
    a client may have none, with ``ssl.CERT_NONE`` it is asked for none. No session is resumed, for that would go
    by without looking at the revocation list.

    Files are read again when they have changed. What cannot be used then is logged, and the former ones stay in use;
    ``PkiError`` with file and remedy when they cannot be used in the beginning. In a process with eventlet's patches
    the contexts are eventlet's; all calls are quick but that which reads files (1 ms).
    """

    def __init__(self, folder: Folder, node: str, clients: ssl.VerifyMode = ssl.CERT_REQUIRED) -> None:
        self._folder = folder
        self._node = node
        self._clients = clients
        self._stamps: Stamps = stamps(folder, node)
        self._generation = 0
        self._context, self._trust = self._read()

    @property
    def generation(self) -> int:
        """A number that grows whenever other files are in use."""
        self._refresh()
        return self._generation

    def current(self) -> ssl.SSLContext:
        """The context for a new connection."""
        self._refresh()
        return self._context

    def objection(self, certificate: bytes) -> str:
        """Why no connection may go on by a certificate (DER) that was accepted once: its state; "" if it may.

        It may not when the certificate has been revoked, or another authority has taken the place of the one that
        issued it. It may when the certificate has ended meanwhile.
        """
        require_cryptography()
        from cryptography import x509

        self._refresh()
        found = x509.load_der_x509_certificate(certificate)
        if not self._trust.issued(found):
            return "of another authority"
        return "revoked" if self._trust.revoked(found.serial_number) else ""

    def _refresh(self) -> None:
        found = stamps(self._folder, self._node)
        if found == self._stamps:
            return
        self._stamps = found
        try:
            self._context, self._trust = self._read()
        except PkiError as error:
            LOG.warning("the former certificates stay in use: %s", error)
            return
        self._generation += 1
        LOG.info("the certificates in %s have been read again", self._folder.path)

    def _read(self) -> tuple[ssl.SSLContext, Trust]:
        require_cryptography()
        from ryu_pmipls.pki.authority import read_trust

        trust = read_trust(self._folder)
        self._require_usable(trust)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.num_tickets = 0
        try:
            context.load_cert_chain(self._folder.certificate(self._node), self._folder.key(self._node))
            context.load_verify_locations(self._folder.authority)
            context.load_verify_locations(self._folder.revocations)
        except OSError as error:  # they have been changed since; ssl.SSLError is one, too
            raise PkiError(f"{self._folder.path}: the certificate of {self._node} cannot be used: {error}") from None
        context.verify_mode = self._clients
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        return context, trust

    def _require_usable(self, trust: Trust) -> None:
        """``PkiError`` unless the node's certificate is the authority's, and its key the key of it."""
        from ryu_pmipls.pki import files

        path, key = self._folder.certificate(self._node), self._folder.key(self._node)
        try:
            certificate = files.read_certificate(path)
            fits = files.read_key(key).public_key() == certificate.public_key()
        except FileNotFoundError as error:
            raise PkiError(
                f"{Path(error.filename)}: there is no such file; 'pmipls pki issue {self._node}' makes it on the "
                "authority's host"
            ) from None
        if not trust.issued(certificate):
            raise PkiError(f"{path}: is not signed by the authority of {self._folder.authority}")
        if not fits:
            raise PkiError(f"{key}: is not the key of {path}")
