"""The authority on files: issue, renewal, revocation, with openssl as the yardstick."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.pki import files
from ryu_pmipls.pki.authority import Authority, establish, read_trust
from ryu_pmipls.pki.certificates import CURVE, list_number, serial_text
from ryu_pmipls.pki.errors import PkiError, PkiInputError
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.pki.validity import State
from tests.unit.pki.authorities import NAMES, NOW, PROFILE, days, established, opened, verified


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return established(tmp_path / "pki")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def with_address(node: str, address: str) -> Profile:
    """The default profile, but for the address of one LMA."""
    document = PROFILE.model_dump(mode="json")
    for lma in document["lmas"]:
        if lma["name"] == node:
            lma["address"] = address
    return Profile.model_validate(document)


def without_lma2() -> Profile:
    document = PROFILE.model_dump(mode="json")
    document["lmas"] = document["lmas"][:1]
    document["lab"]["lma_cpu"] = {}
    for node in document["mobile_nodes"]:
        node["anchor"] = "lma1"
    return Profile.model_validate(document)


# Issue


@pytest.mark.parametrize("node", NAMES)
def test_openssl_verifies_what_is_issued_for_its_purposes_and_names(folder: Folder, node: str) -> None:
    opened(folder).issue(node)
    found = folder.certificate(node)
    assert verified(folder, found) == "OK"
    assert verified(folder, found, "-purpose", "sslserver") == verified(folder, found, "-purpose", "sslclient") == "OK"
    assert verified(folder, found, "-verify_hostname", f"{node}.two-lma") == "OK"
    for address in NAMES[node].addresses:
        assert verified(folder, found, "-verify_ip", str(address)) == "OK"
    other = "mag1" if node != "mag1" else "mag2"
    assert verified(folder, found, "-verify_hostname", f"{other}.two-lma") == "hostname mismatch"
    assert verified(folder, found, "-verify_ip", str(PROFILE.mag(other).address)) == "IP address mismatch"


def test_private_keys_are_their_owners_alone_and_all_else_is_public(folder: Folder) -> None:
    opened(folder).issue("lma1")
    assert [mode(path) for path in (folder.authority_key, folder.key("lma1"))] == [0o600, 0o600]
    assert mode(folder.key("lma1").parent) == 0o700
    (record,) = folder.issued.iterdir()
    assert {mode(path) for path in (folder.authority, folder.revocations, record)} == {0o644}
    assert files.read_key(folder.key("lma1")).public_key() == files.read_certificate(record).public_key()


def test_a_node_with_a_good_certificate_gets_no_other_key(folder: Folder) -> None:
    opened(folder).issue("lma1")
    key = folder.key("lma1").read_bytes()
    with pytest.raises(PkiError, match="lma1 has a certificate: 'pmipls pki renew lma1' renews it"):
        opened(folder).issue("lma1")
    assert folder.key("lma1").read_bytes() == key


@pytest.mark.parametrize("damaged", [b"", b"no certificate", b"\xff" * 9])
def test_a_damaged_certificate_makes_room_for_a_new_one(folder: Folder, damaged: bytes) -> None:
    opened(folder).issue("lma1")
    folder.certificate("lma1").write_bytes(damaged)
    assert opened(folder).state("lma1") is State.UNREADABLE
    with pytest.raises(PkiError, match="lma1 is unreadable: 'pmipls pki issue lma1'"):
        opened(folder).renew("lma1")
    opened(folder).issue("lma1")
    assert verified(folder, folder.certificate("lma1")) == "OK"


def test_serial_numbers_are_not_repeated_even_when_an_old_copy_of_the_folder_comes_back(folder: Folder) -> None:
    shutil.copytree(folder.path, folder.path.with_name("backup"))
    first = opened(folder).issue("lma1").serial_number
    second = opened(Folder(folder.path.with_name("backup"))).issue("lma1").serial_number
    assert first != second
    assert {first.bit_length() > 100, second.bit_length() > 100} == {True}


# Renewal


def test_a_renewed_certificate_lasts_longer_and_keeps_the_key(folder: Folder) -> None:
    first = opened(folder).issue("lma1")
    key = folder.key("lma1").read_bytes()
    later = opened(folder, days(340))
    assert (later.due(), later.state("lma1")) == (["lma1"], State.DUE)
    second = later.renew("lma1")
    assert second.public_key() == first.public_key()
    assert second.not_valid_after_utc == days(340 + 365)
    assert (later.due(), later.state("lma1"), folder.key("lma1").read_bytes()) == ([], State.VALID, key)
    assert verified(folder, folder.certificate("lma1"), now=days(600)) == "OK"
    assert files.read_certificate(folder.certificate("lma1")) == second
    assert {path.stem for path in folder.issued.iterdir()} == {
        serial_text(each.serial_number) for each in (first, second)
    }


def test_key_and_certificate_both_have_another_time_than_before_when_either_is_new(folder: Folder) -> None:
    """Open vSwitch, which looks at the key first, reads neither again unless both have."""
    paths = folder.certificate("lma1"), folder.key("lma1")
    opened(folder).issue("lma1")
    for path in paths:
        os.utime(path, (0, 0))
    opened(folder).renew("lma1")
    certificate, key = (path.stat().st_mtime_ns for path in paths)
    assert 0 < certificate <= key


def test_a_key_need_not_be_on_the_authoritys_host_for_renewal(folder: Folder) -> None:
    opened(folder).issue("lma1")
    folder.key("lma1").unlink()
    opened(folder, days(340)).renew("lma1")
    assert not folder.key("lma1").exists()
    assert verified(folder, folder.certificate("lma1"), now=days(600)) == "OK"


def test_an_expired_certificate_is_refused_by_openssl_and_can_be_renewed(folder: Folder) -> None:
    opened(folder).issue("lma1", 10)
    assert verified(folder, folder.certificate("lma1"), now=days(11)) == "certificate has expired"
    assert opened(folder, days(11)).state("lma1") is State.EXPIRED
    opened(folder, days(11)).renew("lma1")
    assert verified(folder, folder.certificate("lma1"), now=days(11)) == "OK"


def test_what_is_missing_or_revoked_is_not_renewed(folder: Folder) -> None:
    with pytest.raises(PkiError, match="lma1 is missing: 'pmipls pki issue lma1' makes a new one"):
        opened(folder).renew("lma1")
    opened(folder).issue("lma1")
    opened(folder).revoke("lma1")
    with pytest.raises(PkiError, match="lma1 is revoked: 'pmipls pki issue lma1' makes a new one"):
        opened(folder).renew("lma1")


def test_a_node_that_gets_another_address_must_give_up_its_old_certificate(folder: Folder) -> None:
    opened(folder).issue("lma1")
    moved = opened(folder, profile=with_address("lma1", "fd00:5213::77"))
    assert (moved.state("lma1"), moved.due()) == (State.OTHER_NAMES, ["lma1"])
    with pytest.raises(
        PkiError, match=r"also for fd00:5213::11, which the profile gives it no more: 'pmipls pki revoke"
    ):
        moved.renew("lma1")
    moved.revoke("lma1")
    moved.issue("lma1")
    assert verified(folder, folder.certificate("lma1"), "-verify_ip", "fd00:5213::77") == "OK"


def test_the_authority_renews_itself_and_all_certificates_stay_good(folder: Folder) -> None:
    opened(folder, days(3400)).issue("lma1")
    opened(folder, days(3400)).issue("mag1")
    opened(folder, days(3400)).revoke("mag1")
    assert not opened(folder, days(3600)).renew_itself()
    before = read_trust(folder)
    old = Folder(folder.path.with_name("old"))  # a host that has not been given the new certificate yet
    shutil.copytree(folder.path, old.path)
    assert opened(folder, days(3625)).renew_itself()
    after = read_trust(folder)
    assert after.authority.not_valid_after_utc == after.revocations.next_update_utc == days(3625 + 3650)
    assert list_number(after.revocations) == list_number(before.revocations) + 1
    assert verified(folder, folder.certificate("lma1"), now=days(3630)) == "OK"
    assert verified(folder, folder.certificate("mag1"), now=days(3630)) == "certificate revoked"
    opened(folder, days(3640)).renew("lma1")
    assert verified(folder, folder.certificate("lma1"), now=days(4000)) == "OK"
    assert verified(old, folder.certificate("lma1"), now=days(3649)) == "OK"
    assert verified(old, folder.certificate("lma1"), now=days(3651)) != "OK"


def test_an_expired_authority_issues_nothing_before_it_has_renewed_itself(folder: Folder) -> None:
    authority = opened(folder, days(3651))
    with pytest.raises(PkiError, match=r"ca\.pem: has expired; 'pmipls pki renew' renews it"):
        authority.issue("lma1")
    assert authority.renew_itself()
    authority.issue("lma1")
    assert verified(folder, folder.certificate("lma1"), now=days(3660)) == "OK"


# Revocation


def test_all_certificates_of_a_node_are_revoked_the_superseded_ones_too(folder: Folder) -> None:
    authority = opened(folder)
    issued = [authority.issue("lma1"), authority.renew("lma1"), authority.renew("lma1")]
    authority.issue("mag1")
    assert sorted(authority.revoke("lma1")) == sorted(each.serial_number for each in issued)
    for each in issued:
        path = folder.issued / f"{serial_text(each.serial_number)}.pem"
        assert verified(folder, path) == "certificate revoked"
    assert verified(folder, folder.certificate("mag1")) == "OK"


def test_revocations_add_up_and_a_new_certificate_is_not_among_them(folder: Folder) -> None:
    for number in (2, 3, 4):
        opened(folder).issue("lma1")
        assert verified(folder, folder.certificate("lma1")) == "OK"
        opened(folder).revoke("lma1")
        assert verified(folder, folder.certificate("lma1")) == "certificate revoked"
        revocations = read_trust(folder).revocations
        assert (list_number(revocations), len(list(revocations))) == (number, number - 1)
    with pytest.raises(PkiError, match="lma1 has no certificate that is not revoked already"):
        opened(folder).revoke("lma1")


def test_a_node_that_has_left_the_profile_can_be_revoked(folder: Folder) -> None:
    opened(folder).issue("lma2")
    authority = opened(folder, profile=without_lma2())
    with pytest.raises(PkiInputError, match="no node is called 'lma2'; there are: rms, lma1, mag1, mag2"):
        authority.renew("lma2")
    authority.revoke("lma2")
    assert verified(folder, folder.certificate("lma2")) == "certificate revoked"
    with pytest.raises(PkiInputError, match="no node is called 'lma9'; there are: lma1, lma2, mag1, mag2, rms"):
        authority.revoke("lma9")


# The authority itself


def test_there_is_one_authority_in_a_folder(folder: Folder) -> None:
    before = folder.authority.read_bytes(), folder.authority_key.read_bytes()
    with pytest.raises(PkiError, match=r"ca\.pem: there is an authority already"):
        establish(folder, folder.authority_key, "two-lma", NOW)
    assert (folder.authority.read_bytes(), folder.authority_key.read_bytes()) == before


def test_the_authoritys_key_may_live_elsewhere_and_is_needed_for_each_change(tmp_path: Path) -> None:
    folder, key = Folder(tmp_path / "pki"), tmp_path / "stick.pem"
    establish(folder, key, PROFILE.domain, NOW)
    assert (mode(key), folder.authority_key.exists()) == (0o600, False)
    Authority.open(folder, key, PROFILE.domain, NAMES, NOW).issue("lma1")
    with pytest.raises(
        PkiError, match=r"ca-key\.pem: there is no such file; the authority's key is needed, and --ca-key"
    ):
        opened(folder)


def test_a_key_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "pki")
    key = ec.generate_private_key(CURVE())
    files.make_folders(folder)
    files.write_key(folder.authority_key, key)
    establish(folder, folder.authority_key, PROFILE.domain, NOW)
    assert files.read_key(folder.authority_key).public_key() == key.public_key()
    other = tmp_path / "other.pem"
    other.write_text("my diary")
    with pytest.raises(PkiError, match=r"other\.pem: is not the private key of an elliptic curve"):
        establish(Folder(tmp_path / "second"), other, PROFILE.domain, NOW)
    assert other.read_text() == "my diary"


def swap_key(folder: Folder) -> None:
    files.write_key(folder.authority_key, ec.generate_private_key(CURVE()))


def swap_list(folder: Folder) -> None:
    shutil.copy(established(folder.path.with_name("other")).revocations, folder.revocations)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (
            lambda folder: folder.authority.unlink(),
            r"ca\.pem: there is no such file; 'pmipls pki init' makes an authority",
        ),
        (lambda folder: folder.revocations.unlink(), r"crl\.pem: there is no such file; take it from another host"),
        (lambda folder: folder.authority.write_bytes(b"\0"), r"ca\.pem: is not a certificate in PEM"),
        (lambda folder: folder.revocations.write_bytes(b""), r"crl\.pem: is not a revocation list in PEM"),
        (swap_list, r"crl\.pem: is not signed by the authority of"),
        (swap_key, r"ca-key\.pem: is not the key of the authority"),
        (lambda folder: folder.authority_key.write_bytes(b"x"), r"ca-key\.pem: is not the private key of an elliptic"),
    ],
)
def test_a_damaged_authority_does_nothing_and_names_the_file(
    folder: Folder, harm: Callable[[Folder], object], told: str
) -> None:
    harm(folder)
    with pytest.raises(PkiError, match=told):
        opened(folder)


def test_certificate_list_and_key_are_all_that_an_authority_needs(folder: Folder) -> None:
    opened(folder).issue("lma1")
    backup = Folder(folder.path.with_name("backup"))
    backup.path.mkdir()
    for path in (folder.authority, folder.revocations, folder.authority_key):
        shutil.copy(path, backup.path)
    opened(backup).issue("mag1")
    assert verified(backup, backup.certificate("mag1")) == verified(folder, backup.certificate("mag1")) == "OK"


def test_an_authority_serves_its_own_domain_only(folder: Folder) -> None:
    with pytest.raises(PkiInputError, match="is the authority of the domain 'two-lma', and the profile's is 'other'"):
        Authority.open(folder, folder.authority_key, "other", NAMES, NOW)


def test_a_clock_before_the_authoritys_beginning_is_wrong(folder: Folder) -> None:
    with pytest.raises(PkiError, match="the clock is wrong"):
        opened(folder, days(-2))


# Two at once


def issue_while_another_is_at_work(path: Path, node: str) -> None:
    with files.locked(Folder(path)):
        opened(Folder(path)).issue(node)
        opened(Folder(path)).revoke(node)


def test_processes_at_once_lose_no_revocation(folder: Folder) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=issue_while_another_is_at_work, args=(folder.path, node)) for node in NAMES]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * len(NAMES)
    assert len(list(read_trust(folder).revocations)) == len(NAMES)
    assert {opened(folder).state(node) for node in NAMES} == {State.REVOKED}


def test_who_waits_too_long_for_another_process_is_told(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_PATIENCE", 0.0)
    with (
        files.locked(folder),
        pytest.raises(PkiError, match="another process is changing the certificates; try later"),
        files.locked(folder),
    ):
        pass


def test_certificates_are_what_their_records_say(folder: Folder) -> None:
    issued = {opened(folder).issue(node).serial_number for node in NAMES}
    records = files.read_issued(folder)
    assert {each.serial_number for each in records} == issued
    assert all(isinstance(each, x509.Certificate) for each in records)
