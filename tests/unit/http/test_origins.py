"""Web pages that ask: by a name of theirs that means this server's address, and from sites of theirs."""

from __future__ import annotations

import json

import pytest
from webob import Request

from ryu_pmipls.http.access.roles import AccessRole, Client
from ryu_pmipls.http.application import RestApplication
from ryu_pmipls.http.exchange import Exchange

NAME = "rms.example.net"


@pytest.fixture
def obeyed() -> list[object]:
    return []


@pytest.fixture
def application(obeyed: list[object]) -> RestApplication:
    rest = RestApplication(names=[NAME])
    rest.serve("/v1/health", AccessRole.READ, lambda: {"status": "ok"})
    rest.obey("/v1/drain", AccessRole.OPERATE, lambda document: obeyed.append(document))
    return rest


def post(application: RestApplication, **headers: str) -> int:
    """Status of a command with these headers."""
    request = Request.blank("/v1/drain", method="POST", body=b"{}", content_type="application/json", headers=headers)
    response = request.get_response(application)
    assert response.content_type == "application/json"
    if response.status_int != 200:
        assert response.json["error"]["status"] == response.status_int
    return int(response.status_int)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8080",
        "[::1]:8080",
        "[2001:db8::99]",
        "localhost:8081",
        "LocalHost.",
        NAME,
        f"{NAME.upper()}:80",
    ],
)
def test_it_answers_to_addresses_and_its_own_names(
    application: RestApplication, obeyed: list[object], host: str
) -> None:
    assert post(application, Host=host) == 200
    assert obeyed == [{}]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        f"{NAME}.evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "localhost@evil.example",
        "evil.example@127.0.0.1",
        "127.0.0.1/evil.example",
        "[::1",
        "127.0.0.1:port",
        "",
        ":8080",
        "2130706433",  # 127.0.0.1 for some
    ],
)
def test_any_other_name_was_made_to_mean_this_server(
    application: RestApplication, obeyed: list[object], host: str
) -> None:
    assert post(application, Host=host) == 421
    assert Request.blank("/v1/health", headers={"Host": host}).get_response(application).status_int == 421
    assert obeyed == []


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://evil.example", "127.0.0.1:8080"),
        ("http://127.0.0.1", "127.0.0.1:8080"),  # another server of this host
        ("http://127.0.0.1:9999", "127.0.0.1:8080"),
        ("http://localhost:9999", "localhost:8080"),
        ("http://192.0.2.66", "127.0.0.1"),
        ("null", "127.0.0.1"),
        ("", "127.0.0.1"),
        ("http://", "127.0.0.1"),
        (f"http://{NAME}.evil.example", NAME),
        (f"http://{NAME}@evil.example", NAME),
        ("http://[::1", "[::1]"),
    ],
)
def test_a_page_of_another_site_commands_nothing(
    application: RestApplication, obeyed: list[object], origin: str, host: str
) -> None:
    assert post(application, Host=host, Origin=origin) == 403
    assert obeyed == []


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://127.0.0.1", "127.0.0.1:80"),
        ("http://[::1]:8080", "[::1]:8080"),
        (f"https://{NAME}", f"{NAME}"),
        (f"https://{NAME}", "127.0.0.1:8080"),  # by a proxy that says what it asks itself
    ],
)
def test_a_page_of_its_own_may(application: RestApplication, obeyed: list[object], origin: str, host: str) -> None:
    assert post(application, Host=host, Origin=origin) == 200
    assert obeyed == [{}]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /v1/health HTTP/1.0\r\n", 200),  # the one that needs no Host
        (b"GET /v1/health HTTP/1.1\r\n", 400),
        (b"GET /v1/health HTTP/1.1\r\nHost: evil.example\r\n", 421),
        (b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n", 400),
        (b"GET http://localhost/v1/health HTTP/1.1\r\nHost: evil.example\r\n", 421),
        (b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nOrigin: http://a\r\n", 403),
        (b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\nOrigin: http://a\r\nOrigin: http://localhost\r\n", 403),
    ],
)
def test_what_comes_over_a_connection(application: RestApplication, head: bytes, status: int) -> None:
    exchange = Exchange(application, Client("::1"))
    exchange.receive(head + b"\r\n")
    assert exchange.complete
    answer_head, _, body = exchange.answer().partition(b"\r\n\r\n")
    assert int(answer_head.split()[1]) == status
    json.loads(body)
