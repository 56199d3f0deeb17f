"""Packet sockets (packet(7)) with filters: for neighbour discovery that comes in on a link, and for IPv6 packets."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence
from enum import Enum, auto

from ryu_pmipls.wire.neighbour_discovery import REFUSED_LINK_LAYER_ADDRESS, ROUTER_LINK_LAYER_ADDRESS

#: Octets of the largest frame that such a socket delivers.
LARGEST_FRAME = 65535

# Linux, not in the socket module.
_ETH_P_ALL, _ETH_P_IPV6 = 0x0003, 0x86DD
_SO_ATTACH_FILTER = 26
_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, _PACKET_MR_PROMISC, _PACKET_IGNORE_OUTGOING = 263, 1, 1, 23

#: Classic BPF: only ICMPv6 of types 133 to 136 directly behind the IPv6 header, and messages of multicast listeners
#: (131, 132, 143) behind hop-by-hop options of 8 octets, reach the agent.
_FILTER = (
    (0x28, 0, 0, 12),  # load EtherType
    (0x15, 0, 6, _ETH_P_IPV6),  # IPv6, else refuse
    (0x30, 0, 0, 20),  # load next header
    (0x15, 2, 0, 0),  # hop-by-hop options: go on below
    (0x15, 7, 0, 58),  # ICMPv6: go on further below
    (0x06, 0, 0, 0),  # refuse
    (0x30, 0, 0, 54),  # load next header behind the options
    (0x15, 0, 8, 58),  # ICMPv6, else refuse
    (0x30, 0, 0, 62),  # load ICMPv6 type
    (0x15, 5, 0, 131),  # accept
    (0x15, 4, 0, 132),  # accept
    (0x15, 3, 4, 143),  # accept, else refuse
    (0x30, 0, 0, 54),  # load ICMPv6 type
    (0x35, 0, 2, 133),  # 133 or more, else refuse
    (0x25, 1, 0, 136),  # more than 136: refuse
    (0x06, 0, 0, LARGEST_FRAME),  # accept
    (0x06, 0, 0, 0),  # refuse
)


#: Code, jumps when true and when false, and value.
Instruction = tuple[int, int, int, int]


class Frames(Enum):
    """The frames that a socket takes, each kind in a queue of its own: none crowds out another."""

    TO_MOBILE_NODES = auto()  # the pipeline was sending them to a mobile node
    REFUSED = auto()  # the pipeline refuses their source
    OTHERS = auto()


def open_packet_socket(name: str, index: int) -> socket.socket:
    """Open a socket for neighbour discovery on an interface, regardless of the interface's own link-layer address.

    It hears what comes in there even where the kernel itself does not (``ovs_setup.ingress_filter``): only sockets for
    all protocols do.
    """
    return _open(name, index, _ETH_P_ALL, _FILTER)


def open_ipv6_socket(name: str, index: int, frames: Frames) -> socket.socket:
    """Open a socket for IPv6 packets that come in on an interface."""
    return _open(name, index, _ETH_P_IPV6, frame_filter(frames))


def frame_filter(frames: Frames) -> Sequence[Instruction]:
    """The filter (classic BPF) that lets one kind of frames pass."""
    mobile, refused, others = (
        LARGEST_FRAME if frames is kind else 0 for kind in (Frames.TO_MOBILE_NODES, Frames.REFUSED, Frames.OTHERS)
    )
    router, mark = ROUTER_LINK_LAYER_ADDRESS, REFUSED_LINK_LAYER_ADDRESS
    return (
        (0x20, 0, 0, 6),  # load four octets of the source
        (0x15, 0, 3, int.from_bytes(router[:4], "big")),  # the router's, else look at the destination
        (0x28, 0, 0, 10),  # load the two others
        (0x15, 0, 1, int.from_bytes(router[4:], "big")),
        (0x06, 0, 0, mobile),
        (0x20, 0, 0, 0),  # load four octets of the destination
        (0x15, 0, 3, int.from_bytes(mark[:4], "big")),  # the mark, else the last verdict
        (0x28, 0, 0, 4),  # load the two others
        (0x15, 0, 1, int.from_bytes(mark[4:], "big")),
        (0x06, 0, 0, refused),
        (0x06, 0, 0, others),
    )


def attach_filter(opened: socket.socket, program: Sequence[Instruction]) -> None:
    """Let only what a filter accepts come in at a socket."""
    octets = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    instructions = ctypes.create_string_buffer(octets)
    filter_ = struct.pack("@HP", len(program), ctypes.addressof(instructions))
    opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter_)


def _open(name: str, index: int, protocol: int, program: Sequence[Instruction]) -> socket.socket:
    # Without a protocol no frame comes in before the filter is in place.
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    try:
        attach_filter(opened, program)
        _listen(opened, name, index, protocol)
    except OSError:
        opened.close()
        raise
    return opened


def _listen(opened: socket.socket, name: str, index: int, protocol: int) -> None:
    membership = struct.pack("=iHH8x", index, _PACKET_MR_PROMISC, 0)
    opened.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, membership)
    opened.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    opened.bind((name, protocol))
