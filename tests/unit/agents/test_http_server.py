"""The agents' HTTP server at a real Unix socket, with good and bad clients."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from ryu_pmipls.agents.api_client import request
from ryu_pmipls.cli import main
from ryu_pmipls.http import server as http_server
from ryu_pmipls.http.access.roles import AccessRole
from ryu_pmipls.http.application import RestApplication
from ryu_pmipls.http.exchange import MAX_BODY, MAX_CONNECTIONS
from ryu_pmipls.http.server import HttpServer
from ryu_pmipls.http.wording import local_time
from tests.waiting import PATIENCE

JSON = b"Content-Type: application/json\r\n"


def application() -> RestApplication:
    rest = RestApplication()
    rest.serve("/v1/health", AccessRole.READ, lambda: {"status": "ok"})
    rest.serve("/v1/named/{name}", AccessRole.READ, lambda name: {"name": name})
    rest.obey("/v1/echo", AccessRole.OPERATE, lambda document: document)
    return rest


async def listening(path: Path) -> None:
    """Until somebody listens there."""
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_unix_connection(path)
            writer.close()
            return
        await asyncio.sleep(0.005)


def serve(path: Path, story: Callable[[], Awaitable[Any]]) -> Any:
    """Run the server at ``path`` while ``story`` is told."""

    async def run() -> Any:
        server = asyncio.ensure_future(HttpServer(application()).listen_at_path(path))
        await listening(path)
        try:
            return await asyncio.wait_for(story(), PATIENCE)
        finally:
            server.cancel()

    return asyncio.run(run())


def say(path: Path, *pieces: bytes) -> bytes:
    """Send octets to the server; all that it answers before it closes the connection."""

    async def talk() -> bytes:
        reader, writer = await asyncio.open_unix_connection(path)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        answer = await reader.read()
        writer.close()
        return answer

    answer: bytes = serve(path, talk)
    return answer


def parts(answer: bytes) -> tuple[bytes, bytes, bytes]:
    """Status line, headers, body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, _, headers = head.partition(b"\r\n")
    return status, headers, body


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


def test_get(path: Path) -> None:
    status, headers, body = parts(say(path, b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    assert status == b"HTTP/1.1 200 OK"
    assert json.loads(body) == {"status": "ok"}
    assert b"application/json" in headers and b"Connection: close" in headers


def test_head_tells_the_length_and_sends_nothing(path: Path) -> None:
    status, headers, body = parts(say(path, b"HEAD /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    assert status == b"HTTP/1.1 200 OK" and body == b""
    assert b"Content-Length: 21" in headers


def test_a_malformed_head_request_gets_an_error_without_a_body(path: Path) -> None:
    sent = b"HEAD /v1/health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    status, _, body = parts(say(path, sent))
    assert (status.split()[1], body) == (b"400", b"")


def test_a_path_is_decoded(path: Path) -> None:
    answer = say(path, b"GET /v1/named/mn1%40example.net?q=%2F HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert json.loads(parts(answer)[2]) == {"name": "mn1@example.net"}


@pytest.mark.parametrize(
    "pieces",
    [
        [b"POST /v1/echo HTTP/1.1\r\nHost: localhost\r\n" + JSON + b'Content-Length: 7\r\n\r\n{"a":1}'],
        [b"POST /v1/echo HTTP/1.1\r\nHost: localhost\r\n" + JSON + b"Content-Length: 7\r\n", b"\r\n", b'{"a":', b"1}"],
        [
            b"POST /v1/echo HTTP/1.1\r\nHost: localhost\r\n"
            + JSON
            + b'Transfer-Encoding: chunked\r\n\r\n7\r\n{"a":1}\r\n0\r\n\r\n'
        ],
        [b"POST /v1/echo HTTP/1.0\r\n" + JSON + b'Content-Length: 7\r\n\r\n{"a":1}'],
    ],
    ids=["whole", "in pieces", "chunked", "HTTP/1.0"],
)
def test_post(path: Path, pieces: list[bytes]) -> None:
    status, _, body = parts(say(path, *pieces))
    assert status.endswith(b"200 OK") and json.loads(body) == {"a": 1}


def test_a_client_that_waits_for_leave_gets_it(path: Path) -> None:
    head = (
        b"POST /v1/echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n" + JSON + b"Content-Length: 2\r\n\r\n"
    )
    first, _, rest = parts(say(path, head, b"{}"))
    assert first.startswith(b"HTTP/1.1 100")
    assert parts(rest)[0] == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /v1/health HTTP/1.1\r\n\r\n", b"400"),  # without Host
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),  # TLS
        (b"GET /" + b"x" * 20000, b"414"),
        (b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 4000, b"431"),
        (b"GET /v1/none HTTP/1.1\r\nHost: localhost\r\n\r\n", b"404"),
        (b"GET /v1/%ff HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        (b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n", b"404"),
        (b"BREW /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n", b"405"),
        (b"POST /v1/echo HTTP/1.1\r\nHost: localhost\r\n" + JSON + b"Content-Length: x\r\n\r\n", b"400"),
        (b"POST /v1/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", b"415"),
        (
            b"POST /v1/echo HTTP/1.1\r\nHost: localhost\r\n"
            + JSON
            + b"Content-Length: 999999\r\n\r\n"
            + b" " * (MAX_BODY + 1),
            b"413",
        ),
        (b"POST /v1/echo HTTP/1.1\r\nHost: localhost\r\n" + JSON + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
    ],
)
def test_whatever_is_wrong_gets_a_json_error(path: Path, sent: bytes, status: bytes) -> None:
    line, headers, body = parts(say(path, sent))
    assert line.split()[1] == status
    assert b"application/json" in headers
    assert json.loads(body)["error"]["status"] == int(status)
    assert b"Traceback" not in body


@settings(deadline=None, max_examples=200)
@given(
    st.binary(max_size=300)
    | st.binary(max_size=100).map(lambda tail: b"GET /v1/" + tail)
    | st.binary(max_size=100).map(lambda tail: b"POST /v1/echo HTTP/1.1\r\nHost: localhost\r\n" + JSON + tail)
)
def test_no_octets_get_an_exception_out_of_it(data: bytes) -> None:
    here, there = socket.socketpair()

    class Writer:
        written = b""

        def write(self, octets: bytes) -> None:
            self.written += octets

        async def drain(self) -> None: ...

        def can_write_eof(self) -> bool:
            return False

        def get_extra_info(self, name: str) -> Any:
            return {"socket": here}[name]

    async def exchange() -> bytes:
        reader, writer = asyncio.StreamReader(), Writer()
        reader.feed_data(data)
        reader.feed_eof()
        await HttpServer(application())._exchange(reader, writer, lambda: None)  # type: ignore[arg-type]
        return writer.written

    with here, there:
        answer = asyncio.run(exchange())
    assert answer == b"" or answer.startswith(b"HTTP/1.1 ")


def test_who_says_nothing_is_cut_off(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "TIMEOUT", 0.05)
    assert say(path) == b""
    assert say(path, b"GET /v1/health HT") == b""


def test_the_oldest_of_too_many_half_requests_gives_way(path: Path) -> None:
    async def crowd() -> tuple[int, Any]:
        half = [await asyncio.open_unix_connection(path) for _ in range(2 * MAX_CONNECTIONS)]
        for _, writer in half:
            writer.write(b"GET /v1/hea")
        answer = await asyncio.to_thread(request, path, "/v1/health")
        with suppress(ConnectionError):
            assert await half[0][0].read() == b""
        for _, writer in half:
            writer.close()
        return answer

    assert serve(path, crowd) == (200, {"status": "ok"})


def test_half_requests_at_the_port_take_no_place_of_the_socket(path: Path) -> None:
    async def run() -> tuple[int, Any]:
        server = HttpServer(application())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        tasks = [
            asyncio.ensure_future(server.listen_at_path(path)),
            asyncio.ensure_future(server.listen_at_port("127.0.0.1", port)),
        ]
        await listening(path)
        half = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
        for _, writer in half:
            writer.write(b"GET /v1/hea")
        answers = [await asyncio.to_thread(request, path, "/v1/health") for _ in range(3)]
        for task in tasks:
            task.cancel()
        return answers[-1]

    assert asyncio.run(run()) == (200, {"status": "ok"})


@pytest.mark.parametrize("kind", [b"APPLICATION/JSON", b"Application/Json; charset=utf-8"])
def test_the_media_type_has_no_case(path: Path, kind: bytes) -> None:
    head = b"POST /v1/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + kind + b"\r\nContent-Length: 2\r\n\r\n"
    assert parts(say(path, head + b"{}"))[0] == b"HTTP/1.1 200 OK"


def test_a_refusal_arrives_although_more_of_the_request_comes(path: Path) -> None:
    head = b"POST /v1/echo HTTP/1.1\r\nHost: localhost\r\n" + JSON + b"Content-Length: 9000000\r\n\r\n"
    assert parts(say(path, head, *[b" " * 100_000] * 10))[0].split()[1] == b"413"


def test_only_its_user_and_group_may_use_the_socket_and_an_old_one_does_not_disturb(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))

    async def look() -> int:
        return stat.S_IMODE(path.stat().st_mode)

    assert serve(path, look) == 0o660


def test_tcp() -> None:
    async def run() -> bytes:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = asyncio.ensure_future(HttpServer(application()).listen_at_port("127.0.0.1", port))
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                break
            await asyncio.sleep(0.005)
        writer.write(b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = await reader.read()
        writer.close()
        server.cancel()
        return answer

    assert parts(asyncio.run(run()))[0] == b"HTTP/1.1 200 OK"


# The client


def test_the_client_gets_and_posts(path: Path) -> None:
    async def talk() -> list[tuple[int, Any]]:
        return [
            await asyncio.to_thread(request, path, "/v1/health"),
            await asyncio.to_thread(request, path, "/v1/echo", {"b": 2}),
            await asyncio.to_thread(request, path, "/v1/none"),
        ]

    health, echo, none = serve(path, talk)
    assert (health, echo) == ((200, {"status": "ok"}), (200, {"b": 2}))
    assert none[0] == 404


@pytest.mark.parametrize("answer", [b"", b"nonsense", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{"])
def test_the_client_says_when_it_is_no_agent_that_answers(path: Path, answer: bytes) -> None:
    async def impostor() -> None:
        def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(answer)
            writer.close()

        async with await asyncio.start_unix_server(reply, path):
            with pytest.raises(OSError):
                await asyncio.to_thread(request, path, "/v1/health")

    asyncio.run(impostor())


def test_nobody_listens(path: Path) -> None:
    with pytest.raises(OSError):
        request(path, "/v1/health")


# The command line


def tell(directory: Path, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["tell", "mag1", *words, "--json", "--run-directory", str(directory)])
    return result.exit_code, result.output


def test_tell_without_an_agent_says_so(tmp_path: Path) -> None:
    code, text = tell(tmp_path, "bindings")
    assert code == 1 and "does the agent of mag1 run here?" in text and "Traceback" not in text


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["attach", "acc1"], "attach ACCESS_PORT NODE"),
        (["drain", "now"], "0 are needed"),
        (["bindings", "all"], "0 are needed"),
    ],
)
def test_tell_knows_how_many_words_a_command_has(tmp_path: Path, words: list[str], text: str) -> None:
    code, output = tell(tmp_path, *words)
    assert code == 2 and text in output


def test_tell(tmp_path: Path) -> None:
    rest = RestApplication()
    rest.serve("/v1", AccessRole.READ, lambda: {"role": "mag"})
    rest.serve("/v1/bindings", AccessRole.READ, list)
    rest.obey("/v1/attach", AccessRole.OPERATE, lambda document: document)

    async def run() -> list[tuple[int, str]]:
        server = asyncio.ensure_future(HttpServer(rest).listen_at_path(tmp_path / "control.sock"))
        await listening(tmp_path / "control.sock")
        lines = ([], ["bindings"], ["attach", "acc1", "a@b"], ["attach", "acc1", "02:00:00:00:01:0A"], ["none"])
        told = [await asyncio.to_thread(tell, tmp_path, *words) for words in lines]
        server.cancel()
        return told

    index, bindings, by_identifier, by_link_layer, none = asyncio.run(run())
    assert (index[0], json.loads(index[1])) == (0, {"role": "mag"})
    assert (bindings[0], json.loads(bindings[1])) == (0, [])
    assert json.loads(by_identifier[1]) == {"access_port": "acc1", "identifier": "a@b"}
    assert json.loads(by_link_layer[1]) == {"access_port": "acc1", "link_layer_address": "02:00:00:00:01:0A"}
    assert none[0] == 2 and "there are: /v1, /v1/bindings, /v1/attach" in none[1]


EXPIRES = 1_700_000_000.25  # s since 1970


def test_tell_shows_documents_as_tables(tmp_path: Path) -> None:
    binding = {"identifier": "[/b]@example.net", "prefixes": ["2001:db8::/64"], "lma": None, "draining": False}
    rest = RestApplication()
    rest.serve("/v1/bindings", AccessRole.READ, lambda: [binding | {"expires": EXPIRES}])
    rest.serve("/v1/health", AccessRole.READ, lambda: {"status": "degraded", "reasons": [], "counters": {"refused": 1}})
    rest.serve("/v1/uplinks", AccessRole.READ, dict)

    async def run() -> list[tuple[int, str]]:
        server = asyncio.ensure_future(HttpServer(rest).listen_at_path(tmp_path / "control.sock"))
        await listening(tmp_path / "control.sock")
        argv = ["tell", "mag1", "--run-directory", str(tmp_path)]
        results = [
            await asyncio.to_thread(CliRunner().invoke, main, [*argv, resource])
            for resource in ("bindings", "health", "uplinks")
        ]
        server.cancel()
        return [(result.exit_code, result.output) for result in results]

    (code, table), (bad, health), (good, nothing) = asyncio.run(run())
    heading, _, row = table.splitlines()
    assert (code, heading.split()) == (0, ["identifier", "prefixes", "lma", "draining", "expires"])
    assert row.split() == ["[/b]@example.net", "2001:db8::/64", "-", "no", local_time(EXPIRES)]
    assert (bad, health.splitlines()[2:]) == (1, ["status    degraded", "reasons   -", 'counters  {"refused": 1}'])
    assert (good, nothing) == (0, "what  value\n────  ─────\n")
