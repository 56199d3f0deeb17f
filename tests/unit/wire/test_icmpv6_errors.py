"""ICMPv6 errors, beside scapy's view of them."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoRequest,
    ICMPv6ND_Redirect,
    ICMPv6PacketTooBig,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    in6_chksum,
)
from scapy.packet import Raw

from ryu_pmipls.wire import WireError
from ryu_pmipls.wire.icmpv6_errors import SOURCE_FAILED_POLICY, ErrorType, build_error, parse_packet

FROM, TO = "2001:db8:100:1::1", "fd00:c0de::1"
ROUTER = IPv6Address("fd00:c0de::11")
ICMPV6 = 58


def octets(upper, source=FROM, destination=TO):
    return bytes(IPv6(src=source, dst=destination, hlim=7) / upper)


@pytest.mark.parametrize(
    ("headers", "first"),
    [
        (None, True),
        (IPv6ExtHdrHopByHop(), True),
        (IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / IPv6ExtHdrRouting(addresses=[TO]), True),
        (IPv6ExtHdrFragment(offset=0, m=1), True),
        (IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(offset=9, m=1), False),
    ],
)
def test_the_upper_layer_is_found_behind_extension_headers(headers, first):
    upper = UDP(sport=1, dport=2) / Raw(b"payload")
    whole = octets(upper if headers is None else headers / upper)
    packet = parse_packet(whole + b"padding of the frame")
    assert (packet.source, packet.destination, packet.hop_limit) == (IPv6Address(FROM), IPv6Address(TO), 7)
    assert packet.octets == whole
    assert (packet.upper_protocol, packet.first_fragment) == (17, first)
    assert packet.octets[packet.upper + 8 :] == b"payload"


@pytest.mark.parametrize(
    ("packet", "answerable"),
    [
        (octets(TCP()), True),
        (octets(ICMPv6EchoRequest()), True),
        (octets(IPv6ExtHdrHopByHop() / ICMPv6EchoRequest()), True),
        (octets(ICMPv6DestUnreach()), False),
        (octets(IPv6ExtHdrDestOpt() / ICMPv6TimeExceeded()), False),
        (octets(ICMPv6ND_Redirect()), False),
        (octets(IPv6ExtHdrFragment(offset=3, nh=ICMPV6) / Raw(b"\x80\0\0\0")), False),
        (octets(IPv6ExtHdrFragment(offset=3, nh=17) / Raw(b"data")), True),
        (bytes(IPv6(src=FROM, dst=TO, nh=ICMPV6)), False),
        (octets(UDP(), destination="ff0e::1"), False),
        (octets(UDP(), source="ff0e::1"), False),
        (octets(UDP(), source="::"), False),
    ],
)
def test_what_rfc_4443_has_unanswered(packet, answerable):
    assert parse_packet(packet).answerable is answerable


@pytest.mark.parametrize(
    ("kind", "layer"),
    [
        (ErrorType.DESTINATION_UNREACHABLE, ICMPv6DestUnreach),
        (ErrorType.PACKET_TOO_BIG, ICMPv6PacketTooBig),
        (ErrorType.TIME_EXCEEDED, ICMPv6TimeExceeded),
    ],
)
@given(st.integers(0, 3000), st.integers(1280, 65535))
def test_an_error_quotes_as_much_as_every_link_takes(kind, layer, size, mtu):
    offender = octets(UDP() / Raw(bytes(size)))
    message = build_error(kind, parse_packet(offender), ROUTER, mtu)
    seen = IPv6(message)
    assert (seen.src, seen.dst, seen.plen) == (str(ROUTER), FROM, len(message) - 40)
    assert in6_chksum(ICMPV6, seen, message[40:]) == 0
    assert (seen[layer].type, seen[layer].code) == (kind, 0)
    assert int.from_bytes(message[44:48], "big") == mtu
    assert message[48:] == offender[: 1280 - 48]


@given(st.binary(max_size=120) | st.binary(max_size=120).map(lambda data: b"\x60" + data))
def test_whatever_comes_is_a_packet_or_refused(data):
    try:
        packet = parse_packet(data)
    except WireError:
        return
    assert data.startswith(packet.octets)
    assert packet.answerable in (True, False)


def test_the_error_about_a_source_that_may_not_send() -> None:
    packet = parse_packet(octets(UDP(sport=1, dport=2) / Raw(b"payload")))
    error = IPv6(build_error(ErrorType.DESTINATION_UNREACHABLE, packet, ROUTER, code=SOURCE_FAILED_POLICY))
    assert (error[ICMPv6DestUnreach].type, error[ICMPv6DestUnreach].code) == (1, 5)
    assert in6_chksum(ICMPV6, error, bytes(error.payload)) == 0
