"""Strangers at access links: what a mobile node's own port may send."""

from __future__ import annotations

from ipaddress import IPv6Address
from random import Random

from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_layout import MOBILE_PORT
from ryu_pmipls.lab.storm.strangers.kinds import StrangerKind, inject, ipv6_frame, octets, udp
from ryu_pmipls.wire.checksum import checksum

_ROUTER = bytes.fromhex("00005e005213")
_ROUTER_ADDRESS = IPv6Address("fe80::200:5eff:fe00:5213")
_ALL_NODES, _ALL_ROUTERS = IPv6Address("ff02::1"), IPv6Address("ff02::2")
_ICMPV6 = 58
_UDP = 17


def _nodes(profile: Profile) -> tuple[str, ...]:
    return tuple(node.name for node in profile.mobile_nodes)


def _one_of_several(profile: Profile) -> tuple[str, ...]:
    """Mobile nodes, if one could take another's name."""
    return _nodes(profile) if len(profile.mobile_nodes) > 1 else ()


def _multicast(destination: IPv6Address) -> bytes:
    return b"\x33\x33" + destination.packed[-4:]


def _link_local(address: bytes) -> IPv6Address:
    interface = bytes((address[0] ^ 2,)) + address[1:3] + b"\xff\xfe" + address[3:]
    return IPv6Address(b"\xfe\x80" + bytes(6) + interface)


def _icmpv6(sender: bytes, source: IPv6Address, destination: IPv6Address, content: bytes) -> bytes:
    """A frame with an ICMPv6 message; two octets of ``content`` from the third on are for its checksum."""
    sum_ = checksum(source, destination, _ICMPV6, content)
    message = content[:2] + sum_.to_bytes(2, "big") + content[4:]
    to = _multicast(destination) if destination.is_multicast else _ROUTER
    return ipv6_frame(to, sender, source, destination, _ICMPV6, message)


def _solicitation(sender: bytes) -> bytes:
    """A router solicitation (RFC 4861, section 4.1)."""
    return _icmpv6(sender, _link_local(sender), _ALL_ROUTERS, bytes((133, 0, 0, 0, 0, 0, 0, 0, 1, 1)) + sender)


def _address(lab: Lab, node: str) -> bytes:
    return lab.profile.mobile_node(node).link_layer_address


def _send(lab: Lab, node: str, frames: list[bytes]) -> None:
    inject(lab.namespace(node), MOBILE_PORT, frames)


def _forged_solicitation(lab: Lab, target: str, random: Random) -> None:
    """Solicit by the name of the target from where another node is."""
    other = random.choice([name for name in lab.plan.mobile_nodes if name != target])
    _send(lab, other, [_solicitation(_address(lab, target))] * random.randint(1, 3))


def _unknown_nodes(lab: Lab, target: str, random: Random) -> None:
    _send(lab, target, [_solicitation(b"\x02" + random.randbytes(5)) for _ in range(200)])


def _solicitation_flood(lab: Lab, target: str, _random: Random) -> None:
    _send(lab, target, [_solicitation(_address(lab, target))] * 300)


def _frames(lab: Lab, target: str, random: Random) -> None:
    own = _address(lab, target)
    kinds = [b"\x86\xdd", b"\x08\x00", b"\x08\x06", b"\x81\x00", b"\x88\x8e", random.randbytes(2)]
    frames = [
        random.choice((_ROUTER, b"\xff" * 6, random.randbytes(6)))
        + random.choice((own, random.randbytes(6)))
        + random.choice(kinds)
        + octets(random, 1, 1400)
        for _ in range(100)
    ]
    discovery = [bytes((random.randint(130, 140), 0, 0, 0)) + octets(random, 4, 200) for _ in range(100)]
    frames += [_icmpv6(own, _link_local(own), _ALL_ROUTERS, content) for content in discovery]
    _send(lab, target, frames)


def _foreign_sources(lab: Lab, target: str, random: Random) -> None:
    """Packets with sources that the node has not been given."""
    pool = int(lab.profile.home_prefix_pool.network_address)
    correspondent = lab.plan.correspondent_address.ip
    sources = [IPv6Address(pool + random.getrandbits(80)) for _ in range(50)]
    sources += [IPv6Address("::1"), IPv6Address("::"), correspondent, IPv6Address(random.getrandbits(128))]
    own = _address(lab, target)
    _send(
        lab,
        target,
        [
            ipv6_frame(_ROUTER, own, source, correspondent, _UDP, udp(source, correspondent, 9, octets(random, 0, 99)))
            for source in sources
        ],
    )


def _router_spoof(lab: Lab, target: str, random: Random) -> None:
    """Advertise as a router, by the node's own name and the router's, and claim the router's address."""
    own = _address(lab, target)
    prefix = IPv6Address(int(lab.profile.home_prefix_pool.network_address) + (random.getrandbits(24) << 64))
    information = bytes((3, 4, 64, 0xC0)) + bytes.fromhex("00000e1000000e1000000000") + prefix.packed
    advertisement = bytes((134, 0, 0, 0, 64, 0, 7, 8)) + bytes(8) + information
    claim = bytes((136, 0, 0, 0, 0xA0, 0, 0, 0)) + _ROUTER_ADDRESS.packed + bytes((2, 1)) + own
    frames = [
        _icmpv6(sender, source, _ALL_NODES, content)
        for content in (advertisement, claim)
        for sender, source in ((own, _link_local(own)), (_ROUTER, _ROUTER_ADDRESS))
    ]
    _send(lab, target, frames)


KINDS = {
    "forged solicitation": StrangerKind(_one_of_several, _forged_solicitation),
    "unknown nodes": StrangerKind(_nodes, _unknown_nodes),
    "flood of solicitations": StrangerKind(_nodes, _solicitation_flood),
    "garbage at an access link": StrangerKind(_nodes, _frames),
    "sources of others": StrangerKind(_nodes, _foreign_sources),
    "claims to be the router": StrangerKind(_nodes, _router_spoof),
}
