"""A node's socket for Mobility Headers: protocol 135 over IPv6 (RFC 6275), or the same octets in UDP.

The same code serves the agents, whose event loop waits for the socket, and the RMS, whose green threads do: nothing
here waits, but :meth:`Endpoint.wait`.
"""

from __future__ import annotations

import errno
import logging
import select
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv6Address

from ryu_pmipls.domain.profile import Profile, Signalling
from ryu_pmipls.rate_limiter import RateLimiter
from ryu_pmipls.signalling.roles import Role, Roles
from ryu_pmipls.wire import CodePoints, Message, RouteAdjust, WireError, build, parse
from ryu_pmipls.wire.codepoints import MOBILITY_HEADER

LOG = logging.getLogger(__name__)

#: Octets for datagrams that wait, enough for thousands: a whole domain may register at once.
_RECEIVE_BUFFER = 4 * 2**20
_LARGEST_DATAGRAM = 65535
#: Datagrams that are taken in one go before other work has its turn.
_BATCH = 64
# Linux, not in the socket module.
_IPV6_FREEBIND = 78
_SO_RCVBUFFORCE = 33
_SO_MEMINFO = 55
# The addresses of a domain's nodes come again and again, and it takes microseconds to make or to write one.
_address = lru_cache(maxsize=4096)(IPv6Address)
_host = lru_cache(maxsize=4096)(str)
_MEMINFO = struct.Struct("=9I")  # the last one counts datagrams that the kernel dropped


class Endpoint:
    """What a node of role ``role`` sends from, and receives at, its underlay ``address``.

    ``refused`` counts what did not get through, by reason: ``unknown source``, ``malformed: …`` with the reason of a
    ``WireError``, ``not permitted: …`` with the message, ``send: …`` and ``receive: …`` with the name of the error
    number, ``dropped by the kernel``. Each reason is logged at a limited rate.

    ``OSError`` when the socket cannot be opened: no privilege for raw sockets, or the UDP port is taken. The address
    may still be missing on this host.
    """

    def __init__(self, profile: Profile, role: Role, address: IPv6Address, refused: Counter[str]) -> None:
        self.refused = refused
        self._address = address
        self._roles = Roles(profile, role)
        self._code_points = code_points(profile.signalling)
        self._lenient = profile.signalling.lenient
        self._limiter = RateLimiter()
        self._udp_port = profile.signalling.udp_port if profile.signalling.transport == "udp" else None
        self._socket = _open(address, self._udp_port)

    def fileno(self) -> int:
        """For the event loop that waits until there is something to :meth:`drain`."""
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def wait(self) -> None:
        """Wait until there is something to :meth:`drain` (in a green thread: that one alone)."""
        select.select([self], [], [])

    def drain(self) -> Iterator[tuple[Message, IPv6Address]]:
        """Permitted messages, with their sources, out of those datagrams that are there; not more than a batch."""
        for data, source in self.datagrams():
            message = self.decode(data, source)
            if message is not None:
                yield message, source

    def datagrams(self) -> Iterator[tuple[bytes, IPv6Address]]:
        """The datagrams that are there, with their sources, for :meth:`decode`; not more than a batch."""
        receive = self._socket.recvfrom
        for _ in range(_BATCH):
            try:
                data, (host, *_) = receive(_LARGEST_DATAGRAM)
            except BlockingIOError:
                break
            except OSError as error:
                self._refuse(f"receive: {_name(error)}", error.strerror)
                break
            yield data, _address(host)
        self._count_drops()

    def decode(self, data: bytes, source: IPv6Address) -> Message | None:
        """The message in a datagram to this node, or ``None`` (and a count) if it is refused."""
        if not self._roles.knows(source):
            self._refuse("unknown source", source)
            return None
        try:
            message = parse(data, source, self._address, self._code_points, lenient=self._lenient)
        except WireError as error:
            self._refuse(f"malformed: {error.reason}", f"from {source}: {error}")
            return None
        if not self._roles.permits(message, source):
            self._refuse(f"not permitted: {type(message).__name__}", f"from {source}")
            return None
        if isinstance(message, RouteAdjust) and message.length_as_drafted and self._limiter.passes("drafted Length"):
            LOG.info("signalling: Route_adjust from %s has the draft's wrong Length (erratum E3)", source)
        return message

    def encode(self, message: Message, destination: IPv6Address) -> bytes:
        """The octets of ``message`` from this node to ``destination``."""
        return build(message, self._address, destination, self._code_points)

    def send(self, message: Message, destination: IPv6Address) -> None:
        """Send and forget; an error is counted, for the peer may be back when the message is repeated."""
        self.send_octets(self.encode(message, destination), destination)

    def send_octets(self, data: bytes, destination: IPv6Address) -> None:
        """The same with what :meth:`encode` gives, or what was received from there: a message is sent back as it is."""
        try:
            self._socket.sendto(data, (_host(destination), self._udp_port or 0))
        except OSError as error:
            self._refuse(f"send: {_name(error)}", f"to {destination}: {error.strerror}")

    def _refuse(self, reason: str, detail: object) -> None:
        self.refused[reason] += 1
        if self._limiter.passes(reason):
            LOG.warning("signalling, %s: %s (%d so far)", reason, detail, self.refused[reason])

    def _count_drops(self) -> None:
        values = _MEMINFO.unpack(self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))
        if values[-1]:
            self.refused["dropped by the kernel"] = values[-1]


def code_points(signalling: Signalling) -> CodePoints:
    """The numbers that the profile chooses."""
    return CodePoints(
        mobility_header_type=signalling.mobility_header_type,
        vendor_id=signalling.vendor_id,
        **signalling.inner_types.model_dump(),
    )


def _open(address: IPv6Address, udp_port: int | None) -> socket.socket:
    if udp_port is None:
        # The kernel fills in the checksum of what is sent, and checks that of what is received.
        opened = socket.socket(socket.AF_INET6, socket.SOCK_RAW, MOBILITY_HEADER)
    else:
        opened = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
        try:
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        except PermissionError:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        opened.bind((str(address), udp_port or 0))
    except OSError:
        opened.close()
        raise
    return opened


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "unknown error")
