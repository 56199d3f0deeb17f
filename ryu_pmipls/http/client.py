"""Client of the RMS's REST interface."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from ryu_pmipls.domain.places import LAB_DIRECTORY, STATE_DIRECTORY
from ryu_pmipls.domain.profile import (
    REST_DEFAULT,
    NoProfileError,
    Profile,
    ProfileError,
    load_profile,
)
from ryu_pmipls.http.access.local_token import url_of
from ryu_pmipls.http.credentials import Credentials, CredentialsError

#: Seconds that the RMS may take for an answer.
TIMEOUT = 5.0
#: Statuses by which the RMS says that the request is wrong, whatever its own state.
_WRONG_REQUEST = (400, 404)
_UNAUTHORISED = 401
_NEXT = re.compile('<([^>]*)>; rel="next"')
#: Where a token is looked for, as a refusal tells it.
_PLACES = "a token is taken from --token-file, $PMIPLS_TOKEN, ~/.config/pmipls/HOST/token, or the state directory"


class ClientError(Exception):
    """No answer of the RMS, or one that says that it cannot; the text is for a person."""


class WrongRequestError(ClientError):
    """An answer of the RMS that says that the request is wrong."""


class RmsOptions(NamedTuple):
    """What a command is told of the RMS that it asks: names of options in :mod:`ryu_pmipls.cli.options`."""

    profile: str | None = None
    url: str | None = None
    token_file: Path | None = None
    ca: Path | None = None


@dataclass(frozen=True)
class Rms:
    """The REST interface of an RMS, at a base URL, and what it is shown."""

    url: str
    credentials: Credentials

    def __str__(self) -> str:
        return self.url


def fetch(rms: Rms, resource: str) -> Any:
    """Get the JSON document at /v1/``resource``, a list page by page; ``ClientError`` without an answer."""
    url = f"{rms}/v1/{resource}"
    document, following = _ask(rms, urllib.request.Request(url))
    asked = {url}
    while following is not None and isinstance(document, list):
        url = urljoin(url, following)
        if url in asked or urlsplit(url)[:2] != urlsplit(rms.url)[:2]:
            raise ClientError(f"{url}: named as the next page, but no page of the same RMS that comes next")
        asked.add(url)
        page, following = _ask(rms, urllib.request.Request(url))
        if not isinstance(page, list):
            raise ClientError(f"{url}: not a page of a list; is that the RMS's address?")
        document += page
    return document


def send(rms: Rms, command: str, document: Mapping[str, Any]) -> Any:
    """POST a document to /v1/``command``; return the RMS's answer; ``ClientError`` when it refuses."""
    body = json.dumps(document).encode()
    return _ask(rms, urllib.request.Request(f"{rms}/v1/{command}", body, {"Content-Type": "application/json"}))[0]


def path_of(*parts: str) -> str:
    """The path of a resource whose parts may be any text."""
    return "/".join(quote(part, safe=":") for part in parts)


@contextmanager
def understanding(rms: Rms) -> Iterator[None]:
    """Code that reads answers; what they lack is a ``ClientError``: something else than an RMS answers there."""
    try:
        yield
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise ClientError(f"{rms}: not the answer of an RMS ({type(error).__name__}: {error})") from None


def _ask(rms: Rms, request: urllib.request.Request) -> tuple[Any, str | None]:
    """Ask for the document, and the reference to the next page, if there is one (RFC 8288)."""
    url = request.full_url
    try:
        token, opener = rms.credentials.token(), _opener(rms)
    except CredentialsError as error:
        raise ClientError(str(error)) from None
    if token is not None:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        with opener.open(request, timeout=TIMEOUT) as response:
            octets, link = response.read(), response.headers.get("Link")
    except urllib.error.HTTPError as error:
        raise _refusal(url, error) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        told = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        hint = "is the RMS running? start it with: ryu-manager ryu_pmipls.rms"
        if isinstance(reason, ssl.SSLError):
            hint = "its certificate must be of the authority in --ca, $PMIPLS_CA or ~/.config/pmipls/HOST/ca.pem"
        raise ClientError(f"{url}: no answer ({told}); {hint}") from None
    try:
        return json.loads(octets), next_page(link)
    except (ValueError, RecursionError):
        raise ClientError(f"{url}: the answer is not JSON; is that the RMS's address?") from None


def next_page(link: str | None) -> str | None:
    """The reference to the next page in a header ``Link``."""
    found = _NEXT.fullmatch(link or "")
    return found and found[1]


def _refusal(url: str, error: urllib.error.HTTPError) -> ClientError:
    try:
        message = str(json.loads(error.read())["error"]["message"])
    except (OSError, http.client.HTTPException, ValueError, RecursionError, LookupError, TypeError):
        return ClientError(f"{url}: status {error.code} without the words of an RMS; is that its address?")
    if error.code == _UNAUTHORISED:
        message = f"{message}; {_PLACES}"
    return (WrongRequestError if error.code in _WRONG_REQUEST else ClientError)(f"{url}: {message}")


def where(options: RmsOptions) -> Rms:
    """The RMS at the URL of the options, else the profile's, else, without a profile, the default of all profiles."""
    profile = _profile(options)
    own = url_of(REST_DEFAULT.host, REST_DEFAULT.port) if profile is None else base_url(profile)
    url = own if options.url is None else options.url
    known = profile if url == own else None
    own_directory = () if known is None else (known.rms.state_directory,)
    # It may be one of this host whose profile is not known: that of a lab, for example.
    directories = *own_directory, STATE_DIRECTORY, *LAB_DIRECTORY.glob("*/rms")
    return Rms(url, Credentials(url, known, directories, options.token_file, options.ca))


def _profile(options: RmsOptions) -> Profile | None:
    """The profile, None if there is none, or it cannot be read and the options have a URL."""
    try:
        return load_profile(options.profile)
    except NoProfileError:
        return None
    except ProfileError:
        if options.url is None:
            raise
        return None


def rms_of(profile: Profile) -> Rms:
    """The RMS of a domain, asked as by who started it: with the token that it has made for local operators."""
    url = base_url(profile)
    return Rms(url, Credentials(url, profile, (profile.rms.state_directory,), of_user=False))


def base_url(profile: Profile) -> str:
    """The base URL at which the RMS of a domain serves REST."""
    rest = profile.rms.rest
    return url_of(rest.host, rest.port, str(profile.rms.address) if rest.host == "::" else None)


def base_url_from(text: str) -> str:
    """The base URL for ``HOST:PORT``, or for an http or https URL; ``ValueError`` says what is allowed."""
    wrong = ValueError(f"{text!r} is no address of an RMS, such as http://127.0.0.1:8080 or 127.0.0.1:8080")
    written = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(written)
        port = parts.port
    except ValueError:
        raise wrong from None
    named = parts.hostname is not None and parts.hostname.isprintable() and " " not in written
    if (
        parts.scheme not in ("http", "https")
        or not named
        or port == 0
        or parts.query
        or parts.fragment
        or parts.username
    ):
        raise wrong
    return written.rstrip("/")


def _opener(rms: Rms) -> urllib.request.OpenerDirector:
    """What opens URLs, without a proxy: one in the environment is for the world outside, not for the RMS."""
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if rms.url.startswith("https:"):
        handlers.append(_Https(rms.credentials.context(), rms.credentials.server_name))
    return urllib.request.build_opener(*handlers)


class _Https(urllib.request.HTTPSHandler):
    """Opens URLs whose server has a certificate for a certain name, None: for that in the URL."""

    def __init__(self, context: ssl.SSLContext, server_name: str | None) -> None:
        super().__init__()
        self._tls = context
        self._server_name = server_name

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection, request)

    def _connection(self, host: str, **more: Any) -> http.client.HTTPConnection:
        return _HttpsConnection(host, self._tls, self._server_name, **more)


class _HttpsConnection(http.client.HTTPConnection):
    default_port = http.client.HTTPS_PORT

    def __init__(self, host: str, context: ssl.SSLContext, server_name: str | None, **more: Any) -> None:
        super().__init__(host, **more)
        self._context = context
        self._server_name = server_name

    def connect(self) -> None:
        super().connect()
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self._server_name or self.host)
