"""The links between a MAG and its mobile nodes: attachments, departures, and the MAG's role as their router.

A mobile node attaches by a router solicitation and leaves when its link goes down, or when it no longer answers (RFC
5213, sections 6.9.2 and 6.13). This module handles neighbour discovery on these links; the switch itself answers
solicitations for the router's address, so that nodes can send while this process is away.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Protocol

from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.agents.arrivals import ANSWER_TIME
from ryu_pmipls.agents.link_monitor import LinkMonitor, LinkState
from ryu_pmipls.agents.packet_socket import LARGEST_FRAME, open_packet_socket
from ryu_pmipls.domain.profile import format_link_layer
from ryu_pmipls.mobility import Advertise, ProbeNode
from ryu_pmipls.signalling import RateLimiter
from ryu_pmipls.wire import WireError
from ryu_pmipls.wire.dns_options import DnsConfiguration
from ryu_pmipls.wire.multicast_listener import general_query, listener
from ryu_pmipls.wire.neighbour_discovery import (
    ALL_NODES,
    ROUTER_ADDRESS,
    UNSPECIFIED,
    Frame,
    NeighbourAdvertisement,
    NeighbourFlag,
    NeighbourSolicitation,
    RouterAdvertisement,
    RouterSolicitation,
    multicast_link_layer,
    neighbour_solicitation,
    router_advertisement,
)
from ryu_pmipls.wire.neighbour_frames import build_frame, parse_frame

LOG = logging.getLogger(__name__)

_BATCH = 64
_RETRY_INTERVAL = 5.0  # seconds, for an access port that the switch does not have
#: Messages of one mobile node that are handled per second: a host that comes up needs about ten.
_PACE = 20
_SOURCE = slice(6, 12)  # in an Ethernet frame


class NodeAddresses(Protocol):
    """The link-local address that each node was last seen to use."""

    def get(self, node: bytes) -> IPv6Address | None:
        """The address of the node with that link-layer address, if known."""

    def learn(self, node: bytes, address: IPv6Address) -> None:
        """Keep an address that a node has used."""


@dataclass
class OpenAccessPort:
    """An access port that is there. Its socket is open even while the link is down: a solicitation may come first."""

    index: int
    number: int  # OpenFlow port
    mtu: int  # octets
    socket: socket.socket
    up: bool = False


class AccessNetwork:
    """The access ports of a MAG.

    ``attached(link-layer address, OpenFlow port)`` is called for every router solicitation, with the same arguments
    ``answered`` for what answers a probe and ``reachable`` for every other message of a node, ``detached(OpenFlow
    port)`` when a link goes down, and ``opened(name, OpenFlow port)`` as soon as a port is there. Nodes whose
    link-layer address is not ``known`` get no answer. ``addresses`` are the link-local addresses that nodes have been
    seen to use. ``mtu`` (octets) is that of the tunnels, ``dns`` what router advertisements tell of name servers.
    ``counters`` counts refused messages.
    """

    def __init__(
        self,
        ovs: OpenVSwitch,
        ports: Iterable[str],
        known: Callable[[bytes], object],
        mtu: int,
        dns: DnsConfiguration,
        attached: Callable[[bytes, int], None],
        reachable: Callable[[bytes, int], None],
        answered: Callable[[bytes, int], None],
        detached: Callable[[int], None],
        opened: Callable[[str, int], None],
        addresses: NodeAddresses,
        counters: Counter[str],
    ) -> None:
        self._ovs = ovs
        self._ports = frozenset(ports)
        self._known = known
        self._mtu = mtu
        self._dns = dns
        self._attached = attached
        self._reachable = reachable
        self._answered = answered
        self._detached = detached
        self._opened = opened
        self._addresses = addresses
        self._counters = counters
        self._limiter = RateLimiter()
        self._pace = RateLimiter(_PACE, interval=1.0)
        self._present: dict[str, OpenAccessPort] = {}

    @property
    def ports(self) -> Mapping[str, OpenAccessPort]:
        """The access ports that are there, by name."""
        return self._present

    async def watch(self) -> None:
        """Follow the state of the links, for ever."""
        loop = asyncio.get_running_loop()
        monitor = LinkMonitor()
        changed = asyncio.Event()
        loop.add_reader(monitor, changed.set)
        unsettled: dict[str, LinkState] = {}
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
        """Send a router advertisement to a mobile node, with the MTU that both the tunnels and its link allow."""
        name = self._named(effect.port)
        if name is not None:
            mtu = min(self._mtu, self._present[name].mtu)
            frame = router_advertisement(
                effect.link_layer_address, effect.prefixes, effect.lifetime, mtu, effect.withdrawn, self._dns
            )
            self._send(name, build_frame(frame))

    def probe(self, effect: ProbeNode) -> None:
        """Ask a mobile node for a sign of life.

        Only a node that still has the address at which it was last seen answers a neighbour solicitation; every node
        answers a query for its multicast groups.
        """
        name, node = self._named(effect.port), effect.link_layer_address
        if name is not None:
            address = self._addresses.get(node)
            if address is not None:
                self._send(name, build_frame(neighbour_solicitation(node, address)))
            self._send(name, general_query(node))

    def ask_all(self, number: int) -> None:
        """Ask all nodes on the link of an OpenFlow port for a sign of life, if it is up."""
        name = self.name(number)
        if name is not None and self._present[name].up:
            self._send(name, general_query(multicast_link_layer(ALL_NODES), ANSWER_TIME))

    def name(self, number: int) -> str | None:
        """The name of the access port with that OpenFlow number, if it is there."""
        return next((name for name, port in self._present.items() if port.number == number), None)

    def send(self, number: int, frame: bytes) -> None:
        """Send a frame on the link of an OpenFlow port."""
        name = self._named(number)
        if name is not None:
            self._send(name, frame)

    def _named(self, number: int) -> str | None:
        name = self.name(number)
        if name is None:
            self._refuse("no such port", f"OpenFlow port {number} is no access port")
        return name

    async def _follow(self, link: LinkState) -> bool:
        """Follow a link's state; return false when this must be tried again."""
        port = self._present.get(link.name)
        if port is not None and port.up and not link.up:
            LOG.info("%s: down", link.name)
            port.up = False
            self._detached(port.number)
        if port is not None and (link.gone or port.index != link.index):
            self._close(link.name)
            port = None
        if port is not None:
            port.mtu = link.mtu
        if link.gone or (port is not None and port.up == link.up):
            return True
        number = await asyncio.to_thread(self._openflow_port, link.name)
        if number is None:
            self._refuse("no such port", f"{link.name} has no OpenFlow port")
            return False
        opened = port is None
        if port is None:
            port = self._open(link, number)
        port.number, port.up = number, link.up
        if link.up:
            LOG.info("%s: up, OpenFlow port %d", link.name, number)
        if opened:
            self._opened(link.name, number)
            if not link.up:
                self._detached(number)
        return True

    def _openflow_port(self, name: str) -> int | None:
        for row in self._ovs.rows("Interface", "name", "ofport"):
            if row["name"] == name and isinstance(row["ofport"], int) and row["ofport"] > 0:
                return row["ofport"]
        return None

    def _open(self, link: LinkState, number: int) -> OpenAccessPort:
        port = self._present[link.name] = OpenAccessPort(
            link.index, number, link.mtu, open_packet_socket(link.name, link.index)
        )
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
                frame = port.socket.recv(LARGEST_FRAME)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENETDOWN:  # logged once when the link goes down
                    self._refuse("receive", f"{name}: {error.strerror}")
                return
            self._admit(name, frame)

    def _admit(self, name: str, frame: bytes) -> None:
        """Parse a frame only if that is worthwhile: a flood must be cheap."""
        node = frame[_SOURCE]
        if not self._known(node):
            self._refuse("unknown mobile node", f"{format_link_layer(node)} on {name} gets nothing")
        elif not self._pace.passes(node):
            self._refuse("too many messages", f"{format_link_layer(node)} on {name}")
        else:
            self._handle(name, frame)

    def _handle(self, name: str, frame: bytes) -> None:
        try:
            message = parse_frame(frame)
            address = listener(frame) if message is None else _used_address(message)
        except WireError as error:
            self._refuse(f"malformed: {error.reason}", f"{name}: {error}")
            return
        if address is None:
            return
        node, port = frame[_SOURCE], self._present[name]
        if isinstance(message, RouterAdvertisement):
            self._refuse("router advertisement", f"{format_link_layer(node)} on {name} wants to be a router")
            return
        if address.is_link_local and address != ROUTER_ADDRESS:
            self._addresses.learn(node, address)
        if isinstance(message, RouterSolicitation):
            self._attached(node, port.number)
        elif message is None or (isinstance(message, NeighbourAdvertisement) and message.flags & NeighbourFlag.S):
            self._answered(node, port.number)
        else:
            self._reachable(node, port.number)

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


def _used_address(message: Frame) -> IPv6Address:
    """The address that a node uses by its message, or will when it has detected no duplicate."""
    if isinstance(message, NeighbourSolicitation) and message.source == UNSPECIFIED:
        return message.target
    return message.source
