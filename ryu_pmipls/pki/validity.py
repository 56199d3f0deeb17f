"""Validity of a certificate at a given time. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from ryu_pmipls.pki.certificates import names_of
from ryu_pmipls.pki.node_names import NodeNames

#: A certificate is due for renewal when less than this is left of its life, or less than this part of it.
_NOTICE, _PART = timedelta(days=30), 3
#: What the library says to signatures that are wrong, of another issuer, or by keys of a kind that it does not know.
_REFUSALS = (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm)


class State(Enum):
    """State of a certificate or of a revocation list, in words behind "is"."""

    VALID = "valid"
    DUE = "due for renewal"
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    REVOKED = "revoked"
    OTHER_AUTHORITY = "of another authority"
    OTHER_NAMES = "for other names"
    OTHER_KEY = "for another key"
    WITHOUT_KEY = "without its key"
    OPEN_KEY = "with a key that others can read"
    UNREADABLE = "unreadable"
    MISSING = "missing"
    UNKNOWN_NODE = "for no node of the profile"

    @property
    def usable(self) -> bool:
        """True when peers accept the certificate."""
        return self in (State.VALID, State.DUE)


@dataclass(frozen=True)
class Trust:
    """The basis on which certificates are judged: the authority's own, and its revocation list."""

    authority: x509.Certificate
    revocations: x509.CertificateRevocationList

    def revoked(self, serial: int) -> bool:
        """True when the certificate with that serial number is revoked."""
        return self.revocations.get_revoked_certificate_by_serial_number(serial) is not None

    def issued(self, certificate: x509.Certificate) -> bool:
        """True when the authority has signed a certificate."""
        try:
            certificate.verify_directly_issued_by(self.authority)
        except _REFUSALS:
            return False
        return True


def signed_list(revocations: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    """True when an authority has signed a revocation list."""
    try:
        key = authority.public_key()
        return revocations.issuer == authority.subject and revocations.is_signature_valid(key)  # type: ignore[arg-type]
    except _REFUSALS:
        return False


def time_state(certificate: x509.Certificate, now: datetime) -> State:
    """The state of a certificate as far as time goes: valid, due, expired or not yet valid."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begin:
        return State.NOT_YET_VALID
    if now > end:
        return State.EXPIRED
    return State.DUE if end - now < min(_NOTICE, (end - begin) / _PART) else State.VALID


def node_state(certificate: x509.Certificate, names: NodeNames | None, trust: Trust, now: datetime) -> State:
    """The state of a node's certificate; ``names`` are those of the profile, None when it has no such node."""
    if not trust.issued(certificate):
        return State.OTHER_AUTHORITY
    if trust.revoked(certificate.serial_number):
        return State.REVOKED
    of_time = time_state(certificate, now)
    if not of_time.usable:
        return of_time
    if names is None:
        return State.UNKNOWN_NODE
    return of_time if names_of(certificate) == names else State.OTHER_NAMES
