"""Retransmission of the RMS's messages until the peer sends them back (erratum E37)."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Any

from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.domain.profile import TimerSettings
from ryu_pmipls.wire import Message

Send = Callable[[Message, IPv6Address], None]


class Retransmission:
    """Sends messages by ``send`` until they are acknowledged."""

    def __init__(self, send: Send, timers: TimerSettings) -> None:
        self._send = send
        self._timers = timers
        self._awaited: dict[tuple[IPv6Address, Message], Any] = {}

    def take(self, message: Message, source: IPv6Address) -> bool:
        """Match a message with an awaited acknowledgement; true when it is one."""
        answered = self._awaited.get((source, message))
        if answered is None:
            return False
        answered.set()
        return True

    def confirmed(self, message: Message, destination: IPv6Address) -> bool:
        """Send until the peer answers with the same message. This waits, so do not call it in a handler."""
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
