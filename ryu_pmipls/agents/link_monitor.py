"""The state of links, as the kernel reports it (rtnetlink(7))."""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass

_NETLINK_ROUTE = 0
_RTMGRP_LINK = 1
_RTM_NEWLINK, _RTM_DELLINK, _RTM_GETLINK = 16, 17, 18
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_IFLA_IFNAME, _IFLA_MTU = 3, 4
_IFF_UP, _IFF_LOWER_UP = 0x1, 0x10000

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_LINK = struct.Struct("=BxHiII")  # ifinfomsg: family, hardware type, index, flags, change
_ATTRIBUTE = struct.Struct("=HH")  # length, type


@dataclass(frozen=True)
class LinkState:
    """An interface; ``up`` means that it is switched on and has a carrier, ``gone`` that it was removed.

    ``mtu`` is in octets.
    """

    name: str
    index: int
    up: bool
    mtu: int
    gone: bool = False


class LinkMonitor:
    """Reports the state of all interfaces of this network namespace: first the present state, then each change."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _NETLINK_ROUTE)
        self._socket.bind((0, _RTMGRP_LINK))
        self._request_links()

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def links(self) -> Iterator[LinkState]:
        """The kernel's reports since the last call; the last one about a link counts."""
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._request_links()  # changes were lost
            else:
                yield from parse_links(data)

    def _request_links(self) -> None:
        length = _HEADER.size + _LINK.size
        request = _HEADER.pack(length, _RTM_GETLINK, _NLM_F_REQUEST | _NLM_F_DUMP, 0, 0)
        self._socket.send(request + _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0))


def parse_links(data: bytes) -> Iterator[LinkState]:
    """Parse the links in a datagram of rtnetlink."""
    while len(data) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(data)
        if kind in (_RTM_NEWLINK, _RTM_DELLINK):
            family, _, index, flags, _ = _LINK.unpack_from(data, _HEADER.size)
            attributes = dict(_attributes(data[_HEADER.size + _LINK.size : length]))
            # Other families report a bridge's ports, and wireless events have no MTU: a link that leaves a bridge is
            # not gone.
            if family == socket.AF_UNSPEC and _IFLA_MTU in attributes:
                name = attributes[_IFLA_IFNAME].rstrip(b"\0").decode()
                mtu = int.from_bytes(attributes[_IFLA_MTU], sys.byteorder)
                gone = kind == _RTM_DELLINK
                up = not gone and flags & _IFF_UP != 0 and flags & _IFF_LOWER_UP != 0
                yield LinkState(name, index, up, mtu, gone)
        data = data[_aligned(length) :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[_aligned(length) :]


def _aligned(length: int) -> int:
    return (max(length, _ATTRIBUTE.size) + 3) & ~3
