"""LMAs are told of routes by Route_adjust (draft section 3.3), for their own record: the RMS changes their switches.

Nobody waits for that, so while handoffs are under way it takes a small share of the RMS's time only. Each LMA has a
window of messages that it has not answered, and of what waits for a place in it only the latest about a prefix is sent.
What a MAG has reported goes on to LMAs as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from ryu_pmipls.domain.profile import TimerSettings
from ryu_pmipls.signalling import Endpoint, Peer
from ryu_pmipls.wire import Message

#: Messages that an LMA may leave unanswered.
WINDOW = 64
#: How much of the RMS's time the telling may take while handoffs are under way.
SHARE = 0.01
#: Where a Route_adjust has the prefix; and what a message is known by, which is all but its header and checksum.
_PREFIX = slice(8, 16)
_IDENTITY = slice(6, None)


@dataclass(slots=True)
class _Told:
    octets: bytes
    tries: int
    timeout: float
    deadline: float


class _Listener:
    """An LMA, which is told what is newest about a prefix until it answers.

    One that answers nothing, as the draft has it, is told everything once; nothing is repeated to it.
    """

    def __init__(self, endpoint: Endpoint, peer: Peer, timers: TimerSettings) -> None:
        self.silent = False
        self._endpoint = endpoint
        self._peer = peer
        self._timers = timers
        self._waiting: dict[bytes, bytes] = {}  # by the prefix
        self._told: dict[bytes, _Told] = {}  # by what it is known by
        self._last_told: dict[bytes, bytes] = {}  # by the prefix; of those that are not answered
        self._unanswered = 0  # in a row

    def tell(self, news: Mapping[bytes, bytes]) -> None:
        self._waiting.update(news)

    def answered(self, octets: bytes) -> bool:
        told = self._told.pop(octets[_IDENTITY], None)
        if told is None:
            return False
        self._unanswered = 0
        self._done_with(told.octets)
        return True

    def send(self, now: float) -> None:
        """Tell as much as there is room for."""
        prefixes = [*islice(self._waiting, max(WINDOW - len(self._told), 0))]
        news = [self._waiting.pop(prefix) for prefix in prefixes]
        self._endpoint.forward(news, self._peer)
        if not self.silent:
            timeout = self._timers.adjust_timeout
            self._last_told.update(zip(prefixes, news, strict=True))
            for octets in news:
                self._told[octets[_IDENTITY]] = _Told(octets, 1, timeout, now + timeout)

    def repeat(self, now: float) -> None:
        """Send again what was not answered in time, unless there is newer about the prefix."""
        for identity, told in [*self._told.items()]:
            if told.deadline > now:
                continue
            if not self._is_newest(told.octets):
                del self._told[identity]
                self._done_with(told.octets)
            elif told.tries < self._timers.adjust_tries:
                self._endpoint.forward([told.octets], self._peer)
                told.tries += 1
                told.timeout *= 2
                told.deadline = now + told.timeout
            else:
                del self._told[identity]
                self._done_with(told.octets)
                self._waiting[told.octets[_PREFIX]] = told.octets  # behind what waits already
                self._unanswered += 1
                self.silent = self._unanswered >= WINDOW
        self.send(now)

    def _is_newest(self, octets: bytes) -> bool:
        prefix = octets[_PREFIX]
        return prefix not in self._waiting and self._last_told.get(prefix) is octets

    def _done_with(self, octets: bytes) -> None:
        prefix = octets[_PREFIX]
        if self._last_told.get(prefix) is octets:
            del self._last_told[prefix]


class LmaNotifier:
    """Tells all of ``lmas``; ``clock`` (s) measures what that takes."""

    def __init__(
        self,
        endpoint: Endpoint,
        lmas: Iterable[Peer],
        timers: TimerSettings,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._endpoint = endpoint
        self._listeners = {peer: _Listener(endpoint, peer, timers) for peer in lmas}
        self._clock = clock
        self._next = clock()  # when its share of the time is there again

    def tell(self, news: Mapping[bytes, bytes]) -> None:
        """Have all LMAs told, as soon as there is time: of each prefix its Route_adjust in canonical form."""
        for listener in self._listeners.values():
            listener.tell(news)

    def take(self, octets: bytes, peer: Peer) -> bool:
        """Whether a datagram is an answer that is waited for; known without decoding when it is what was sent."""
        listener = self._listeners.get(peer)
        return listener is not None and listener.answered(octets)

    def take_message(self, message: Message, peer: Peer) -> bool:
        """The same of a message, from a peer that does not send back octet by octet what it got."""
        listener = self._listeners[peer]
        listener.silent = False
        return listener.answered(self._endpoint.encode(message, peer.address))

    def send(self, now: float, *, busy: bool) -> None:
        """Send what there is room for, at ``now`` (seconds); ``busy`` while handoffs are under way."""
        begin = self._clock()
        if busy and begin < self._next:
            return
        for listener in self._listeners.values():
            listener.send(now)
        end = self._clock()
        self._next = end + (end - begin) / SHARE

    def repeat(self, now: float) -> None:
        """To be called now and then: send again what was not answered."""
        for listener in self._listeners.values():
            listener.repeat(now)
