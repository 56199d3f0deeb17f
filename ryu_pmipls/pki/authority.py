"""The authority of a domain: it issues, renews and revokes the certificates of the nodes.

Every change has one rename that puts it into force. A process that is killed before that leaves the authority as
it was, besides files that the next change replaces; the same command does it then. Serial numbers are random, of 159
bits, so that none is used twice even when an older copy of the folder is brought back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ryu_pmipls.pki import files
from ryu_pmipls.pki.certificates import (
    CURVE,
    Issuer,
    authority_certificate,
    authority_period,
    domain_of,
    list_number,
    names_of,
    node_certificate,
    node_of,
    node_period,
    revocation_list,
    revoked_entry,
)
from ryu_pmipls.pki.errors import PkiError, PkiInputError
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.pki.node_names import NodeNames
from ryu_pmipls.pki.validity import State, Trust, node_state, signed_list, time_state

#: Days for which an authority's and a node's certificate are valid unless told otherwise.
AUTHORITY_DAYS, NODE_DAYS = 3650, 365
#: States in which a certificate cannot be renewed, and in which a new one with a new key may take its place.
_LOST = (State.MISSING, State.UNREADABLE, State.REVOKED, State.OTHER_AUTHORITY)
_REPLACED = (*_LOST, State.EXPIRED)


def establish(folder: Folder, key_path: Path, domain: str, now: datetime, days: int = AUTHORITY_DAYS) -> None:
    """Make the authority of a domain; ``PkiError`` if there is one.

    A key that is there already is used. The authority is there when its certificate is, which is written last.
    """
    files.make_folders(folder)
    with files.locked(folder):
        if folder.authority.exists():
            raise PkiError(f"{folder.authority}: there is an authority already")
        try:
            key = files.read_key(key_path)
        except FileNotFoundError:
            key = ec.generate_private_key(CURVE())
            files.write_key(key_path, key)
        certificate = authority_certificate(domain, key, x509.random_serial_number(), authority_period(now, days))
        files.write_revocations(folder.revocations, revocation_list([], 1, now, Issuer(certificate, key)))
        files.write_certificate(folder.authority, certificate)


def read_trust(folder: Folder) -> Trust:
    """The authority's certificate and revocation list, which every host has; ``PkiError`` if they are unusable."""
    try:
        trust = Trust(files.read_certificate(folder.authority), files.read_revocations(folder.revocations))
    except FileNotFoundError as error:
        missing = Path(error.filename)
        remedy = (
            "'pmipls pki init' makes an authority, from whose host all others get this file"
            if missing == folder.authority
            else "take it from another host of the domain: it says which certificates are revoked"
        )
        raise PkiError(f"{missing}: there is no such file; {remedy}") from None
    if not signed_list(trust.revocations, trust.authority):
        raise PkiError(f"{folder.revocations}: is not signed by the authority of {folder.authority}")
    return trust


@dataclass
class Authority:
    """The authority in a folder, at the time ``now``, while the folder is locked (:func:`.files.locked`)."""

    folder: Folder
    names: dict[str, NodeNames]
    now: datetime
    trust: Trust
    _key: ec.EllipticCurvePrivateKey

    @classmethod
    def open(cls, folder: Folder, key_path: Path, domain: str, names: dict[str, NodeNames], now: datetime) -> Authority:
        """Read the authority; ``PkiError`` if it cannot be used, ``PkiInputError`` if it is another domain's."""
        trust = read_trust(folder)
        if domain_of(trust.authority) != domain:
            raise PkiInputError(
                f"{folder.authority}: is the authority of the domain {domain_of(trust.authority)!r}, "
                f"and the profile's is {domain!r}"
            )
        try:
            key = files.read_key(key_path)
        except FileNotFoundError:
            raise PkiError(
                f"{key_path}: there is no such file; the authority's key is needed, and --ca-key names its place"
            ) from None
        if key.public_key() != trust.authority.public_key():
            raise PkiError(f"{key_path}: is not the key of the authority of {folder.authority}")
        if now < trust.authority.not_valid_before_utc:
            raise PkiError(f"the clock is wrong, or {folder.authority} is: it is not valid yet")
        files.make_folders(folder)
        return cls(folder, names, now, trust, key)

    # The nodes' certificates.

    def current(self, node: str) -> x509.Certificate | None:
        """The certificate that a node has now."""
        try:
            return files.read_certificate(self.folder.certificate(node))
        except FileNotFoundError:
            return None

    def state(self, node: str) -> State:
        """The state of a node's certificate."""
        try:
            certificate = self.current(node)
        except PkiError:
            return State.UNREADABLE
        if certificate is None:
            return State.MISSING
        return node_state(certificate, self.names.get(node), self.trust, self.now)

    def issue(self, node: str, days: int = NODE_DAYS) -> x509.Certificate:
        """Issue a certificate for a new key; ``PkiError`` if the node has a good one."""
        self.check_issue(node)
        key = ec.generate_private_key(CURVE())
        certificate = self._signed(node, key.public_key(), days)
        files.write_issued(self.folder, certificate)
        files.make_node_folder(self.folder, node)
        files.remove(self.folder.certificate(node))  # a key and a certificate that do not fit are never there together
        files.write_key(self.folder.key(node), key)
        files.write_certificate(self.folder.certificate(node), certificate)
        files.touch(self.folder.key(node))
        return certificate

    def without(self) -> list[str]:
        """The nodes that have no certificate."""
        return [node for node in self.names if self.state(node) is State.MISSING]

    def check_issue(self, node: str) -> None:
        """``PkiError`` if no certificate can be issued to a node now, ``PkiInputError`` if there is no such node."""
        self._require(node)
        self._require_life()
        if self.state(node) not in _REPLACED:
            raise PkiError(
                f"{node} has a certificate: 'pmipls pki renew {node}' renews it, and "
                f"'pmipls pki revoke {node}' makes room for one with a new key"
            )

    def renew(self, node: str, days: int = NODE_DAYS) -> x509.Certificate:
        """Issue another certificate for the key that a node has; ``PkiError`` if that must not be."""
        self.check_renewal(node)
        previous = self.current(node)
        assert previous is not None
        key = previous.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        certificate = self._signed(node, key, days)
        files.write_issued(self.folder, certificate)
        files.write_certificate(self.folder.certificate(node), certificate)
        files.touch(self.folder.key(node))
        return certificate

    def due(self) -> list[str]:
        """The nodes whose certificates are to be renewed now."""
        return [node for node in self.names if self.state(node) in (State.DUE, State.EXPIRED, State.OTHER_NAMES)]

    def check_renewal(self, node: str) -> None:
        """``PkiError`` if a node's certificate cannot be renewed, ``PkiInputError`` if there is no such node."""
        self._require(node)
        self._require_life()
        state = self.state(node)
        if state in _LOST:
            raise PkiError(f"the certificate of {node} is {state.value}: 'pmipls pki issue {node}' makes a new one")
        certificate = self.current(node)
        assert certificate is not None
        if lost := str(names_of(certificate) - self.names[node]):
            raise PkiError(
                f"the certificate of {node} is also for {lost}, which the profile gives it no more: "
                f"'pmipls pki revoke {node}' ends that, then 'pmipls pki issue {node}' makes a new one"
            )

    def revoke(self, node: str) -> list[int]:
        """Revoke all certificates of a node, and return their serial numbers; ``PkiError`` if there are none left."""
        issued = files.read_issued(self.folder)
        known = {*self.names, *map(node_of, issued)}
        if node not in known:
            raise PkiInputError(f"no node is called {node!r}; there are: {', '.join(sorted(known))}")
        present = None if self.state(node) is State.UNREADABLE else self.current(node)
        candidates = [*issued, *([] if present is None or not self.trust.issued(present) else [present])]
        serials = sorted(
            {
                certificate.serial_number
                for certificate in candidates
                if node_of(certificate) == node and not self.trust.revoked(certificate.serial_number)
            }
        )
        if not serials:
            raise PkiError(f"{node} has no certificate that is not revoked already")
        self._write_revocations(serials)
        return serials

    # The authority's own certificate.

    def renew_itself(self, days: int = AUTHORITY_DAYS) -> bool:
        """Extend the authority's own certificate if it is due; True if it was. Certificates of nodes stay valid."""
        if time_state(self.trust.authority, self.now) is State.VALID:
            return False
        period = authority_period(self.now, days)
        serial = x509.random_serial_number()
        certificate = authority_certificate(domain_of(self.trust.authority), self._key, serial, period)
        self.trust = Trust(certificate, self.trust.revocations)
        self._write_revocations([])
        files.write_certificate(self.folder.authority, certificate)
        return True

    def _write_revocations(self, serials: Sequence[int]) -> None:
        """Write the next revocation list, with these serial numbers as well."""
        previous = self.trust.revocations
        entries = [*previous, *(revoked_entry(serial, self.now) for serial in serials)]
        issuer = Issuer(self.trust.authority, self._key)
        revocations = revocation_list(entries, list_number(previous) + 1, self.now, issuer)
        files.write_revocations(self.folder.revocations, revocations)
        self.trust = Trust(self.trust.authority, revocations)

    def _signed(self, node: str, key: ec.EllipticCurvePublicKey, days: int) -> x509.Certificate:
        issuer = Issuer(self.trust.authority, self._key)
        period = node_period(self.now, days, issuer.certificate)
        return node_certificate(node, self.names[node], key, x509.random_serial_number(), period, issuer)

    def _require(self, node: str) -> None:
        if node not in self.names:
            raise PkiInputError(f"no node is called {node!r}; there are: {', '.join(self.names)}")

    def _require_life(self) -> None:
        if time_state(self.trust.authority, self.now) is State.EXPIRED:
            raise PkiError(f"{self.folder.authority}: has expired; 'pmipls pki renew' renews it")
