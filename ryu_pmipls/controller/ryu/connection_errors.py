"""Reasons why an OpenFlow connection is ended from our side."""

from __future__ import annotations

import ssl


class RefusalError(Exception):
    """A connection that must end; the text tells more. ``reason`` is the name under which it is counted."""

    reason: str


class MalformedError(RefusalError, ValueError):
    """Octets that do not make up what they should."""

    reason = "malformed message"


class UnexpectedError(RefusalError):
    """A message that the phase of the connection, or the RMS, has no use for."""

    reason = "unexpected message"


class VersionError(UnexpectedError):
    """A HELLO without our version of OpenFlow."""


class ExcessError(RefusalError):
    """More ports, or longer replies, than a switch can have."""

    reason = "too much"


class UnknownSwitchError(RefusalError):
    """A datapath id that no node of the profile has."""

    reason = "unknown datapath id"


class DuplicateError(RefusalError):
    """A datapath id whose switch is connected."""

    reason = "datapath id in use"


class UnidentifiedError(RefusalError):
    """A connection that does not tell its datapath id in time, or while there are many others that have not."""

    reason = "no datapath id"


class PlainError(RefusalError):
    """A connection without TLS where only TLS is spoken."""

    reason = "no TLS"


class CertificateError(RefusalError):
    """A certificate that does not hold, or not any more."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(text)
        self.reason = reason


class OtherNodeError(RefusalError):
    """A datapath id that is not that of the node whose certificate the connection has."""

    reason = "another node's certificate"


class TlsError(RefusalError):
    """A handshake of TLS that failed."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"TLS failed: {_cause(error)}")
        self.reason = _tls_reason(error)


#: Names for counting: by OpenSSL's numbers of what is wrong with a certificate (X509_V_ERR in x509_vfy.h), and by its
#: names of other errors.
_BAD_CERTIFICATES = {
    10: "expired certificate",
    23: "revoked certificate",
    **dict.fromkeys((2, 7, 18, 19, 20, 21), "certificate of another authority"),
}
_OTHER_ERRORS = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "no certificate",
    **dict.fromkeys(("UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION", "WRONG_VERSION_NUMBER"), "TLS version"),
}


def _tls_reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _BAD_CERTIFICATES.get(error.verify_code, "unusable certificate")
    name = getattr(error, "reason", None) or ""
    return _OTHER_ERRORS.get(name, "own certificate refused" if "ALERT" in name else "failed TLS handshake")


def _cause(error: OSError) -> str:
    """An error of OpenSSL in its own words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    name = getattr(error, "reason", None)
    return name.lower().replace("_", " ") if name else str(error)
