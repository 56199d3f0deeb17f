"""Route_adjusts to LMAs (draft section 3.3), for their own record: the RMS itself changes their switches.

Nobody waits for these, so while handoffs are under way they get only a small share of the RMS's time. Each LMA
has a window of unanswered messages. Of the messages that wait for a place in it, only the latest about a prefix is
sent. The RMS passes reports of MAGs on to LMAs unchanged.
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
#: Share of the RMS's time that the notifications may take while handoffs are under way.
SHARE = 0.01
#: Octets of the prefix in a Route_adjust; and octets that identify a message: all but its header and checksum.
_PREFIX = slice(8, 16)
_IDENTITY = slice(6, None)


@dataclass(slots=True)
class _Unanswered:
    """A message that was sent; ``deadline`` is the time of its next retransmission."""

    octets: bytes
    tries: int
    timeout: float
    deadline: float


class _Recipient:
    """An LMA that gets the latest message about each prefix until it answers.

    An LMA that answers nothing, as in the draft, gets everything once; nothing is repeated to it.
    """

    def __init__(self, endpoint: Endpoint, peer: Peer, timers: TimerSettings) -> None:
        self.silent = False
        self._endpoint = endpoint
        self._peer = peer
        self._timers = timers
        self._waiting: dict[bytes, bytes] = {}  # by the prefix
        self._unanswered: dict[bytes, _Unanswered] = {}  # by the identifying octets
        self._latest: dict[bytes, bytes] = {}  # by the prefix; only unanswered ones
        self._silences = 0  # messages in a row that it has not answered

    def enqueue(self, news: Mapping[bytes, bytes]) -> None:
        """Queue messages, each in place of an older one about its prefix."""
        self._waiting.update(news)

    def acknowledge(self, octets: bytes) -> bool:
        sent = self._unanswered.pop(octets[_IDENTITY], None)
        if sent is None:
            return False
        self._silences = 0
        self._forget(sent.octets)
        return True

    def send(self, now: float) -> None:
        """Send as many messages as the window has room for."""
        prefixes = [*islice(self._waiting, max(WINDOW - len(self._unanswered), 0))]
        news = [self._waiting.pop(prefix) for prefix in prefixes]
        self._endpoint.forward(news, self._peer)
        if not self.silent:
            timeout = self._timers.adjust_timeout
            self._latest.update(zip(prefixes, news, strict=True))
            for octets in news:
                self._unanswered[octets[_IDENTITY]] = _Unanswered(octets, 1, timeout, now + timeout)

    def retransmit(self, now: float) -> None:
        """Send unanswered messages again after their timeout, unless there is a newer one about the prefix."""
        for identity, sent in [*self._unanswered.items()]:
            if sent.deadline > now:
                continue
            if not self._is_newest(sent.octets):
                del self._unanswered[identity]
                self._forget(sent.octets)
            elif sent.tries < self._timers.adjust_tries:
                self._endpoint.forward([sent.octets], self._peer)
                sent.tries += 1
                sent.timeout *= 2
                sent.deadline = now + sent.timeout
            else:
                del self._unanswered[identity]
                self._forget(sent.octets)
                self._waiting[sent.octets[_PREFIX]] = sent.octets  # behind what waits already
                self._silences += 1
                self.silent = self._silences >= WINDOW
        self.send(now)

    def _is_newest(self, octets: bytes) -> bool:
        prefix = octets[_PREFIX]
        return prefix not in self._waiting and self._latest.get(prefix) is octets

    def _forget(self, octets: bytes) -> None:
        prefix = octets[_PREFIX]
        if self._latest.get(prefix) is octets:
            del self._latest[prefix]


class LmaNotifier:
    """Notifies all ``lmas``; ``clock`` (s) measures the time spent."""

    def __init__(
        self,
        endpoint: Endpoint,
        lmas: Iterable[Peer],
        timers: TimerSettings,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._endpoint = endpoint
        self._recipients = {peer: _Recipient(endpoint, peer, timers) for peer in lmas}
        self._clock = clock
        self._next = clock()  # when its share of the time is available again

    def enqueue(self, news: Mapping[bytes, bytes]) -> None:
        """Queue Route_adjusts in canonical form for all LMAs, by prefix; they go out when there is time."""
        for recipient in self._recipients.values():
            recipient.enqueue(news)

    def acknowledge(self, octets: bytes, peer: Peer) -> bool:
        """Match a datagram with an awaited answer, without decoding; true when it equals what was sent."""
        recipient = self._recipients.get(peer)
        return recipient is not None and recipient.acknowledge(octets)

    def acknowledge_message(self, message: Message, peer: Peer) -> bool:
        """Match a decoded message with an awaited answer, for a peer that does not return exactly the octets it got."""
        recipient = self._recipients[peer]
        recipient.silent = False
        return recipient.acknowledge(self._endpoint.encode(message, peer.address))

    def send(self, now: float, *, busy: bool) -> None:
        """Send as much as the windows allow, at ``now`` (seconds); ``busy`` while handoffs are under way."""
        begin = self._clock()
        if busy and begin < self._next:
            return
        for recipient in self._recipients.values():
            recipient.send(now)
        end = self._clock()
        self._next = end + (end - begin) / SHARE

    def retransmit(self, now: float) -> None:
        """Send unanswered messages again; call this now and then."""
        for recipient in self._recipients.values():
            recipient.retransmit(now)
