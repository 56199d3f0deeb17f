"""An HTTP server that answers as a test says, in place of the RMS's REST interface."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class AnsweringServer(ThreadingHTTPServer):
    """Answers to each path with a status and octets, to others with 404 as an RMS does; keeps what came by POST."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.posted: list[tuple[str, Any]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def answer(self, path: str, document: Any, status: int = 200) -> None:
        """Answer a path with a JSON document, or with octets."""
        self.answers[path] = status, document if isinstance(document, bytes) else json.dumps(document).encode()


class _Handler(BaseHTTPRequestHandler):
    server: AnsweringServer

    def do_GET(self) -> None:
        unknown = 404, json.dumps({"error": {"message": f"there is no {self.path}"}}).encode()
        status, octets = self.server.answers.get(self.path, unknown)
        self.send_response(status)
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def do_POST(self) -> None:
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.posted.append((self.path, document))
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def answering_server() -> Iterator[AnsweringServer]:
    """A server on loopback, until the end of the block."""
    with AnsweringServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
