"""A node's certificate in the health of its process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ryu_pmipls.domain.profile import Certificates, Profile
from ryu_pmipls.pki import files
from ryu_pmipls.pki.certificates import CURVE
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.pki.own_certificate import OwnCertificate
from tests.unit.pki.authorities import PROFILE, days, established, opened


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """The folder on the host of lma1, whose certificate lasts a year."""
    folder = established(tmp_path / "pki", lifetime=400)
    opened(folder).issue("lma1")
    return folder


def profile(folder: Folder) -> Profile:
    return PROFILE.model_copy(update={"certificates": Certificates(folder=folder.path)})


def reasons(folder: Folder, at: float = 0.0, node: str = "lma1") -> list[str]:
    return OwnCertificate(profile(folder), node).reasons(0.0, days(at).timestamp())


def test_nothing_is_said_unless_the_profile_names_a_folder() -> None:
    assert OwnCertificate(PROFILE, "lma1").reasons(0.0, 0.0) == []


def test_a_good_certificate_is_no_reason(folder: Folder) -> None:
    assert reasons(folder) == []


def test_expiry_shows_before_and_after(folder: Folder) -> None:
    end = f"{days(365):%Y-%m-%d %H:%M} UTC"
    assert reasons(folder, 340) == [f"the certificate of lma1 expires on {end}: 'pmipls pki renew lma1' renews it"]
    assert reasons(folder, 366)[0] == f"the certificate of lma1 expired on {end}: 'pmipls pki renew lma1' renews it"
    assert reasons(folder, 380)[1].startswith("the certificate of the authority expires on ")
    assert reasons(folder, -1)[0] == "the certificate of lma1 is not yet valid: is the clock right?"


def other_key(folder: Folder) -> None:
    files.write_key(folder.key("lma1"), ec.generate_private_key(CURVE()))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda folder: opened(folder).revoke("lma1"), "is revoked: 'pmipls pki issue lma1' makes a new one"),
        (lambda folder: folder.certificate("lma1").unlink(), "is missing: 'pmipls pki issue lma1' makes a new one"),
        (lambda folder: folder.certificate("lma1").write_text("?"), "certificate.pem: is not a certificate in PEM)"),
        (lambda folder: folder.key("lma1").unlink(), "is without its key: key.pem belongs beside it"),
        (lambda folder: folder.key("lma1").write_text("?"), "key.pem: is not the private key of an elliptic curve"),
        (lambda folder: folder.key("lma1").chmod(0o644), "is with a key that others can read: chmod 600 its key.pem"),
        (other_key, "is for another key: 'pmipls pki issue lma1' makes a new one"),
        (lambda folder: folder.revocations.unlink(), "cannot be checked: "),
        (lambda folder: folder.authority.unlink(), "ca.pem: there is no such file"),
    ],
)
def test_what_is_wrong_is_told_as_soon_as_the_files_change(
    folder: Folder, harm: Callable[[Folder], object], told: str
) -> None:
    own, now = OwnCertificate(profile(folder), "lma1"), days(0).timestamp()
    assert own.reasons(0.0, now) == []
    harm(folder)
    (reason,) = own.reasons(1.0, now + 1)
    assert reason.startswith("the certificate of lma1 ") and told in reason
    assert own.reasons(2.0, now + 2) == [reason]


def test_a_repair_is_seen_at_once_and_the_course_of_time_within_a_minute(folder: Folder) -> None:
    own = OwnCertificate(profile(folder), "lma1")
    assert own.reasons(0.0, days(366).timestamp()) != []
    opened(folder, days(366)).renew("lma1", 30)
    assert own.reasons(1.0, days(366).timestamp()) == []
    assert own.reasons(62.0, days(397).timestamp()) != []


def test_a_missing_library_is_told_with_its_remedy(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    (reason,) = reasons(folder)
    assert reason.startswith("the certificate of lma1 cannot be checked: certificates need the Python library")
    assert "pip install 'ryu-pmipls[security]' installs it" in reason
