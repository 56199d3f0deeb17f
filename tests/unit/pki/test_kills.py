"""A process that is killed before any of its accesses to files leaves an authority that can be used."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ryu_pmipls.pki import files
from ryu_pmipls.pki.authority import establish, read_trust
from ryu_pmipls.pki.certificates import list_number
from ryu_pmipls.pki.errors import PkiError
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.pki.validity import State
from tests.unit.pki.authorities import NAMES, NOW, PROFILE, days, established, opened, verified

#: Events before each access to a file, as ``sys.addaudithook`` names them; reading counts, too.
ACCESSES = {"open", "os.mkdir", "os.chmod", "os.rename", "os.remove", "fcntl.flock"}
#: More accesses than any change needs.
MOST = 200

Change = Callable[[Folder], object]


def killed_at(number: int, change: Change, folder: Folder) -> bool:
    """Make a change in a process that is killed before its access ``number``; False if it ended before."""
    child = os.fork()
    if child == 0:
        left = number

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            here = event == "os.chmod" or any(
                str(folder.path) in str(each) for each in arguments
            )  # that may have no path
            if event in ACCESSES and here:
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(count)
            change(folder)
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the change failed"
    return os.WIFSIGNALED(status)


def kills(before: Path, change: Change) -> Iterator[Folder]:
    """For each access of a change, a copy of the folder ``before`` in which a process was killed before it."""
    for number in range(MOST):
        folder = Folder(before.with_name(f"killed-{number}"))
        if before.exists():
            shutil.copytree(before, folder.path)
        if not killed_at(number, change, folder):
            assert number > 5
            return
        yield folder
    pytest.fail(f"the change has more than {MOST} accesses")


def assert_safe(folder: Folder) -> None:
    """Nothing is half there, and no key was open to others at any time."""
    for path in folder.path.rglob("*key.pem*"):
        assert not files.others_may_read(path), path
    for path in [*folder.path.rglob("*.pem")]:
        if path.name.endswith("key.pem"):
            files.read_key(path)
        elif path.name == "crl.pem":
            files.read_revocations(path)
        else:
            files.read_certificate(path)
    for node in folder.nodes():
        if folder.certificate(node).exists():
            certificate, key = files.read_certificate(folder.certificate(node)), files.read_key(folder.key(node))
            assert certificate.public_key() == key.public_key()
            assert certificate in files.read_issued(folder)


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """An authority with certificates: one that is due in a year, and a revoked one."""
    folder = established(tmp_path / "pki")
    for node in ("lma1", "mag1"):
        opened(folder).issue(node)
    opened(folder).revoke("mag1")
    return folder.path


def test_init_can_be_repeated(tmp_path: Path) -> None:
    def change(folder: Folder) -> None:
        establish(folder, folder.authority_key, PROFILE.domain, NOW)

    for folder in kills(tmp_path / "none", change):
        assert_safe(folder)
        if folder.authority.exists():  # it was done, and only the last words were missing
            with pytest.raises(PkiError, match="there is an authority already"):
                change(folder)
        else:
            change(folder)
        opened(folder).issue("lma1")
        assert verified(folder, folder.certificate("lma1")) == "OK"


@pytest.mark.parametrize("node", ["lma2", "mag1"])
def test_issue_can_be_repeated(before: Path, node: str) -> None:
    """Also where it replaces a revoked certificate."""
    serials = set()
    for folder in kills(before, lambda folder: opened(folder).issue(node)):
        assert_safe(folder)
        assert opened(folder).state(node) in (State.MISSING, State.REVOKED, State.VALID)
        if opened(folder).state(node) is not State.VALID:
            opened(folder).issue(node)
        assert verified(folder, folder.certificate(node)) == verified(folder, folder.certificate("lma1")) == "OK"
        records = [each.serial_number for each in files.read_issued(folder)]
        assert len(records) == len({*records})
        serials.add(files.read_certificate(folder.certificate(node)).serial_number)
        opened(folder).revoke(node)
        revocations = read_trust(folder).revocations
        for record in files.read_issued(folder):  # also the one that its node has never got
            revoked = revocations.get_revoked_certificate_by_serial_number(record.serial_number) is not None
            assert revoked == (record.subject.rfc4514_string() != "CN=lma1,O=two-lma")
    assert len(serials) > 5


def test_renewal_leaves_a_good_certificate_at_any_moment(before: Path) -> None:
    later = days(340)
    for folder in kills(before, lambda folder: opened(folder, later).renew("lma1")):
        assert_safe(folder)
        assert opened(folder, later).state("lma1") in (State.DUE, State.VALID)
        assert verified(folder, folder.certificate("lma1"), now=later) == "OK"
        for node in opened(folder, later).due():
            opened(folder, later).renew(node)
        assert opened(folder, later).state("lma1") is State.VALID


def test_revocation_is_done_or_not_done(before: Path) -> None:
    for folder in kills(before, lambda folder: opened(folder).revoke("lma1")):
        assert_safe(folder)
        assert opened(folder).state("mag1") is State.REVOKED
        if opened(folder).state("lma1") is State.VALID:
            opened(folder).revoke("lma1")
        assert (opened(folder).state("lma1"), list_number(read_trust(folder).revocations)) == (State.REVOKED, 3)


def test_an_authority_that_renews_itself_stays_one(before: Path) -> None:
    opened(Folder(before), days(3500)).renew("lma1")
    later = days(3640)
    for folder in kills(before, lambda folder: opened(folder, later).renew_itself()):
        assert_safe(folder)
        assert verified(folder, folder.certificate("lma1"), now=later) == "OK"
        opened(folder, later).renew_itself()
        trust = read_trust(folder)
        assert trust.authority.not_valid_after_utc == trust.revocations.next_update_utc == days(3640 + 3650)
        assert opened(folder, later).state("mag1") is State.REVOKED


def test_the_lock_of_a_killed_process_is_free(before: Path) -> None:
    def change(folder: Folder) -> None:
        with files.locked(folder):
            opened(folder).issue("rms")

    for folder in kills(before, change):
        with files.locked(folder):
            opened(folder)
    assert "rms" in NAMES
