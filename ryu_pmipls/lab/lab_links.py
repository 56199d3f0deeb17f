"""Links and addresses of a lab, made and changed with netlink."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Interface
from typing import Any

from pyroute2 import IPRoute
from pyroute2.ethtool.ioctl import IoctlEthtool

from ovs_setup.node import CORE_SOLICITATIONS
from ryu_pmipls.domain.profile import format_link_layer
from ryu_pmipls.lab import namespaces
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.lab_layout import CORE, MOBILE_PORT, RADIO, UNDERLAY, AccessPort, End, LabLayout, radio_bridge

_NO_DAD = 0x02  # IFA_F_NODAD
_TENTATIVE = 0x40  # IFA_F_TENTATIVE
_FORWARDING = 3  # BR_STATE_FORWARDING
#: Seconds within which a link that was set up must carry frames.
_LINK_TIMEOUT = 10.0

#: Settings of an ordinary host: it solicits, accepts router advertisements and forms its address from its link-layer
#: address.
_MOBILE_NODE = (
    ("conf/all/forwarding", 0),
    ("conf/default/disable_ipv6", 0),
    ("conf/default/accept_ra", 1),
    ("conf/default/autoconf", 1),
    ("conf/default/use_tempaddr", 0),
    ("conf/default/addr_gen_mode", 0),
    ("conf/default/ignore_routes_with_linkdown", 0),
)
_SILENT = (("conf/all/disable_ipv6", 1), ("conf/default/disable_ipv6", 1))
# The hash covers ports too: otherwise all of one mobile node's downlink would take the same LMA.
_CORRESPONDENT = (("conf/default/accept_ra", 0), ("fib_multipath_hash_policy", 1))


def kernel_settings(plan: LabLayout, node: str) -> tuple[tuple[str, int], ...]:
    """Paths below /proc/sys/net/ipv6, and values, of a node; those of MAGs and LMAs are ``ovs_setup``'s business."""
    if node in (UNDERLAY, RADIO):
        return _SILENT
    if node == plan.correspondent:
        return _CORRESPONDENT
    return _MOBILE_NODE if node in plan.mobile_nodes else ()


@dataclass(frozen=True)
class LinkChange:
    """A mobile node moved from access port ``old`` (None: it was detached) to ``new``.

    ``started`` and ``joined`` are seconds since 1970; ``joined_monotonic`` is the same instant on CLOCK_MONOTONIC.
    """

    mobile_node: str
    old: AccessPort | None
    new: AccessPort
    started: float  # the old link was taken down
    joined: float  # the new link carried frames
    joined_monotonic: float
    link_layer_ms: float  # from started to joined
    solicited: bool  # a router solicitation was sent at once; at its first attachment the node does so later


class LabLinks:
    """The namespaces and links of one lab."""

    def __init__(self, plan: LabLayout) -> None:
        self.plan = plan

    def build(self) -> None:
        """Create everything, with the mobile nodes detached."""
        plan = self.plan
        for node in plan.nodes:
            namespaces.create(plan.namespace(node))
            self._sysctls(node, kernel_settings(plan, node))
        for name in plan.namespaces:
            with _routing(name) as routing:
                routing.link("set", index=_index(routing, "lo"), state="up")
        for name, bridge, mtu in plan.bridges:
            with _routing(name) as routing:
                routing.link(
                    "add", ifname=bridge, kind="bridge", br_stp_state=0, br_forward_delay=0, br_mcast_snooping=0
                )
                routing.link("set", index=_index(routing, bridge), mtu=mtu, state="up")
        self._add_links()
        self._address_correspondent()
        with _routing(None) as routing:
            _add_address(routing, plan.host_port, plan.host_address)

    def attachments(self) -> dict[str, AccessPort]:
        """Access port of each mobile node that is joined to one, as the kernel knows it."""
        with self._routing(RADIO) as routing:
            links = {link.get("index"): link for link in routing.get_links()}
        names = {radio_bridge(node): node for node in self.plan.mobile_nodes}
        far_ends = {access.far_end: access for access in self.plan.access_ports}
        return {
            names[links[link.get("master")].get("ifname")]: far_ends[link.get("ifname")]
            for link in links.values()
            if link.get("ifname") in far_ends and link.get("master") in links
        }

    def detach(self, mobile_node: str) -> None:
        """Take the link of an attached mobile node down on both sides."""
        access = self.attachments()[mobile_node]
        with self._routing(RADIO) as routing:
            _unjoin(routing, access.far_end, mobile_node)

    def attach(self, mobile_node: str, to: AccessPort) -> LinkChange:
        """Move a mobile node, attached or not, to a free access port; return when the new link carries frames.

        Raises ``LabError`` when the link does not come up within 10 s.
        """
        old = self.attachments().get(mobile_node)
        solicits = any(address.is_link_local for address in self._usable(mobile_node))
        with (
            self._routing(RADIO) as routing,
            self._routing(mobile_node) as mobile,
            self._solicitor(mobile_node) as solicit,
        ):
            own = _index(mobile, MOBILE_PORT)
            bridge = _index(routing, radio_bridge(mobile_node))
            ends = _index(routing, to.far_end), _index(routing, mobile_node)
            started, start = time.time(), time.monotonic()
            if old is not None:
                _unjoin(routing, old.far_end, mobile_node)
            routing.link("set", index=ends[0], master=bridge, state="up")
            routing.link("set", index=ends[1], state="up")
            # Until the mobile node's kernel has noticed the carrier, it drops all packets to send.
            while not (_operational(mobile, own) and all(_forwards(routing, index) for index in ends)):
                if time.monotonic() > start + _LINK_TIMEOUT:
                    raise LabError(f"the link between {mobile_node} and {to.mag} port {to.port} does not come up")
            joined = time.monotonic()
            if solicits:
                solicit()
        return LinkChange(
            mobile_node=mobile_node,
            old=old,
            new=to,
            started=started,
            link_layer_ms=(joined - start) * 1000,
            joined=started + joined - start,
            joined_monotonic=joined,
            solicited=solicits,
        )

    def addresses(self, mobile_node: str) -> tuple[IPv6Address, ...]:
        """The global addresses that a mobile node has formed and may use."""
        return tuple(address for address in self._usable(mobile_node) if not address.is_link_local)

    def _usable(self, mobile_node: str) -> list[IPv6Address]:
        with self._routing(mobile_node) as routing:
            return [
                IPv6Address(entry.get_attr("IFA_ADDRESS"))
                for entry in routing.get_addr(family=socket.AF_INET6, index=_index(routing, MOBILE_PORT))
                if not entry["flags"] & _TENTATIVE
            ]

    @contextmanager
    def _solicitor(self, mobile_node: str) -> Iterator[Callable[[], int]]:
        """Prepared function that sends a router solicitation (RFC 4861, section 4.1) from the mobile node."""
        with self._routing(mobile_node) as routing:
            index = _index(routing, MOBILE_PORT)
            address = bytes.fromhex(routing.get_links(index)[0].get("address").replace(":", ""))
        message = bytes((133, 0, 0, 0, 0, 0, 0, 0, 1, 1)) + address  # the kernel fills in the checksum
        space = self.plan.namespace(mobile_node)
        with namespaces.open_socket(space, socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sender:
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            yield lambda: sender.sendto(message, ("ff02::2", 0, 0, index))

    def _sysctls(self, node: str, values: tuple[tuple[str, int], ...]) -> None:
        namespaces.run_in(self.plan.namespace(node), lambda: namespaces.write_sysctls(values))

    def _routing(self, node: str) -> AbstractContextManager[Any]:
        return _routing(self.plan.namespace(node))

    def _add_links(self) -> None:
        for link in self.plan.links:
            peer = {"ifname": link.b.port, "net_ns_fd": link.b.namespace}
            with _routing(link.a.namespace) as routing:
                routing.link("add", ifname=link.a.port, kind="veth", mtu=link.mtu, peer=peer)
            for end in (link.a, link.b):
                _configure(end, link.mtu)

    def _address_correspondent(self) -> None:
        with self._routing(self.plan.correspondent) as routing:
            _add_address(routing, CORE, self.plan.correspondent_address)
        self._sysctls(self.plan.correspondent, ((f"neigh/{CORE}/ucast_solicit", CORE_SOLICITATIONS),))


@contextmanager
def _routing(namespace: str | None) -> Iterator[Any]:
    """A netlink socket into a namespace (None: the host's)."""
    routing = IPRoute() if namespace is None else IPRoute(netns=namespace, flags=0)
    try:
        yield routing
    finally:
        routing.close()


def _configure(end: End, mtu: int) -> None:
    silence = ((f"conf/{end.port}/disable_ipv6", 0 if end.ipv6 else 1),)

    def inside() -> None:
        namespaces.write_sysctls(silence)
        _offload_nothing(end.port)

    if end.namespace is None:
        inside()
    else:
        namespaces.run_in(end.namespace, inside)
    with _routing(end.namespace) as routing:
        attributes: dict[str, Any] = {"mtu": mtu}
        if end.link_layer_address is not None:
            attributes["address"] = format_link_layer(end.link_layer_address)
        if end.bridge is not None:
            attributes["master"] = _index(routing, end.bridge)
        if end.up:
            attributes["state"] = "up"
        routing.link("set", index=_index(routing, end.port), **attributes)


def _offload_nothing(port: str) -> None:
    # The userspace datapath reads frames as they are: checksums must be in place, and no frame may exceed the MTU.
    tool = IoctlEthtool(port)
    try:
        tool.set_offload_flag("tx-checksumming", False)  # segmentation offload goes with it
    finally:
        tool.close()


def _index(routing: Any, port: str) -> int:
    found: list[int] = routing.link_lookup(ifname=port)
    if not found:
        raise LabError(f"the link {port} is gone; 'pmipls lab down' removes what is left of this lab")
    return found[0]


def _add_address(routing: Any, port: str, address: IPv6Interface) -> None:
    routing.addr(
        "add",
        index=_index(routing, port),
        family=socket.AF_INET6,
        address=str(address.ip),
        prefixlen=address.network.prefixlen,
        flags=_NO_DAD,
    )


def _unjoin(routing: Any, far_end: str, mobile_node: str) -> None:
    # The carrier goes first: the kernel takes up to 20 ms to leave a bridge, in which nobody would notice.
    for port in (far_end, mobile_node):
        routing.link("set", index=_index(routing, port), state="down")
    routing.link("set", index=_index(routing, far_end), master=0)


def _operational(routing: Any, index: int) -> bool:
    return bool(routing.get_links(index)[0].get("operstate") == "UP")


def _forwards(routing: Any, index: int) -> bool:
    link = routing.get_links(index)[0]
    port = link.get_nested("IFLA_LINKINFO", "IFLA_INFO_SLAVE_DATA", "IFLA_BRPORT_STATE")
    return bool(link.get("operstate") == "UP" and port == _FORWARDING)
