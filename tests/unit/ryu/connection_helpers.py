"""The other end of an OpenFlow connection in tests, and an application that the connection tells."""

from __future__ import annotations

import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import eventlet
from eventlet.hubs import get_hub
from ryu.base import app_manager
from ryu.controller.handler import HANDSHAKE_DISPATCHER
from ryu.controller.ofp_handler import OFPHandler

from ryu_pmipls.controller.ryu import DEAD_DISPATCHER, hub, ofp_event, set_ev_cls
from ryu_pmipls.controller.ryu.certified_end import SwitchCertificates
from ryu_pmipls.controller.ryu.connection import Connection, PromptApp
from tests.waiting import PATIENCE

HEADER = struct.Struct("!BBHI")
VERSION, HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY = 4, 0, 1, 2, 3


class Told(PromptApp):
    """What an application is told, and what it does then."""

    def __init__(self) -> None:
        super().__init__()
        self.connections: list[Connection] = []
        self.echoes: list[tuple[int, bytes]] = []
        self.ended: list[Connection] = []
        self.then: Callable[[Any], None] = lambda message: None

    @set_ev_cls(ofp_event.EventOFPStateChange, [HANDSHAKE_DISPATCHER, DEAD_DISPATCHER])
    def _changed(self, event: Any) -> None:
        (self.ended if event.state == DEAD_DISPATCHER else self.connections).append(event.datapath)

    @set_ev_cls(ofp_event.EventOFPEchoRequest, HANDSHAKE_DISPATCHER)
    def _echo(self, event: Any) -> None:
        self.echoes.append((event.msg.xid, event.msg.data))
        self.then(event.msg)


@contextmanager
def application() -> Iterator[Told]:
    """Ryu's protocol handler and ours, as Ryu's manager has them, for a while."""
    before = dict(app_manager.SERVICE_BRICKS)
    protocol, told = OFPHandler(), Told()
    try:
        for app in (protocol, told):
            app_manager.register_app(app)
        for event in (ofp_event.EventOFPStateChange, ofp_event.EventOFPEchoRequest):
            protocol.register_observer(event, told.name)
        yield told
    finally:
        app_manager.SERVICE_BRICKS.clear()
        app_manager.SERVICE_BRICKS.update(before)


def until(condition: Callable[[], bool]) -> None:
    with eventlet.Timeout(PATIENCE):
        while not condition():
            hub.sleep(0)


def readers() -> set[int]:
    """The descriptors that the hub looks at for something to read."""
    return {listener.fileno for listener in get_hub().get_readers()}


class Tls(NamedTuple):
    """TLS at both ends of a connection."""

    certificates: SwitchCertificates
    client: ssl.SSLContext


class Switch:
    """The other end of a connection."""

    def __init__(self, told: Told, tls: Tls | None = None) -> None:
        listener = eventlet.listen(("127.0.0.1", 0))
        here = eventlet.connect(listener.getsockname())
        there, address = listener.accept()
        listener.close()
        self.descriptor = there.fileno()
        self.thread = hub.spawn(Connection._serve, there, address, None if tls is None else tls.certificates)
        self.socket = here if tls is None else tls.client.wrap_socket(here)
        self.socket.settimeout(PATIENCE)
        self.told = told
        version, kind, _, _ = HEADER.unpack(self.take(HEADER.size))
        assert kind == HELLO
        self.version = version
        self.connection = told.connections[-1]

    def take(self, count: int) -> bytes:
        octets = b""
        while len(octets) < count:
            came = self.socket.recv(count - len(octets))
            assert came, f"ended after {octets!r}"
            octets += came
        return octets

    def message(self) -> tuple[int, int, bytes]:
        _, kind, length, xid = HEADER.unpack(self.take(HEADER.size))
        return kind, xid, self.take(length - HEADER.size)

    def echo(self, xid: int, data: bytes = b"") -> None:
        """A message there and one back: all before has been read."""
        self.socket.sendall(echo(xid, data))
        assert self.message() == (ECHO_REPLY, xid, data)

    def joined(self) -> None:
        """The connection's green thread ends, and leaves nothing behind."""
        with eventlet.Timeout(PATIENCE):
            self.thread.wait()
        assert self.told.ended == [self.connection]
        assert not self.connection.is_active
        assert self.descriptor not in readers()
        assert self.connection.socket.fileno() == -1


def echo(xid: int, data: bytes = b"") -> bytes:
    return HEADER.pack(VERSION, ECHO_REQUEST, HEADER.size + len(data), xid) + data
