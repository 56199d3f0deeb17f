"""Strangers in the networks between the nodes: signalling, tunnels, BFD, and packets from the core."""

from __future__ import annotations

import socket
import struct
from collections import deque
from ipaddress import IPv6Address
from random import Random
from select import select
from threading import Event, Thread

from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.lab import namespaces
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_layout import CORE, RMS, UNDERLAY, UNDERLAY_PORT
from ryu_pmipls.lab.storm.strangers.kinds import StrangerKind, inject, ipv6_frame, link_layer_address, octets, udp
from ryu_pmipls.wire.checksum import checksum
from ryu_pmipls.wire.codepoints import MOBILITY_HEADER

_BFD = 3784
_UDP = 17
#: Protocols by which tunnels bring packets: IPv6 in IPv6, a routing header, GRE.
_TUNNELS = (41, 43, 47)
_GRE_IPV6 = bytes.fromhex("000086dd")
_KEPT = 400  # messages of which some are replayed
_ALL_PROTOCOLS = 3
_OUTGOING = 4


def _signallers(profile: Profile) -> tuple[str, ...]:
    return (RMS, *(node.name for node in (*profile.lmas, *profile.mags)))


def _address(lab: Lab, name: str) -> IPv6Address:
    nodes = {node.name: node.address for node in (*lab.profile.lmas, *lab.profile.mags)}
    return nodes.get(name, lab.profile.rms.address)


def _underlay_link(lab: Lab, name: str) -> bytes:
    if name == RMS:
        return link_layer_address(None, lab.plan.host_port)
    return link_layer_address(lab.namespace(name), UNDERLAY_PORT)


def _inject(lab: Lab, frames: list[bytes]) -> None:
    inject(lab.namespace(UNDERLAY), UNDERLAY, frames)


def _stranger(random: Random, known: IPv6Address) -> IPv6Address:
    """An address beside a node's that nobody has."""
    return IPv6Address(int(known) ^ (0x10000 | random.getrandbits(16)))


def _garbage(lab: Lab, target: str, random: Random) -> None:
    """Nonsense by protocol 135 and UDP: by the names of nodes, and of nobody."""
    to, destination = _underlay_link(lab, target), _address(lab, target)
    names = [name for name in _signallers(lab.profile) if name != target]
    frames = []
    for _ in range(300):
        known = _address(lab, random.choice(names))
        source = random.choice((known, _stranger(random, known)))
        body = octets(random, 2, 300)
        # Payload protocol, length in units of 8 octets without the first, type; then the checksum.
        header = bytes((59, max(0, (6 + len(body)) // 8 - 1), random.randrange(24), 0))
        whole = header + b"\0\0" + body
        whole = whole[:4] + struct.pack("!H", checksum(source, destination, MOBILITY_HEADER, whole)) + whole[6:]
        if random.random() < 0.5:
            frames.append(ipv6_frame(to, _sender(random), source, destination, MOBILITY_HEADER, whole))
        else:
            datagram = udp(source, destination, lab.profile.signalling.udp_port, whole)
            frames.append(ipv6_frame(to, _sender(random), source, destination, _UDP, datagram))
    _inject(lab, frames)


def _sender(random: Random) -> bytes:
    return b"\x02" + random.randbytes(5)


def _tunnel_packets(lab: Lab, target: str, random: Random) -> None:
    """Packets that look like those of tunnels, with inner sources of the pool and of anybody.

    The outer ones are nobody's: Open vSwitch learns link-layer addresses from tunnels' packets, and one who can forge
    a neighbour's address on the link can take its packets anyhow.
    """
    to, destination = _underlay_link(lab, target), _address(lab, target)
    pool = int(lab.profile.home_prefix_pool.network_address)
    frames = []
    for _ in range(100):
        source = _stranger(random, destination)
        inner_source = IPv6Address(random.choice((pool + random.getrandbits(80), random.getrandbits(128))))
        inner = ipv6_frame(b"", b"", inner_source, destination, _UDP, octets(random, 8, 200))[2:]
        protocol = random.choice(_TUNNELS)
        payload = random.choice((_GRE_IPV6 + inner, inner, octets(random, 1, 300)))
        frames.append(ipv6_frame(to, _sender(random), source, destination, protocol, payload))
    _inject(lab, frames)


# The core


def _lmas(profile: Profile) -> tuple[str, ...]:
    return tuple(lma.name for lma in profile.lmas)


def _core_packets(lab: Lab, target: str, random: Random) -> None:
    """Packets for mobile nodes from sources that the core cannot have, nonsense by BFD, and another router."""
    lma = lab.profile.lma(target)
    to = link_layer_address(lab.namespace(target), lma.core.port)
    pool = int(lab.profile.home_prefix_pool.network_address)
    own, router = lma.core.address.ip, lab.plan.correspondent_address.ip
    frames = []
    for _ in range(60):
        source = IPv6Address(random.choice((pool + random.getrandbits(80), 1, 0xFE80 << 112 | 5, 0xFF02 << 112 | 1)))
        destination = IPv6Address(pool + random.getrandbits(80))
        frames.append(ipv6_frame(to, _sender(random), source, destination, _UDP, octets(random, 8, 200)))
    for _ in range(60):
        source = random.choice((router, _stranger(random, router)))
        content = random.choice((b"\x20\xc0\3\x18", b"\x21\x40\0\x10", octets(random, 1, 4))) + octets(random, 0, 60)
        frames.append(ipv6_frame(to, _sender(random), source, own, _UDP, udp(source, own, _BFD, content)))
    here = IPv6Address("fe80::1:2:3")
    advertisement = bytes((134, 0, 0, 0, 64, 0, 7, 8)) + bytes(8)
    all_nodes = IPv6Address("ff02::1")
    sum_ = checksum(here, all_nodes, 58, advertisement)
    advertisement = advertisement[:2] + struct.pack("!H", sum_) + advertisement[4:]
    frames.append(ipv6_frame(b"\x33\x33\0\0\0\1", _sender(random), here, all_nodes, 58, advertisement))
    inject(lab.namespace(lab.plan.correspondent), CORE, frames)


# Replay


class ReplayAttack:
    """Listens to all signalling on the underlay, and sends some of it again, whole as it was."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._kept: deque[bytes] = deque(maxlen=_KEPT)
        self._ends = Event()
        self._thread = Thread(target=self._listen, daemon=True)

    def start(self) -> None:
        self._socket = namespaces.open_socket(
            self._lab.namespace(UNDERLAY), socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS)
        )
        self._thread.start()

    def stop(self) -> None:
        self._ends.set()
        self._thread.join()
        self._socket.close()

    @property
    def kind(self) -> StrangerKind:
        return StrangerKind(_signallers, self._replay)

    def _listen(self) -> None:
        udp_port = struct.pack("!H", self._lab.profile.signalling.udp_port)
        while not self._ends.is_set():
            if not select([self._socket], [], [], 0.5)[0]:
                continue
            frame, address = self._socket.recvfrom(2048)
            if address[2] != _OUTGOING or frame[12:14] != b"\x86\xdd":
                continue
            protocol, port = frame[20:21], frame[56:58]
            if protocol == bytes((MOBILITY_HEADER,)) or (protocol == bytes((_UDP,)) and port == udp_port):
                self._kept.append(frame)

    def _replay(self, _lab: Lab, target: str, random: Random) -> None:
        there = _address(self._lab, target).packed
        kept = [frame for frame in self._kept.copy() if frame[38:54] == there]
        _inject(self._lab, random.sample(kept, min(len(kept), 30)))


KINDS = {
    "nonsense in signalling": StrangerKind(_signallers, _garbage),
    "packets of no tunnel": StrangerKind(lambda profile: _signallers(profile)[1:], _tunnel_packets),
    "packets from the core": StrangerKind(_lmas, _core_packets),
}
#: Name of what a ``ReplayAttack`` does.
REPLAY = "replay of signalling"
