"""OpenFlow by TLS with the certificates of a domain: who is admitted as which switch, who is not, and for how long."""

from __future__ import annotations

import logging
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import eventlet
import pytest
from eventlet.green import ssl as green_ssl

from ryu_pmipls.controller.domain_certificates import DomainCertificates
from ryu_pmipls.controller.ryu import admission as admission_module
from ryu_pmipls.controller.ryu import connection as connection_module
from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.controller.ryu.admission import MAX_UNIDENTIFIED, Admission
from ryu_pmipls.controller.ryu.connection import Connection
from ryu_pmipls.controller.ryu.listener import Listener
from ryu_pmipls.pki.folder import Folder
from tests.unit.pki.authorities import PROFILE, client_context, days, established, opened
from tests.unit.ryu import openflow_octets as openflow
from tests.unit.ryu.connection_helpers import HEADER, Told, application, until
from tests.waiting import PATIENCE

IDS = {node.name: node.datapath_id for node in (*PROFILE.lmas, *PROFILE.mags)}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """The certificates of the RMS and of two LMAs."""
    folder = established(tmp_path / "pki", days(-400))
    for node in ("rms", "lma1", "lma2"):
        opened(folder).issue(node)
    return folder


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    counted: Counter[str] = Counter()
    monkeypatch.setattr(Connection, "admission", Admission(dict.fromkeys(IDS.values(), IPv6Address("::1")), counted))
    return counted


class Server:
    """The RMS's end: a listener, and the application behind it."""

    def __init__(self, folder: Folder, told: Told) -> None:
        certificates = DomainCertificates(PROFILE, folder.path)
        self.listener = Listener(("127.0.0.1", 0), partial(Connection._serve, certificates=certificates))
        self.thread = hub.spawn(self.listener.serve_forever)
        self.told = told
        self.folder = folder

    def reach(self) -> Any:
        """A plain connection."""
        made = eventlet.connect(self.listener.socket.getsockname())
        made.settimeout(PATIENCE)
        return made

    def meet(self, context: ssl.SSLContext) -> Any:
        """A TLS connection."""
        return context.wrap_socket(self.reach())

    def context(self, node: str | None, **kind: Any) -> ssl.SSLContext:
        """TLS with the certificate of a node."""
        return client_context(self.folder, node, kind=green_ssl.SSLContext, **kind)

    def switch(self, node: str) -> Any:
        """The connection of a node's switch, which is admitted."""
        made = self.meet(self.context(node))
        identify(made, IDS[node])
        until(lambda: self.connected(node))
        return made

    def connected(self, node: str) -> bool:
        return IDS[node] in Connection.admission._identified


@pytest.fixture
def server(folder: Folder, refused: Counter[str]) -> Iterator[Server]:
    with application() as told:
        made = Server(folder, told)
        yield made
        hub.kill(made.thread)
        made.listener.socket.close()
        for connection in told.connections:
            connection.abort(admission_module.UnidentifiedError("the end of the test"))
        until(lambda: all(connection.socket.fileno() == -1 for connection in told.connections))


def identify(socket: Any, datapath_id: int) -> None:
    socket.sendall(openflow.hello() + openflow.features(datapath_id))
    socket.sendall(openflow.multipart(openflow.PORT_DESCRIPTION, openflow.port(1)))


def end(socket: Any) -> None:
    """The connection ends, from the controller's side."""
    with eventlet.Timeout(PATIENCE), suppress(OSError):
        while socket.recv(2**16):
            pass


def echo(socket: Any) -> None:
    """The connection lives."""
    socket.sendall(openflow.message(openflow.ECHO_REQUEST, xid=7))
    octets = b""
    with eventlet.Timeout(PATIENCE):
        while HEADER.pack(4, openflow.ECHO_REPLY, 8, 7) not in octets:
            came = socket.recv(2**16)
            assert came
            octets += came


def test_a_switch_with_its_certificate_is_admitted_and_comes_back(server: Server, refused: Counter[str]) -> None:
    for _ in range(3):
        first, second = server.switch("lma1"), server.switch("lma2")
        for each in (first, second):
            assert each.version() == "TLSv1.3"
            echo(each)
            each.close()
        until(lambda: not server.connected("lma1") and not server.connected("lma2"))
    assert refused == {}


# Those that are not admitted.


def other_authority(server: Server, tmp_path: Path) -> ssl.SSLContext:
    other = established(tmp_path / "other")
    opened(other).issue("lma1")
    return client_context(other, "lma1", server.folder, kind=green_ssl.SSLContext)


def expired(server: Server, _: Path) -> ssl.SSLContext:
    opened(server.folder, days(-390)).issue("mag1", 1)
    return server.context("mag1")


def revoked(server: Server, _: Path) -> ssl.SSLContext:
    context = server.context("lma2")
    opened(server.folder).revoke("lma2")
    return context


def distrusting(server: Server, tmp_path: Path) -> ssl.SSLContext:
    return server.context("lma2", trusted=established(tmp_path / "other"))


@pytest.mark.parametrize(
    ("context", "reason", "told"),
    [
        (other_authority, "certificate of another authority", "unable to get local issuer certificate"),
        (expired, "expired certificate", "certificate has expired"),
        (revoked, "revoked certificate", "certificate revoked"),
        (lambda server, _: server.context(None), "no certificate", "peer did not return a certificate"),
        (
            lambda server, _: server.context("lma2", newest=ssl.TLSVersion.TLSv1_2),
            "TLS version",
            "unsupported protocol",
        ),
        (distrusting, "own certificate refused", "tlsv1 alert unknown ca"),
    ],
)
def test_who_is_refused_in_the_handshake_is_counted_by_the_reason_and_harms_nobody(
    server: Server,
    refused: Counter[str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    context: Callable[[Server, Path], ssl.SSLContext],
    reason: str,
    told: str,
) -> None:
    admitted = server.switch("lma1")
    stranger = context(server, tmp_path)
    for _ in range(3):
        with suppress(OSError):
            made = server.meet(stranger)
            identify(made, IDS["lma2"])
            end(made)
    until(lambda: refused[f"openflow: {reason}"] == 3)
    assert sum(refused.values()) == 3
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert line == f"the OpenFlow connection from 127.0.0.1 is ended: TLS failed: {told}"
    echo(admitted)
    assert not server.connected("lma2")


@pytest.mark.parametrize("octets", [openflow.hello(), b"\x04", b"GET / HTTP/1.1\r\n\r\n", bytes(1000)])
def test_what_is_no_tls_is_refused_at_its_first_octet(server: Server, refused: Counter[str], octets: bytes) -> None:
    stranger = server.reach()
    stranger.sendall(octets)
    end(stranger)
    until(lambda: refused == {"openflow: no TLS": 1})


def test_what_begins_like_tls_and_is_none_is_refused(server: Server, refused: Counter[str]) -> None:
    stranger = server.reach()
    stranger.sendall(b"\x16\x03\x01\x00\x10" + b"nonsense" * 2)
    end(stranger)
    until(lambda: refused == {"openflow: failed TLS handshake": 1})


@pytest.mark.parametrize(("node", "claimed"), [("lma2", "lma1"), ("lma2", "mag1"), ("rms", "lma1")])
def test_a_nodes_certificate_is_good_for_its_own_datapath_id_alone(
    server: Server, refused: Counter[str], caplog: pytest.LogCaptureFixture, node: str, claimed: str
) -> None:
    admitted = server.switch("lma1")
    impostor = server.meet(server.context(node))
    identify(impostor, IDS[claimed])
    end(impostor)
    until(lambda: refused == {"openflow: another node's certificate": 1})
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert line.endswith(f"datapath id {IDS[claimed]:016x} is not that of the certificate for {node}.two-lma")
    echo(admitted)
    assert server.connected("lma1") and not server.connected("mag1")


# Those that take their time.


def client_hello(context: ssl.SSLContext) -> bytes:
    """The first octets of a handshake."""
    out = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    return out.read()


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_handshake_that_does_not_end_is_ended_in_the_time_of_all_handshakes(
    server: Server, refused: Counter[str], monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    monkeypatch.setattr(connection_module, "HANDSHAKE_TIMEOUT", 0.3)
    hello = client_hello(server.context("lma2"))
    stranger = server.reach()
    stranger.sendall(hello[: round(share * len(hello))])
    admitted = server.switch("lma1")
    end(stranger)
    until(lambda: refused == {"openflow: no datapath id": 1})
    echo(admitted)


def test_one_that_says_nothing_after_the_handshake_is_ended_too(
    server: Server, refused: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "HANDSHAKE_TIMEOUT", 0.3)
    end(server.meet(server.context("lma2")))
    until(lambda: refused == {"openflow: no datapath id": 1})


def test_a_thousand_half_handshakes_keep_no_switch_out_and_leave_nothing(
    server: Server, refused: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "HANDSHAKE_TIMEOUT", 1.0)
    admitted = server.switch("lma1")
    hello = client_hello(server.context("lma2"))
    for number in range(1000):
        stranger = server.reach()
        stranger.sendall(hello[: number % (len(hello) + 1)])
        hub.sleep(0)
        assert len(Connection.admission._unidentified) <= MAX_UNIDENTIFIED
        if number % 100 == 50:
            echo(admitted)
        if number == 500:
            late = server.switch("lma2")
        if number % 2:  # the others are left to the server
            stranger.close()
    for each in (admitted, late):
        echo(each)
    until(lambda: not Connection.admission._unidentified)
    until(lambda: sum(connection.socket.fileno() != -1 for connection in server.told.connections) == 2)
    assert {*refused} <= {"openflow: no datapath id", "openflow: failed TLS handshake"}


def test_records_of_no_use_without_end_keep_nobody_waiting(
    server: Server, refused: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "HANDSHAKE_TIMEOUT", 0.5)
    admitted = server.switch("lma1")
    stranger = server.reach()
    stranger.sendall(client_hello(server.context("lma2")))
    assert stranger.recv(1)

    def talk() -> None:
        with suppress(OSError):
            while True:
                stranger.sendall(b"\x14\x03\x03\x00\x01\x01" * 2**16)  # change_cipher_spec: RFC 8446, appendix D.4

    talker = hub.spawn(talk)
    for _ in range(10):
        echo(admitted)
        hub.sleep(0)
    with eventlet.Timeout(PATIENCE):
        talker.wait()
    until(lambda: sum(refused.values()) == 1)
    assert {*refused} <= {"openflow: no datapath id", "openflow: failed TLS handshake"}


# Changes while switches are connected.


def serial(socket: Any) -> str:
    """Of the certificate that the server has shown."""
    return str(socket.getpeercert()["serialNumber"])


def test_a_renewed_certificate_is_shown_to_the_next_and_nobody_is_disconnected(server: Server) -> None:
    first = server.switch("lma1")
    opened(server.folder).renew("rms")
    opened(server.folder).renew("lma1")
    second = server.switch("lma2")
    assert serial(first) != serial(second)
    Connection.admission.review()
    for each in (first, second):
        echo(each)
    first.close()
    until(lambda: not server.connected("lma1"))
    assert serial(server.switch("lma1")) == serial(second)


def test_revocation_ends_the_connection_of_the_node_at_the_next_review_and_no_other(
    server: Server, refused: Counter[str]
) -> None:
    first, second = server.switch("lma1"), server.switch("lma2")
    context = server.context("lma1")
    opened(server.folder).revoke("lma1")
    echo(first)
    Connection.admission.review()
    end(first)
    assert refused == {"openflow: revoked certificate": 1}
    echo(second)
    with suppress(OSError):
        end(server.meet(context))
    until(lambda: refused == {"openflow: revoked certificate": 2})
    Connection.admission.review()
    echo(second)


def test_damaged_files_end_nothing_and_refuse_nobody(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    first = server.switch("lma1")
    server.folder.revocations.write_text("?")
    Connection.admission.review()
    echo(server.switch("lma2"))
    echo(first)
    assert [record.getMessage()[:42] for record in caplog.records] == ["the former certificates stay in use: /tmp/"]
