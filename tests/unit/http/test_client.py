"""The client of the RMS's REST interface, against a server on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ryu_pmipls.http.client import ClientError, Rms, RmsOptions, fetch, send, where
from ryu_pmipls.http.credentials import Credentials

#: Lists whose next page is none: the same again, that of another server, a file, and no list.
NEXT_PAGES = {
    "/v1/circle": "/v1/circle?again",
    "/v1/circle?again": "/v1/circle",
    "/v1/elsewhere": "http://127.0.0.1:1/v1/elsewhere",
    "/v1/file": "file:///etc/passwd",
    "/v1/no-list": "/v1/lmas",
}


class Answers(BaseHTTPRequestHandler):
    """Every request gets its path and document back; what is at ``/v1/wrong`` is refused."""

    def do_GET(self) -> None:
        if self.path in NEXT_PAGES:
            self.send_response(200)
            self.send_header("Link", f'<{NEXT_PAGES[self.path]}>; rel="next"')
            self.end_headers()
            self.wfile.write(b"[1]")
        elif self.path == "/v1/deep":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"[" * 100_000)
        elif self.path.startswith("/v1/bindings"):
            self.page(int(self.path.partition("=")[2] or 0))
        else:
            self.answer(None)

    def page(self, number: int) -> None:
        """One item of a list of three."""
        self.send_response(200)
        if number < 2:
            self.send_header("Link", f'<?after={number + 1}>; rel="next"')
        self.end_headers()
        self.wfile.write(json.dumps([number]).encode())

    def do_POST(self) -> None:
        self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def answer(self, document: object) -> None:
        wrong = self.path == "/v1/wrong"
        body = {"error": {"message": "there is no such thing"}} if wrong else {"path": self.path, "document": document}
        self.send_response(404 if wrong else 200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def rms_at(url: str) -> Rms:
    return Rms(url, Credentials(url, of_user=False))


@pytest.fixture
def rms() -> Iterator[Rms]:
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield rms_at(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()


def test_it_fetches_and_sends(rms: Rms) -> None:
    assert fetch(rms, "lmas/lma1") == {"path": "/v1/lmas/lma1", "document": None}
    assert send(rms, "policy", {"policy": "draft"}) == {"path": "/v1/policy", "document": {"policy": "draft"}}


def test_it_fetches_all_pages_of_a_list(rms: Rms) -> None:
    assert fetch(rms, "bindings") == [0, 1, 2]


@pytest.mark.parametrize(
    ("resource", "told"),
    [
        ("circle", r"/v1/circle: named as the next page"),
        ("elsewhere", r"^http://127.0.0.1:1/v1/elsewhere: named as the next page, but no page of the same RMS"),
        ("file", r"^file:///etc/passwd: named as the next page, but no page of the same RMS"),
        ("no-list", r"/v1/lmas: not a page of a list"),
    ],
)
def test_a_next_page_that_is_none_is_told(resource: str, told: str, rms: Rms) -> None:
    with pytest.raises(ClientError, match=told):
        fetch(rms, resource)


def test_an_answer_too_deep_to_read_is_told(rms: Rms) -> None:
    with pytest.raises(ClientError, match="the answer is not JSON"):
        fetch(rms, "deep")


def test_it_goes_by_no_proxy(rms: Rms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert fetch(rms, "lmas")["path"] == "/v1/lmas"


def test_a_refusal_has_the_words_of_the_rms(rms: Rms) -> None:
    with pytest.raises(ClientError, match=r"/v1/wrong: there is no such thing$"):
        fetch(rms, "wrong")


def test_no_answer_is_told_with_what_to_do() -> None:
    with pytest.raises(ClientError, match=r"no answer .*; is the RMS running"):
        fetch(rms_at("http://127.0.0.1:1"), "health")


def test_a_url_wins_over_the_profile() -> None:
    assert str(where(RmsOptions("no such profile", "http://127.0.0.1:9999"))) == "http://127.0.0.1:9999"
