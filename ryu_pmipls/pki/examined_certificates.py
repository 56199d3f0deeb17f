"""Examination of a folder of certificates: the state of each, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from ryu_pmipls.pki import files
from ryu_pmipls.pki.certificates import node_of
from ryu_pmipls.pki.errors import PkiError
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.pki.node_names import NodeNames
from ryu_pmipls.pki.validity import State, Trust, node_state, time_state

#: How the authority is called where nodes are called by their names.
AUTHORITY = "authority"
_RENEWED = (State.DUE, State.EXPIRED, State.OTHER_NAMES)
_ISSUED = (State.MISSING, State.REVOKED, State.OTHER_AUTHORITY, State.UNREADABLE, State.OTHER_KEY)


@dataclass(frozen=True)
class ExaminedCertificate:
    """The state of a certificate: that of the node ``subject``, or of the authority; None where there is none."""

    subject: str
    state: State
    certificate: x509.Certificate | None = None
    error: str = ""  # of a certificate or key that is unreadable: file and fault

    @property
    def bad(self) -> bool:
        """True unless all is well for a while."""
        return self.state is not State.VALID

    @property
    def sentence(self) -> str:
        """The state, and what to do about it."""
        whose = f"the certificate of {'the ' if self.subject == AUTHORITY else ''}{self.subject}"
        if self.state is State.DUE and self.certificate is not None:
            what = f"expires on {date_text(self.certificate.not_valid_after_utc)}"
        elif self.state is State.EXPIRED and self.certificate is not None:
            what = f"expired on {date_text(self.certificate.not_valid_after_utc)}"
        else:
            what = f"is {self.state.value}" + (f" ({self.error})" if self.error else "")
        return f"{whose} {what}: {self._remedy}" if self._remedy else f"{whose} {what}"

    @property
    def _remedy(self) -> str:
        if self.state in _RENEWED:
            return "'pmipls pki renew" + ("'" if self.subject == AUTHORITY else f" {self.subject}'") + " renews it"
        if self.state in _ISSUED:
            return f"'pmipls pki issue {self.subject}' makes a new one"
        if self.state is State.UNKNOWN_NODE:
            return f"'pmipls pki revoke {self.subject}' ends it"
        others = {
            State.NOT_YET_VALID: "is the clock right?",
            State.WITHOUT_KEY: "key.pem belongs beside it, from the authority's host",
            State.OPEN_KEY: "chmod 600 its key.pem",
        }
        return others.get(self.state, "")


def date_text(moment: datetime) -> str:
    """A time to the minute, in UTC."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def examine_authority(trust: Trust, now: datetime) -> ExaminedCertificate:
    """Examine the authority's own certificate."""
    return ExaminedCertificate(AUTHORITY, time_state(trust.authority, now), trust.authority)


def examine_node(
    folder: Folder, node: str, names: NodeNames | None, trust: Trust, now: datetime, *, key_needed: bool
) -> ExaminedCertificate:
    """Examine the certificate of a node and its key, which must be here only where it is needed."""
    try:
        certificate = files.read_certificate(folder.certificate(node))
    except FileNotFoundError:
        return ExaminedCertificate(node, State.MISSING)
    except PkiError as error:
        return ExaminedCertificate(node, State.UNREADABLE, error=str(error))
    state = node_state(certificate, names, trust, now)
    if not state.usable:
        return ExaminedCertificate(node, state, certificate)
    try:
        return ExaminedCertificate(node, _key_state(folder, node, certificate) or state, certificate)
    except FileNotFoundError:
        return ExaminedCertificate(node, State.WITHOUT_KEY if key_needed else state, certificate)
    except PkiError as error:
        return ExaminedCertificate(node, State.UNREADABLE, certificate, str(error))


def _key_state(folder: Folder, node: str, certificate: x509.Certificate) -> State | None:
    """The fault of a node's key; None when there is none."""
    path = folder.key(node)
    if files.read_key(path).public_key() != certificate.public_key():
        return State.OTHER_KEY
    return State.OPEN_KEY if files.others_may_read(path) else None


def examine(folder: Folder, names: dict[str, NodeNames], trust: Trust, now: datetime) -> Iterator[ExaminedCertificate]:
    """Examine all certificates of nodes: on the authority's host those of the profile, elsewhere those that are here.

    On the authority's host also certificates that are still good and whose nodes have left the profile.
    """
    records = folder.has_records()
    for node in names if records else folder.nodes():
        yield examine_node(folder, node, names.get(node), trust, now, key_needed=not records)
    unknown: dict[str, x509.Certificate] = {}
    for certificate in files.read_issued(folder):
        if node_state(certificate, None, trust, now) is State.UNKNOWN_NODE and node_of(certificate) not in names:
            unknown[node_of(certificate)] = certificate
    yield from (
        ExaminedCertificate(node, State.UNKNOWN_NODE, certificate) for node, certificate in sorted(unknown.items())
    )
