"""LMAs are told of routes by Route_adjust (draft section 3.3), for their own record: the RMS changes their switches.

Nobody waits for that, so it takes what is left of the RMS's time: each LMA has a window of messages that it has not
answered, and of what waits for a place in it only the latest about a prefix is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address

from ryu_pmipls.domain.profile import Timers
from ryu_pmipls.signalling import Endpoint
from ryu_pmipls.wire import RouteAdjust

LOG = logging.getLogger(__name__)

#: Messages that an LMA may leave unanswered.
WINDOW = 64


@dataclass(slots=True)
class _Told:
    message: RouteAdjust
    tries: int
    timeout: float
    deadline: float


class _Peer:
    """An LMA, which is told what is newest about a prefix until it answers.

    One that answers nothing, as the draft has it, is told everything once; nothing is repeated to it.
    """

    def __init__(self, endpoint: Endpoint, address: IPv6Address, timers: Timers) -> None:
        self.silent = False
        self._endpoint = endpoint
        self._address = address
        self._timers = timers
        self._waiting: dict[IPv6Address, RouteAdjust] = {}
        self._unconfirmed: dict[IPv6Address, RouteAdjust] = {}  # the newest about each prefix
        self._told: dict[bytes, _Told] = {}
        self._unanswered = 0  # in a row

    def tell(self, message: RouteAdjust) -> None:
        self._waiting[message.prefix] = self._unconfirmed[message.prefix] = message

    def answered(self, octets: bytes) -> bool:
        told = self._told.pop(octets, None)
        if told is None:
            return False
        self._unanswered = 0
        if self._is_newest(told.message):
            del self._unconfirmed[told.message.prefix]
        return True

    def answered_anew(self, message: RouteAdjust) -> bool:
        """The same, from a peer that does not send back octet by octet what it got."""
        self.silent = False
        for octets, told in self._told.items():
            if told.message == message:
                return self.answered(octets)
        return False

    def send(self, now: float) -> None:
        """Tell as much as there is room for."""
        while self._waiting and len(self._told) < WINDOW:
            message = self._waiting.pop(next(iter(self._waiting)))
            octets = self._endpoint.encode(message, self._address)
            self._endpoint.send_octets(octets, self._address)
            if self.silent:
                del self._unconfirmed[message.prefix]
            else:
                timeout = self._timers.adjust_timeout
                self._told[octets] = _Told(message, 1, timeout, now + timeout)

    def repeat(self, now: float) -> None:
        """Send again what was not answered in time, unless there is newer about the prefix."""
        for octets, told in [*self._told.items()]:
            if told.deadline > now:
                continue
            if not self._is_newest(told.message):
                del self._told[octets]
            elif told.tries < self._timers.adjust_tries:
                self._endpoint.send_octets(octets, self._address)
                told.tries += 1
                told.timeout *= 2
                told.deadline = now + told.timeout
            else:
                del self._told[octets]
                self._waiting[told.message.prefix] = told.message  # behind what waits already
                self._unanswered += 1
                self.silent = self._unanswered >= WINDOW
        self.send(now)

    def _is_newest(self, message: RouteAdjust) -> bool:
        return self._unconfirmed.get(message.prefix) is message


class Notifier:
    """Tells all of ``lmas`` (addresses)."""

    def __init__(self, endpoint: Endpoint, lmas: Iterable[IPv6Address], timers: Timers) -> None:
        self._peers = {address: _Peer(endpoint, address, timers) for address in lmas}

    def tell(self, message: RouteAdjust) -> None:
        """Have all LMAs told, as soon as there is time."""
        for peer in self._peers.values():
            peer.tell(message)

    def take(self, octets: bytes, source: IPv6Address) -> bool:
        """Whether a datagram is an answer that is waited for; known without parsing when it is what was sent."""
        peer = self._peers.get(source)
        return peer is not None and peer.answered(octets)

    def take_message(self, message: RouteAdjust, source: IPv6Address) -> bool:
        """The same of a message, which may be other octets."""
        return self._peers[source].answered_anew(message)

    def send(self, now: float) -> None:
        """Send what there is room for, at ``now`` (seconds)."""
        for peer in self._peers.values():
            peer.send(now)

    def repeat(self, now: float) -> None:
        """To be called now and then: send again what was not answered."""
        for peer in self._peers.values():
            peer.repeat(now)
