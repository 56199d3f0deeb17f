"""Packets of mobile nodes that the MAG's switch does not let in, because their sources are not of their senders.

A mobile node that uses an address of a prefix which it no longer has would go on with it for as long as its lifetime:
up to an hour. It is told in two ways: the prefix is withdrawn, and the packet answered, so that connections that
were opened with the address end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import IPv6Address

from ryu_pmipls.mobility import BindingUpdateEntry
from ryu_pmipls.wire.icmpv6_errors import SOURCE_FAILED_POLICY, ErrorType, Packet, build_error
from ryu_pmipls.wire.neighbour_discovery import ROUTER_ADDRESS, ROUTER_LINK_LAYER_ADDRESS

_SOURCE = slice(6, 12)  # link-layer address in an Ethernet frame
_HEADER = 14  # octets of an Ethernet header


class Ingress:
    """Refuses sources of bound mobile nodes that are of none of their prefixes.

    ``binding(link-layer address)`` is a node's entry in the binding update list, ``withdraw(link-layer address,
    source)`` withdraws the source's prefix from it, and ``send(OpenFlow port, frame)`` sends on an access link.
    """

    def __init__(
        self,
        binding: Callable[[bytes], BindingUpdateEntry | None],
        withdraw: Callable[[bytes, IPv6Address], None],
        send: Callable[[int, bytes], None],
        counters: Counter[str],
    ) -> None:
        self._binding = binding
        self._withdraw = withdraw
        self._send = send
        self._counters = counters

    def is_foreign(self, frame: bytes, packet: Packet) -> bool:
        """True when a packet comes from a node that holds prefixes, but none for its source."""
        entry = self._binding(frame[_SOURCE])
        return (
            entry is not None
            and bool(entry.prefixes)
            and not packet.source.is_link_local
            and not any(packet.source in prefix for prefix in entry.prefixes)
        )

    def refuse(self, frame: bytes, packet: Packet) -> None:
        """Tell the sender of a foreign packet (RFC 4443, section 3.1, code 5; RFC 5213, section 6.12)."""
        node = frame[_SOURCE]
        entry = self._binding(node)
        if entry is None or packet.source.is_unspecified or packet.source.is_multicast or packet.source.is_loopback:
            self._counters["ingress: no source to answer"] += 1
            return
        self._counters["ingress: source refused"] += 1
        self._withdraw(node, packet.source)
        if packet.answerable:
            error = build_error(ErrorType.DESTINATION_UNREACHABLE, packet, ROUTER_ADDRESS, code=SOURCE_FAILED_POLICY)
            # Straight to the node: the switch sends nothing to an address that is nobody's.
            self._send(entry.port, node + ROUTER_LINK_LAYER_ADDRESS + frame[12:_HEADER] + error)
