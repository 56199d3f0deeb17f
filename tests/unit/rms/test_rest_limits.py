"""The RMS's REST interface under clients that mean no good, and with lists that are long."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import eventlet
import pytest
from eventlet.hubs import get_hub
from webob import Request

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.http.application import MAX_ITEMS
from ryu_pmipls.http.exchange import MAX_BODY, MAX_CONNECTIONS, MAX_HEAD, TIMEOUT
from tests.fakes.rms_domain import RmsDomain, profile_with, running

JSON = b"Content-Type: application/json\r\n"
POST = b"POST /v1/dry-run HTTP/1.1\r\nHost: localhost\r\n" + JSON
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def domain() -> Iterator[RmsDomain]:
    with running(profile_with()) as made:
        yield made


@pytest.fixture
def connect(domain: RmsDomain) -> Callable[[], Any]:
    """Connects to the server of the domain's RMS."""
    listening = []
    for listener in get_hub().get_readers():
        with suppress(OSError), socket.socket(fileno=os.dup(listener.fileno)) as found:
            if found.family is socket.AF_INET and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                listening.append(found.getsockname())
    (address,) = listening
    return lambda: eventlet.connect(address)


def answer(client: Any) -> tuple[int, Any]:
    """Status and document of what comes before the end."""
    octets = b""
    with suppress(ConnectionResetError):
        while came := client.recv(4096):
            octets += came
    head, _, body = octets.partition(b"\r\n\r\n")
    assert b"application/json" in head
    return int(head.split()[1]), json.loads(body)


def put_bindings(domain: RmsDomain, count: int, mag: str = "mag1") -> list[str]:
    """Have so many bindings in the table, every tenth of them detached; the prefixes of the others, in order."""
    attached = []
    for number in range(count):
        network = domain.prefix(number * 7 % count)
        at = None if number % 10 == 0 else mag
        binding = Binding(network.network_address.packed[:8], at, None, f"mn{number}", None, 1, "lma1", 1 << 40)
        domain.rms.state.bindings._put(binding)
        if at is not None:
            attached.append(network)
    return [str(network) for network in sorted(attached)]


def pages(domain: RmsDomain, path: str) -> Iterator[Any]:
    """The documents of all pages, each found by the link of the one before."""
    reference: str | None = path
    while reference is not None:
        response = Request.blank(reference).get_response(domain.rms.rest)
        assert response.status_int == 200
        yield response.json
        link = response.headers.get("Link")
        assert link is None or (link.startswith("<?") and link.endswith('>; rel="next"'))
        reference = None if link is None else path.partition("?")[0] + link[1 : link.index(">")]


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /" + b"x" * (MAX_HEAD + 1), 414),
        (b"GET /v1 HTTP/1.1\r\n" + b"a: b\r\n" * MAX_HEAD, 431),
        (b"GET /v1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST /v1/dry-run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", 415),
        (POST + b"Content-Length: 2000000\r\n\r\n" + b" " * 2_000_000, 413),
        (
            POST
            + b"Transfer-Encoding: chunked\r\n\r\n"
            + b"1000\r\n"
            + b" " * 0x1000
            + b"\r\n" * (MAX_BODY // 0x1000 + 1),
            400,
        ),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n" + (b"1000\r\n" + b" " * 0x1000 + b"\r\n") * 17, 413),
    ],
)
def test_too_much_and_malformed_get_a_json_error(connect: Callable[[], Any], octets: bytes, status: int) -> None:
    client = connect()
    with suppress(BrokenPipeError, ConnectionResetError):
        client.sendall(octets)
    got, document = answer(client)
    assert (got, document["error"]["status"]) == (status, status)


@pytest.mark.parametrize("kind", [b"APPLICATION/JSON", b"application/JSON;charset=utf-8"])
def test_the_media_type_has_no_case(connect: Callable[[], Any], kind: bytes) -> None:
    client = connect()
    client.sendall(POST.replace(b"application/json", kind) + b"Content-Length: 2\r\n\r\n{}")
    assert answer(client)[0] == 200


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"drain": [0] * 20_000}, "drain: has more than 1000 items"),
        ({"drain": ["lma1"] * 3}, "drain: the domain has no more than 2 LMAs"),
        ({str(number): 0 for number in range(5000)}, "the document has more than 16 keys"),
    ],
)
def test_documents_beyond_all_measure_are_refused_unread(domain: RmsDomain, document: Any, message: str) -> None:
    status, told = domain.ask("/v1/dry-run", document)
    assert (status, told["error"]["message"]) == (400, message)


def test_half_requests_and_silence_are_cut_off(domain: RmsDomain, connect: Callable[[], Any]) -> None:
    clients = [connect() for _ in range(3)]
    clients[1].sendall(b"GET /v1/hea")
    clients[2].sendall(POST + b"Content-Length: 10\r\n\r\n{")
    domain.run(TIMEOUT + 1)
    for client in clients:
        assert client.recv(1) == b""


def test_a_crowd_of_idle_clients_does_not_keep_others_out(domain: RmsDomain, connect: Callable[[], Any]) -> None:
    idle = [connect() for _ in range(3 * MAX_CONNECTIONS)]
    domain.run(0.1)
    client = connect()
    client.sendall(b"GET /v1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer(client)[0] == 200
    assert idle[0].recv(1) == b""


def test_all_pages_together_are_the_list_in_order(domain: RmsDomain) -> None:
    prefixes = put_bindings(domain, 2500)
    found = [*pages(domain, "/v1/bindings")]
    assert len(found) == 3 and all(len(page) <= MAX_ITEMS for page in found)
    assert [binding["prefix"] for page in found for binding in page] == prefixes
    few = [*pages(domain, "/v1/bindings?limit=400")]
    assert [binding["prefix"] for page in few for binding in page] == prefixes
    assert all(len(page) <= 400 for page in few)
    mag = [*pages(domain, "/v1/mags/mag1")]
    assert [binding["prefix"] for page in mag for binding in page["bindings"]] == prefixes
    assert domain.get("/v1/mags/mag2")["bindings"] == []


def test_a_page_begins_behind_a_prefix_that_is_gone(domain: RmsDomain) -> None:
    prefixes = put_bindings(domain, 50)
    gone = domain.prefix(10)
    assert str(gone) not in prefixes
    for after in (str(gone), str(gone.network_address)):
        (found,) = domain.get(f"/v1/bindings?limit=1&after={after}")
        assert found["prefix"] == str(domain.prefix(11))


@pytest.mark.parametrize("path", ["lmas", "mags", "tunnels", "decisions", "incidents"])
def test_other_lists_come_by_pages_too(domain: RmsDomain, path: str) -> None:
    for lma in ("lma1", "lma2"):
        domain.ask("/v1/mags/mag1/adjust", {"lma": lma})
        domain.run(1)
    domain.ask("/v1/lmas/lma1/drain", {})
    domain.ask("/v1/lmas/lma1/undrain", {})
    whole = domain.get(f"/v1/{path}")
    assert len(whole) >= 2
    assert [item for page in pages(domain, f"/v1/{path}?limit=1") for item in page] == whole


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=0", "limit: must be a number from 1 to 1000"),
        ("limit=1001", "limit: must be a number from 1 to 1000"),
        ("limit=-1", "limit: must be a number from 1 to 1000"),
        ("limit=ten", "limit: must be a number from 1 to 1000"),
        ("lim%ff=1", "the query is not UTF-8"),
        ("after=nobody", "after: there is no 'nobody' any more, or there never was"),
    ],
)
def test_a_wrong_page_is_a_wrong_request(domain: RmsDomain, query: str, message: str) -> None:
    status, told = domain.ask(f"/v1/lmas?{query}")
    assert (status, told["error"]["message"]) == (400, message)
    assert domain.ask("/v1/bindings?after=nobody")[0] == 400


def test_others_have_their_turn_while_a_page_is_made(domain: RmsDomain) -> None:
    put_bindings(domain, 20_000)
    turns = 0

    def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            hub.sleep(0)

    thread = hub.spawn(other)
    hub.sleep(0)
    before = turns
    domain.get("/v1/bindings")
    assert turns - before >= 20_000 // 8192 + 1000 // 64
    hub.kill(thread)


def test_a_prefix_is_found_as_it_is_written(domain: RmsDomain) -> None:
    domain.attach(1, "mag1")
    (binding,) = domain.get("/v1/bindings")
    assert binding["prefix"] == "2001:db8:100:1::/64"
    for path in (binding["prefix"], "2001:db8:100:1::", "2001:db8:100:1::%2F64"):
        assert domain.get(f"/v1/bindings/{path}")["identifier"] == binding["identifier"]
