"""The RMS's HTTP interface: JSON out, and a JSON error for whatever goes wrong.

It takes the place of Ryu's own WSGI application, which answers unknown paths with HTML and sends tracebacks to clients.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable
from typing import Any

from webob import Request, Response

LOG = logging.getLogger(__name__)

#: A resource: called with the variable parts of its path, gives what JSON can hold; ``KeyError`` means 404.
Resource = Callable[..., Any]


class RestApplication:
    """A WSGI application of resources: path patterns such as ``/v1/lmas/{name}``, GET only."""

    def __init__(self) -> None:
        self._resources: list[tuple[str, re.Pattern[str], Resource]] = []

    def serve(self, path: str, resource: Resource) -> None:
        """Answer GET of ``path``, in which ``{name}`` stands for one part of a path."""
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))
        self._resources.append((path, re.compile(pattern), resource))

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        response: Iterable[bytes] = self._respond(environ)(environ, start_response)
        return response

    def _respond(self, environ: dict[str, Any]) -> Response:
        request = Request(environ)
        try:
            path = request.path_info.rstrip("/") or "/"
        except UnicodeDecodeError:
            return _error(400, "the path is not UTF-8")
        for _, pattern, resource in self._resources:
            match = pattern.fullmatch(path)
            if match is None:
                continue
            if request.method not in ("GET", "HEAD"):
                response = _error(405, f"{request.method} is not allowed for {path}", allowed=["GET", "HEAD"])
                response.allow = ("GET", "HEAD")
                return response
            try:
                return _json(200, resource(**match.groupdict()))
            except KeyError as error:
                return _error(404, str(error.args[0]) if error.args else f"{path} is unknown")
            except Exception:
                LOG.exception("GET %s failed", path)
                return _error(500, "the RMS failed to answer; its log says why")
        return _error(404, f"there is no {path}", resources=[path for path, _, _ in self._resources])


def _error(status: int, message: str, **details: Any) -> Response:
    return _json(status, {"error": {"status": status, "message": message, **details}})


def _json(status: int, document: Any) -> Response:
    body = json.dumps(document, indent=2) + "\n"
    return Response(status=status, content_type="application/json", charset="UTF-8", text=body)
