"""Multicast listener discovery (RFC 3810) as far as it tells whether a node is on the link.

A general query asks a node for its multicast groups. Each node answers it, whatever its addresses are, because it
listens to the groups of neighbour discovery (RFC 4861, section 7.2.1).
"""

from __future__ import annotations

from ipaddress import IPv6Address
from struct import Struct

from ryu_pmipls.wire.checksum import checksum
from ryu_pmipls.wire.neighbour_discovery import (
    ALL_NODES,
    ROUTER_ADDRESS,
    ROUTER_LINK_LAYER_ADDRESS,
    UNSPECIFIED,
)
from ryu_pmipls.wire.wire_error import WireError

#: Seconds within which a node answers a query that comes to it alone.
MAX_RESPONSE_DELAY = 0.2

_ETHERTYPE_IPV6 = 0x86DD
_HOP_BY_HOP, _ICMPV6 = 0, 58
#: Hop limit of all messages, so that none comes from off the link.
_HOP_LIMIT = 1
#: Types of messages of listeners: report and done of version 1, report of version 2.
_LISTENER = frozenset({131, 132, 143})
_QUERY = 130
#: Ethernet destination, source, type; the IPv6 header; the hop-by-hop options header.
_HEADERS = Struct("!6s6sH IHBB16s16s BB6s")
_OPTIONS_OCTETS = 8
_IPV6_VERSION = 6 << 28
#: Router Alert for multicast listener discovery (RFC 2711), and padding.
_ROUTER_ALERT = bytes.fromhex("050200000100")
#: Type, code, checksum, maximum response code (ms), reserved, group, flags, querier's interval code, sources.
_GENERAL_QUERY = Struct("!BBHHH16sBBH")
#: Type, code, checksum, and four octets that each of the types has.
_SHORTEST = 8


def general_query(link_layer_destination: bytes, delay: float = MAX_RESPONSE_DELAY) -> bytes:
    """The router's frame that asks one node, or all, for their groups (RFC 3810, section 5.1).

    It goes to all nodes in IPv6. Each answers within ``delay`` seconds, 32 at most.
    """

    def body(sum_: int) -> bytes:
        return _GENERAL_QUERY.pack(_QUERY, 0, sum_, int(delay * 1000), 0, bytes(16), 0, 0, 0)

    headers = _HEADERS.pack(
        link_layer_destination,
        ROUTER_LINK_LAYER_ADDRESS,
        _ETHERTYPE_IPV6,
        _IPV6_VERSION,
        _OPTIONS_OCTETS + _GENERAL_QUERY.size,
        _HOP_BY_HOP,
        _HOP_LIMIT,
        ROUTER_ADDRESS.packed,
        ALL_NODES.packed,
        _ICMPV6,
        0,
        _ROUTER_ALERT,
    )
    return headers + body(checksum(ROUTER_ADDRESS, ALL_NODES, _ICMPV6, body(0)))


def listener(frame: bytes) -> IPv6Address | None:
    """The link-local address, or ``::``, from which a listener has sent the message in an Ethernet frame.

    None when the frame holds something else. ``WireError`` when RFC 3810 (section 6.2) has it ignored.
    """
    start = _HEADERS.size
    if len(frame) < start + _SHORTEST:
        return None
    _, _, ethertype, version, length, first, hop_limit, sender, to, second, extension, _ = _HEADERS.unpack_from(frame)
    is_listener = (ethertype, version >> 28, first, second, extension) == (_ETHERTYPE_IPV6, 6, _HOP_BY_HOP, _ICMPV6, 0)
    if not is_listener or frame[start] not in _LISTENER:
        return None
    end = start - _OPTIONS_OCTETS + length
    if not start + _SHORTEST <= end <= len(frame):
        raise WireError("length", f"a multicast listener's message of {length} octets in a frame of {len(frame)}")
    if hop_limit != _HOP_LIMIT:
        raise WireError("hop-limit", f"a multicast listener's message has hop limit {hop_limit}, not {_HOP_LIMIT}")
    source = IPv6Address(sender)
    if checksum(source, IPv6Address(to), _ICMPV6, frame[start:end]):
        raise WireError("checksum", "a multicast listener's message: the checksum is wrong")
    if not source.is_link_local and source != UNSPECIFIED:
        raise WireError("value", f"a multicast listener's message comes from {source}, not from a link-local address")
    return source
