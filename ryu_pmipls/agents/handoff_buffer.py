"""Buffer for packets to mobile nodes whose link is down, until their new place is known (RFC 5949, section 4).

While an access port is down, the pipeline sends its mobile nodes' packets to the port for undeliverable packets. A
packet returned there follows the switch's flow entries: to the mobile node if it is here again, else to an LMA, whose
route leads to the new MAG.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections import Counter, deque
from collections.abc import Sequence

from ryu_pmipls.agents.packet_socket import LARGEST_FRAME, Frames, open_ipv6_socket
from ryu_pmipls.mobility import Forward
from ryu_pmipls.rate_limiter import RateLimiter
from ryu_pmipls.wire import ROUTE_PREFIX_LENGTH

LOG = logging.getLogger(__name__)

#: Seconds for which packets are kept at most: a PBU may get lost twice meanwhile. For the same time packets for a
#: departed mobile node are forwarded.
KEEPING_TIME = 5.0
#: Octets kept for all mobile nodes together.
_OCTETS = 16 << 20
_RECEIVE_BUFFER = 4 << 20
#: Packets handled in one turn; other tasks run between turns.
_BATCH = 100
#: Seconds that Open vSwitch needs after a barrier: its tables have changed by then, and its flow cache follows.
_CACHE_DELAY = 0.01
#: Packets forwarded in one burst, and the pause after it (seconds): more would overflow the receive buffers that
#: switches have in the kernel, some 200 packets.
_BURST = 16
_PAUSE = 0.002
#: Octets of the destination prefix in a frame.
_DESTINATION = slice(14 + 24, 14 + 24 + ROUTE_PREFIX_LENGTH // 8)


class HandoffBuffer:
    """Keeps up to ``packets`` for each home network prefix, the first that come.

    ``counters`` counts packets that are kept, forwarded, and lost: for lack of room, or because nothing was heard of
    the mobile node in time.
    """

    def __init__(self, packets: int, counters: Counter[str]) -> None:
        self._packets = packets
        self._counters = counters
        self._kept: dict[bytes, tuple[float, list[bytes]]] = {}  # by prefix, with the time of the first; oldest first
        self._octets = 0
        self._elsewhere: dict[bytes, float] = {}  # prefixes of nodes that have gone, and the time of that news
        self._outgoing: deque[bytes] = deque()
        self._port: socket.socket | None = None
        self._limiter = RateLimiter()

    # Decisions. ``now`` is of the monotonic clock.

    def enqueue(self, frame: bytes, now: float) -> bool:
        """Keep a packet whose mobile node is not there; return true if it must be forwarded at once instead."""
        prefix = frame[_DESTINATION]
        since = self._elsewhere.get(prefix)
        if since is not None and now < since + KEEPING_TIME:
            return True
        _, frames = self._kept.setdefault(prefix, (now, []))
        if len(frames) >= self._packets or self._octets + len(frame) > _OCTETS:
            self._counters["handoff: no room"] += 1
        else:
            frames.append(frame)
            self._octets += len(frame)
            self._counters["handoff: kept"] += 1
        return False

    def forward(self, effect: Forward, now: float) -> Sequence[bytes]:
        """The packets to forward, now that the routes of a prefix are known."""
        prefix = effect.prefix.packed[: ROUTE_PREFIX_LENGTH // 8]
        self._elsewhere.pop(prefix, None)
        if not effect.here:
            self._elsewhere[prefix] = now
        return self._release(prefix)

    def expire(self, now: float) -> None:
        """Drop packets that were kept for too long."""
        for prefix, (since, _) in [*self._kept.items()]:
            if since + KEEPING_TIME <= now:
                self._counters["handoff: nothing heard of the mobile node"] += len(self._release(prefix))
        for prefix, since in [*self._elsewhere.items()]:
            if since + KEEPING_TIME <= now:
                del self._elsewhere[prefix]

    def _release(self, prefix: bytes) -> list[bytes]:
        _, frames = self._kept.pop(prefix, (0.0, []))
        self._octets -= sum(map(len, frames))
        return frames

    # The port.

    async def serve(self, name: str, index: int) -> None:
        """Receive packets from the port until it goes away, for ever."""
        loop = asyncio.get_running_loop()
        with open_ipv6_socket(name, index, Frames.TO_MOBILE_NODES) as port:
            port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            loop.add_reader(port, self._receive, port)
            self._port = port
            try:
                while True:
                    await asyncio.sleep(KEEPING_TIME / 2)
                    self.expire(time.monotonic())
            finally:
                self._port = None
                self._outgoing.clear()
                loop.remove_reader(port)

    def carry_out(self, effect: Forward) -> None:
        """Forward the kept packets, while there is a port."""
        asyncio.get_running_loop().call_later(_CACHE_DELAY, self._forward, effect)

    def _forward(self, effect: Forward) -> None:
        if self._port is not None:
            while self._receive(self._port):  # packets that have come already go first
                pass
            self._send(self.forward(effect, time.monotonic()))

    def _receive(self, port: socket.socket) -> bool:
        """Receive waiting packets; return true if there may be more."""
        now = time.monotonic()
        for _ in range(_BATCH):
            try:
                frame = port.recv(LARGEST_FRAME)
            except BlockingIOError:
                return False
            except OSError as error:
                if error.errno != errno.ENETDOWN:  # logged once when the link goes down
                    raise
                return False
            if self.enqueue(frame, now):
                self._send([frame])
        return True

    def _send(self, frames: Sequence[bytes]) -> None:
        waiting = bool(self._outgoing)
        self._outgoing.extend(frames)
        if not waiting and frames:
            self._send_burst()

    def _send_burst(self) -> None:
        """Send the packets at the front; the others get a turn of their own."""
        if self._port is None:
            return
        for _ in range(min(_BURST, len(self._outgoing))):
            try:
                self._port.send(self._outgoing[0])
                self._counters["handoff: sent on"] += 1
            except OSError as error:
                self._counters["handoff: send"] += 1
                if self._limiter.passes("send"):
                    LOG.warning("packets kept for a mobile node cannot be forwarded: %s", error.strerror)
            self._outgoing.popleft()
        if self._outgoing:
            asyncio.get_running_loop().call_later(_PAUSE, self._send_burst)
