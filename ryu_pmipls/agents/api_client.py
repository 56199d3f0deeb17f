"""Requests to a running agent over its Unix socket (``ryu_pmipls.agents.api``)."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

#: Seconds that an agent has for its answer.
TIMEOUT = 5.0


def request(path: Path, resource: str, document: Mapping[str, Any] | None = None) -> tuple[int, Any]:
    """GET ``resource`` from the agent at the socket ``path``, or POST a document to it; return status and answer.

    ``OSError`` when nobody listens there, or not an agent.
    """
    connection = _UnixConnection(path)
    try:
        if document is None:
            connection.request("GET", resource)
        else:
            connection.request("POST", resource, json.dumps(document), {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except (HTTPException, ValueError) as error:
        raise OSError(f"not an agent's answer: {error}") from None
    finally:
        connection.close()


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(str(self._path))
