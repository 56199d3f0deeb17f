"""Sockets for Mobility Headers: protocol 135 over IPv6 (RFC 6275), and UDP with the same octets.

They receive and send many datagrams at a time, by recvmmsg(2) and sendmmsg(2) of Linux, which Python lacks. A system
call for each would cost an RMS under load more than all its work on their contents.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Sequence
from ipaddress import IPv6Address
from itertools import accumulate, chain
from typing import Any

from ryu_pmipls.wire.codepoints import MOBILITY_HEADER

#: Datagrams that one system call receives or sends.
MOST = 256
#: Octets for each. A Mobility Header has up to 2048; the Header Len exposes one of which the socket cut off more.
_ROOM = 2056
#: Octets for waiting datagrams, enough for thousands: a whole domain may register at once.
_BUFFER = 4 * 2**20
# Linux, not in the socket module.
_IPV6_FREEBIND = 78
_SO_SNDBUFFORCE = 32
_SO_RCVBUFFORCE = 33
_SO_MEMINFO = 55
_MEMINFO = struct.Struct("=9I")  # the last one counts datagrams that the kernel dropped


class _MessageHeader(ctypes.Structure):
    """``struct msghdr``; addresses are numbers here, so that many can be filled in at once."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Header(ctypes.Structure):
    """``struct mmsghdr``; ``length`` is that of the datagram, after the call."""

    _fields_ = (("message", _MessageHeader), ("length", ctypes.c_uint))


_HEADER = ctypes.sizeof(_Header)
_LENGTH = struct.Struct(f"{_Header.length.offset}xI{_HEADER - _Header.length.offset - 4}x")
#: ``struct sockaddr_in6`` behind the family: port, flow label, address, scope.
_SOCKET_ADDRESS = struct.Struct("!H4x16s4x")
_FAMILY = struct.pack("=H", socket.AF_INET6)
_NAME = len(_FAMILY) + _SOCKET_ADDRESS.size
_SOURCE = struct.Struct("8x16s4x")

_libc = ctypes.CDLL(None, use_errno=True)


def socket_address(address: IPv6Address, port: int) -> bytes:
    """Encode a socket address for the system; the port is 0 for a raw socket."""
    return _FAMILY + _SOCKET_ADDRESS.pack(port, address.packed)


class _Datagrams:
    """Arguments of the system calls: a header, an address and a vector (place and length of the octets) for each."""

    def __init__(self) -> None:
        self.names = ctypes.create_string_buffer(MOST * _NAME)
        self.vectors = (ctypes.c_size_t * (2 * MOST))()
        self.headers = (_Header * MOST)()
        names, vectors = ctypes.addressof(self.names), ctypes.addressof(self.vectors)
        vector = 2 * ctypes.sizeof(ctypes.c_size_t)
        for index, header in enumerate(self.headers):
            message = header.message
            message.name, message.name_length = names + index * _NAME, _NAME
            message.vectors, message.vector_count = vectors + index * vector, 1

    def place(self, starts: Sequence[int], lengths: Sequence[int]) -> None:
        """Set the places of the octets of the first datagrams."""
        self.vectors[: 2 * len(starts)] = [*chain.from_iterable(zip(starts, lengths, strict=True))]

    def call(self, function: str, descriptor: int, first: int, stop: int) -> int:
        """Receive or send these datagrams, without waiting; return how many. ``OSError`` for the first of them."""
        headers = ctypes.byref(self.headers, first * _HEADER)
        arguments = (descriptor, headers, stop - first, socket.MSG_DONTWAIT)
        done: int = _libc.recvmmsg(*arguments, None) if function == "recvmmsg" else _libc.sendmmsg(*arguments)
        if done < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return done


class DatagramSocket:
    """A socket that never blocks."""

    def __init__(self, opened: socket.SocketType) -> None:
        self._socket = opened
        self._incoming, self._outgoing = _Datagrams(), _Datagrams()
        self._room: Any = ctypes.create_string_buffer(MOST * _ROOM)  # the system has filled the used part
        self._starts = range(0, MOST * _ROOM, _ROOM)
        begin = ctypes.addressof(self._room)
        self._incoming.place([begin + start for start in self._starts], [_ROOM] * MOST)
        self._headers = memoryview(self._incoming.headers).cast("B")
        self._names = memoryview(self._incoming.names)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def receive(self, most: int) -> list[tuple[bytes, bytes]]:
        """Receive (source address, octets) of waiting datagrams, up to ``most`` or ``MOST`` of them.

        ``OSError`` for an error of the socket. A datagram too long for a Mobility Header is cut off, and still too
        long.
        """
        try:
            count = self._incoming.call("recvmmsg", self.fileno(), 0, min(most, MOST))
        except BlockingIOError:
            return []
        lengths = _LENGTH.iter_unpack(self._headers[: count * _HEADER])
        sources = _SOURCE.iter_unpack(self._names[: count * _NAME])
        room = self._room
        return [
            (source, room[start : start + length])
            for (source,), (length,), start in zip(sources, lengths, self._starts[:count], strict=True)
        ]

    def send(self, datagrams: Sequence[bytes], addresses: Sequence[bytes]) -> list[tuple[int, OSError]]:
        """Send datagrams to socket addresses; return the places of those that failed, with their errors."""
        failed = []
        for begin in range(0, len(datagrams), MOST):
            octets = datagrams[begin : begin + MOST]
            count, joined = len(octets), b"".join(octets)
            start = ctypes.cast(ctypes.c_char_p(joined), ctypes.c_void_p).value
            assert start is not None
            lengths = [*map(len, octets)]
            self._outgoing.place([*accumulate(lengths[:-1], initial=start)], lengths)
            ctypes.memmove(self._outgoing.names, b"".join(addresses[begin : begin + MOST]), count * _NAME)
            done = 0
            while done < count:
                try:
                    done += self._outgoing.call("sendmmsg", self.fileno(), done, count)
                except OSError as error:
                    if error.errno != errno.EINTR:
                        failed.append((begin + done, error))
                        done += 1
        return failed

    def drops(self) -> int:
        """Count the datagrams that the kernel has dropped because the socket's buffer was full."""
        values = _MEMINFO.unpack(self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))
        return int(values[-1])


def open_raw(address: IPv6Address) -> DatagramSocket:
    """Open a socket for protocol 135; ``PermissionError`` without CAP_NET_RAW.

    The kernel fills in the checksum of outgoing messages, and checks that of incoming ones.
    """
    return _bound(socket.SocketType(socket.AF_INET6, socket.SOCK_RAW, MOBILITY_HEADER), address, 0)


def open_udp(address: IPv6Address, port: int) -> DatagramSocket:
    """Open a socket for UDP; ``OSError`` when the port is taken."""
    return _bound(socket.SocketType(socket.AF_INET6, socket.SOCK_DGRAM), address, port)


def _bound(opened: socket.SocketType, address: IPv6Address, port: int) -> DatagramSocket:
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)  # the address may come later
        for forced, asked in ((_SO_RCVBUFFORCE, socket.SO_RCVBUF), (_SO_SNDBUFFORCE, socket.SO_SNDBUF)):
            try:
                opened.setsockopt(socket.SOL_SOCKET, forced, _BUFFER)
            except PermissionError:
                opened.setsockopt(socket.SOL_SOCKET, asked, _BUFFER)
        opened.bind((str(address), port))
    except OSError:
        opened.close()
        raise
    return DatagramSocket(opened)
