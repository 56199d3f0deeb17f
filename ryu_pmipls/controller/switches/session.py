"""One connection to a switch: writes are coalesced, and a change is done when its barrier has answered.

A caller never waits for the switch. Up to ``WINDOW`` writes, each with one barrier behind it, are on their way at a
time; changes submitted meanwhile gather and go out as the next write. So an idle switch gets a change at once, a busy
one gets changes in large pieces, and a stuck one delays nobody: it is given up when ``MAX_PENDING`` octets wait for it.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ryu_pmipls.controller.ryu import hub, ofproto_v1_3
from ryu_pmipls.controller.ryu.connection import Connection
from ryu_pmipls.controller.switches import encoding as encode

LOG = logging.getLogger(__name__)

#: Seconds that a switch may take to acknowledge a change.
CHANGE_TIMEOUT = 5.0
#: Writes that may be unacknowledged. With two the switch has the next one before it has done the first. (Many more
#: would not work: Ryu's queue holds 16, and blocks.)
WINDOW = 2
#: Octets of one write, some 600 flow-mods: a change waits a few milliseconds for a write in front of it.
MAX_WRITE = 64 * 2**10
#: Octets that may wait for a switch. A switch so far behind is disconnected, and reconciled when it is back.
MAX_PENDING = 8 * 2**20
#: Lapsed writes, at two in ``CHANGE_TIMEOUT``: a switch has some 40 s to answer barriers again.
MAX_LAPSED = 16

_LAST_XID = ofproto_v1_3.MAX_XID
#: A barrier request up to its transaction id.
_BARRIER = encode.octets(encode.barrier(), 0)[:4]


class WriteOutcome(str, Enum):
    """The outcome of a transaction; only ``ACKED`` means that the change is in force."""

    ACKED = "acked"
    ERROR = "error"
    TIMEOUT = "timeout"
    DISCONNECTED = "disconnected"


@dataclass(eq=False, slots=True)
class Transaction:
    """Messages that belong together, with the transaction ids from ``first_xid`` on.

    ``errors`` holds the switch's errors, by the distance of the message's transaction id from the first.
    """

    octets: bytes
    first_xid: int
    xids: int
    deadline: float  # monotonic clock, seconds
    outcome: WriteOutcome | None = None
    errors: dict[int, str] = field(default_factory=dict)
    _then: list[Callable[[Transaction], None]] = field(default_factory=list)

    def then(self, callback: Callable[[Transaction], None]) -> None:
        """Have ``callback`` called when the outcome is known, which may be at once. It must not wait."""
        if self.outcome is None:
            self._then.append(callback)
        else:
            callback(self)

    def finish(self, outcome: WriteOutcome) -> None:
        """Set the outcome, unless there is one already."""
        if self.outcome is not None:
            return
        self.outcome = WriteOutcome.ERROR if outcome is WriteOutcome.ACKED and self.errors else outcome
        callbacks, self._then = self._then, []
        for callback in callbacks:
            try:
                callback(self)
            except Exception:
                LOG.exception("acting upon a switch's answer failed")

    def wait(self) -> WriteOutcome:
        """Wait for the outcome; do not call this in a handler of Ryu's events."""
        if self.outcome is None:
            done = hub.Event()
            self._then.append(lambda transaction: done.set())
            done.wait()
        assert self.outcome is not None
        return self.outcome


@dataclass(eq=False, slots=True)
class _Write:
    """A write on its way to the switch, with the transaction id of the barrier behind it, and the time it was sent."""

    barrier: int
    sent: float  # monotonic clock, seconds
    transactions: list[Transaction]


class SwitchSession:
    """The session of one OpenFlow connection; it ends with the connection.

    ``doubted`` is called when the switch answers again and it is not known whether it has carried out what has timed
    out: it has reported errors since, or skipped the barrier.
    """

    def __init__(self, datapath: Connection) -> None:
        self.doubted: Callable[[], None] = lambda: None
        self.datapath = datapath
        datapath.barrier_replied = self.barrier_reply
        self._pending: deque[Transaction] = deque()
        self._pending_octets = 0
        self._under_way: deque[_Write] = deque()
        self._lapsed: deque[_Write] = deque()  # sent before all that are under way
        self.closed = False

    @property
    def unanswered_since(self) -> float | None:
        """The time (monotonic clock) at which the oldest write without an answer was sent; None if there is none."""
        oldest = next(iter(self._lapsed or self._under_way), None)
        return None if oldest is None else oldest.sent

    def reserve(self, count: int) -> int:
        """Reserve ``count`` consecutive transaction ids for the caller; return the first."""
        # Ryu counts on from here for its own messages.
        first: int = self.datapath.xid + 1
        if first + count > _LAST_XID:
            first = 1
        self.datapath.xid = first + count - 1
        return first

    def submit(self, octets: bytes, first_xid: int, xids: int, timeout: float = CHANGE_TIMEOUT) -> Transaction:
        """Send messages, with reserved transaction ids, as soon as the switch has room; return at once.

        ``timeout`` is the time that the switch may take to acknowledge them, in seconds from now.
        """
        transaction = Transaction(octets, first_xid, xids, time.monotonic() + timeout)
        if self.closed:
            transaction.finish(WriteOutcome.DISCONNECTED)
            return transaction
        self._pending.append(transaction)
        self._pending_octets += len(octets)
        self._write()
        if self._pending_octets > MAX_PENDING:
            self._disconnect("does not keep up")
        return transaction

    def request(self, *messages: Any, timeout: float = CHANGE_TIMEOUT) -> Transaction:
        """Submit messages of Ryu, with transaction ids of their own."""
        first = self.reserve(len(messages))
        octets = b"".join(encode.octets(message, xid) for xid, message in enumerate(messages, first))
        return self.submit(octets, first, len(messages), timeout)

    def barrier_reply(self, xid: int) -> bool:
        """Finish everything that was sent before the barrier; false when nobody has asked for it."""
        if not any(write.barrier == xid for write in (*self._lapsed, *self._under_way)):
            return False
        doubtful = answered = False
        while not answered:
            # Barriers are answered in the order of their requests; a skipped one tells nothing about its write.
            write = (self._lapsed or self._under_way).popleft()
            answered = write.barrier == xid
            for transaction in write.transactions:
                transaction.finish(WriteOutcome.ACKED if answered else WriteOutcome.TIMEOUT)
                lost = transaction.outcome is WriteOutcome.TIMEOUT
                doubtful = doubtful or (lost and (bool(transaction.errors) or not answered))
        self._write()
        if doubtful:
            self.doubted()
        return True

    def record_error(self, xid: int, text: str) -> None:
        """Record that the switch refused the message with that transaction id."""
        for write in (*self._lapsed, *self._under_way):
            for transaction in write.transactions:
                if 0 <= xid - transaction.first_xid < transaction.xids:
                    transaction.errors.setdefault(xid - transaction.first_xid, text)
                    return

    def expire(self, now: float) -> None:
        """Time out transactions whose deadline is before ``now`` (monotonic clock); unsent ones are still sent."""
        for transaction in (*(t for write in self._under_way for t in write.transactions), *self._pending):
            if transaction.deadline <= now:
                transaction.finish(WriteOutcome.TIMEOUT)
        while self._under_way and all(each.outcome is not None for each in self._under_way[0].transactions):
            self._lapsed.append(self._under_way.popleft())
        if len(self._lapsed) > MAX_LAPSED:
            self._disconnect("answers no barriers")
        else:
            self._write()

    def close(self) -> None:
        """End the session, because the connection is gone: unacknowledged changes do not count as done."""
        self.closed = True
        waiting = [transaction for write in self._under_way for transaction in write.transactions]
        waiting += self._pending
        self._lapsed.clear()
        self._under_way.clear()
        self._pending.clear()
        self._pending_octets = 0
        for transaction in waiting:
            transaction.finish(WriteOutcome.DISCONNECTED)

    def _disconnect(self, why: str) -> None:
        LOG.error("switch %016x %s: disconnected", self.datapath.id or 0, why)
        hub.spawn(self.datapath.close)  # which tells Ryu's event queue, and so may wait
        self.close()

    def _write(self) -> None:
        while self._pending and len(self._under_way) < WINDOW:
            transactions: list[Transaction] = []
            size = 0
            while self._pending and (not transactions or size + len(self._pending[0].octets) <= MAX_WRITE):
                transaction = self._pending.popleft()
                transactions.append(transaction)
                size += len(transaction.octets)
            self._pending_octets -= size
            barrier = self.reserve(1)
            self._under_way.append(_Write(barrier, time.monotonic(), transactions))
            octets = [transaction.octets for transaction in transactions]
            self.datapath.send(b"".join((*octets, _BARRIER, barrier.to_bytes(4, "big"))))
