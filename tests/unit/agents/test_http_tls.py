"""The agents' server by TLS: who is known by a certificate, also when it is revoked while the server runs."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from ryu_pmipls.http import tls_listener
from ryu_pmipls.http.access.control import AccessControl, Rules
from ryu_pmipls.http.access.roles import AccessRole
from ryu_pmipls.http.access.tokens import TokenFile
from ryu_pmipls.http.application import RestApplication
from ryu_pmipls.http.exchange import MAX_CONNECTIONS
from ryu_pmipls.http.server import HttpServer
from ryu_pmipls.pki.errors import PkiError
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.pki.rest_tls import rest_tls
from tests.unit.pki.authorities import PROFILE, client_context, established, opened
from tests.waiting import PATIENCE

TIME = 1_800_000_000.0


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """The certificates of mag1, which serves, and of others."""
    folder = established(tmp_path / "pki")
    for node in ("mag1", "lma1", "rms"):
        opened(folder).issue(node)
    return folder


class Agent:
    """A server at a port of loopback, as it is beyond it."""

    def __init__(self, folder: Folder, state: Path) -> None:
        certificates = PROFILE.certificates.model_copy(update={"folder": folder.path})
        self._tls = rest_tls(PROFILE.model_copy(update={"certificates": certificates}), "mag1", "::")
        self.tokens = TokenFile(state)
        access = AccessControl(Rules(PROFILE.domain), self.tokens, wall=lambda: TIME)
        self._application = RestApplication(access=access)
        self._application.serve("/v1", AccessRole.READ, lambda: {"name": "mag1"})
        self._application.obey("/v1/attach", AccessRole.OPERATE, lambda document: document)
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as free:
            self.port = free.getsockname()[1]
        self._folder = folder

    async def __aenter__(self) -> Agent:
        self._server = asyncio.ensure_future(HttpServer(self._application).listen_at_port("::1", self.port, self._tls))
        while True:
            try:
                _, writer = await asyncio.open_connection("::1", self.port)
            except ConnectionRefusedError:  # it does not listen yet
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return self

    async def __aexit__(self, *_: object) -> None:
        self._server.cancel()
        await asyncio.gather(self._server, return_exceptions=True)

    async def ask(self, node: str | None, path: str = "", token: str = "", document: Any = None) -> int | str:
        """The status of a request by a node's certificate, or what is wrong with TLS."""
        return await asyncio.to_thread(self._ask, node, path, token, document)

    def _ask(self, node: str | None, path: str, token: str, document: Any) -> int | str:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"https://[::1]:{self.port}/v1{path}", body, headers)
        try:
            context = client_context(self._folder, node)
            with urllib.request.urlopen(request, timeout=PATIENCE, context=context) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return "no TLS"


def test_a_certificate_or_a_token_opens_and_nothing_else(folder: Folder, tmp_path: Path) -> None:
    async def story() -> None:
        async with Agent(folder, tmp_path) as agent:
            secret = agent.tokens.create("alice", AccessRole.OPERATE, 1, TIME)
            assert await agent.ask(None) == 401
            assert await agent.ask(None, token=secret) == 200
            assert await agent.ask("lma1") == 200
            assert await agent.ask("lma1", "/attach", document={}) == 403
            assert await agent.ask("rms", "/attach", document={}) == 200
            assert await agent.ask(None, "/attach", secret, {}) == 200

    asyncio.run(story())


def test_a_revocation_counts_at_once_and_another_certificate_is_shown(folder: Folder, tmp_path: Path) -> None:
    async def serial(agent: Agent) -> str:
        def read() -> str:
            context = client_context(folder, None)
            with socket.create_connection(("::1", agent.port), PATIENCE) as plain, context.wrap_socket(plain) as tls:
                return str((tls.getpeercert() or {})["serialNumber"])

        return await asyncio.to_thread(read)

    async def story() -> None:
        async with Agent(folder, tmp_path) as agent:
            assert await agent.ask("lma1") == 200
            opened(folder).revoke("lma1")
            assert await agent.ask("lma1") == "no TLS"
            assert await agent.ask("rms") == 200
            before = await serial(agent)
            opened(folder).renew("mag1")
            assert await serial(agent) != before
            assert await agent.ask("rms") == 200

    asyncio.run(story())


def test_another_authority_and_plain_http_are_refused(folder: Folder, tmp_path: Path) -> None:
    other = established(tmp_path / "other")
    opened(other).issue("rms")

    async def story() -> None:
        async with Agent(folder, tmp_path) as agent:
            stranger = client_context(other, "rms", trusted=folder)
            with pytest.raises(OSError):
                await asyncio.to_thread(
                    urllib.request.urlopen, f"https://[::1]:{agent.port}/v1", None, PATIENCE, context=stranger
                )
            reader, writer = await asyncio.open_connection("::1", agent.port)
            writer.write(b"GET /v1 HTTP/1.0\r\n\r\n")
            assert b"HTTP" not in await asyncio.wait_for(reader.read(), PATIENCE)
            writer.close()
            assert await agent.ask("rms") == 200

    asyncio.run(story())


def test_who_begins_no_handshake_is_cut_off(folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_listener, "TIMEOUT", 0.05)

    async def story() -> bytes:
        async with Agent(folder, tmp_path) as agent:
            reader, writer = await asyncio.open_connection("::1", agent.port)
            octets = await asyncio.wait_for(reader.read(), PATIENCE)
            writer.close()
            return octets

    assert asyncio.run(story()) == b""


def test_a_crowd_that_begins_no_handshake_keeps_nobody_out_and_is_limited(folder: Folder, tmp_path: Path) -> None:
    async def story() -> None:
        async with Agent(folder, tmp_path) as agent:
            crowd = [await asyncio.open_connection("::1", agent.port) for _ in range(3 * MAX_CONNECTIONS)]
            assert await agent.ask("rms") == 200
            ended = [asyncio.ensure_future(reader.read()) for reader, _ in crowd]
            await asyncio.wait(ended, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0.1)
            assert sum(each.done() for each in ended) >= 2 * MAX_CONNECTIONS
            for _, writer in crowd:
                writer.close()
            await asyncio.gather(*ended, return_exceptions=True)

    asyncio.run(story())


def test_without_certificates_there_is_no_server_beyond_loopback(tmp_path: Path) -> None:
    assert rest_tls(PROFILE, "mag1", "127.0.0.1") is None and rest_tls(PROFILE, "mag1", "::1") is None
    with pytest.raises(PkiError, match=r"REST needs TLS at ::, beyond loopback: set certificates\.folder"):
        rest_tls(PROFILE, "mag1", "::")
    certificates = PROFILE.certificates.model_copy(update={"folder": tmp_path})
    with pytest.raises(PkiError):
        rest_tls(PROFILE.model_copy(update={"certificates": certificates}), "mag1", "192.0.2.1")
