"""Packet sockets (packet(7)): neighbour discovery as it comes in on a link, with a filter; and all of IPv6."""

from __future__ import annotations

import ctypes
import socket
import struct

#: Octets of the largest frame that such a socket delivers.
LARGEST_FRAME = 65535

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
    (0x06, 0, 0, LARGEST_FRAME),  # accept
    (0x06, 0, 0, 0),  # refuse
)


def open_packet_socket(name: str, index: int) -> socket.socket:
    """A socket for the neighbour discovery on an interface, whatever link-layer address that itself has."""
    program = b"".join(struct.pack("=HBBI", *instruction) for instruction in _FILTER)
    instructions = ctypes.create_string_buffer(program)
    # Without a protocol nothing comes in before the filter is in place.
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    try:
        filter_ = struct.pack("@HP", len(_FILTER), ctypes.addressof(instructions))
        opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter_)
        _listen(opened, name, index)
    except OSError:
        opened.close()
        raise
    return opened


def open_ipv6_socket(name: str, index: int) -> socket.socket:
    """A socket for all IPv6 packets that come in on an interface."""
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    try:
        _listen(opened, name, index)
    except OSError:
        opened.close()
        raise
    return opened


def _listen(opened: socket.socket, name: str, index: int) -> None:
    membership = struct.pack("=iHH8x", index, _PACKET_MR_PROMISC, 0)
    opened.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, membership)
    opened.bind((name, _ETH_P_IPV6))
