"""Limits on failed attempts to authenticate: of each source, and of all together, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

#: Attempts that a source may fail at once, and all sources together; as many come back within ``INTERVAL`` seconds.
OF_A_SOURCE, OF_ALL = 10, 200
INTERVAL = 60.0
#: Sources that are remembered; more than fail within the interval as long as the limit of all is kept.
_MOST_SOURCES = 512


class FailedAttempts:
    """Counts failures by source: an IPv4 address, or the /64 of an IPv6 address, all of which one host may have.

    The limit of all together does not concern loopback, lest strangers keep out who is on this host.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._full: OrderedDict[str, float] = OrderedDict()  # source -> when all its attempts are back, oldest first
        self._all_full = 0.0

    def wait(self, address: str | None) -> float:
        """Seconds until a client at ``address`` may try again; 0 when it may now."""
        source, now = _source(address), self._clock()
        wait = _wait(self._full.get(source, now), now, OF_A_SOURCE)
        return wait if _is_local(source) else max(wait, _wait(self._all_full, now, OF_ALL))

    def add(self, address: str | None) -> None:
        """Count a failure of a client at ``address``."""
        source, now = _source(address), self._clock()
        self._full[source] = max(self._full.pop(source, now), now) + INTERVAL / OF_A_SOURCE
        if not _is_local(source):
            self._all_full = max(self._all_full, now) + INTERVAL / OF_ALL
        if len(self._full) > _MOST_SOURCES:
            self._full.popitem(last=False)


def _wait(full: float, now: float, burst: int) -> float:
    """Seconds until one of ``burst`` attempts is back, of which all are back at ``full``."""
    return max(0.0, full - now - INTERVAL + INTERVAL / burst)


def _source(address: str | None) -> str:
    if address is None:
        return "loopback"
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        if mapped is None:
            return "loopback" if parsed.is_loopback else str(IPv6Address(int(parsed) >> 64 << 64))
        parsed = mapped
    return "loopback" if parsed.is_loopback else str(parsed)


def _is_local(source: str) -> bool:
    return source == "loopback"
