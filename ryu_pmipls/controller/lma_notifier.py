"""Route_adjusts to LMAs (draft section 3.3), for their own record: the RMS itself changes their switches.

Nobody waits for these, so while handoffs are under way they get only a small share of the RMS's time. Each LMA
has a window of unanswered messages. Of the messages that wait for a place in it, only the latest about a prefix is
sent. The RMS passes reports of MAGs on to LMAs unchanged.

An LMA's record can be lost, and so can messages: by a restart of either process, or while the LMA is silent. So each
LMA gets a *snapshot* of all routes when the RMS has started, when the LMA asks because it has started, when it is heard
again, and once in a binding's lifetime. It lies between two messages of its own, its beginning and its end.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from ryu_pmipls.controller.announcements import Announcements
from ryu_pmipls.domain.profile import TimerSettings
from ryu_pmipls.signalling import Endpoint, Peer
from ryu_pmipls.wire import Message

#: Messages that an LMA may leave unanswered.
WINDOW = 64
#: Share of the RMS's time that the notifications may take while handoffs are under way.
SHARE = 0.01
#: Bindings of a snapshot visited in one turn, at some 30 us each, before other work.
PIECE = 16
#: Bindings of a snapshot visited per second, and at once after a pause: an LMA that answers them must stay within its
#: rate (``signalling.rate_limit``).
_SNAPSHOT_RATE, _SNAPSHOT_BURST = 2000.0, 500.0
#: Octets of the prefix in a Route_adjust; and octets that identify a message: all but its header and checksum.
_PREFIX = slice(8, 16)
_IDENTITY = slice(6, None)
#: The prefix of a message about the beginning or the end of a snapshot.
_NO_PREFIX = bytes(8)


@dataclass(slots=True)
class _Unanswered:
    """A message that was sent; ``deadline`` is the time of its next retransmission."""

    octets: bytes
    tries: int
    timeout: float
    deadline: float


@dataclass(slots=True)
class _Snapshot:
    """A snapshot on its way to an LMA.

    ``marker`` is the message about its beginning, or about its end if that is ``near``, while it is not answered.
    """

    number: int
    prefixes: Iterator[bytes]
    marker: bytes | None
    near: bool = False
    tokens: float = _SNAPSHOT_BURST
    filled: float = 0.0  # when tokens were added last
    unanswered: set[bytes] = field(default_factory=set)  # prefixes


class _Recipient:
    """An LMA that gets the latest message about each prefix until it answers.

    An LMA that answers nothing, as in the draft, gets everything once; nothing is repeated to it.
    """

    def __init__(self, endpoint: Endpoint, peer: Peer, timers: TimerSettings, announcements: Announcements) -> None:
        self.silent = False
        self._announcements = announcements
        self._interval = timers.binding_lifetime
        self._snapshot: _Snapshot | None = None
        self._next_snapshot = float("-inf")
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
        if self._snapshot is not None and sent.octets is self._snapshot.marker:
            self._snapshot.marker = None
            if self._snapshot.near:
                self._snapshot = None
        return True

    def hear(self) -> None:
        """Begin to repeat messages to an LMA that was silent, and send it what it has missed."""
        if self.silent:
            self.silent, self._silences = False, 0
            self._next_snapshot = float("-inf")

    def restate(self, now: float) -> None:
        """Begin a snapshot of all routes."""
        number = secrets.randbits(32)
        marker = self._announcements.snapshot(number, complete=False)
        self._snapshot = _Snapshot(number, self._announcements.prefixes(), marker)
        self._waiting[_NO_PREFIX] = marker
        self._next_snapshot = now + self._interval

    def send(self, now: float) -> None:
        """Send as many messages as the window has room for."""
        reserved = PIECE if self._snapshot is not None else 0
        prefixes = [*islice(self._waiting, max(WINDOW - reserved - len(self._unanswered), 0))]
        news = [self._waiting.pop(prefix) for prefix in prefixes]
        self._endpoint.forward(news, self._peer)
        if not self.silent:
            self._await(prefixes, news, now)
            if self._snapshot is not None and self._snapshot.marker is None:
                self._send_routes(self._snapshot, now)

    def _await(self, prefixes: Iterable[bytes], news: Iterable[bytes], now: float) -> None:
        timeout = self._timers.adjust_timeout
        for prefix, octets in zip(prefixes, news, strict=True):
            self._latest[prefix] = octets
            self._unanswered[octets[_IDENTITY]] = _Unanswered(octets, 1, timeout, now + timeout)

    def _send_routes(self, snapshot: _Snapshot, now: float) -> None:
        """Send some of a snapshot; at its end, when all of it has been answered, say so."""
        snapshot.tokens += max(now - snapshot.filled, 0.0) * _SNAPSHOT_RATE
        snapshot.tokens, snapshot.filled = min(snapshot.tokens, _SNAPSHOT_BURST), now
        room = max(min(WINDOW - len(self._unanswered), PIECE, int(snapshot.tokens)), 0)
        visited = [*islice(snapshot.prefixes, room)]
        snapshot.tokens -= len(visited)
        # A newer message about a prefix is part of the snapshot as well.
        missing = [prefix for prefix in visited if prefix not in self._waiting and prefix not in self._latest]
        routes = {prefix: octets for prefix in missing if (octets := self._announcements.route(prefix)) is not None}
        self._endpoint.forward(routes.values(), self._peer)
        snapshot.unanswered.update(routes)
        self._await(routes, routes.values(), now)
        if len(visited) < room and not snapshot.unanswered:
            snapshot.near, snapshot.marker = True, self._announcements.snapshot(snapshot.number, complete=True)
            self._endpoint.forward([snapshot.marker], self._peer)
            self._await([_NO_PREFIX], [snapshot.marker], now)

    def retransmit(self, now: float) -> None:
        """Send unanswered messages again after their timeout, unless there is a newer one about the prefix."""
        if not self.silent and now >= self._next_snapshot:
            self.restate(now)
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
                if self.silent:
                    self._snapshot = None
        self.send(now)

    def _is_newest(self, octets: bytes) -> bool:
        prefix = octets[_PREFIX]
        return prefix not in self._waiting and self._latest.get(prefix) is octets

    def _forget(self, octets: bytes) -> None:
        prefix = octets[_PREFIX]
        if self._latest.get(prefix) is octets:
            del self._latest[prefix]
        if self._snapshot is not None:
            self._snapshot.unanswered.discard(prefix)


class LmaNotifier:
    """Notifies all ``lmas``; ``clock`` (s) measures the time spent."""

    def __init__(
        self,
        endpoint: Endpoint,
        lmas: Iterable[Peer],
        timers: TimerSettings,
        announcements: Announcements,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._endpoint = endpoint
        self._recipients = {peer: _Recipient(endpoint, peer, timers, announcements) for peer in lmas}
        self._requests: dict[Peer, bytes] = {}  # the last one of each LMA
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
        recipient.hear()
        return recipient.acknowledge(self._endpoint.encode(message, peer.address))

    def restate(self, peer: Peer, request: bytes, now: float) -> None:
        """Send an LMA that has started all routes; a repetition of its request changes nothing."""
        if self._requests.get(peer) != request:
            self._requests[peer] = request
            self._recipients[peer].restate(now)

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
