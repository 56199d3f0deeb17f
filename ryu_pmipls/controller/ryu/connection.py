"""The OpenFlow connection: Ryu's, with fewer detours between its socket and the sender or handler.

Ryu hands all outgoing messages to a green thread, reads eight octets at a time, announces its interest in the socket to
the hub before each read, and hands each message to the application's green thread. For an answer to a barrier this is
five times the work of handling it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from functools import partial
from ipaddress import IPv6Address
from socket import SHUT_RDWR
from struct import pack
from typing import Any, ClassVar

from eventlet.hubs import get_hub
from ryu.base.app_manager import RyuApp
from ryu.controller import controller, ofp_event
from ryu.controller.controller import Datapath
from ryu.controller.handler import DEAD_DISPATCHER, MAIN_DISPATCHER

from ryu_pmipls.controller.ryu import CONFIGURATION, hub, ofproto_v1_3
from ryu_pmipls.controller.ryu.admission import HANDSHAKE_TIMEOUT, Admission
from ryu_pmipls.controller.ryu.certified_end import CertifiedEnd, SwitchCertificates
from ryu_pmipls.controller.ryu.connection_errors import (
    ExcessError,
    MalformedError,
    RefusalError,
    UnidentifiedError,
    VersionError,
)
from ryu_pmipls.controller.ryu.listener import OpenFlowListener
from ryu_pmipls.controller.ryu.readable import Readable
from ryu_pmipls.controller.ryu.strict_messages import HEADER, Phase, parse

LOG = logging.getLogger(__name__)

#: Octets that are read at a time.
_MOST = 2**16
#: Messages after which other connections have their turn; so many octets count as another message.
_TURN, _OCTETS = 256, 256
#: Octets of all multipart replies before the next barrier reply: a slice of the entries of a million bindings has 9 MB.
MAX_REPLIES = 32 * 2**20
#: Ports of a switch; Open vSwitch can have 65279.
MAX_PORTS = 2**16
#: OFPT_BARRIER_REPLY up to its transaction id.
_BARRIER_REPLY = HEADER.pack(ofproto_v1_3.OFP_VERSION, ofproto_v1_3.OFPT_BARRIER_REPLY, HEADER.size, 0)[:4]
#: OFPT_ERROR of OpenFlow 1.3 with OFPET_HELLO_FAILED, OFPHFC_INCOMPATIBLE.
_HELLO_FAILED = HEADER.pack(ofproto_v1_3.OFP_VERSION, ofproto_v1_3.OFPT_ERROR, 12, 0) + bytes(4)
#: OFPT_SET_ASYNC (A.3.10): of messages that a switch sends unasked, port status is wanted, whatever its reason.
_PORT_STATUS_ONLY = HEADER.pack(ofproto_v1_3.OFP_VERSION, ofproto_v1_3.OFPT_SET_ASYNC, 32, 0) + pack(
    "!6I", 0, 0, 7, 7, 0, 0
)
#: Seconds between looks at how far the handshake is, and at the queue of what is to be sent.
_LOOK, _ROOM_PAUSE = 0.1, 0.01


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

    admission: ClassVar[Admission] = Admission({}, Counter())

    @classmethod
    def install(
        cls,
        addresses: Mapping[int, IPv6Address],
        refused: Counter[str],
        certificates: SwitchCertificates | None = None,
    ) -> None:
        """Have Ryu make connections of this class from now on, for the nodes with these addresses by datapath id.

        With ``certificates`` they are by TLS only.
        """
        cls.admission = Admission(addresses, refused)
        controller.datapath_connection_factory = partial(cls._serve, certificates=certificates)
        controller.StreamServer = OpenFlowListener

    @classmethod
    def _serve(cls, socket: Any, address: Any, certificates: SwitchCertificates | None = None) -> None:
        end = None if certificates is None else CertifiedEnd(socket, certificates)
        with closing(cls(socket if end is None else end.socket, address, end)) as connection:
            try:
                connection.serve()
            except RefusalError as error:
                connection.admission.refuse(address, error)
            except Exception:
                LOG.exception("the OpenFlow connection from %s failed", address[0])

    def __init__(self, socket: Any, address: Any, end: CertifiedEnd | None = None) -> None:
        #: The socket below eventlet's, or that of TLS, which do not wait.
        self._socket = socket.fd
        self._end = end
        self._readable = Readable(socket.fileno())
        #: Called at once with the transaction ids of answered barriers; Ryu's applications then get no event. False
        #: when nobody has asked for it.
        self.barrier_replied: Callable[[int], bool] | None = None
        #: The admitted datapath id; -1 before that. Ryu's own, ``id``, is None then.
        self.claimed_id = -1
        self._phase = Phase.HELLO
        self._replies = 0  # octets of multipart replies since the last barrier reply
        self._unfinished = False  # another part of a multipart reply must follow
        self._echoes: dict[int, Any] = {}  # events, by the transaction id of the echo request
        super().__init__(socket, address)

    def serve(self) -> None:
        """Speak with the switch until the connection ends; ``RefusalError`` when it does by what the switch said."""
        self.admission.enter(self)
        limit = hub.spawn(self._limit_handshake)
        try:
            if self._end is None or self._shakes_hands(self._end):
                super().serve()
        finally:
            hub.kill(limit)
            self.admission.leave(self)
            self._readable.close()
            with suppress(OSError):
                self.socket.close()

    def _shakes_hands(self, end: CertifiedEnd) -> bool:
        """Wait for the handshake of TLS; false when the connection was ended from here meanwhile."""
        try:
            end.shake_hands()
        except RefusalError:
            if self.state != DEAD_DISPATCHER:
                raise
        return bool(self.state != DEAD_DISPATCHER)

    def _limit_handshake(self) -> None:
        # By short pauses: the time in which this process does not get to read does not count.
        for _ in range(round(HANDSHAKE_TIMEOUT / _LOOK)):
            hub.sleep(_LOOK)
            if self.state in (MAIN_DISPATCHER, DEAD_DISPATCHER):
                return
        self.abort(UnidentifiedError(f"no handshake within {HANDSHAKE_TIMEOUT:g} s"))

    def abort(self, why: RefusalError) -> None:
        """End the connection at once, without waiting for the switch."""
        if self.state == DEAD_DISPATCHER:
            return
        self.admission.refuse(self.address, why)
        self.set_state(DEAD_DISPATCHER)
        with suppress(OSError):
            self._socket.shutdown(SHUT_RDWR)

    def objection(self) -> RefusalError | None:
        """Why its certificate does not hold any more; None when it does, or there is no TLS."""
        return None if self._end is None else self._end.objection()

    def answers(self, within: float) -> bool:
        """Ask by an echo request whether the switch is there, and wait for up to so many seconds."""
        request = self.ofproto_parser.OFPEchoRequest(self)
        xid = self.set_xid(request)
        answered = self._echoes[xid] = hub.Event()
        sender = hub.spawn(self.send_msg, request)  # which waits if others do
        # By short pauses, as for the handshake.
        came = any(answered.wait(_LOOK) for _ in range(round(within / _LOOK)))
        hub.kill(sender)
        del self._echoes[xid]
        return came and self.state != DEAD_DISPATCHER

    def close(self) -> None:
        """Close; the switch has as long as Ryu waits to end the connection from its side, and may connect again."""
        self.admission.leave(self)
        super().close()
        get_hub().schedule_call_global(CONFIGURATION.socket_timeout, self._readable.wake)

    def send(self, octets: bytes, close_socket: bool = False) -> bool:
        """Send messages, at once if nothing waits; false when the connection has ended."""
        if self._nothing_waits() and not close_socket:
            with suppress(OSError):  # the socket is full, or gone: Ryu's green thread finds out
                octets = octets[self._socket.send(octets) :]
                if not octets:
                    return True
        return bool(super().send(octets, close_socket))

    def _nothing_waits(self) -> bool:
        queue, room = self.send_q, self._send_q_sem
        # A sender that has room but has not had its turn yet goes first.
        return bool(queue and queue.getting() and room.balance == queue.maxsize)

    def _recv_loop(self) -> None:
        received = bytearray()
        turn = _TURN
        while self.state != DEAD_DISPATCHER and (came := self._read()):
            received += came
            begin = 0
            while len(received) - begin >= HEADER.size:
                version, kind, length, xid = HEADER.unpack_from(received, begin)
                if length < HEADER.size:
                    raise MalformedError(f"a message of {length} octets")
                end = begin + length
                if len(received) < end or self.state == DEAD_DISPATCHER:
                    break
                self._receive(version, kind, xid, bytes(received[begin:end]))
                begin, turn = end, turn - 1 - length // _OCTETS
                if turn <= 0:
                    turn = _TURN
                    hub.sleep(0)
            del received[:begin]

    def _receive(self, version: int, kind: int, xid: int, octets: bytes) -> None:
        """Handle a message; ``RefusalError`` when the connection must end because of it."""
        if octets[:4] == _BARRIER_REPLY and self._phase is Phase.IDENTIFIED:
            self._barrier(xid)
            return
        if kind == ofproto_v1_3.OFPT_ECHO_REQUEST:
            self._await_room()
        try:
            message = parse(self, self._phase, version, kind, xid, octets)
        except VersionError:
            self.send(_HELLO_FAILED)
            raise
        self._follow(kind, message)
        if self.state == DEAD_DISPATCHER:
            return
        event = ofp_event.ofp_msg_to_ev(message)
        self.ofp_brick.send_event_to_observers(event, self.state)
        if kind != ofproto_v1_3.OFPT_ERROR:  # for which Ryu makes texts in vain, in a millisecond each
            _handle(self.ofp_brick, event, self.state)
        if kind == ofproto_v1_3.OFPT_PORT_STATUS and len(getattr(self, "ports", ())) > MAX_PORTS:
            raise ExcessError(f"more than {MAX_PORTS} ports")

    def _follow(self, kind: int, message: Any) -> None:
        """Follow the phases of the connection, the volume of replies, and answers to our own echo requests."""
        if kind == ofproto_v1_3.OFPT_HELLO:
            self._phase = Phase.FEATURES
        elif kind == ofproto_v1_3.OFPT_FEATURES_REPLY:
            if self._end is not None:
                self._end.require(message.datapath_id)
            self.admission.identify(self, message.datapath_id)
            self._phase = Phase.IDENTIFIED
            self.send(_PORT_STATUS_ONLY)
        elif kind == ofproto_v1_3.OFPT_MULTIPART_REPLY:
            self._unfinished = bool(message.flags & ofproto_v1_3.OFPMPF_REPLY_MORE)
            self._replies += message.msg_len
            if self._replies > MAX_REPLIES:
                raise ExcessError(f"more than {MAX_REPLIES} octets of replies before a barrier")
        elif kind == ofproto_v1_3.OFPT_ECHO_REPLY and message.xid in self._echoes:
            self._echoes[message.xid].set()

    def _barrier(self, xid: int) -> None:
        if self.barrier_replied is not None and self.barrier_replied(xid):
            if self._unfinished:
                raise MalformedError("a barrier reply within a multipart reply")
            self._replies = 0

    def _await_room(self) -> None:
        """Wait until less than half of Ryu's queue is taken: echo replies must leave room for other senders."""
        while self.send_q is not None and 2 * self.send_q.qsize() >= self.send_q.maxsize:
            hub.sleep(_ROOM_PAUSE)

    def _read(self) -> bytes:
        """Wait for input; return at least one octet, or none at the end of the connection."""
        while self.state != DEAD_DISPATCHER:
            try:
                try:
                    return bytes(self._socket.recv(_MOST))
                except BlockingIOError:
                    self._readable.wait()
            except (EOFError, OSError):
                break
        return b""
