"""One connection to a switch: writes are coalesced, and a change is done when its barrier has answered.

Whoever submits messages never waits for the switch. A writer of the session's own takes whatever is pending and sends
it as one write with one barrier behind it. Errors are matched to their transaction by xid.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ryu_pmipls.framework import Datapath, hub
from ryu_pmipls.framework import ofproto_v1_3_parser as parser

LOG = logging.getLogger(__name__)


class Outcome(str, Enum):
    """What became of a transaction; only ``ACKED`` means that the switch does it now."""

    ACKED = "acked"
    ERROR = "error"
    TIMEOUT = "timeout"
    DISCONNECTED = "disconnected"


@dataclass(eq=False)
class Transaction:
    """Messages that belong together; ``errors`` holds the text of each error that the switch sent for one of them."""

    messages: Sequence[Any]
    outcome: Outcome | None = None
    errors: list[str] = field(default_factory=list)
    _done: Any = field(default_factory=hub.Event)

    def finish(self, outcome: Outcome) -> None:
        if self.outcome is None:
            self.outcome = Outcome.ERROR if outcome is Outcome.ACKED and self.errors else outcome
            self._done.set()

    def wait(self, timeout: float) -> Outcome:
        """Wait at most ``timeout`` seconds; not to be called in a handler of Ryu's events."""
        self._done.wait(timeout)
        return self.outcome or Outcome.TIMEOUT


class SwitchSession:
    """The session that goes with one OpenFlow connection, and ends with it."""

    def __init__(self, datapath: Datapath) -> None:
        self.datapath = datapath
        self._pending: list[Transaction] = []
        self._by_barrier: dict[int, list[Transaction]] = {}
        self._by_xid: dict[int, Transaction] = {}
        self._wake = hub.Event()
        self._closed = False
        self._writer = hub.spawn(self._write)

    def submit(self, messages: Sequence[Any]) -> Transaction:
        """Queue messages for the switch; returns at once."""
        transaction = Transaction(messages)
        if self._closed:
            transaction.finish(Outcome.DISCONNECTED)
        else:
            self._pending.append(transaction)
            self._wake.set()
        return transaction

    def barrier_reply(self, xid: int) -> None:
        for transaction in self._by_barrier.pop(xid, ()):
            for message in transaction.messages:
                self._by_xid.pop(message.xid, None)
            transaction.finish(Outcome.ACKED)

    def error(self, xid: int, text: str) -> None:
        """The switch refused the message with that xid."""
        transaction = self._by_xid.get(xid)
        LOG.error("switch %016x refused a message: %s", self.datapath.id or 0, text)
        if transaction is not None:
            transaction.errors.append(text)

    def close(self) -> None:
        """The connection is gone: nothing that was not acknowledged counts as done."""
        self._closed = True
        self._wake.set()
        waiting = [transaction for batch in self._by_barrier.values() for transaction in batch]
        for transaction in (*waiting, *self._pending):
            transaction.finish(Outcome.DISCONNECTED)
        self._pending.clear()
        self._by_barrier.clear()
        self._by_xid.clear()

    def _write(self) -> None:
        while not self._closed:
            self._wake.wait()
            self._wake.clear()
            batch, self._pending = self._pending, []
            if not batch:
                continue
            octets = bytearray()
            for transaction in batch:
                for message in transaction.messages:
                    self.datapath.set_xid(message)
                    message.serialize()
                    octets += message.buf
                    self._by_xid[message.xid] = transaction
            barrier = parser.OFPBarrierRequest(self.datapath)
            self.datapath.set_xid(barrier)
            barrier.serialize()
            octets += barrier.buf
            self._by_barrier[barrier.xid] = batch
            self.datapath.send(octets)
