"""Sockets for Mobility Headers: protocol 135 over IPv6 (RFC 6275), and UDP with the same octets.

They are the system's own (``SocketType``): in the RMS ``socket.socket`` is eventlet's, which does much for sockets that
make somebody wait, and these never do.
"""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv6Address

from ryu_pmipls.wire.codepoints import MOBILITY_HEADER

#: Octets for datagrams that wait, enough for thousands: a whole domain may register at once.
_RECEIVE_BUFFER = 4 * 2**20
# Linux, not in the socket module.
_IPV6_FREEBIND = 78
_SO_RCVBUFFORCE = 33
_SO_MEMINFO = 55
_MEMINFO = struct.Struct("=9I")  # the last one counts datagrams that the kernel dropped


def open_raw(address: IPv6Address) -> socket.SocketType:
    """A socket for protocol 135; ``PermissionError`` without CAP_NET_RAW.

    The kernel fills in the checksum of what is sent, and checks that of what is received.
    """
    return _bound(socket.SocketType(socket.AF_INET6, socket.SOCK_RAW, MOBILITY_HEADER), address, 0)


def open_udp(address: IPv6Address, port: int) -> socket.SocketType:
    """A socket for UDP; ``OSError`` when the port is taken."""
    return _bound(socket.SocketType(socket.AF_INET6, socket.SOCK_DGRAM), address, port)


def drops(opened: socket.SocketType) -> int:
    """Datagrams that the kernel has dropped because the socket's buffer was full."""
    values = _MEMINFO.unpack(opened.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))
    return int(values[-1])


def _bound(opened: socket.SocketType, address: IPv6Address, port: int) -> socket.SocketType:
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)  # the address may come later
        try:
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        except PermissionError:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        opened.bind((str(address), port))
    except OSError:
        opened.close()
        raise
    return opened
