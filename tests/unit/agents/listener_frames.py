"""Frames by which a node reports its multicast groups, made by scapy."""

from __future__ import annotations

from ipaddress import IPv6Address

from scapy.layers.inet6 import ICMPv6MLDMultAddrRec, ICMPv6MLReport2, IPv6, IPv6ExtHdrHopByHop, RouterAlert
from scapy.layers.l2 import Ether


def listener_report(node: bytes, source: IPv6Address, group: str = "ff02::1:ff00:abcd") -> bytes:
    """A report of version 2, as a host sends it."""
    return bytes(
        Ether(src=node.hex(":"), dst="33:33:00:00:00:16")
        / IPv6(src=str(source), dst="ff02::16", hlim=1)
        / IPv6ExtHdrHopByHop(options=[RouterAlert(value=0)])
        / ICMPv6MLReport2(records=[ICMPv6MLDMultAddrRec(rtype=2, dst=group)])
    )
