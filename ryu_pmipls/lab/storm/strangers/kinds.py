"""The common part of all strangers: their sight of the lab, and their frames and connections into it."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from ipaddress import IPv6Address
from random import Random

from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.lab import namespaces
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.wire.checksum import checksum

#: Where a connection goes: namespace (None: the host's), address, port.
Port = tuple[str | None, str, int]
_CONNECTING = 2.0  # s that a connection may take
_ETHERTYPE_IPV6 = b"\x86\xdd"
_UDP = 17


@dataclass(frozen=True)
class StrangerKind:
    """A kind of stranger: ``act`` harms one of ``targets``, with the octets of the random numbers that it is given.

    It returns after some seconds at most. What it cannot do, because nobody listens, it leaves.
    """

    targets: Callable[[Profile], tuple[str, ...]]
    act: Callable[[Lab, str, Random], None]


def octets(random: Random, least: int, most: int) -> bytes:
    """Any octets, of a length between two bounds."""
    return random.randbytes(random.randint(least, most))


# Connections


def crowd(port: Port, number: int, seconds: float, words: Callable[[int], bytes]) -> None:
    """Have many connections say something each, and nothing more, and keep them for a while."""
    with ExitStack() as stack:
        for each in range(number):
            with suppress(OSError):
                stack.enter_context(connect(port)).sendall(words(each))
        time.sleep(seconds)


def one_by_one(port: Port, sayings: Iterable[bytes]) -> None:
    """Have a connection for each of these say it, read a little, and end."""
    for words in sayings:
        with suppress(OSError), connect(port) as opened:
            opened.sendall(words)
            opened.settimeout(0.05)
            opened.recv(1000)


def connect(port: Port) -> socket.socket:
    """A connection; ``OSError`` when nobody listens."""
    namespace, host, number = port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if namespace is None:
        opened = socket.socket(family, socket.SOCK_STREAM)
    else:
        opened = namespaces.open_socket(namespace, family, socket.SOCK_STREAM)
    try:
        opened.settimeout(_CONNECTING)
        opened.connect((host, number))
    except OSError:
        opened.close()
        raise
    return opened


# Frames


def inject(namespace: str, port: str, frames: Iterable[bytes]) -> None:
    """Send whole Ethernet frames from a port of a namespace."""
    with namespaces.open_socket(namespace, socket.AF_PACKET, socket.SOCK_RAW) as opened:
        for frame in frames:
            with suppress(OSError):  # the link is down, or its queue full
                opened.sendto(frame, (port, 0))


def ipv6_frame(
    to: bytes, sender: bytes, source: IPv6Address, destination: IPv6Address, protocol: int, payload: bytes
) -> bytes:
    """An Ethernet frame with an IPv6 packet of any content, hop limit 255."""
    header = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 255) + source.packed + destination.packed
    return to + sender + _ETHERTYPE_IPV6 + header + payload


def udp(source: IPv6Address, destination: IPv6Address, port: int, content: bytes) -> bytes:
    """A UDP datagram with its checksum, from a port that depends on nothing."""
    head = struct.pack("!HHH", port, port, 8 + len(content))
    sum_ = checksum(source, destination, _UDP, head + b"\0\0" + content) or 0xFFFF
    return head + struct.pack("!H", sum_) + content


def link_layer_address(namespace: str | None, port: str) -> bytes:
    """Link-layer address of a port; ``OSError`` when there is no such port."""
    if namespace is None:
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    else:
        opened = namespaces.open_socket(namespace, socket.AF_PACKET, socket.SOCK_RAW)
    with opened:
        opened.bind((port, 0))
        address: bytes = opened.getsockname()[4]
    return address
