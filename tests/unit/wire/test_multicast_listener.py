"""Queries for multicast groups, and who answers them, as scapy sees both."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6MLDMultAddrRec,
    ICMPv6MLDone,
    ICMPv6MLQuery2,
    ICMPv6MLReport,
    ICMPv6MLReport2,
    IPv6,
    IPv6ExtHdrHopByHop,
    RouterAlert,
)
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from ryu_pmipls.wire import WireError
from ryu_pmipls.wire.multicast_listener import general_query, listener

NODE, SOURCE = bytes.fromhex("020000000101"), IPv6Address("fe80::abcd")
GROUP = "ff02::1:ff00:abcd"
REPORT2 = ICMPv6MLReport2(records=[ICMPv6MLDMultAddrRec(rtype=2, dst=GROUP)])


def frame(message: Packet, source: IPv6Address = SOURCE, hop_limit: int = 1) -> bytes:
    ethernet = Ether(src=NODE.hex(":"), dst="33:33:00:00:00:16")
    options = IPv6ExtHdrHopByHop(options=[RouterAlert(value=0)])
    return bytes(ethernet / IPv6(src=str(source), dst="ff02::16", hlim=hop_limit) / options / message)


def test_a_general_query_as_scapy_sees_it() -> None:
    octets = general_query(NODE)
    found = Ether(octets)
    assert (found.src, found.dst) == ("00:00:5e:00:52:13", "02:00:00:00:01:01")
    assert (found[IPv6].src, found[IPv6].dst, found[IPv6].hlim) == ("fe80::200:5eff:fe00:5213", "ff02::1", 1)
    assert found[RouterAlert].value == 0
    query = found[ICMPv6MLQuery2]
    assert (query.mladdr, query.mrd, query.sources_number) == ("::", 200, 0)
    del found[IPv6].plen, query.cksum
    assert bytes(found) == octets


@pytest.mark.parametrize("message", [REPORT2, ICMPv6MLReport(mladdr=GROUP), ICMPv6MLDone(mladdr=GROUP)])
@pytest.mark.parametrize("source", [SOURCE, IPv6Address("::")])
def test_a_listener_is_known_by_its_source(message: Packet, source: IPv6Address) -> None:
    assert listener(frame(message, source)) == source
    assert listener(frame(message, source) + bytes(10)) == source  # padding of Ethernet


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        bytes(60),
        general_query(NODE),
        frame(ICMPv6EchoRequest()),
        bytes(Ether() / IPv6(src=str(SOURCE), hlim=1) / REPORT2),  # without options
        frame(REPORT2)[:69],
    ],
)
def test_anything_else_is_nobody(octets: bytes) -> None:
    assert listener(octets) is None


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (frame(REPORT2, hop_limit=2), "hop-limit"),
        (frame(REPORT2, IPv6Address("2001:db8::1")), "value"),
        (frame(REPORT2)[:-1] + b"\0", "checksum"),
        (frame(REPORT2)[:-1], "length"),
        (frame(REPORT2)[:18] + b"\0\x0f" + frame(REPORT2)[20:], "length"),
    ],
)
def test_what_is_refused_and_why(octets: bytes, reason: str) -> None:
    with pytest.raises(WireError) as error:
        listener(octets)
    assert error.value.reason == reason


@given(st.integers(0, len(frame(REPORT2)) - 1), st.binary(max_size=4))
def test_damaged_frames_raise_nothing_but_wire_error(place: int, octets: bytes) -> None:
    whole = frame(REPORT2)
    try:
        listener(whole[:place] + octets + whole[place + len(octets) :])
    except WireError as error:
        assert error.reason in ("length", "hop-limit", "checksum", "value")
