"""The yardstick: what switches take from a controller that does nothing but write.

Listens for the switches, and writes flow-mods that were made beforehand, in pieces with a barrier behind each, two of
which are on their way to every switch at a time. What is written are routes as the RMS writes them; every round changes
the port in all of them.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from dataclasses import dataclass, field

from ryu_pmipls.controller.fast.flow_mod_template import add_template, octets_of
from ryu_pmipls.controller.switches.lma import LmaRule

_HEADER = struct.Struct("!BBHI")
_HELLO, _ECHO_REQUEST, _ECHO_REPLY, _FEATURES_REQUEST, _FEATURES_REPLY, _BARRIER_REPLY = 0, 2, 3, 5, 6, 21
_BARRIER = _HEADER.pack(4, 20, 8, 0xB)
#: Flow-mods in one piece.
PIECE = 500
_WINDOW = 2
#: A cookie that is nobody's.
_COOKIE = bytes(8)


@dataclass(eq=False)
class _Switch:
    connection: socket.socket
    datapath_id: int = 0
    received: bytes = b""
    pieces: list[bytes] = field(default_factory=list)  # still to be written
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))
    outstanding: int = 0  # pieces

    def messages(self) -> list[tuple[int, int, bytes]]:
        """(type, transaction id, body) of what has come; echo requests are answered.

        ``ConnectionError`` at the end of the connection.
        """
        came = self.connection.recv(2**16)
        if not came:
            raise ConnectionError(f"switch {self.datapath_id:016x} has closed the connection")
        self.received += came
        found = []
        while len(self.received) >= 8:
            _, kind, length, xid = _HEADER.unpack_from(self.received)
            if len(self.received) < length:
                break
            body, self.received = self.received[8:length], self.received[length:]
            if kind == _ECHO_REQUEST:
                self.connection.sendall(_HEADER.pack(4, _ECHO_REPLY, 8 + len(body), xid) + body)
            found.append((kind, xid, body))
        return found


class RawWriter:
    """Listens at ``address`` and ``port`` for ``count`` switches."""

    def __init__(self, address: str, port: int, count: int) -> None:
        self._listener = socket.create_server((address, port), family=socket.AF_INET6)
        self._count = count
        self.switches: list[_Switch] = []

    def accept(self) -> None:
        """Wait until all switches are there, in the order of their datapath ids."""
        while len(self.switches) < self._count:
            connection, _ = self._listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            switch = _Switch(connection)
            try:
                self._greet(switch)
            except ConnectionError:  # it did not want to wait any longer, and has tried again
                connection.close()
            else:
                self.switches.append(switch)
        self.switches.sort(key=lambda switch: switch.datapath_id)

    @staticmethod
    def _greet(switch: _Switch) -> None:
        switch.connection.sendall(_HEADER.pack(4, _HELLO, 8, 1) + _HEADER.pack(4, _FEATURES_REQUEST, 8, 2))
        while not switch.datapath_id:
            for kind, _, body in switch.messages():
                if kind == _FEATURES_REPLY:
                    switch.datapath_id = int.from_bytes(body[:8], "big")

    def close(self) -> None:
        for switch in self.switches:
            switch.connection.close()
        self._listener.close()

    def write(self, pieces: list[bytes]) -> float:
        """Write the same pieces to all switches at once; seconds until all have done them."""
        poll = select.epoll()
        for switch in self.switches:
            switch.pieces, switch.outstanding, switch.unsent = pieces[::-1], 0, memoryview(b"")
            switch.connection.setblocking(False)
            poll.register(switch.connection, select.EPOLLIN | select.EPOLLOUT)
        by_number = {switch.connection.fileno(): switch for switch in self.switches}
        begin = time.perf_counter()
        working = len(self.switches)
        while working:
            for number, events in poll.poll():
                switch = by_number[number]
                if events & select.EPOLLIN:
                    for kind, _, _ in switch.messages():
                        if kind == _BARRIER_REPLY:
                            switch.outstanding -= 1
                while (switch.unsent or switch.pieces) and (switch.unsent or switch.outstanding < _WINDOW):
                    if not switch.unsent:
                        switch.unsent = memoryview(switch.pieces.pop())
                        switch.outstanding += 1
                    try:
                        switch.unsent = switch.unsent[switch.connection.send(switch.unsent) :]
                    except BlockingIOError:
                        break
                poll.modify(switch.connection, select.EPOLLIN | (select.EPOLLOUT if switch.unsent else 0))
                if not (switch.pieces or switch.unsent or switch.outstanding):
                    poll.unregister(switch.connection)
                    working -= 1
        poll.close()
        return time.perf_counter() - begin


def routes(count: int, tunnel: int) -> list[bytes]:
    """Pieces that route the first ``count`` prefixes of the pool into a tunnel (its port)."""
    template = add_template(LmaRule.ROUTE).bind(tunnel=tunnel)
    assert template.holes == {"xid", "cookie", "prefix"}
    first = 0x20010DB8_01000000
    messages = [
        template.octets % {b"xid": octets_of(1), b"cookie": _COOKIE, b"prefix": (first + number).to_bytes(8, "big")}
        for number in range(count)
    ]
    return [b"".join(messages[start : start + PIECE]) + _BARRIER for start in range(0, count, PIECE)]
