"""One HTTP exchange (RFC 9112) by its octets: a request within limits, and the application's answer to it.

Each connection has one; then it closes. Whoever has the socket has the clock too, and keeps to the times here.
"""

from __future__ import annotations

import sys
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

import h11
from webob import Request, Response

from ryu_pmipls.http.access.roles import Client
from ryu_pmipls.http.application import CLIENT, RestApplication, error

#: Seconds that a client has for its request, and for receiving the answer.
TIMEOUT = 5.0
#: Octets of a request's body, and of its head.
MAX_BODY, MAX_HEAD = 65536, 16384
#: Connections of a server at a time.
MAX_CONNECTIONS = 64
#: Seconds for which the rest of a refused request is read, lest its client miss the answer (RFC 9112, section 9.6).
LINGER = 1.0
#: Octets that are read at a time, after which others have their turn: 400 smallest chunks take 2 ms.
CHUNK = 2048


class Exchange:
    """Parses a request as it comes; :attr:`complete` when it can be answered."""

    def __init__(self, application: RestApplication, client: Client) -> None:
        self._application = application
        self._client = client
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._head: h11.Request | None = None
        self._body = b""
        self._has_line = False
        self._refusal: Response | None = None
        self.complete = False

    def receive(self, octets: bytes) -> bytes:
        """Parse octets from the client, none at their end; return what to send at once."""
        self._has_line = self._has_line or b"\n" in octets
        try:
            self._connection.receive_data(octets)
            return self._follow()
        except h11.RemoteProtocolError as fault:
            self._refuse(fault)
            return b""

    def answer(self) -> bytes:
        """Have the application answer; return the octets, none when no request came."""
        if self._refusal is not None:
            response = self._refusal
        elif self._head is not None:
            response = Request(_environ(self._head, self._body, self._client)).get_response(self._application)
        else:
            return b""
        connection = self._connection
        if connection.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return b""
        status, reason = response.status.split(" ", 1)
        headers = [*response.headerlist, ("Connection", "close")]
        # Not response.body, which rejects an answer to HEAD: its length is that of the answer to GET.
        body = b"" if self._head is not None and self._head.method == b"HEAD" else b"".join(response.app_iter)
        events = (
            h11.Response(status_code=int(status), headers=headers, reason=reason),
            h11.Data(body),
            h11.EndOfMessage(),
        )
        return b"".join(connection.send(event) or b"" for event in events)

    @property
    def refused(self) -> bool:
        """True when the answer is given before the request has come to its end."""
        return self._refusal is not None

    def _follow(self) -> bytes:
        while True:
            event = self._connection.next_event()
            if event is h11.NEED_DATA:
                if not self._connection.they_are_waiting_for_100_continue:
                    return b""
                return self._connection.send(h11.InformationalResponse(status_code=100, headers=[])) or b""
            if isinstance(event, h11.Request):
                self._head = event
                self._require_small(int(dict(event.headers).get(b"content-length", b"0")))
            elif isinstance(event, h11.Data):
                self._body += event.data
                self._require_small(len(self._body))
            else:
                self.complete = True
                return b""

    def _require_small(self, octets: int) -> None:
        if octets > MAX_BODY:
            raise h11.RemoteProtocolError(f"the document has more than {MAX_BODY} octets", 413)

    def _refuse(self, fault: h11.RemoteProtocolError) -> None:
        status, message = fault.error_status_hint, str(fault)
        if status == 431:
            part, status = ("head", 431) if self._has_line else ("first line", 414)
            message = f"the {part} of the request has more than {MAX_HEAD} octets"
        self._refusal = error(status, message)
        self.complete = True


def _environ(head: h11.Request, body: bytes, client: Client) -> dict[str, Any]:
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
        "wsgi.url_scheme": "https" if client.tls else "http",
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "REMOTE_ADDR": client.place,
        CLIENT: client,
    }
    for name, value in head.headers:
        key = name.decode("ascii").upper().replace("-", "_")
        if key not in ("CONTENT_LENGTH", "TRANSFER_ENCODING"):
            variable, text = key if key == "CONTENT_TYPE" else f"HTTP_{key}", value.decode("latin-1")
            # RFC 9110, section 5.2: lines of one field are one list. None that should be single counts for the others.
            environ[variable] = f"{environ[variable]}, {text}" if variable in environ else text
    return environ
