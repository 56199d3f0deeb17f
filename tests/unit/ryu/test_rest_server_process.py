"""The RMS's REST server in a process of its own, as ``ryu-manager`` runs it: TLS, and the audit log after a kill."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ryu_pmipls.http.access.audit_log import read_audit
from ryu_pmipls.http.access.roles import AccessRole
from ryu_pmipls.http.access.tokens import TokenFile
from ryu_pmipls.pki.folder import Folder
from tests.unit.pki.authorities import client_context, established, opened
from tests.waiting import PATIENCE, eventually

TIME = 1_800_000_000.0
ROOT = Path(__file__).resolve().parents[3]
_SERVER = """
import os, sys
from pathlib import Path
from ryu.lib import hub
hub.patch(thread=False)
from ryu_pmipls.controller.api.rest_server import RestServer
from ryu_pmipls.controller.ryu.threads import in_thread
from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.http.access.audit_log import AuditLog
from ryu_pmipls.http.access.audit_trail import AuditTrail
from ryu_pmipls.http.access.control import AccessControl, Rules
from ryu_pmipls.http.access.roles import AccessRole
from ryu_pmipls.http.access.tokens import TokenFile
from ryu_pmipls.http.application import RestApplication
from ryu_pmipls.pki.rest_tls import rest_tls

directory, tls = Path(sys.argv[1]), sys.argv[2] == "tls"
profile = load_profile("two-lma")
certificates = profile.certificates.model_copy(update={"folder": directory / "pki"})
profile = profile.model_copy(update={"certificates": certificates})
marks = os.open(directory / "marks", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def mark(document, number):
    os.write(marks, f"{number}\\n".encode())
    return {}

access = AccessControl(Rules(profile.domain), TokenFile(directory), wall=lambda: 1_800_000_000.0)
application = RestApplication(hub.sleep, access=access, audit=AuditTrail(in_thread(AuditLog, directory)))
application.serve("/v1", AccessRole.READ, lambda: {"name": "rms"})
application.obey("/v1/marks/{number}", AccessRole.OPERATE, mark)
server = RestServer(application, "::1", 0, rest_tls(profile, "rms", "::") if tls else None)
(directory / "port").write_text(str(server._listener.socket.getsockname()[1]))
server()
"""


class Server:
    """A server, and who asks it."""

    def __init__(self, directory: Path, tls: bool) -> None:
        self.directory = directory
        self.folder = Folder(directory / "pki")
        self.tokens = TokenFile(directory)
        self.secret = self.tokens.create("alice", AccessRole.OPERATE, 1, TIME)
        self._scheme = "https" if tls else "http"
        argv = [sys.executable, "-c", _SERVER, str(directory), "tls" if tls else "plain"]
        with (directory / "log").open("wb") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, cwd=ROOT)
        port = directory / "port"
        eventually(lambda: self.process.poll() is not None or (port.exists() and port.read_text()), "a server")
        assert self.process.poll() is None, self.said()
        self.port = int(port.read_text())

    def said(self) -> str:
        return (self.directory / "log").read_text(encoding="utf-8")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)

    def ask(self, node: str | None, path: str = "", token: str = "", document: Any = None) -> int | str:
        """The status of a request, by a node's certificate or a token; ``no answer`` when nothing came back."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"{self._scheme}://[::1]:{self.port}/v1{path}", body, headers)
        context = client_context(self.folder, node) if self._scheme == "https" else None
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE, context=context) as answer:
                json.load(answer)
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except (OSError, ValueError):
            return "no answer"


@contextmanager
def served(directory: Path, tls: bool = False) -> Iterator[Server]:
    server = Server(directory, tls)
    try:
        yield server
    finally:
        server.kill()
    assert "Traceback" not in server.said()


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[Server]:
    folder = established(tmp_path / "pki")
    for node in ("rms", "lma1"):
        opened(folder).issue(node)
    with served(tmp_path, tls=True) as server:
        yield server


def test_by_tls_certificates_and_tokens_open_and_a_revoked_one_does_not(encrypted: Server) -> None:
    assert encrypted.ask(None) == 401
    assert encrypted.ask(None, token=encrypted.secret) == 200
    assert encrypted.ask("lma1") == 200
    assert encrypted.ask("lma1", "/marks/1", document={}) == 403
    assert encrypted.ask("rms", "/marks/2", document={}) == 200
    opened(encrypted.folder).revoke("lma1")
    assert encrypted.ask("lma1") == "no answer"
    assert encrypted.ask("rms") == 200
    assert [record["who"] for record in read_audit(encrypted.directory)] == [
        "certificate of lma1",
        "certificate of rms",
    ]
    assert "REST refuses ::1: TLS failed" in encrypted.said()


def test_a_crowd_that_begins_no_handshake_keeps_nobody_out(encrypted: Server) -> None:
    crowd = [socket.create_connection(("::1", encrypted.port), PATIENCE) for _ in range(150)]
    for number, each in enumerate(crowd):
        with suppress(OSError):
            each.sendall(b"\x16\x03\x01\x02\x00GET / HTTP/1.0\r\n\r\n"[number % 6 :])
    assert encrypted.ask("lma1") == 200
    for each in crowd:
        each.close()


def test_a_large_answer_and_many_clients_by_tls(encrypted: Server) -> None:
    found: list[int | str] = []
    threads = [threading.Thread(target=lambda: found.append(encrypted.ask("lma1"))) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert found == [200] * 30
    with socket.create_connection(("::1", encrypted.port), PATIENCE) as plain:
        context = client_context(encrypted.folder, "lma1")
        with context.wrap_socket(plain) as client:
            client.sendall(b"POST /v1/marks/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n")
            octets = b""
            with suppress(ssl.SSLError, ConnectionError):
                while came := client.recv(4096):
                    octets += came
            assert octets.startswith(b"HTTP/1.1 413 ")


def test_the_log_is_complete_after_a_kill_while_many_command(tmp_path: Path) -> None:
    """What was answered is there with its outcome; what left a mark is there, answered or not."""
    answered: set[int] = set()
    with served(tmp_path) as server:

        def command(first: int) -> None:
            for number in range(first, 100_000, 4):
                if server.ask(None, f"/marks/{number}", server.secret, {}) != 200:
                    return
                answered.add(number)

        threads = [threading.Thread(target=command, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        eventually(lambda: len(answered) > 100, "some commands")
        server.kill()
        for thread in threads:
            thread.join(PATIENCE)
    records = {int(each["path"].rpartition("/")[2]): each for each in read_audit(tmp_path)}
    assert all(records[number]["status"] == 200 for number in answered)
    marks = {int(line) for line in (tmp_path / "marks").read_text().split()}
    assert answered <= marks <= {*records}
    assert {record["who"] for record in records.values()} == {"token alice"}
