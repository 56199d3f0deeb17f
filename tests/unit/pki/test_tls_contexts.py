"""TLS of a server with the certificates in a folder: whom it accepts, and what it does when files change."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ryu_pmipls.pki import files
from ryu_pmipls.pki.certificates import CURVE
from ryu_pmipls.pki.errors import PkiError
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.pki.tls_contexts import ServerContexts
from tests.unit.pki.authorities import client_context as client
from tests.unit.pki.authorities import days, established, opened


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """The certificates of the RMS and of lma1."""
    folder = established(tmp_path / "pki", days(-400))
    for node in ("rms", "lma1"):
        opened(folder).issue(node)
    return folder


def meet(server: ssl.SSLContext, client: ssl.SSLContext) -> bytes | None:
    """A handshake in memory; the client's certificate (DER). ``ssl.SSLError`` when either refuses the other."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (server.wrap_bio(there, back, server_side=True), client.wrap_bio(back, there))
    for _ in range(4):
        for end in reversed(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    ends[0].write(b"done")
    assert ends[1].read(4) == b"done"
    return ends[0].getpeercert(True)


def test_a_node_of_the_domain_is_accepted_by_tls_1_3(folder: Folder) -> None:
    assert meet(ServerContexts(folder, "rms").current(), client(folder, "lma1")) is not None


def test_an_older_version_is_refused(folder: Folder) -> None:
    with pytest.raises(ssl.SSLError):
        meet(ServerContexts(folder, "rms").current(), client(folder, "lma1", newest=ssl.TLSVersion.TLSv1_2))


def test_a_client_without_a_certificate_is_accepted_only_where_it_may_be(folder: Folder) -> None:
    assert meet(ServerContexts(folder, "rms", ssl.CERT_OPTIONAL).current(), client(folder, None)) is None
    with pytest.raises(ssl.SSLError):
        meet(ServerContexts(folder, "rms").current(), client(folder, None))


@pytest.mark.parametrize("clients", [ssl.CERT_REQUIRED, ssl.CERT_OPTIONAL])
def test_bad_certificates_are_refused(folder: Folder, tmp_path: Path, clients: ssl.VerifyMode) -> None:
    server = ServerContexts(folder, "rms", clients)
    other = established(tmp_path / "other")
    opened(other).issue("lma1")
    with pytest.raises(ssl.SSLCertVerificationError, match="verify failed"):
        meet(server.current(), client(other, "lma1", folder))
    opened(folder, days(-390)).issue("mag1", 1)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        meet(server.current(), client(folder, "mag1"))
    opened(folder).revoke("lma1")
    with pytest.raises(ssl.SSLCertVerificationError, match="revoked"):
        meet(server.current(), client(folder, "lma1"))


def test_no_session_is_resumed(folder: Folder) -> None:
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = ServerContexts(folder, "rms").current().wrap_bio(there, back, server_side=True)
    end = client(folder, "lma1").wrap_bio(back, there)
    for one in (end, server, end, server):
        try:
            one.do_handshake()
        except ssl.SSLWantReadError:
            continue
    with pytest.raises(ssl.SSLWantReadError):
        end.read(1)
    assert end.session is None or not end.session.has_ticket


def test_a_renewed_certificate_is_in_use_for_the_next_connection(folder: Folder) -> None:
    server = ServerContexts(folder, "rms")
    before = server.current()
    assert server.current() is before and server.generation == 0
    opened(folder).renew("rms")
    assert server.current() is not before and server.generation == 1
    meet(server.current(), client(folder, "lma1"))


def test_a_certificate_is_objected_to_once_it_is_revoked_and_not_when_it_is_renewed(folder: Folder) -> None:
    server = ServerContexts(folder, "rms")
    shown = meet(server.current(), client(folder, "lma1"))
    assert shown is not None
    opened(folder).renew("lma1")
    assert server.objection(shown) == ""
    opened(folder).revoke("lma1")
    assert server.objection(shown) == "revoked"


def test_nothing_is_objected_to_a_certificate_that_has_ended_since(folder: Folder) -> None:
    opened(folder, days(-390)).issue("mag1", 1)
    assert (
        ServerContexts(folder, "rms").objection(ssl.PEM_cert_to_DER_cert(folder.certificate("mag1").read_text())) == ""
    )


def test_a_certificate_of_a_former_authority_is_objected_to(folder: Folder, tmp_path: Path) -> None:
    server = ServerContexts(folder, "rms")
    shown = meet(server.current(), client(folder, "lma1"))
    assert shown is not None
    other = established(tmp_path / "other")
    opened(other).issue("rms")
    for place in (Folder.authority.fget, Folder.revocations.fget):
        assert place is not None
        place(other).replace(place(folder))
    assert server.objection(shown) == "", "the RMS's own certificate is still of the former one"
    for path in (other.certificate("rms"), other.key("rms")):
        path.replace(folder.path / path.relative_to(other.path))
    assert server.objection(shown) == "of another authority"


def without_key(folder: Folder) -> None:
    folder.key("rms").unlink()


def other_key(folder: Folder) -> None:
    files.write_key(folder.key("rms"), ec.generate_private_key(CURVE()))


HARMS = [
    (lambda folder: folder.authority.unlink(), "ca.pem: there is no such file; 'pmipls pki init'"),
    (lambda folder: folder.revocations.unlink(), "crl.pem: there is no such file; take it from another host"),
    (lambda folder: folder.revocations.write_text("?"), "crl.pem: is not a revocation list in PEM"),
    (lambda folder: folder.certificate("rms").unlink(), "'pmipls pki issue rms' makes it on the authority's host"),
    (without_key, "key.pem: there is no such file"),
    (other_key, "key.pem: is not the key of "),
    (lambda folder: folder.certificate("rms").write_text("?"), "certificate.pem: is not a certificate in PEM"),
]


@pytest.mark.parametrize(("harm", "told"), HARMS)
def test_what_cannot_be_used_in_the_beginning_is_told_with_its_place(
    folder: Folder, harm: Callable[[Folder], object], told: str
) -> None:
    harm(folder)
    with pytest.raises(PkiError) as raised:
        ServerContexts(folder, "rms")
    assert told in str(raised.value)


@pytest.mark.parametrize(("harm", "told"), HARMS)
def test_what_cannot_be_used_later_leaves_the_former_in_use(
    folder: Folder, harm: Callable[[Folder], object], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = ServerContexts(folder, "rms")
    before = server.current()
    accepted = client(folder, "lma1")
    harm(folder)
    for _ in range(3):
        assert server.current() is before
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("the former certificates stay in use: ") and told in line
    meet(before, accepted)
