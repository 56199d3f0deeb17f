"""Switches that take everything and do nothing but answer: what a controller reaches when switches cost nothing.

``python -m tests.bench.sink_switches PROFILE`` connects one for every LMA of the profile, all in one process. They have
the tunnel ports that real ones have, and no entries.
"""

from __future__ import annotations

import select
import socket
import struct
import sys
import time
from pathlib import Path

from ryu_pmipls.controller.switches.ports import tunnel_port
from ryu_pmipls.domain.profile import load_profile
from tests.bench.arena import FIRST_TUNNEL

_HEADER = struct.Struct("!BBHI")
_LENGTH = struct.Struct("!H")
_HELLO, _ECHO_REQUEST, _ECHO_REPLY, _FEATURES_REQUEST, _FEATURES_REPLY = 0, 2, 3, 5, 6
_GET_CONFIG_REQUEST, _GET_CONFIG_REPLY, _MULTIPART_REQUEST, _MULTIPART_REPLY, _BARRIER_REQUEST = 7, 8, 18, 19, 20
_BARRIER_REPLY = 21
_FLOW_MOD = 14
_AGGREGATE, _PORT_DESCRIPTION = 2, 13
_PORT = struct.Struct("!I4x6s2x16sIIIIIIII")
_LOCAL, _LIVE = 0xFFFF_FFFE, 4


class SinkSwitch:
    """One switch, connected to ``address`` and ``port``."""

    def __init__(self, address: str, port: int, datapath_id: int, ports: bytes) -> None:
        self._datapath_id = datapath_id
        self._ports = ports
        self._received = b""
        self.connection = self._connect(address, port)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.sendall(_message(_HELLO, 1))

    @staticmethod
    def _connect(address: str, port: int) -> socket.socket:
        while True:
            try:
                return socket.create_connection((address, port))
            except ConnectionRefusedError:
                time.sleep(0.1)

    def serve(self) -> bool:
        """Take what has come; False at the end of the connection."""
        came = self.connection.recv(2**18)
        data = self._received + came
        position, answers = 0, []
        while len(data) - position >= _HEADER.size:
            (length,) = _LENGTH.unpack_from(data, position + 2)
            if len(data) - position < length:
                break
            kind = data[position + 1]
            if kind != _FLOW_MOD:
                xid = int.from_bytes(data[position + 4 : position + 8], "big")
                answers.append(self._answer(kind, xid, data[position + 8 : position + length]))
            position += length
        self._received = data[position:]
        if any(answers):
            self.connection.sendall(b"".join(answers))
        return bool(came)

    def _answer(self, kind: int, xid: int, body: bytes) -> bytes:
        if kind == _BARRIER_REQUEST:
            return _message(_BARRIER_REPLY, xid)
        if kind == _ECHO_REQUEST:
            return _message(_ECHO_REPLY, xid, body)
        if kind == _FEATURES_REQUEST:
            return _message(_FEATURES_REPLY, xid, struct.pack("!QIBB2xII", self._datapath_id, 0, 254, 0, 0, 0))
        if kind == _GET_CONFIG_REQUEST:
            return _message(_GET_CONFIG_REPLY, xid, struct.pack("!HH", 0, 0xFFFF))
        if kind == _MULTIPART_REQUEST:
            (which,) = _LENGTH.unpack_from(body)
            described = {_AGGREGATE: bytes(24), _PORT_DESCRIPTION: self._ports}
            return _message(_MULTIPART_REPLY, xid, body[:2] + bytes(6) + described.get(which, b""))
        return b""


def _message(kind: int, xid: int, body: bytes = b"") -> bytes:
    return _HEADER.pack(4, kind, _HEADER.size + len(body), xid) + body


def _port(number: int, address: bytes, name: str) -> bytes:
    return _PORT.pack(number, address, name.encode(), 0, _LIVE, 0, 0, 0, 0, 0, 0)


def main(path: str) -> None:
    profile = load_profile(Path(path))
    switches = {}
    for number, lma in enumerate(profile.lmas, 1):
        ports = [_port(_LOCAL, b"\2\0\0\0\1" + bytes([number]), f"br-{lma.name}")]
        for port, mag in enumerate(profile.mags, FIRST_TUNNEL):
            ports.append(_port(port, b"\2\0\0\1" + bytes([number, port]), tunnel_port(mag.name)))
        switch = SinkSwitch(str(profile.rms.address), profile.rms.openflow.port, lma.datapath_id, b"".join(ports))
        switches[switch.connection.fileno()] = switch
    poll = select.epoll()
    for descriptor in switches:
        poll.register(descriptor, select.EPOLLIN)
    while switches:
        for descriptor, _ in poll.poll():
            if not switches[descriptor].serve():
                poll.unregister(descriptor)
                del switches[descriptor]


if __name__ == "__main__":
    main(*sys.argv[1:])
