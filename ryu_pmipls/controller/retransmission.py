"""Messages of the RMS that are repeated until the peer sends them back (erratum E37)."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Any

from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.domain.profile import TimerSettings
from ryu_pmipls.wire import Message

Send = Callable[[Message, IPv6Address], None]


class Retransmission:
    """Sends by ``send`` what has to be acknowledged."""

    def __init__(self, send: Send, timers: TimerSettings) -> None:
        self._send = send
        self._timers = timers
        self._awaited: dict[tuple[IPv6Address, Message], Any] = {}

    def take(self, message: Message, source: IPv6Address) -> bool:
        """Whether a message that came in is an acknowledgement that somebody waits for."""
        answered = self._awaited.get((source, message))
        if answered is None:
            return False
        answered.set()
        return True

    def confirmed(self, message: Message, destination: IPv6Address) -> bool:
        """Send until the peer answers with the same message; waits, so not to be called in a handler."""
        answered = self._awaited[destination, message] = hub.Event()
        try:
            timeout = self._timers.adjust_timeout
            for _ in range(self._timers.adjust_tries):
                self._send(message, destination)
                if answered.wait(timeout):
                    return True
                timeout *= 2
            return False
        finally:
            del self._awaited[destination, message]
