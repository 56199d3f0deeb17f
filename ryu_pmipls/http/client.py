"""Client of the RMS's REST interface."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from ryu_pmipls.domain.profile import REST_DEFAULT, ListenEndpoint, NoProfileError, Profile, load_profile

#: Seconds that the RMS may take for an answer.
TIMEOUT = 5.0
#: Statuses by which the RMS says that the request is wrong, whatever its own state.
_WRONG_REQUEST = (400, 404)
_NEXT = re.compile('<([^>]*)>; rel="next"')
#: Opens URLs without a proxy: one in the environment is for the world outside, not for the RMS.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ClientError(Exception):
    """No answer of the RMS, or one that says that it cannot; the text is for a person."""


class WrongRequestError(ClientError):
    """An answer of the RMS that says that the request is wrong."""


def fetch(base: str, resource: str) -> Any:
    """Get the JSON document at ``base``/v1/``resource``, a list page by page; ``ClientError`` without an answer."""
    url = f"{base}/v1/{resource}"
    document, following = _ask(urllib.request.Request(url))
    asked = {url}
    while following is not None and isinstance(document, list):
        url = urljoin(url, following)
        if url in asked or urlsplit(url)[:2] != urlsplit(base)[:2]:
            raise ClientError(f"{url}: named as the next page, but no page of the same RMS that comes next")
        asked.add(url)
        page, following = _ask(urllib.request.Request(url))
        if not isinstance(page, list):
            raise ClientError(f"{url}: not a page of a list; is that the RMS's address?")
        document += page
    return document


def send(base: str, command: str, document: Mapping[str, Any]) -> Any:
    """POST a document to ``base``/v1/``command``; return the RMS's answer; ``ClientError`` when it refuses."""
    body = json.dumps(document).encode()
    return _ask(urllib.request.Request(f"{base}/v1/{command}", body, {"Content-Type": "application/json"}))[0]


def path_of(*parts: str) -> str:
    """The path of a resource whose parts may be any text."""
    return "/".join(quote(part, safe=":") for part in parts)


@contextmanager
def understanding(base: str) -> Iterator[None]:
    """Code that reads answers; what they lack is a ``ClientError``: something else than an RMS answers there."""
    try:
        yield
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise ClientError(f"{base}: not the answer of an RMS ({type(error).__name__}: {error})") from None


def _ask(request: urllib.request.Request) -> tuple[Any, str | None]:
    """Ask for the document, and the reference to the next page, if there is one (RFC 8288)."""
    url = request.full_url
    try:
        with _OPENER.open(request, timeout=TIMEOUT) as response:
            octets, link = response.read(), response.headers.get("Link")
    except urllib.error.HTTPError as error:
        raise _refusal(url, error) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        told = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        hint = "is the RMS running? start it with: ryu-manager ryu_pmipls.rms"
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
    except (OSError, HTTPException, ValueError, RecursionError, LookupError, TypeError):
        return ClientError(f"{url}: status {error.code} without the words of an RMS; is that its address?")
    return (WrongRequestError if error.code in _WRONG_REQUEST else ClientError)(f"{url}: {message}")


def where(profile: str | None, url: str | None) -> str:
    """The RMS's base URL: ``url``, else the profile's, else, without a profile, the default of all profiles."""
    if url is not None:
        return url
    try:
        return base_url(load_profile(profile))
    except NoProfileError:
        return _url(REST_DEFAULT)


def base_url(profile: Profile) -> str:
    """The base URL at which the RMS of a domain serves REST."""
    return _url(profile.rms.rest)


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


def _url(rest: ListenEndpoint) -> str:
    host = f"[{rest.host}]" if ":" in rest.host else rest.host
    return f"http://{host}:{rest.port}"
