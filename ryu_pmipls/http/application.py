"""The HTTP interface of the RMS and of the agents: JSON in and out, and a JSON error for every failure.

At the RMS it replaces Ryu's own WSGI application, which answers unknown paths with HTML and sends tracebacks to
clients.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from webob import Request, Response

LOG = logging.getLogger(__name__)

#: Called with the variable parts of its path; returns a document for JSON; ``KeyError`` means 404.
Resource = Callable[..., Any]
#: Called with the JSON object of the request, and then like a resource.
Command = Callable[..., Any]

_JSON = "application/json"


class RestError(Exception):
    """An error answer, raised by a resource or a command: 400 when its input is wrong, for example."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RestApplication:
    """A WSGI application of resources, to GET, and commands, to POST, at path patterns such as ``/v1/lmas/{name}``."""

    def __init__(self) -> None:
        self._paths: dict[str, tuple[re.Pattern[str], dict[str, Callable[..., Any]]]] = {}

    def serve(self, path: str, resource: Resource) -> None:
        """Answer GET of ``path``, in which ``{name}`` stands for one part of a path."""
        self._methods(path)["GET"] = self._methods(path)["HEAD"] = lambda _, **parts: resource(**parts)

    def obey(self, path: str, command: Command) -> None:
        """Carry out POST to ``path``."""
        self._methods(path)["POST"] = lambda request, **parts: command(_object(request), **parts)

    def _methods(self, path: str) -> dict[str, Callable[..., Any]]:
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))
        return self._paths.setdefault(path, (re.compile(pattern), {}))[1]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        response = self._respond(environ)
        _log(environ, response.status_code)
        answer: Iterable[bytes] = response(environ, start_response)
        return answer

    def _respond(self, environ: dict[str, Any]) -> Response:
        request = Request(environ)
        try:
            path = request.path_info.rstrip("/") or "/"
        except UnicodeDecodeError:
            return error(400, "the path is not UTF-8")
        for pattern, methods in self._paths.values():
            match = pattern.fullmatch(path)
            if match is None:
                continue
            if request.method not in methods:
                response = error(405, f"{request.method} is not allowed for {path}", allowed=[*methods])
                response.allow = tuple(methods)
                return response
            return _answer(request, methods[request.method], match.groupdict())
        return error(404, f"there is no {path}", resources=[*self._paths])


def _log(environ: dict[str, Any], status: int) -> None:
    """Log a request: at INFO if it may have changed something, or failed, else at DEBUG."""
    method, path = environ["REQUEST_METHOD"], quote(environ["PATH_INFO"].encode("latin-1"))
    level = logging.DEBUG if method in ("GET", "HEAD") and status < 400 else logging.INFO
    LOG.log(level, "%s %s from %s: status %d", method, path, environ.get("REMOTE_ADDR", "this host"), status)


def _answer(request: Request, method: Callable[..., Any], parts: dict[str, str]) -> Response:
    try:
        return _json(200, method(request, **parts))
    except KeyError as fault:
        return error(404, str(fault.args[0]) if fault.args else f"{request.path_info} is unknown")
    except RestError as fault:
        return error(fault.status, str(fault))
    except Exception:
        LOG.exception("%s %s failed", request.method, request.path_info)
        return error(500, "this node failed to answer; its log says why")


def _object(request: Request) -> dict[str, Any]:
    # A web page cannot make a browser send this type to another site unasked.
    if request.content_type != _JSON:
        raise RestError(415, f"the document must be JSON, and its Content-Type {_JSON}")
    try:
        document = json.loads(request.body)
    except (ValueError, RecursionError) as fault:  # UnicodeDecodeError is a ValueError
        raise RestError(400, f"what came is not JSON: {fault}") from None
    if not isinstance(document, dict):
        raise RestError(400, "what came is JSON, but not an object")
    return document


def error(status: int, message: str, **details: Any) -> Response:
    """The answer to a request that cannot be carried out."""
    return _json(status, {"error": {"status": status, "message": message, **details}})


def _json(status: int, document: Any) -> Response:
    body = json.dumps(document, indent=2) + "\n"
    return Response(status=status, content_type=_JSON, charset="UTF-8", text=body)
