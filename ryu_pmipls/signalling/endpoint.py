"""Where a node sends and receives Mobility Headers: protocol 135 over IPv6 (RFC 6275) and UDP side by side.

The same code serves the agents, whose event loop waits for the sockets, and the RMS, whose green threads do: nothing
here waits, but :meth:`Endpoint.wait`.
"""

from __future__ import annotations

import errno
import logging
import select
import socket
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv6Address

from ryu_pmipls.clock import SteadyClock
from ryu_pmipls.domain.profile import Node, Profile, Signalling, Transport
from ryu_pmipls.rate_limiter import RateLimiter
from ryu_pmipls.signalling.authentication import AuthenticationError, SecurityAssociation
from ryu_pmipls.signalling.keys import KeyFile
from ryu_pmipls.signalling.roles import Role, Roles
from ryu_pmipls.signalling.sockets import drops, open_raw, open_udp
from ryu_pmipls.wire import BindingError, BindingErrorStatus, CodePoints, Message, RouteAdjust, WireError, build, parse

LOG = logging.getLogger(__name__)

_LARGEST_DATAGRAM = 65535
#: Datagrams that are taken from a socket in one go before other work has its turn.
_BATCH = 64
# The addresses of a domain's nodes come again and again, and it takes microseconds to make or to write one.
_address = lru_cache(maxsize=4096)(IPv6Address)
_host = lru_cache(maxsize=4096)(str)


class Endpoint:
    """What a node of role ``role`` sends from, and receives at, its underlay ``address``.

    It listens by both transports, and speaks to each peer by the one that the profile gives for that peer. A process
    that may not open raw sockets does with UDP, if its node is spoken to by UDP.

    ``refused`` counts what did not get through, by reason: ``unknown source``, ``rate limit: …`` with the sender's
    role, ``authentication: …`` with the reason of an ``AuthenticationError``, ``malformed: …`` with that of a
    ``WireError``, ``not permitted: …`` with the message, ``send: …`` and ``receive: …`` with the name of the error
    number, ``send: too long``, ``dropped by the kernel``. Each reason is logged at a limited rate.

    ``OSError`` when a socket cannot be opened: no privilege for raw ones, or the UDP port is taken. ``KeyFileError``
    when the profile names a key file that cannot be used. The address may still be missing on this host.
    """

    def __init__(self, profile: Profile, role: Role, address: IPv6Address, refused: Counter[str]) -> None:
        signalling = profile.signalling
        self.refused = refused
        self._address = address
        self._roles = Roles(profile, role)
        self._code_points = code_points(signalling)
        self._lenient = signalling.lenient
        self._limiter = RateLimiter()
        self._peers = RateLimiter(burst=signalling.rate_limit, interval=1.0)
        self._binding_errors = RateLimiter(burst=1, interval=1.0)
        self._clock = SteadyClock()
        self._started = self._clock.now()
        self._replay_window = signalling.replay_window
        self._associations: dict[IPv6Address, SecurityAssociation] = {}
        self._keys = None if signalling.keys is None else KeyFile(signalling.keys, profile, address)
        self._port = signalling.udp_port
        nodes: tuple[Node, ...] = (profile.rms, *profile.lmas, *profile.mags)
        self._transports = {node.address: profile.transport_of(node) for node in nodes}
        self._sockets = self._open_sockets()

    def _open_sockets(self) -> dict[Transport, socket.socket]:
        sockets: dict[Transport, socket.socket] = {"udp": open_udp(self._address, self._port)}
        try:
            sockets["raw"] = open_raw(self._address)
        except PermissionError:
            if self._transports[self._address] == "raw":
                sockets["udp"].close()
                raise
            LOG.info("signalling: no privilege for raw sockets, so UDP it is")
        return sockets

    @property
    def descriptors(self) -> tuple[int, ...]:
        """For the event loop that waits until there is something to :meth:`drain`."""
        return tuple(opened.fileno() for opened in self._sockets.values())

    def close(self) -> None:
        for opened in self._sockets.values():
            opened.close()

    def wait(self) -> None:
        """Wait until there is something to :meth:`drain` (in a green thread: that one alone)."""
        select.select(self.descriptors, [], [])

    def drain(self) -> Iterator[tuple[Message, IPv6Address]]:
        """Permitted messages, with their sources, out of those datagrams that are there; not more than a batch."""
        for data, source in self.datagrams():
            message = self.decode(data, source)
            if message is not None:
                yield message, source

    def datagrams(self) -> Iterator[tuple[bytes, IPv6Address]]:
        """The Mobility Headers that are there, with their sources, for :meth:`decode`; not more than a batch.

        They come from nodes of the domain, not more often than these may, and authentic if there are keys; the options
        that say so are taken away.
        """
        for opened in self._sockets.values():
            for _ in range(_BATCH):
                try:
                    data, (host, *_) = opened.recvfrom(_LARGEST_DATAGRAM)
                except BlockingIOError:
                    break
                except OSError as error:
                    self._refuse(f"receive: {_name(error)}", error.strerror)
                    break
                source = _address(host)
                accepted = self._accept(data, source)
                if accepted is not None:
                    yield accepted, source
        dropped = sum(map(drops, self._sockets.values()))
        if dropped:
            self.refused["dropped by the kernel"] = dropped

    def _accept(self, data: bytes, source: IPv6Address) -> bytes | None:
        role = self._roles.of(source)
        if role is None:
            self._refuse("unknown source", source)
        elif not self._peers.passes(source):
            self._refuse(f"rate limit: {role.value}", f"from {source}")
        elif self._keys is None:
            return data
        else:
            try:
                return self._association(source).open(data, self._keys.of(source), self._clock.now())
            except AuthenticationError as error:
                self._refuse(f"authentication: {error.reason}", f"from {source}")
            except WireError as error:
                self._malformed(error, source)
        return None

    def decode(self, data: bytes, source: IPv6Address) -> Message | None:
        """The message in a Mobility Header to this node, or ``None`` (and a count) if it is refused."""
        try:
            message = parse(data, source, self._address, self._code_points, lenient=self._lenient)
        except WireError as error:
            self._malformed(error, source)
            return None
        if not self._roles.permits(message, source):
            self._refuse(f"not permitted: {type(message).__name__}", f"from {source}")
            return None
        if isinstance(message, RouteAdjust) and message.length_as_drafted and self._limiter.passes("drafted Length"):
            LOG.info("signalling: Route_adjust from %s has the draft's wrong Length (erratum E3)", source)
        return message

    def _malformed(self, error: WireError, source: IPv6Address) -> None:
        self._refuse(f"malformed: {error.reason}", f"from {source}: {error}")
        # RFC 6275, section 9.2. A Binding Error is never of an unknown type, so none is answered by another.
        if error.reason == "unknown-type" and self._binding_errors.passes(source):
            self.send(BindingError(BindingErrorStatus.UNRECOGNIZED_MH_TYPE), source)

    def encode(self, message: Message, destination: IPv6Address) -> bytes:
        """The octets of ``message`` from this node to ``destination``, not yet protected."""
        return build(message, self._address, destination, self._code_points)

    def send(self, message: Message, destination: IPv6Address) -> None:
        """Send and forget; an error is counted, for the peer may be back when the message is repeated."""
        try:
            data = self.encode(message, destination)
        except ValueError as error:  # an answer that repeats unaligned options of a request may be longer than that
            self._refuse("send: too long", f"{type(message).__name__} to {destination}: {error}")
        else:
            self.send_octets(data, destination)

    def send_octets(self, data: bytes, destination: IPv6Address) -> None:
        """The same with what :meth:`encode` or :meth:`datagrams` gave: it is protected, each time anew."""
        raw = self._sockets.get("raw") if self._transports.get(destination, "raw") == "raw" else None
        try:
            if self._keys is not None:
                data = self._protected(data, destination)
            if raw is not None:
                raw.sendto(data, (_host(destination), 0))
            else:
                self._sockets["udp"].sendto(data, (_host(destination), self._port))
        except OSError as error:
            self._refuse(f"send: {_name(error)}", f"to {destination}: {error.strerror}")

    def _protected(self, data: bytes, destination: IPv6Address) -> bytes:
        assert self._keys is not None
        key = next(iter(self._keys.of(destination).values()), None)
        if key is None:
            raise OSError(errno.ENOKEY, "there is no key for it")
        return self._association(destination).protect(data, key, self._clock.now())

    def _association(self, peer: IPv6Address) -> SecurityAssociation:
        found = self._associations.get(peer)
        if found is None:
            found = self._associations[peer] = SecurityAssociation(
                self._address, peer, self._code_points, self._replay_window, self._started
            )
        return found

    def _refuse(self, reason: str, detail: object) -> None:
        self.refused[reason] += 1
        if self._limiter.passes(reason):
            LOG.warning("signalling, %s: %s (%d so far)", reason, detail, self.refused[reason])


def code_points(signalling: Signalling) -> CodePoints:
    """The numbers that the profile chooses."""
    return CodePoints(
        mobility_header_type=signalling.mobility_header_type,
        vendor_id=signalling.vendor_id,
        **signalling.inner_types.model_dump(),
    )


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "unknown error")
