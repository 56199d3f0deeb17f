"""A real ``ryu-manager`` that serves REST beyond loopback: by TLS, to whom it knows, and on record after a kill."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.http.access.audit_log import read_audit
from ryu_pmipls.http.access.roles import AccessRole
from ryu_pmipls.http.access.tokens import TokenFile
from ryu_pmipls.http.client import ClientError, Rms, fetch, rms_of, send
from ryu_pmipls.http.credentials import Credentials
from ryu_pmipls.pki.authority import Authority, establish
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.pki.node_names import node_names
from tests.waiting import PATIENCE, eventually


class Served:
    """An RMS that listens at all addresses, and what its clients have."""

    def __init__(self, path: Path, directory: Path) -> None:
        self.path = path
        self.profile = load_profile(str(path))
        assert self.profile.certificates.folder is not None
        self.folder = Folder(self.profile.certificates.folder)
        self._log = directory / "log"
        self.certify("rms", "lma1")
        self.start()

    def certify(self, *nodes: str, revoke: str | None = None) -> None:
        """Issue certificates, or revoke one."""
        domain, now = self.profile.domain, datetime.now(timezone.utc)
        if not self.folder.authority.exists():
            establish(self.folder, self.folder.authority_key, domain, now)
        authority = Authority.open(self.folder, self.folder.authority_key, domain, node_names(self.profile), now)
        for node in nodes:
            authority.issue(node)
        if revoke is not None:
            authority.revoke(revoke)

    def start(self) -> None:
        command = [str(Path(sys.executable).with_name("ryu-manager")), "ryu_pmipls.rms"]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=os.environ | {"PMIPLS_PROFILE": str(self.path)}, stdout=log, stderr=log
            )
        eventually(self.answers, "an answer")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)

    def answers(self) -> bool:
        assert self.process.poll() is None, self.said()
        with suppress(ClientError):
            return bool(fetch(rms_of(self.profile), "health"))
        return False

    def said(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def url(self) -> str:
        return f"https://[::1]:{self.profile.rms.rest.port}"

    def ask(
        self, node: str | None, path: str = "health", token: str | None = None, document: bytes | None = None
    ) -> int | str:
        """The status of a request with the certificate of a node, or none; what is wrong with TLS, if that fails."""
        context = ssl.create_default_context(cafile=self.folder.authority)
        context.check_hostname = False
        if node is not None:
            context.load_cert_chain(self.folder.certificate(node), self.folder.key(node))
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(f"{self.url}/v1/{path}", document, headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE, context=context) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError as error:
            return f"no TLS: {error}"


@pytest.fixture(scope="module")
def profile_path(derive_profile: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile whose RMS is on loopback, but listens everywhere."""
    directory = tmp_path_factory.mktemp("rest")
    changes = {
        "rms": {"state_directory": str(directory / "state"), "rest": {"host": "::"}, "store": "memory"},
        "signalling": {"transport": "udp"},
        "certificates": {"folder": str(directory / "pki")},
    }
    path = derive_profile("prt", 64, changes)
    path.write_text(path.read_text().replace("fd00:5264::99", "::1").replace("fd00:5264::", "::"))
    return path


@pytest.fixture(scope="module")
def rms(profile_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(profile_path, tmp_path_factory.mktemp("served"))
    yield made
    made.kill()


def test_the_local_operator_commands_by_tls_without_more_ado(rms: Served) -> None:
    assert fetch(rms_of(rms.profile), "policy")["policy"] == "draft"
    assert send(rms_of(rms.profile), "policy", {"policy": "draft"})["policy"] == "draft"


def test_without_a_token_or_a_certificate_nothing_is_told(rms: Served) -> None:
    assert rms.ask(None) == 401
    with pytest.raises(urllib.error.URLError, match="certificate"):
        urllib.request.urlopen(f"{rms.url}/v1/health", timeout=PATIENCE)
    plain = f"http://[::1]:{rms.profile.rms.rest.port}/v1/health"
    with pytest.raises(OSError):
        urllib.request.urlopen(plain, timeout=PATIENCE)


def test_certificates_of_nodes_read_and_that_of_the_rms_operates(rms: Served) -> None:
    command = b'{"policy": "draft"}'
    assert rms.ask("lma1") == 200
    assert rms.ask("lma1", "policy", document=command) == 403
    assert rms.ask("rms", "policy", document=command) == 200
    assert [*read_audit(rms.profile.rms.state_directory)][-1]["who"] == "certificate of rms"


def test_a_token_is_good_from_when_it_is_created_to_when_it_is_revoked(rms: Served) -> None:
    file = TokenFile(rms.profile.rms.state_directory)
    secret = file.create("alice", AccessRole.READ, 1, datetime.now(timezone.utc).timestamp())
    assert rms.ask(None, token=secret) == 200
    assert rms.ask(None, "policy", secret, b'{"policy": "draft"}') == 403
    file.revoke("alice")
    assert rms.ask(None, token=secret) == 401


def test_a_revoked_certificate_counts_no_more_while_the_rms_runs(rms: Served) -> None:
    rms.certify("mag1")
    assert rms.ask("mag1") == 200
    rms.certify(revoke="mag1")
    assert str(rms.ask("mag1")).startswith("no TLS")
    assert rms.ask("lma1") == 200
    assert "REST refuses ::1: TLS failed" in rms.said()


def test_silent_and_half_handshakes_do_not_keep_others_out(rms: Served) -> None:

    crowd = [socket.create_connection(("::1", rms.profile.rms.rest.port), PATIENCE) for _ in range(150)]
    for number, each in enumerate(crowd):
        with suppress(OSError):
            each.sendall(b"\x16\x03\x01\x02\x00"[: number % 6])
    assert rms.ask("lma1") == 200
    for each in crowd:
        each.close()
    assert "Traceback" not in rms.said()


def test_a_user_finds_token_and_authority_where_they_are_expected(
    rms: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = TokenFile(rms.profile.rms.state_directory)
    secret = file.create("bob", AccessRole.OPERATE, 1, datetime.now(timezone.utc).timestamp())
    folder = tmp_path / "pmipls" / f"[::1]:{rms.profile.rms.rest.port}"
    folder.mkdir(parents=True)
    (folder / "ca.pem").write_bytes(rms.folder.authority.read_bytes())
    (folder / "token").write_text(secret + "\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    names = node_names(rms.profile)["rms"]
    assert "::1" in map(str, names)

    def pmipls(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-P", "-m", "ryu_pmipls.cli", *words, "--url", rms.url]
        return subprocess.run(argv, capture_output=True, text=True, check=False, env=os.environ | environment)

    refused = pmipls("policy", "draft")
    assert refused.returncode == 1 and "others can read this token; chmod 600" in refused.stderr
    (folder / "token").chmod(0o600)
    done = pmipls("policy", "draft")
    assert done.returncode == 0, done.stderr
    assert [*read_audit(rms.profile.rms.state_directory)][-1]["who"] == "token bob"
    wrong = pmipls("policy", "draft", PMIPLS_TOKEN="x" * 43)
    assert wrong.returncode == 1 and "no such token; a token is taken from --token-file" in wrong.stderr
    (tmp_path / "other").write_text("-----BEGIN CERTIFICATE-----\n")
    unknown = pmipls("health", PMIPLS_CA=str(tmp_path / "other"))
    assert unknown.returncode == 1 and "is no file of certificates in PEM" in unknown.stderr
    stranger = pmipls("health", PMIPLS_CA="/etc/ssl/certs/ca-certificates.crt")
    assert stranger.returncode == 1 and "its certificate must be of the authority in --ca" in stranger.stderr


def test_a_token_does_not_go_in_the_clear_beyond_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMIPLS_TOKEN", "x" * 43)
    url = "http://192.0.2.1:8080"
    with pytest.raises(ClientError, match="no token is sent beyond loopback without TLS"):
        fetch(Rms(url, Credentials(url)), "health")


def test_beyond_loopback_it_does_not_start_without_certificates(profile_path: Path, tmp_path: Path) -> None:
    document = yaml.safe_load(profile_path.read_text())
    document["rms"]["rest"]["port"] += 1
    document["rms"]["openflow"]["port"] += 1
    lab = document.pop("lab")
    assert lab

    def started(*options: str, **sections: Any) -> str:
        path = tmp_path / "profile.yaml"
        path.write_text(yaml.safe_dump({**document, **sections}))
        command = [str(Path(sys.executable).with_name("ryu-manager")), *options, "ryu_pmipls.rms"]
        environment = os.environ | {"PMIPLS_PROFILE": str(path)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode != 0 and "Traceback" not in done.stderr
        return done.stderr

    assert "rms.rest.host: at ::, beyond loopback, REST needs TLS" in started(certificates={})
    missing = started(certificates={"folder": str(tmp_path / "nothing")})
    assert "there is no such file" in missing or "no authority" in missing
    on_loopback = {**document["rms"], "rest": {"host": "::1", "port": document["rms"]["rest"]["port"]}}
    assert "REST needs TLS at ::, beyond loopback: set certificates.folder" in started(
        "--wsapi-host", "::", rms=on_loopback, certificates={}
    )


def test_the_audit_log_is_complete_after_a_kill(rms: Served) -> None:
    """The last test of the module: it leaves a restarted RMS."""
    directory = rms.profile.rms.state_directory
    before = len([*read_audit(directory)])
    answered: list[int] = []

    def command(who: int) -> None:
        with suppress(ClientError):
            while True:
                send(rms_of(rms.profile), "policy", {"policy": "draft"})
                answered.append(who)

    threads = [threading.Thread(target=command, args=(who,)) for who in range(3)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(answered) > 30, "some commands")
    rms.kill()
    for thread in threads:
        thread.join(PATIENCE)
    records = [*read_audit(directory)][before:]
    done = [record for record in records if record.get("status") == 200]
    assert len(done) >= len(answered) and len(records) <= len(answered) + len(threads)
    rms.start()
    send(rms_of(rms.profile), "policy", {"policy": "draft"})
    assert len([*read_audit(directory)]) == before + len(records) + 1
