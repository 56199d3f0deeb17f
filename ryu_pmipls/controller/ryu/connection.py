"""The OpenFlow connection: Ryu's, with fewer detours between its socket and the sender or handler.

Ryu hands all outgoing messages to a green thread, reads eight octets at a time, announces its interest in the socket to
the hub before each read, and hands each message to the application's green thread. For an answer to a barrier this is
five times the work of handling it.
"""

from __future__ import annotations

import _socket
import logging
import ssl
from collections.abc import Callable
from contextlib import closing, suppress
from struct import Struct
from typing import Any

from eventlet.hubs import get_hub
from ryu.base.app_manager import RyuApp
from ryu.controller import controller, ofp_event
from ryu.controller.controller import Datapath
from ryu.controller.handler import DEAD_DISPATCHER
from ryu.exception import RyuException
from ryu.ofproto import ofproto_parser

from ryu_pmipls.controller.ryu import CONFIGURATION, hub, ofproto_v1_3
from ryu_pmipls.controller.ryu.readable import Readable

LOG = logging.getLogger(__name__)

_HEADER = Struct("!BBHI")
#: Octets that are read at a time.
_MOST = 2**16
#: Messages after which other connections have their turn.
_TURN = 256


class PromptApp(RyuApp):
    """A Ryu application whose handlers are called at the place of the event, one at a time for one connection.

    They must not wait.
    """

    def _send_event(self, event: Any, state: Any) -> None:
        if event is self._event_stop:
            super()._send_event(event, state)
            return
        _handle(self, event, state)


def _handle(application: RyuApp, event: Any, state: Any) -> None:
    for handler in application.get_handlers(event, state):
        try:
            handler(event)
        except Exception:
            LOG.exception("handling %s failed", type(event).__name__)


class Connection(Datapath):
    """The connection to a switch."""

    @classmethod
    def install(cls) -> None:
        """Have Ryu make connections of this class from now on."""
        controller.datapath_connection_factory = cls._serve

    @classmethod
    def _serve(cls, socket: Any, address: Any) -> None:
        with closing(cls(socket, address)) as connection:
            try:
                connection.serve()
            except RyuException as error:  # the input cannot be parsed
                LOG.warning("the OpenFlow connection from %s is ended: %s", address[0], error)
            except Exception:
                LOG.exception("the OpenFlow connection from %s failed", address[0])

    def __init__(self, socket: Any, address: Any) -> None:
        #: The non-blocking socket below eventlet's. TLS has none.
        self._socket = None if isinstance(socket, ssl.SSLSocket) else socket.fd
        self._readable = Readable(socket.fileno())
        #: Called at once with the transaction ids of answered barriers; Ryu's applications then get no event.
        self.barrier_replied: Callable[[int], None] | None = None
        super().__init__(socket, address)

    def close(self) -> None:
        """Close; the switch has as long as Ryu waits to end the connection from its side."""
        super().close()
        get_hub().schedule_call_global(CONFIGURATION.socket_timeout, self._readable.wake)

    def send(self, octets: bytes, close_socket: bool = False) -> bool:
        """Send messages, at once if nothing waits; false when the connection has ended."""
        if self._socket is not None and self._nothing_waits() and not close_socket:
            with suppress(OSError):  # the socket is full, or gone: Ryu's green thread finds out
                octets = octets[self._socket.send(octets) :]
                if not octets:
                    return True
        return bool(super().send(octets, close_socket))

    def _nothing_waits(self) -> bool:
        queue, room = self.send_q, self._send_q_sem
        # A sender that has room but has not had its turn yet goes first.
        return bool(queue and queue.getting() and room.balance == queue.maxsize)

    def _close_write(self) -> None:
        if self._socket is not None:
            super()._close_write()
            return
        # Python's shutdown of a TLS socket also removes what is needed to read from it.
        with suppress(OSError):
            _socket.socket.shutdown(self.socket, _socket.SHUT_WR)

    def _recv_loop(self) -> None:
        received = bytearray()
        turn = _TURN
        try:
            while self.state != DEAD_DISPATCHER and (came := self._read()):
                received += came
                begin = 0
                while len(received) - begin >= _HEADER.size:
                    version, kind, length, xid = _HEADER.unpack_from(received, begin)
                    end = begin + max(length, _HEADER.size)
                    if len(received) < end or self.state == DEAD_DISPATCHER:
                        break
                    self._told(version, kind, xid, received[begin:end])
                    begin, turn = end, turn - 1
                    if not turn:
                        turn = _TURN
                        hub.sleep(0)
                del received[:begin]
        finally:
            self._readable.close()
            with suppress(OSError):
                self.socket.close()

    def _told(self, version: int, kind: int, xid: int, octets: bytearray) -> None:
        if kind == ofproto_v1_3.OFPT_BARRIER_REPLY and self.barrier_replied is not None:
            self.barrier_replied(xid)
            return
        message = ofproto_parser.msg(self, version, kind, len(octets), xid, octets)
        if message is None:
            return
        event = ofp_event.ofp_msg_to_ev(message)
        self.ofp_brick.send_event_to_observers(event, self.state)
        _handle(self.ofp_brick, event, self.state)

    def _read(self) -> bytes:
        """Wait for input; return at least one octet, or none at the end of the connection."""
        while self.state != DEAD_DISPATCHER:
            try:
                if self._socket is None:
                    return bytes(self.socket.recv(_MOST))
                try:
                    return bytes(self._socket.recv(_MOST))
                except BlockingIOError:
                    self._readable.wait()
            except TimeoutError:  # a TLS socket has waited for long
                continue
            except (EOFError, OSError):
                break
        return b""
