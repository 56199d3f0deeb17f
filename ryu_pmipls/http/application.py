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

from ryu_pmipls.http.access.audit_trail import AuditTrail
from ryu_pmipls.http.access.control import ANONYMOUS, AccessControl, AccessRefusedError
from ryu_pmipls.http.access.roles import AccessRole, Caller, Client
from ryu_pmipls.http.origins import Origins
from ryu_pmipls.rate_limiter import RateLimiter

LOG = logging.getLogger(__name__)

#: Called with the variable parts of its path; returns a document for JSON; ``KeyError`` means 404.
Resource = Callable[..., Any]
#: Called with the JSON object of the request, and then like a resource.
Command = Callable[..., Any]

#: Variable of WSGI's environment with the :class:`Client` that asks.
CLIENT = "pmipls.client"
_UNKNOWN = Client()

_JSON = "application/json"
#: Items of a page at most, and by default.
MAX_ITEMS = 1000
#: Fragments of JSON, or items of lists, that are encoded in one turn, in about a millisecond.
_FRAGMENTS, _ITEMS = 2048, 128
#: Statuses of what is not admitted, which is logged at a limited rate where that is decided.
_NOT_ADMITTED = (401, 403, 421, 429)
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


class Method(NamedTuple):
    """A method of a resource: the role that it needs, and its function of the request and the parts of its path."""

    role: AccessRole
    function: Callable[..., Any]


class RestApplication:
    """A WSGI application of resources, to GET, and commands, to POST, at path patterns such as ``/v1/lmas/{name}``.

    Requests are admitted by ``access``; without it all are, as in tests. What needs the role to operate is a command
    that changes something, and recorded in ``audit``.
    """

    def __init__(
        self,
        pause: Callable[[], object] = lambda: None,
        names: Iterable[str] = (),
        access: AccessControl | None = None,
        audit: AuditTrail | None = None,
    ) -> None:
        """``pause`` is called again and again while a long answer is encoded, for others to have their turn.

        ``names`` are those by which it may be asked, besides addresses and localhost.
        """
        self._pause = pause
        self._origins = Origins(names)
        self._access = access
        self._audit = audit
        self._limiter = RateLimiter()
        self._paths: dict[str, tuple[re.Pattern[str], dict[str, Method]]] = {}

    def serve(self, path: str, role: AccessRole, resource: Resource | Pages) -> None:
        """Answer GET of ``path``, in which ``{name}`` stands for one part of a path, to callers with that role."""

        def get(request: Request, **parts: str) -> Any:
            if isinstance(resource, Pages):
                query = _query(request)
                return resource.page(limit=_limit(query), after=query.get("after"), **parts)
            return resource(**parts)

        self._methods(path)["GET"] = self._methods(path)["HEAD"] = Method(role, get)

    def obey(self, path: str, role: AccessRole, command: Command) -> None:
        """Carry out POST to ``path`` for callers with that role."""

        def post(request: Request, **parts: str) -> Any:
            return command(_object(request), **parts)

        self._methods(path)["POST"] = Method(role, post)

    def roles(self) -> dict[tuple[str, str], AccessRole]:
        """The role that each method needs, by method and path."""
        return {
            (name, path): found.role for path, (_, methods) in self._paths.items() for name, found in methods.items()
        }

    def _methods(self, path: str) -> dict[str, Method]:
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
        methods, parts = self._find(path)
        method = methods.get(request.method)
        role = AccessRole.READ if method is None else method.role
        try:
            self._refuse_stranger(environ.get("HTTP_HOST"), environ.get("HTTP_ORIGIN"))
            caller = self._admit(request, role)
        except AccessRefusedError as refusal:
            if role is AccessRole.OPERATE:
                self._record_refusal(request, refusal)
            response = error(refusal.status, str(refusal))
            response.headers.update(refusal.headers)
            return response
        if method is not None:
            if role is AccessRole.OPERATE and self._audit is not None:
                return self._answer_recorded(request, caller, method, parts, self._audit)
            return self._answer(request, method, parts)
        if not methods:
            return error(404, f"there is no {path}", resources=[*self._paths])
        response = error(405, f"{request.method} is not allowed for {path}", allowed=[*methods])
        response.allow = tuple(methods)
        return response

    def _find(self, path: str) -> tuple[dict[str, Method], dict[str, str]]:
        """The methods of a path, none if there is no such path, and its variable parts."""
        for pattern, methods in self._paths.values():
            match = pattern.fullmatch(path)
            if match is not None:
                return methods, match.groupdict()
        return {}, {}

    def _refuse_stranger(self, host: str | None, origin: str | None) -> None:
        if not self._origins.is_known(host):
            status, message = 421, "this server has no such name: ask it by its address, or have the profile name it"
        elif not self._origins.may_ask(origin, host):
            status, message = 403, "a web page of another site asks"
        else:
            return
        if self._limiter.passes(status):
            LOG.warning(
                "a web page is refused (Host %s, Origin %s): %s", quote(host or ""), quote(origin or ""), message
            )
        raise AccessRefusedError(status, message, "a web page", {})

    def _admit(self, request: Request, role: AccessRole) -> Caller:
        if self._access is None:
            return Caller(ANONYMOUS, role)
        return self._access.admit(_client(request), request.environ.get("HTTP_AUTHORIZATION"), role)

    def _record_refusal(self, request: Request, refusal: AccessRefusedError) -> None:
        if self._audit is not None:
            self._audit.refuse(refusal.who, _client(request), *_words(request), refusal.status, str(refusal))

    def _answer_recorded(
        self, request: Request, caller: Caller, method: Method, parts: dict[str, str], audit: AuditTrail
    ) -> Response:
        """The answer to a command, which is on record before it is carried out, and with its outcome before this."""
        try:
            key = audit.begin(caller.name, _client(request), *_words(request))
        except OSError as fault:
            reason = fault.strerror or type(fault).__name__
            return error(
                503, f"the audit log cannot be written ({reason}), and commands are carried out on record only"
            )
        response = self._answer(request, method, parts)
        audit.end(key, response.status_code, _outcome(response))
        return response

    def _answer(self, request: Request, method: Method, parts: dict[str, str]) -> Response:
        try:
            found = method.function(request, **parts)
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


def _client(request: Request) -> Client:
    """The other end of the connection by which a request came; nothing is known of it unless the server says so."""
    client: Client = request.environ.get(CLIENT, _UNKNOWN)
    return client


def _words(request: Request) -> tuple[str, str, bytes]:
    """Method, path and document of a request."""
    return request.method, request.path_info, request.body


def _outcome(response: Response) -> str:
    """Outcome of a command, in words."""
    return "done" if response.status_code == 200 else str(response.json["error"]["message"])


def _log(environ: dict[str, Any], status: int) -> None:
    """Log a request: at INFO if it may have changed something, or failed, else at DEBUG, and if it was not admitted."""
    method, path = environ["REQUEST_METHOD"], quote(environ["PATH_INFO"].encode("latin-1"))
    level = logging.DEBUG if (method in ("GET", "HEAD") and status < 400) or status in _NOT_ADMITTED else logging.INFO
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
