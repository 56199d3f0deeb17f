"""The endpoint of a node's Mobility Headers: protocol 135 over IPv6 (RFC 6275) and UDP side by side.

The same code serves the agents, whose event loop waits for the sockets, and the RMS, whose green threads do: nothing
here waits.
"""

from __future__ import annotations

import errno
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv6Address

from ryu_pmipls.clock import Clock
from ryu_pmipls.domain.profile import Node, Profile, Signalling, Transport
from ryu_pmipls.rate_limiter import RateLimiter
from ryu_pmipls.signalling.authentication import AuthenticationError, OutOfTimeError, SecurityAssociation
from ryu_pmipls.signalling.keys import KeyFile
from ryu_pmipls.signalling.peers import Peer
from ryu_pmipls.signalling.roles import Role, Roles
from ryu_pmipls.signalling.sockets import DatagramSocket, open_raw, open_udp, socket_address
from ryu_pmipls.wire import BindingError, BindingErrorStatus, CodePoints, Message, RouteAdjust, WireError, build, parse
from ryu_pmipls.wire.mobility_header import check_checksum, check_size, sealed
from ryu_pmipls.wire.pattern import Pattern, Place

LOG = logging.getLogger(__name__)

#: Datagrams taken from a socket in one turn, before other work.
_BATCH = 64
#: Seconds for which a clock that differs is shown, unless a message of its node is accepted.
_SKEW_SHOWN = 70.0


class Endpoint:
    """The endpoint of a node of role ``role`` at its underlay ``address``.

    It listens on both transports, and sends to each peer by the one that the profile gives for that peer. A process
    that may not open raw sockets makes do with UDP, if its node's own transport is UDP.

    ``refused`` counts failures by reason: ``unknown source``, ``rate limit: …`` with the sender's role,
    ``authentication: …`` with the reason of an ``AuthenticationError``, ``malformed: …`` with that of a ``WireError``,
    ``not permitted: …`` with the message, ``send: …`` and ``receive: …`` with the name of the error number, ``send: too
    long``, ``dropped by the kernel``. Each reason is logged at a limited rate.

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
        self._rates = RateLimiter(burst=signalling.rate_limit, interval=1.0)
        self._binding_errors = RateLimiter(burst=1, interval=1.0)
        self._clock = Clock()
        self._started = self._today()
        self._skews: dict[Peer, tuple[float, float]] = {}
        self._replay_window = signalling.replay_window
        self._associations: dict[Peer, SecurityAssociation] = {}
        self._keys = None if signalling.keys is None else KeyFile(signalling.keys, profile, address)
        self._port = signalling.udp_port
        nodes: tuple[Node, ...] = (profile.rms, *profile.lmas, *profile.mags)
        transports = {node.address: profile.transport_of(node) for node in nodes}
        self._sockets = self._open_sockets(transports[address])
        self._peers = {peer.address: peer for peer in self._domain_peers(profile, transports)}
        self._by_octets = {peer.octets: peer for peer in self._peers.values()}

    def _domain_peers(self, profile: Profile, transports: Mapping[IPv6Address, Transport]) -> Iterator[Peer]:
        names = {node.address: node.name for node in (*profile.lmas, *profile.mags)}
        for address, wanted in transports.items():
            role = self._roles.of(address)
            assert role is not None
            transport = wanted if wanted in self._sockets else "udp"
            port = self._port if transport == "udp" else 0
            name = names.get(address, role.value)
            yield Peer(name, role, address, address.packed, transport, socket_address(address, port))

    def _open_sockets(self, own: Transport) -> dict[Transport, DatagramSocket]:
        sockets: dict[Transport, DatagramSocket] = {"udp": open_udp(self._address, self._port)}
        try:
            sockets["raw"] = open_raw(self._address)
        except PermissionError:
            if own == "raw":
                sockets["udp"].close()
                raise
            LOG.info("signalling: this process may not open raw sockets, and uses UDP only")
        return sockets

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Descriptors for the event loop that waits until there is something to :meth:`drain`."""
        return tuple(opened.fileno() for opened in self._sockets.values())

    def close(self) -> None:
        for opened in self._sockets.values():
            opened.close()

    def clock_skews(self) -> dict[IPv6Address, float]:
        """The peers whose messages are out of time, and the seconds that their clocks are ahead of this one."""
        latest = self._clock() - _SKEW_SHOWN
        return {peer.address: ahead for peer, (ahead, when) in self._skews.items() if when >= latest}

    def peer(self, address: IPv6Address) -> Peer:
        """The node with that address; ``KeyError`` when no node of the domain has it."""
        return self._peers[address]

    def secrets(self, address: IPv6Address) -> tuple[bytes, ...]:
        """The secrets shared with a node, the one for sending first; none when messages are not authenticated."""
        return () if self._keys is None else tuple(key.secret for key in self._keys.of(address).values())

    def drain(self) -> Iterator[tuple[Message, IPv6Address]]:
        """Permitted messages with their sources, from the datagrams that are there; not more than a batch."""
        for data, peer in self.datagrams():
            message = self.decode(data, peer)
            if message is not None:
                yield message, peer.address

    def datagrams(self, most: int = _BATCH) -> Iterator[tuple[bytes, Peer]]:
        """The Mobility Headers that are there, with their senders, for :meth:`decode`; not more than ``most``.

        They come from nodes of the domain, within their rate limit, undamaged, and authentic if there are keys; the
        authentication options are removed.
        """
        for transport, opened in self._sockets.items():
            try:
                received = opened.receive(most)
            except OSError as error:
                self._refuse(f"receive: {_name(error)}", error.strerror)
                continue
            by_source: dict[bytes, list[bytes]] = {}
            for source, data in received:
                by_source.setdefault(source, []).append(data)
            for source, together in by_source.items():
                peer = self._by_octets.get(source)
                if peer is None:
                    self._refuse("unknown source", IPv6Address(source), len(together))
                    continue
                allowed = self._rates.acquire(peer, len(together))
                if allowed < len(together):
                    self._refuse(f"rate limit: {peer.role.value}", f"from {peer.address}", len(together) - allowed)
                for data in together[:allowed]:
                    accepted = self._accept(data, peer, transport)
                    if accepted is not None:
                        yield accepted, peer
        dropped = sum(opened.drops() for opened in self._sockets.values())
        if dropped:
            self.refused["dropped by the kernel"] = dropped

    def _accept(self, data: bytes, peer: Peer, transport: Transport) -> bytes | None:
        try:
            if self._keys is not None:
                opened = self._association(peer).open(data, self._keys.of(peer.address), self._today())
                self._skews.pop(peer, None)
                return opened
            if transport == "udp":  # otherwise the kernel has checked it
                check_size(data)
                check_checksum(data, peer.address, self._address)
            return data
        except AuthenticationError as error:
            if isinstance(error, OutOfTimeError):
                self._skews[peer] = error.ahead, self._clock()
                self._clock.synchronise(self._today() + error.ahead, self._clock())
            self._refuse(f"authentication: {error.reason}", f"from {peer.address}")
        except WireError as error:
            self._malformed(error, peer)
        return None

    def decode(self, data: bytes, peer: Peer) -> Message | None:
        """Decode a Mobility Header to this node; ``None`` (and a count) if it is refused."""
        try:
            message = parse(data, peer.address, self._address, self._code_points, lenient=self._lenient)
        except WireError as error:
            self._malformed(error, peer)
            return None
        if not self._roles.permits(message, peer.address):
            self._refuse(f"not permitted: {type(message).__name__}", f"from {peer.address}")
            return None
        if isinstance(message, RouteAdjust) and message.length_as_drafted and self._limiter.passes("drafted Length"):
            LOG.info("signalling: Route_adjust from %s has the draft's wrong Length (erratum E3)", peer.address)
        return message

    def pattern(self, data: bytes, peer: Peer, places: Sequence[Place]) -> Pattern | None:
        """The pattern of messages like ``data``, which was decoded; ``None`` if :meth:`encode` would make others."""
        message = parse(data, peer.address, self._address, self._code_points, lenient=self._lenient)
        if self.encode(message, peer.address) != data:
            return None
        return Pattern(data, self._code_points, places)

    def _malformed(self, error: WireError, peer: Peer) -> None:
        self._refuse(f"malformed: {error.reason}", f"from {peer.address}: {error}")
        # RFC 6275, section 9.2. A Binding Error is never of an unknown type, so no Binding Error answers another.
        if error.reason == "unknown-type" and self._binding_errors.passes(peer):
            self.send(BindingError(BindingErrorStatus.UNRECOGNIZED_MH_TYPE), peer.address)

    def encode(self, message: Message, destination: IPv6Address) -> bytes:
        """Encode ``message`` from this node to ``destination``, not yet protected."""
        return build(message, self._address, destination, self._code_points)

    def send(self, message: Message, destination: IPv6Address) -> None:
        """Send and forget; an error is counted, because the peer may be back when the message is retransmitted."""
        try:
            data = self.encode(message, destination)
        except ValueError as error:  # an answer with the unaligned options of its request may be longer
            self._refuse("send: too long", f"{type(message).__name__} to {destination}: {error}")
        else:
            self.send_octets(data, self._peers[destination])

    def forward(self, data: Iterable[bytes], peer: Peer) -> None:
        """Send data of other peers, from :meth:`datagrams`, to this one."""
        # The kernel fills in the checksum on a raw socket.
        if peer.transport != "raw":
            data = [sealed(each, self._address, peer.address) for each in data]
        self.send_all((each, peer) for each in data)

    def send_octets(self, data: bytes, peer: Peer) -> None:
        """Send data from :meth:`encode`, or of this peer from :meth:`datagrams`, protected anew each time."""
        self.send_all([(data, peer)])

    def send_all(self, datagrams: Iterable[tuple[bytes, Peer]]) -> None:
        """Send many of these to any peers; an error of one does not keep the others back."""
        datagrams = [*(datagrams if self._keys is None else self._all_protected(datagrams))]
        for transport, opened in self._sockets.items():
            together = [each for each in datagrams if each[1].transport == transport]
            if together:
                failed = opened.send([data for data, _ in together], [peer.socket_address for _, peer in together])
                for place, error in failed:
                    self._not_sent(together[place][1], error)

    def _all_protected(self, datagrams: Iterable[tuple[bytes, Peer]]) -> Iterator[tuple[bytes, Peer]]:
        for data, peer in datagrams:
            try:
                yield self._protected(data, peer), peer
            except OSError as error:
                self._not_sent(peer, error)

    def _not_sent(self, peer: Peer, error: OSError) -> None:
        self._refuse(f"send: {_name(error)}", f"to {peer.address}: {error.strerror}")

    def _protected(self, data: bytes, peer: Peer) -> bytes:
        assert self._keys is not None
        key = next(iter(self._keys.of(peer.address).values()), None)
        if key is None:
            raise OSError(errno.ENOKEY, "there is no key for it")
        return self._association(peer).protect(data, key, self._today())

    def _today(self) -> float:
        """The time of day now, in seconds since 1970."""
        return self._clock.time_of_day(self._clock())

    def _association(self, peer: Peer) -> SecurityAssociation:
        found = self._associations.get(peer)
        if found is None:
            found = self._associations[peer] = SecurityAssociation(
                self._address, peer.address, self._code_points, self._replay_window, self._started
            )
        return found

    def _refuse(self, reason: str, detail: object, count: int = 1) -> None:
        self.refused[reason] += count
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
