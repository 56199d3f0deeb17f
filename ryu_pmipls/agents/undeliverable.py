"""Packets that the switch could not deliver, and the ICMPv6 errors to their senders (RFC 4443).

The pipeline outputs them to a port of their own. The work of this process on them is bounded, and does not depend on
the RMS.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from functools import partial
from ipaddress import IPv6Address, IPv6Network

from ovs_setup.error_port import add_error_port
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.agents.ingress import Ingress
from ryu_pmipls.agents.link_monitor import LinkMonitor
from ryu_pmipls.agents.packet_socket import LARGEST_FRAME, Frames, open_ipv6_socket
from ryu_pmipls.rate_limiter import RateLimiter
from ryu_pmipls.wire import ROUTE_PREFIX_LENGTH, WireError
from ryu_pmipls.wire.icmpv6_errors import ErrorType, Packet, build_error, parse_packet
from ryu_pmipls.wire.neighbour_discovery import ROUTER_ADDRESS

LOG = logging.getLogger(__name__)

#: Packets handled in one turn, and the pause after each (seconds): the kernel drops packets that come faster.
_BATCH = 20
_PAUSE = 0.02
#: Errors per second to all senders of one class; a hash assigns each sender's home network prefix, or other /64, to one
#: of ``_CLASSES`` classes.
_ERRORS_PER_SENDER = 10
_CLASSES = 1024
#: Octets of packets that may wait: those of a few turns.
_RECEIVE_BUFFER = 1 << 18
_HEADER = 14  # octets of an Ethernet header
_SENDER = slice(6, 12)  # link-layer address in it
_NO_ADDRESSES = bytes(12)  # the link-layer addresses of a packet from a tunnel


class Undeliverable:
    """Answers packets from the port of :func:`add_error_port`.

    ``mtu`` (octets) is that of the tunnels; ``source(packet, from_tunnel)`` is the address to answer from. ``counters``
    counts answers by their kind, and packets without an answer. ``serve(name, index)`` does other work at the port, as
    long as the port is there; it may be cancelled. At a MAG ``ingress`` judges the sources of mobile nodes' packets.
    """

    def __init__(
        self,
        ovs: OpenVSwitch,
        mtu: int,
        source: Callable[[Packet, bool], IPv6Address],
        counters: Counter[str],
        serve: Callable[[str, int], Coroutine[None, None, None]] | None = None,
        ingress: Ingress | None = None,
    ) -> None:
        self._ovs = ovs
        self._mtu = mtu
        self._source = source
        self._counters = counters
        kinds = (Frames.OTHERS,) if ingress is None else (Frames.OTHERS, Frames.REFUSED)
        self._serve = [partial(self._answer_all, frames) for frames in kinds] + ([] if serve is None else [serve])
        self._ingress = ingress
        self._limiter = RateLimiter(_ERRORS_PER_SENDER, interval=1.0)

    async def watch(self) -> None:
        """Keep the port, also after restarts of Open vSwitch, and answer its packets, for ever."""
        loop = asyncio.get_running_loop()
        monitor = LinkMonitor()
        changed = asyncio.Event()
        loop.add_reader(monitor, changed.set)
        tasks: list[asyncio.Task[None]] = []
        try:
            name = await asyncio.to_thread(add_error_port, self._ovs, self._mtu)
            index = None
            while True:
                await changed.wait()
                changed.clear()
                links = [link for link in monitor.links() if link.name == name]
                if not links or (not links[-1].gone and links[-1].index == index):
                    continue
                _cancel(tasks)
                index = None if links[-1].gone else links[-1].index
                if index is not None:
                    await asyncio.to_thread(add_error_port, self._ovs, self._mtu)
                    tasks = [loop.create_task(serve(name, index)) for serve in self._serve]
        finally:
            _cancel(tasks)
            loop.remove_reader(monitor)
            monitor.close()

    async def _answer_all(self, kind: Frames, name: str, index: int) -> None:
        loop = asyncio.get_running_loop()
        with open_ipv6_socket(name, index, kind) as port:
            port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            while True:
                try:
                    frames = [await loop.sock_recv(port, LARGEST_FRAME)]
                except OSError as error:
                    if error.errno != errno.ENETDOWN:  # logged once when the link goes down
                        raise
                    continue
                with suppress(BlockingIOError):
                    while len(frames) < _BATCH:
                        frames.append(port.recv(LARGEST_FRAME))
                for frame in frames:
                    answer = self.answer(frame)
                    if answer is not None:
                        try:
                            port.send(answer)
                        except OSError as error:
                            self._counters["undeliverable: send"] += 1
                            LOG.warning("%s: %s", name, error.strerror)
                await asyncio.sleep(_PAUSE)

    def answer(self, frame: bytes) -> bytes | None:
        """The frame that answers an undeliverable one; ``None`` when no answer must be sent."""
        try:
            packet = parse_packet(frame[_HEADER:])
        except WireError as error:
            self._count(f"malformed: {error.reason}")
            return None
        from_tunnel = frame[:12] == _NO_ADDRESSES
        foreign = self._ingress is not None and not from_tunnel and self._ingress.is_foreign(frame, packet)
        if not (packet.answerable or foreign):
            self._count("not answered")
            return None
        sender = int(packet.source) >> 128 - ROUTE_PREFIX_LENGTH
        if not self._limiter.passes(hash(frame[_SENDER] if foreign else sender) % _CLASSES):
            self._count("too many")
            return None
        kind = self._kind(packet)
        if self._ingress is not None and foreign:
            self._ingress.refuse(frame, packet)
            return None
        if self._ingress is not None and not from_tunnel and kind is ErrorType.DESTINATION_UNREACHABLE:
            # The switch has no entry for its sender, not yet or no longer: there is nothing to tell.
            self._count("sender not let in")
            return None
        self._count(kind.name.lower().replace("_", " "))
        return (
            frame[6:12]
            + frame[:6]
            + frame[12:14]
            + build_error(
                kind, packet, self._source(packet, from_tunnel), self._mtu if kind is ErrorType.PACKET_TOO_BIG else 0
            )
        )

    def _kind(self, packet: Packet) -> ErrorType:
        if packet.hop_limit <= 1:
            return ErrorType.TIME_EXCEEDED
        if len(packet.octets) > self._mtu:
            return ErrorType.PACKET_TOO_BIG
        return ErrorType.DESTINATION_UNREACHABLE

    def _count(self, what: str) -> None:
        self._counters[f"undeliverable: {what}"] += 1


def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()


def gateway_source(packet: Packet, from_tunnel: bool) -> IPv6Address:
    """The address from which a MAG answers.

    To a mobile node it is the router on the link. To others it answers as the router of the mobile node's link, from
    the subnet-router anycast address of the home network prefix (RFC 4291, section 2.6.1), which an LMA lets pass.
    """
    if not from_tunnel:
        return ROUTER_ADDRESS
    return IPv6Network((packet.destination, ROUTE_PREFIX_LENGTH), strict=False).network_address
