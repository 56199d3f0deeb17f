"""What a server writes into its audit log: who commanded what from where, and what came of it."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from typing import Any, Protocol

from ryu_pmipls.http.access.roles import Client
from ryu_pmipls.rate_limiter import RateLimiter

LOG = logging.getLogger(__name__)

#: Characters of a path and of a document that are kept.
_PATH, _BODY = 300, 500
#: Commands that are not admitted and recorded in a minute, of each caller and of all strangers; more are counted: they
#: could push all else out.
_REFUSED = 60
_MINUTE = 60.0


class Log(Protocol):
    """An audit log (:class:`.audit_log.AuditLog`), perhaps in another thread."""

    def append(self, record: dict[str, Any], durable: bool) -> None:
        """Write a record; raises ``OSError``."""


class AuditTrail:
    """Records commands in a log; ``wall`` tells the time in seconds since 1970."""

    def __init__(
        self, log: Log, wall: Callable[[], float] = time.time, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._wall = wall
        self._refused = RateLimiter(burst=_REFUSED, interval=_MINUTE, clock=clock)
        self._limiter = RateLimiter(clock=clock)
        self._unrecorded = 0

    def begin(self, who: str, client: Client, method: str, path: str, body: bytes) -> str:
        """Record a command that is about to be carried out; return its id; ``OSError`` when that fails."""
        key = secrets.token_hex(8)
        self._log.append({"id": key, **self._command(who, client, method, path, body)}, False)
        return key

    def end(self, key: str, status: int, outcome: str) -> None:
        """Record what came of a command, on the disk."""
        self._append({"id": key, "time": self._wall(), "status": status, "outcome": outcome})

    def refuse(self, who: str, client: Client, method: str, path: str, body: bytes, status: int, outcome: str) -> None:
        """Record, on the disk, a command that was not admitted, if ``who`` has not had too many of them recorded."""
        if not self._refused.passes(who):
            self._unrecorded += 1
            return
        record = self._command(who, client, method, path, body) | {"status": status, "outcome": outcome}
        if self._unrecorded:
            record["unrecorded_before"] = self._unrecorded
            self._unrecorded = 0
        self._append(record)

    def _append(self, record: dict[str, Any]) -> None:
        try:
            self._log.append(record, True)
        except OSError as error:
            if self._limiter.passes("failed"):
                LOG.error("the audit log cannot be written: %s", error)

    def _command(self, who: str, client: Client, method: str, path: str, body: bytes) -> dict[str, Any]:
        return {
            "time": self._wall(),
            "who": who,
            "from": client.place,
            "method": method,
            "path": _shortened(path, _PATH),
            "body": _shortened(body.decode("utf-8", "backslashreplace"), _BODY),
        }


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}... ({len(text)} characters)"
