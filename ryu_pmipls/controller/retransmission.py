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

    def deliver(self, message: Message, destination: IPv6Address) -> bool:
        """Send a message until the peer acknowledges it; false if it never does.

        This waits, so do not call it in a handler.
        """
        acknowledged = self._awaited[destination, message] = hub.Event()
        try:
            timeout = self._timers.adjust_timeout
            for _ in range(self._timers.adjust_tries):
                self._send(message, destination)
                if acknowledged.wait(timeout):
                    return True
                timeout *= 2
            return False
        finally:
            del self._awaited[destination, message]

    def acknowledge(self, message: Message, source: IPv6Address) -> bool:
        """End the retransmission of a message that its peer has sent back; false if there is none."""
        acknowledged = self._awaited.get((source, message))
        if acknowledged is None:
            return False
        acknowledged.set()
        return True
