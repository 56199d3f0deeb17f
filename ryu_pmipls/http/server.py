"""An HTTP server (RFC 9112) for a WSGI application in an event loop: one request per connection, then it closes.

The application runs in the loop, so it needs no locks; it must not wait for anything.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import h11
from webob import Request

from ryu_pmipls.http.application import RestApplication, error

LOG = logging.getLogger(__name__)

#: Seconds that a client has for its request, and for taking the answer.
TIMEOUT = 5.0
#: Octets of a request's body, and of its head.
MAX_BODY, MAX_HEAD = 65536, 16384
#: Connections at a time; more are closed at once.
MAX_CONNECTIONS = 64

_CHUNK = 65536


class HttpServer:
    """Serves ``application`` at paths and ports."""

    def __init__(self, application: RestApplication) -> None:
        self._application = application
        self._open = 0

    async def listen_at_path(self, path: Path) -> None:
        """Serve until cancelled at a Unix socket that only this user may use."""
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        path.chmod(0o600)  # before anybody can connect
        server = await asyncio.start_unix_server(self._serve, sock=listener)
        await _until_cancelled(server)

    async def listen_at_port(self, host: str, port: int) -> None:
        """Serve until cancelled at a TCP port; ``OSError`` when it is taken."""
        server = await asyncio.start_server(self._serve, host, port)
        LOG.info("REST at %s port %d", host, port)
        await _until_cancelled(server)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= MAX_CONNECTIONS:
                await asyncio.wait_for(self._exchange(reader, writer), TIMEOUT)
        except (OSError, asyncio.TimeoutError):
            pass  # the client has gone, or sends nothing
        finally:
            self._open -= 1
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        try:
            request = await _receive(connection, reader, writer)
        except h11.RemoteProtocolError as fault:
            response = error(fault.error_status_hint, str(fault))
        else:
            if request is None:
                return
            response = request.get_response(self._application)
        if connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            headers = [*response.headerlist, ("Connection", "close")]
            status, reason = response.status.split(" ", 1)
            writer.write(connection.send(h11.Response(status_code=int(status), headers=headers, reason=reason)) or b"")
            # Not response.body, which rejects an answer to HEAD: its length is that of the answer to GET.
            writer.write(connection.send(h11.Data(b"".join(response.app_iter))) or b"")
            writer.write(connection.send(h11.EndOfMessage()) or b"")
            await writer.drain()


async def _until_cancelled(server: asyncio.AbstractServer) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        server.close()  # and not serve_forever, which waits for the clients to go


async def _receive(
    connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Request | None:
    """Receive a whole request; ``None`` when none comes, ``RemoteProtocolError`` when it is malformed."""
    head: h11.Request | None = None
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                proceed = h11.InformationalResponse(status_code=100, headers=[])
                writer.write(connection.send(proceed) or b"")
            connection.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_BODY:
                raise h11.RemoteProtocolError(f"the document has more than {MAX_BODY} octets", 413)
        else:
            return None if head is None else Request(_environ(head, body))


def _environ(head: h11.Request, body: bytes) -> dict[str, Any]:
    """Convert a request to WSGI's environment (PEP 3333)."""
    path, _, query = head.target.decode("ascii").partition("?")
    environ = {
        "REQUEST_METHOD": head.method.decode("ascii"),
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": f"HTTP/{head.http_version.decode('ascii')}",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in head.headers:
        key = name.decode("ascii").upper().replace("-", "_")
        if key not in ("CONTENT_LENGTH", "TRANSFER_ENCODING"):
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value.decode("latin-1")
    return environ
