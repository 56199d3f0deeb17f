"""The HTTP interface of the RMS and of the agents: JSON in and out, and a JSON error for every failure.

At the RMS it replaces Ryu's own WSGI application, which answers unknown paths with HTML and sends tracebacks to
clients.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from webob import Request, Response

from ryu_pmipls.http.origins import Origins

LOG = logging.getLogger(__name__)

#: Called with the variable parts of its path; returns a document for JSON; ``KeyError`` means 404.
Resource = Callable[..., Any]
#: Called with the JSON object of the request, and then like a resource.
Command = Callable[..., Any]

_JSON = "application/json"
#: Items of a page at most, and by default.
MAX_ITEMS = 1000
#: Fragments of JSON, or items of lists, that are encoded in one turn, in about a millisecond.
_FRAGMENTS, _ITEMS = 2048, 128
_ENCODER = json.JSONEncoder(indent=2)


class Page(NamedTuple):
    """A document with some of the items of a long list; the next page is that ``after`` the item with this name."""

    document: Any
    after: str | None  # None at the end


class Pages(NamedTuple):
    """A long list: ``page`` is a resource that is called with ``limit`` and ``after`` of the query as well."""

    page: Callable[..., Page]


class RestError(Exception):
    """An error answer, raised by a resource or a command: 400 when its input is wrong, for example."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RestApplication:
    """A WSGI application of resources, to GET, and commands, to POST, at path patterns such as ``/v1/lmas/{name}``."""

    def __init__(self, pause: Callable[[], object] = lambda: None, names: Iterable[str] = ()) -> None:
        """``pause`` is called again and again while a long answer is encoded, for others to have their turn.

        ``names`` are those by which it may be asked, besides addresses and localhost.
        """
        self._pause = pause
        self._origins = Origins(names)
        self._paths: dict[str, tuple[re.Pattern[str], dict[str, Callable[..., Any]]]] = {}

    def serve(self, path: str, resource: Resource | Pages) -> None:
        """Answer GET of ``path``, in which ``{name}`` stands for one part of a path."""

        def get(request: Request, **parts: str) -> Any:
            if isinstance(resource, Pages):
                query = _query(request)
                return resource.page(limit=_limit(query), after=query.get("after"), **parts)
            return resource(**parts)

        self._methods(path)["GET"] = self._methods(path)["HEAD"] = get

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
        refusal = self._refuse_stranger(environ.get("HTTP_HOST"), environ.get("HTTP_ORIGIN"))
        if refusal is not None:
            return refusal
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
            return self._answer(request, methods[request.method], match.groupdict())
        return error(404, f"there is no {path}", resources=[*self._paths])

    def _refuse_stranger(self, host: str | None, origin: str | None) -> Response | None:
        if not self._origins.is_known(host):
            return error(421, "this server has no such name: ask it by its address, or have the profile name it")
        if not self._origins.may_ask(origin, host):
            return error(403, "a web page of another site asks")
        return None

    def _answer(self, request: Request, method: Callable[..., Any], parts: dict[str, str]) -> Response:
        try:
            found = method(request, **parts)
            if not isinstance(found, Page):
                return _json(200, found, self._pause)
            response = _json(200, found.document, self._pause)
            if found.after is not None:
                response.headers["Link"] = f'<?{_next_query(request, found.after)}>; rel="next"'
            return response
        except KeyError as fault:
            return error(404, str(fault.args[0]) if fault.args else f"{request.path_info} is unknown")
        except RestError as fault:
            return error(fault.status, str(fault))
        except Exception:
            LOG.exception("%s %s failed", request.method, request.path_info)
            return error(500, "this node failed to answer; its log says why")


def _log(environ: dict[str, Any], status: int) -> None:
    """Log a request: at INFO if it may have changed something, or failed, else at DEBUG."""
    method, path = environ["REQUEST_METHOD"], quote(environ["PATH_INFO"].encode("latin-1"))
    level = logging.DEBUG if method in ("GET", "HEAD") and status < 400 else logging.INFO
    LOG.log(level, "%s %s from %s: status %d", method, path, environ.get("REMOTE_ADDR", "this host"), status)


def _query(request: Request) -> dict[str, str]:
    try:
        return dict(request.GET)
    except UnicodeDecodeError:
        raise RestError(400, "the query is not UTF-8") from None


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(MAX_ITEMS))
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= MAX_ITEMS:
        raise RestError(400, f"limit: must be a number from 1 to {MAX_ITEMS}")
    return int(text)


def _next_query(request: Request, after: str) -> str:
    return urlencode({**_query(request), "after": after}, safe=":/")


def _object(request: Request) -> dict[str, Any]:
    # A web page cannot make a browser send this type to another site unasked.
    if request.content_type.lower() != _JSON:  # RFC 9110, section 8.3.1
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


def _json(status: int, document: Any, pause: Callable[[], object] = lambda: None) -> Response:
    text = _lines(document, pause) if isinstance(document, list) else _indented(document, pause)
    return Response(status=status, content_type=_JSON, charset="UTF-8", text=text + "\n")


def _lines(items: list[Any], pause: Callable[[], object]) -> str:
    """A list with each item on a line: Python takes ten times as long to indent."""
    lines = []
    for number, item in enumerate(items, 1):
        lines.append(f"  {json.dumps(item)}")
        if number % _ITEMS == 0:
            pause()
    return "[\n" + ",\n".join(lines) + "\n]" if lines else "[]"


def _indented(document: Any, pause: Callable[[], object]) -> str:
    fragments = []
    for number, fragment in enumerate(_ENCODER.iterencode(document), 1):
        fragments.append(fragment)
        if number % _FRAGMENTS == 0:
            pause()
    return "".join(fragments)
