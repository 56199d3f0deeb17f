"""PBUs and PBAs as scapy builds and reads them.

Of RFC 5213 it knows the messages and the MN-ID option; the other options are numbers and octets to it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Any

from scapy.layers.inet6 import (
    MIP6MH_BA,
    MIP6MH_BU,
    IPv6,
    MIP6OptMNID,
    MIP6OptUnknown,
    Pad1,
    PadN,
    in6_chksum,
)
from scapy.packet import Packet

from tests.unit.mobility.mobility_helpers import LINK1, LMA1, MAG1, NODE1

#: Option types.
MN_ID, HNP, HI, ATT, LL_ID, LINK_LOCAL, TIMESTAMP = 8, 22, 23, 24, 25, 26, 27
NAI = NODE1.identifier
ANY = "::/0"
Arrange = Callable[[list[Packet]], Sequence[Packet]]
Read = dict[int, list[bytes]]


def option(number: int, data: bytes, x: int = 0, y: int = 0) -> Packet:
    """An option that scapy does not know, but aligns at ``x`` n + ``y`` all the same."""
    return type("Option", (MIP6OptUnknown,), {"x": x, "y": y})(otype=number, odata=data)


def prefix_option(prefix: str) -> Packet:
    address, _, length = prefix.partition("/")
    return option(HNP, bytes([0, int(length)]) + IPv6Address(address).packed, 8, 4)


def timestamp(time: float) -> bytes:
    return struct.pack("!Q", int(time * 65536))


def options(
    time: float,
    *,
    nai: bytes | None = NAI,
    prefixes: Sequence[str] = (ANY,),
    handoff: int | None = 4,
    technology: int | None = 3,
    ahead: float | None = 0.0,
    link: bytes | None = LINK1,
    link_local: str | None = None,
    more: Sequence[Packet] = (),
) -> list[Packet]:
    """The options of a PBU, in the order of RFC 5213; what is ``None`` is left out.

    ``time`` is when it is sent (s since 1970), ``ahead`` how much later the timestamp says that it is (s).
    """
    found = [] if nai is None else [MIP6OptMNID(id=nai)]
    found += [prefix_option(prefix) for prefix in prefixes]
    found += [] if handoff is None else [option(HI, bytes([0, handoff]))]
    found += [] if technology is None else [option(ATT, bytes([0, technology]))]
    found += [] if ahead is None else [option(TIMESTAMP, timestamp(time + ahead), 8, 2)]
    found += [] if link is None else [option(LL_ID, bytes(2) + link, 4, 0)]
    found += [] if link_local is None else [option(LINK_LOCAL, IPv6Address(link_local).packed, 8, 6)]
    return [*found, *more]


@dataclass(frozen=True)
class Datagram:
    """A Mobility Header that arrives at ``time`` (s since 1970)."""

    time: float
    source: IPv6Address
    octets: bytes


def pbu(
    time: float,
    *,
    source: IPv6Address = MAG1,
    sequence: int = 7,
    lifetime: int = 900,
    arrange: Arrange = list,
    fields: dict[str, Any] | None = None,
    edit: Callable[[bytes], bytes] | None = None,
    **changes: Any,
) -> Datagram:
    """A PBU to LMA1.

    ``changes`` are those of ``options``, which ``arrange`` puts into order; ``fields`` go to scapy as they are;
    ``edit`` changes the octets, which get the right checksum after that.
    """
    chosen = {"seq": sequence, "flags": "PA", "mhtime": lifetime} | (fields or {})
    message = MIP6MH_BU(**chosen, options=list(arrange(options(time, **changes))))
    octets = mobility_header(message, source, LMA1)
    return Datagram(time, source, octets if edit is None else sealed(edit(octets), source, LMA1))


def mobility_header(message: Packet, source: IPv6Address, destination: IPv6Address) -> bytes:
    """The octets of a message; one that scapy must not pad has Pad1 at its end, as often as need be."""
    packet = IPv6(src=str(source), dst=str(destination)) / message
    if not message.autopad:
        packet.payload.options += [Pad1() for _ in range(-len(bytes(packet.payload)) % 8)]
    return bytes(packet.payload)


def sealed(octets: bytes, source: IPv6Address, destination: IPv6Address) -> bytes:
    zeroed = octets[:4] + bytes(2) + octets[6:]
    checksum = in6_chksum(135, IPv6(src=str(source), dst=str(destination)), zeroed)
    return octets[:4] + struct.pack("!H", checksum) + octets[6:]


def read_pbu(octets: bytes) -> tuple[Packet, Read]:
    """A PBU, and the data of its options by type."""
    return _read(MIP6MH_BU(octets))


def read_pba(octets: bytes) -> tuple[Packet, Read]:
    """A PBA, and the data of its options by type."""
    return _read(MIP6MH_BA(octets))


def _read(message: Packet) -> tuple[Packet, Read]:
    found: Read = {}
    for packet in message.options:
        if not isinstance(packet, (Pad1, PadN)):
            found.setdefault(packet.otype, []).append(bytes(packet)[2:])
    return message, found
