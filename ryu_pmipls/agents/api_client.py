"""Requests to a running agent over its Unix socket (``ryu_pmipls.agents.api``)."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from ryu_pmipls.http.client import next_page

#: Seconds that an agent has for its answer.
TIMEOUT = 5.0
_OK = 200


def request(path: Path, resource: str, document: Mapping[str, Any] | None = None) -> tuple[int, Any]:
    """GET ``resource`` from the agent at the socket ``path``, page by page, or POST a document to it.

    Return status and answer; ``OSError`` when nobody listens there, or not an agent.
    """
    status, whole, following = _exchange(path, resource, document)
    while following is not None:
        status, page, following = _exchange(path, resource + following, None)
        if status != _OK:
            return status, page
        whole = whole | page if isinstance(whole, dict) else whole + page
    return status, whole


def _exchange(path: Path, resource: str, document: Mapping[str, Any] | None) -> tuple[int, Any, str | None]:
    """Status, answer, and the query of the next page, if there is one."""
    connection = _UnixConnection(path)
    try:
        if document is None:
            connection.request("GET", resource)
        else:
            connection.request("POST", resource, json.dumps(document), {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read()), next_page(response.headers.get("Link"))
    except (HTTPException, ValueError, RecursionError) as error:
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
