"""The other end of an OpenFlow connection by TLS: its certificate tells which switch it may be."""

from __future__ import annotations

import ssl
from collections.abc import Collection
from typing import Any, Protocol

from ryu_pmipls.controller.ryu.connection_errors import CertificateError, OtherNodeError, RefusalError, TlsError
from ryu_pmipls.controller.ryu.tls_socket import TlsSocket


class SwitchCertificates(Protocol):
    """The certificates of a domain's switches."""

    @property
    def generation(self) -> int:
        """A number that grows when the files of authority, revocation list or own certificate have changed."""

    def context(self) -> ssl.SSLContext:
        """TLS for a new connection."""

    def datapath_id(self, names: Collection[str]) -> int | None:
        """The datapath id of the switch whose certificate has these names; None when it is no switch's."""

    def objection(self, certificate: bytes) -> str:
        """Why a certificate (DER) that was good is so no more; "" when it is."""


class CertifiedEnd:
    """The other end of a connection over a plain socket; ``socket`` is that of TLS."""

    def __init__(self, plain: Any, certificates: SwitchCertificates) -> None:
        self._certificates = certificates
        self._generation = certificates.generation
        self.socket = TlsSocket(plain, certificates.context())
        self._names: tuple[str, ...] = ()
        self._certificate = b""

    def shake_hands(self) -> None:
        """Wait until the handshake is done; ``RefusalError`` when it fails."""
        try:
            self.socket.do_handshake()
        except OSError as error:
            raise TlsError(error) from None
        self._names, self._certificate = self.socket.fd.certificate()

    def require(self, datapath_id: int) -> None:
        """``OtherNodeError`` unless the certificate is that of the switch with this datapath id."""
        if self._certificates.datapath_id(self._names) != datapath_id:
            names = ", ".join(self._names)
            raise OtherNodeError(f"datapath id {datapath_id:016x} is not that of the certificate for {names}")

    def objection(self) -> RefusalError | None:
        """Why the connection must end, after a change of the files since the last look; None when it need not."""
        if self._generation == (generation := self._certificates.generation):
            return None
        self._generation = generation
        state = self._certificates.objection(self._certificate)
        reason = "revoked certificate" if state == "revoked" else "certificate of another authority"
        return CertificateError(f"its certificate is {state} now", reason) if state else None
