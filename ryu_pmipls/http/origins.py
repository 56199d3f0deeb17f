"""The names by which a server is asked, and the web pages that may ask it.

Without authentication a server on loopback trusts whoever reaches it. A web page in a browser there reaches it as well:
from another site (the header Origin, RFC 6454), or from a name of its own that it has made to mean this server's
address ("DNS rebinding"; the header Host, RFC 9110, section 7.2). An address in Host was rebound by nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

#: Names that no name server answers for (RFC 6761, section 6.3).
_LOCAL = "localhost"
_PORTS = {"http": 80, "https": 443}

Authority = tuple[str, int | None]


class Origins:
    """The requests that a server takes by their headers Host and Origin; ``names`` are its names besides addresses."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(name.lower().rstrip(".") for name in (_LOCAL, *names))

    def is_known(self, host: str | None) -> bool:
        """True when a header Host names this server: by an address, or a name of its own; HTTP/1.0 has none."""
        if host is None:
            return True
        authority = _authority("http", host)
        return authority is not None and (authority[0] in self._names or _is_address(authority[0]))

    def may_ask(self, origin: str | None, host: str | None) -> bool:
        """True when no web page asks, or one of this server's own, behind a proxy also by one of its names."""
        if origin is None:
            return True
        scheme, separator, rest = origin.partition("://")
        asking = _authority(scheme.lower(), rest) if separator else None
        if asking is None:
            return False
        own = None if host is None else _authority(scheme.lower(), host)
        return asking == own or (asking[0] in self._names and asking[0] != _LOCAL)


def _authority(scheme: str, text: str) -> Authority | None:
    """Host, in lower case, and port of ``text``; None when it is not of the form HOST or HOST:PORT."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or parts.netloc != text or parts.username is not None:
        return None
    return host.rstrip("."), _PORTS.get(scheme) if port is None else port


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
