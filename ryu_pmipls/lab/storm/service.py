"""Echo requests (RFC 4443) from mobile nodes to the correspondent node, each second, as programs of theirs would."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from select import select
from threading import Event, Thread

from ryu_pmipls.lab import namespaces
from ryu_pmipls.lab.lab import Lab

#: Seconds between two echo requests of a node.
INTERVAL = 1.0
_ECHO_REQUEST, _ECHO_REPLY = 128, 129
_ICMP6_FILTER = 1
#: Lets nothing but echo replies through (RFC 3542, section 3.2): a bit that is set blocks its type.
_ONLY_REPLIES = struct.pack("=8I", *(0xFFFFFFFF & ~(1 << _ECHO_REPLY % 32 if word == 4 else 0) for word in range(8)))


class Service:
    """Echo requests of the nodes ``asking``, from a thread of its own.

    Each node chooses its source anew for each request. ``asked`` and ``answered``: node -> times of the requests, and
    of those that were answered, in seconds of the monotonic clock.
    """

    def __init__(self, lab: Lab, asking: Iterable[str]) -> None:
        self.asked: dict[str, list[float]] = defaultdict(list)
        self.answered: dict[str, list[float]] = defaultdict(list)
        self._lab = lab
        self._asking = [*asking]
        self._ends = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask(self, nodes: Iterable[str]) -> None:
        """Have these nodes ask from now on, and no others."""
        self._asking = [*nodes]

    def ask_all(self) -> None:
        """Have all nodes ask from now on."""
        self.ask(self._lab.plan.mobile_nodes)

    def stop(self) -> None:
        self._ends.set()
        self._thread.join()

    def served_since(self, node: str, start: float, times: int) -> float | None:
        """The time of the first of so many requests in a row that were answered after ``start``, or None."""
        answered = {*self.answered[node]}
        row: list[float] = []
        for asked in [*self.asked[node]]:
            if asked < start:
                continue
            row = [*row, asked] if asked in answered else []
            if len(row) == times:
                return row[0]
        return None

    def served_before(self, node: str, end: float, times: int) -> bool:
        """True if one at least of the last so many requests before ``end`` was answered."""
        last = [asked for asked in [*self.asked[node]] if asked < end][-times:]
        return not {*last}.isdisjoint(self.answered[node])

    def _run(self) -> None:
        with ExitStack() as stack:
            sockets = {}
            for node in self._lab.plan.mobile_nodes:
                opened = namespaces.open_socket(
                    self._lab.namespace(node), socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6
                )
                opened.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, _ONLY_REPLIES)
                opened.setblocking(False)
                sockets[stack.enter_context(opened)] = node
            sent: dict[tuple[str, int], float] = {}
            number, due = 0, time.monotonic()
            while not self._ends.is_set():
                now = time.monotonic()
                if now >= due:
                    number, due = number + 1 & 0xFFFF, max(due + INTERVAL, now)
                    self._request(sockets, number, sent)
                for ready in select([*sockets], [], [], max(0.0, due - now))[0]:
                    self._receive(ready, sockets[ready], sent)

    def _request(self, sockets: dict[socket.socket, str], number: int, sent: dict[tuple[str, int], float]) -> None:
        message = struct.pack("!BBHHH", _ECHO_REQUEST, 0, 0, os.getpid() & 0xFFFF, number)
        to = (str(self._lab.plan.correspondent_address.ip), 0)
        for opened, node in sockets.items():
            if node not in self._asking:
                continue
            now = time.monotonic()
            self.asked[node].append(now)
            try:
                opened.sendto(message, to)
            except OSError:
                continue  # no route, no address, or no link
            sent[node, number] = now

    def _receive(self, opened: socket.socket, node: str, sent: dict[tuple[str, int], float]) -> None:
        while True:
            try:
                reply = opened.recv(100)
            except OSError:
                return
            if len(reply) < 8:
                continue
            _, _, _, identifier, number = struct.unpack_from("!BBHHH", reply)
            asked = sent.pop((node, number), None)
            if identifier == os.getpid() & 0xFFFF and asked is not None:
                self.answered[node].append(asked)
