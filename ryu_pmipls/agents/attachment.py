"""The links between a MAG and its mobile nodes: who attaches, who leaves, and what the MAG says there as a router.

A mobile node attaches by a router solicitation and leaves when its link goes down (RFC 5213, section 6.7). All of
neighbour discovery on these links is handled here; the switch drops it.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import logging
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.agents.links import Link, LinkMonitor
from ryu_pmipls.domain.profile import format_link_layer
from ryu_pmipls.mobility import Advertise
from ryu_pmipls.signalling import RateLimiter
from ryu_pmipls.wire import WireError
from ryu_pmipls.wire.neighbour_discovery import (
    ROUTER_ADDRESS,
    NeighbourSolicitation,
    RouterSolicitation,
    build_frame,
    neighbour_advertisement,
    parse_frame,
    router_advertisement,
)

LOG = logging.getLogger(__name__)

_BATCH = 64
_RETRY_INTERVAL = 5.0  # seconds, for an access port that the switch does not have
_LARGEST_FRAME = 65535
# Linux, not in the socket module.
_ETH_P_IPV6 = 0x86DD
_SO_ATTACH_FILTER = 26
_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, _PACKET_MR_PROMISC = 263, 1, 1

#: Classic BPF: only ICMPv6 of types 133 to 136 directly behind the IPv6 header reaches the agent.
_FILTER = (
    (0x30, 0, 0, 20),  # load next header
    (0x15, 0, 4, 58),  # ICMPv6, else refuse
    (0x30, 0, 0, 54),  # load ICMPv6 type
    (0x35, 0, 2, 133),  # 133 or more, else refuse
    (0x25, 1, 0, 136),  # more than 136: refuse
    (0x06, 0, 0, _LARGEST_FRAME),  # accept
    (0x06, 0, 0, 0),  # refuse
)


@dataclass
class _AccessPort:
    """An access port that is there. Its socket is open while the link is down: a solicitation may be the first word."""

    index: int
    number: int  # OpenFlow port
    socket: socket.socket
    up: bool = False


class AccessNetwork:
    """The access ports of a MAG.

    ``attached(link-layer address, OpenFlow port)`` is called for every router solicitation, ``detached(OpenFlow
    port)`` when a link goes down. Nodes whose link-layer address is not in ``known`` get no answer. ``mtu`` (octets)
    is advertised. ``counters`` counts what was refused.
    """

    def __init__(
        self,
        ovs: OpenVSwitch,
        ports: Iterable[str],
        known: Iterable[bytes],
        mtu: int,
        attached: Callable[[bytes, int], None],
        detached: Callable[[int], None],
        counters: Counter[str],
    ) -> None:
        self._ovs = ovs
        self._ports = frozenset(ports)
        self._known = frozenset(known)
        self._mtu = mtu
        self._attached = attached
        self._detached = detached
        self._counters = counters
        self._limiter = RateLimiter()
        self._present: dict[str, _AccessPort] = {}

    async def watch(self) -> None:
        """For ever: follow the state of the links."""
        loop = asyncio.get_running_loop()
        monitor = LinkMonitor()
        changed = asyncio.Event()
        loop.add_reader(monitor, changed.set)
        unsettled: dict[str, Link] = {}
        try:
            while True:
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(changed.wait(), _RETRY_INTERVAL if unsettled else None)
                changed.clear()
                for link in [*unsettled.values(), *monitor.links()]:
                    if link.name not in self._ports or await self._follow(link):
                        unsettled.pop(link.name, None)
                    else:
                        unsettled[link.name] = link
        finally:
            loop.remove_reader(monitor)
            monitor.close()
            for name in list(self._present):
                self._close(name)

    def advertise(self, effect: Advertise) -> None:
        """Send a router advertisement to a mobile node."""
        names = [name for name, port in self._present.items() if port.number == effect.port]
        if not names:
            self._refuse("no such port", f"OpenFlow port {effect.port} is no access port")
            return
        frame = router_advertisement(effect.link_layer_address, effect.prefixes, effect.lifetime, self._mtu)
        self._send(names[0], build_frame(frame))

    async def _follow(self, link: Link) -> bool:
        """Take note of a link's state; false when it has to be tried again."""
        port = self._present.get(link.name)
        if port is not None and port.up and not link.up:
            LOG.info("%s: down", link.name)
            port.up = False
            self._detached(port.number)
        if port is not None and (link.gone or port.index != link.index):
            self._close(link.name)
            port = None
        if link.gone or (port is not None and port.up == link.up):
            return True
        number = await asyncio.to_thread(self._openflow_port, link.name)
        if number is None:
            self._refuse("no such port", f"{link.name} has no OpenFlow port")
            return False
        if port is None:
            port = self._open(link, number)
        port.number, port.up = number, link.up
        if link.up:
            LOG.info("%s: up, OpenFlow port %d", link.name, number)
        return True

    def _openflow_port(self, name: str) -> int | None:
        for row in self._ovs.rows("Interface", "name", "ofport"):
            if row["name"] == name and isinstance(row["ofport"], int) and row["ofport"] > 0:
                return row["ofport"]
        return None

    def _open(self, link: Link, number: int) -> _AccessPort:
        port = self._present[link.name] = _AccessPort(link.index, number, open_packet_socket(link))
        asyncio.get_running_loop().add_reader(port.socket, self._receive, link.name)
        return port

    def _close(self, name: str) -> None:
        port = self._present.pop(name)
        asyncio.get_running_loop().remove_reader(port.socket)
        port.socket.close()

    def _receive(self, name: str) -> None:
        port = self._present[name]
        for _ in range(_BATCH):
            try:
                frame = port.socket.recv(_LARGEST_FRAME)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENETDOWN:  # said once when the link goes down
                    self._refuse("receive", f"{name}: {error.strerror}")
                return
            self._handle(name, frame)

    def _handle(self, name: str, frame: bytes) -> None:
        try:
            message = parse_frame(frame)
        except WireError as error:
            self._refuse(f"malformed: {error.reason}", f"{name}: {error}")
            return
        if isinstance(message, RouterSolicitation):
            self._attached(message.link_layer_source, self._present[name].number)
        elif isinstance(message, NeighbourSolicitation) and message.target == ROUTER_ADDRESS:
            # For any other target silence: an answer would spoil a mobile node's duplicate address detection.
            if message.link_layer_source in self._known:
                self._send(name, build_frame(neighbour_advertisement(message)))
            else:
                self._refuse("unknown mobile node", format_link_layer(message.link_layer_source))

    def _send(self, name: str, frame: bytes) -> None:
        try:
            self._present[name].socket.send(frame)
        except OSError as error:
            self._refuse("send", f"{name}: {error.strerror}")

    def _refuse(self, reason: str, detail: str) -> None:
        reason = f"access: {reason}"
        self._counters[reason] += 1
        if self._limiter.passes(reason):
            LOG.warning("%s: %s (%d so far)", reason, detail, self._counters[reason])


def open_packet_socket(link: Link) -> socket.socket:
    """A socket for the neighbour discovery on a link, whatever link-layer address the link itself has."""
    program = b"".join(struct.pack("=HBBI", *instruction) for instruction in _FILTER)
    instructions = ctypes.create_string_buffer(program)
    # Without a protocol nothing comes in before the filter is in place.
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    try:
        filter_ = struct.pack("@HP", len(_FILTER), ctypes.addressof(instructions))
        opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter_)
        membership = struct.pack("=iHH8x", link.index, _PACKET_MR_PROMISC, 0)
        opened.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, membership)
        opened.bind((link.name, _ETH_P_IPV6))
    except OSError:
        opened.close()
        raise
    return opened
