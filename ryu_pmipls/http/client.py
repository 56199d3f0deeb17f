"""Client of the RMS's REST interface."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from ryu_pmipls.domain.profile import REST_DEFAULT, ListenEndpoint, NoProfileError, Profile, load_profile

#: Seconds that the RMS may take for an answer.
TIMEOUT = 5.0
#: Opens URLs without a proxy: one in the environment is for the world outside, not for the RMS.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ClientError(Exception):
    """No answer of the RMS, or a refusal; the text is for a person."""


def fetch(base: str, resource: str) -> Any:
    """Get the JSON document at ``base``/v1/``resource``; ``ClientError`` when the RMS does not give it."""
    return _ask(urllib.request.Request(f"{base}/v1/{resource}"))


def send(base: str, command: str, document: Mapping[str, Any]) -> Any:
    """POST a document to ``base``/v1/``command``; return the RMS's answer; ``ClientError`` when it refuses."""
    body = json.dumps(document).encode()
    return _ask(urllib.request.Request(f"{base}/v1/{command}", body, {"Content-Type": "application/json"}))


def _ask(request: urllib.request.Request) -> Any:
    url = request.full_url
    try:
        with _OPENER.open(request, timeout=TIMEOUT) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise ClientError(f"{url}: {_message(error)}") from None
    except (OSError, ValueError) as error:
        hint = "is the RMS running? start it with: ryu-manager ryu_pmipls.rms"
        raise ClientError(f"{url}: no answer ({error}); {hint}") from None


def _message(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"status {error.code}"


def where(profile: str | None, url: str | None) -> str:
    """The RMS's base URL: ``url``, else the profile's, else, without a profile, the default of all profiles."""
    if url is not None:
        return url.rstrip("/")
    try:
        return base_url(load_profile(profile))
    except NoProfileError:
        return _url(REST_DEFAULT)


def base_url(profile: Profile) -> str:
    """The base URL at which the RMS of a domain serves REST."""
    return _url(profile.rms.rest)


def _url(rest: ListenEndpoint) -> str:
    host = f"[{rest.host}]" if ":" in rest.host else rest.host
    return f"http://{host}:{rest.port}"
