"""ICMPv6 error messages (RFC 4443): a router's answers to packets that it cannot deliver.

Packets and answers are whole packets from the IPv6 header on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv6Address
from struct import Struct

from ryu_pmipls.wire.checksum import checksum
from ryu_pmipls.wire.wire_error import WireError

_HEADER = Struct("!IHBB16s16s")
_VERSION = 6 << 28
_ICMPV6 = 58
_ERROR = Struct("!BBHI")  # type, code, checksum, and the MTU of Packet Too Big
_HOP_LIMIT = 64
#: Longest error message in octets: the MTU that every link has (RFC 4443, section 2.4 (c)).
_LONGEST = 1280
#: Extension headers with their length in their second octet: hop-by-hop options, routing, destination options,
#: mobility, HIP, shim6 (RFC 7045).
_EXTENSIONS = frozenset({0, 43, 60, 135, 139, 140})
_FRAGMENT, _AUTHENTICATION = 44, 51
_REDIRECT = 137


#: The code of Destination Unreachable for a source that ingress filtering does not let pass.
SOURCE_FAILED_POLICY = 5


class ErrorType(IntEnum):
    """Types of error messages."""

    DESTINATION_UNREACHABLE = 1  # code 0: no route to destination
    PACKET_TOO_BIG = 2
    TIME_EXCEEDED = 3  # hop limit exceeded in transit


@dataclass(frozen=True)
class Packet:
    """Packet as a router sees it; ``upper`` is the offset of the header behind all extension headers, if known."""

    source: IPv6Address
    destination: IPv6Address
    hop_limit: int
    octets: bytes  # of the whole packet, as it arrived
    upper_protocol: int
    upper: int
    first_fragment: bool

    @property
    def answerable(self) -> bool:
        """True when RFC 4443, section 2.4 (e), allows an error message in answer to a unicast packet."""
        if self.source.is_multicast or self.source.is_unspecified or self.destination.is_multicast:
            return False
        if self.upper_protocol != _ICMPV6:
            return True
        # A later fragment, or one cut short, may belong to an error message: that cannot be told.
        kind = self.octets[self.upper] if self.first_fragment and self.upper < len(self.octets) else 0
        return kind >= 128 and kind != _REDIRECT


def parse_packet(octets: bytes) -> Packet:
    """The packet that begins ``octets``, without the frame's padding; ``WireError`` when it is none."""
    if len(octets) < _HEADER.size:
        raise WireError("truncated", f"a packet of {len(octets)} octets has no IPv6 header")
    version, length, protocol, hop_limit, source, destination = _HEADER.unpack_from(octets)
    if version >> 28 != 6:
        raise WireError("value", f"IP version {version >> 28}, not 6")
    if len(octets) < _HEADER.size + length:
        raise WireError("length", f"the IPv6 header says {length} octets, there are {len(octets) - _HEADER.size}")
    octets = octets[: _HEADER.size + length]
    place, first = _HEADER.size, True
    while place + 8 <= len(octets):
        if protocol in _EXTENSIONS:
            following = place + 8 * (octets[place + 1] + 1)
        elif protocol == _AUTHENTICATION:
            following = place + 4 * (octets[place + 1] + 2)
        elif protocol == _FRAGMENT and first:
            following = place + 8
            first = int.from_bytes(octets[place + 2 : place + 4], "big") >> 3 == 0
        else:
            break
        protocol, place = octets[place], following
    return Packet(IPv6Address(source), IPv6Address(destination), hop_limit, octets, protocol, place, first)


def build_error(kind: ErrorType, packet: Packet, source: IPv6Address, mtu: int = 0, code: int = 0) -> bytes:
    """The error message about ``packet``, from ``source`` to its source; ``mtu`` (octets) is for Packet Too Big."""
    quoted = packet.octets[: _LONGEST - _HEADER.size - _ERROR.size]
    data = _ERROR.pack(kind, code, 0, mtu) + quoted
    sum_ = checksum(source, packet.source, _ICMPV6, data)
    header = _HEADER.pack(_VERSION, len(data), _ICMPV6, _HOP_LIMIT, source.packed, packet.source.packed)
    return header + _ERROR.pack(kind, code, sum_, mtu) + quoted
