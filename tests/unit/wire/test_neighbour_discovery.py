from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet6 import (
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    ICMPv6NDOptDNSSL,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRDNSS,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import Ether

from ryu_pmipls.wire import REASONS, WireError
from ryu_pmipls.wire.checksum import checksum
from ryu_pmipls.wire.dns_options import DnsConfiguration, DnsSearchList, RecursiveDnsServer
from ryu_pmipls.wire.neighbour_discovery import (
    ALL_NODES,
    ALL_ROUTERS,
    ROUTER_ADDRESS,
    UNSPECIFIED,
    Frame,
    Mtu,
    NeighbourAdvertisement,
    NeighbourFlag,
    NeighbourSolicitation,
    PrefixInformation,
    RouterAdvertisement,
    RouterSolicitation,
    SourceLinkLayerAddress,
    TargetLinkLayerAddress,
    neighbour_solicitation,
    router_advertisement,
    router_solicitation,
)
from ryu_pmipls.wire.neighbour_frames import build_frame, parse_frame

NODE = bytes.fromhex("020000000101")
NODE_ADDRESS = IPv6Address("fe80::ff:fe00:101")
SOLICITED_NODE = IPv6Address("ff02::1:ff00:5213")
PREFIXES = [IPv6Network("2001:db8:100::/64"), IPv6Network("2001:db8:101::/64")]


def _scapy(message: Frame) -> Ether:
    """What scapy finds in the frame, after it has recomputed the checksum and the lengths to the same octets."""
    octets = build_frame(message)
    dissected = Ether(octets)
    del dissected[IPv6].plen
    del dissected[IPv6].payload.cksum
    assert bytes(dissected) == octets
    return dissected


def test_router_advertisement_as_scapy_sees_it() -> None:
    frame = _scapy(router_advertisement(NODE, PREFIXES, 3600, 1452))
    assert (frame.src, frame.dst) == ("00:00:5e:00:52:13", "02:00:00:00:01:01")
    assert (frame[IPv6].src, frame[IPv6].dst, frame[IPv6].hlim) == ("fe80::200:5eff:fe00:5213", "ff02::1", 255)
    assert (frame[ICMPv6ND_RA].routerlifetime, frame[ICMPv6ND_RA].M, frame[ICMPv6ND_RA].O) == (3600, 0, 0)
    assert frame[ICMPv6NDOptSrcLLAddr].lladdr == "00:00:5e:00:52:13"
    assert frame[ICMPv6NDOptMTU].mtu == 1452
    for index, prefix in enumerate(PREFIXES, 1):
        information = frame.getlayer(ICMPv6NDOptPrefixInfo, index)
        assert f"{information.prefix}/{information.prefixlen}" == str(prefix)
        assert (information.L, information.A) == (1, 1)
        assert (information.validlifetime, information.preferredlifetime) == (3600, 3600)


def test_lifetime_zero_withdraws_prefix_and_router() -> None:
    message = router_advertisement(NODE, PREFIXES[:1], 0, 1452)
    assert message.router_lifetime == 0
    assert message.option(PrefixInformation) == PrefixInformation(PREFIXES[0].network_address, 64, 0, 0)


def test_a_prefix_is_withdrawn_while_the_router_stays() -> None:
    frame = _scapy(router_advertisement(NODE, PREFIXES[:1], 3600, 1452, withdrawn=PREFIXES[1:]))
    assert frame[ICMPv6ND_RA].routerlifetime == 3600
    found = [frame.getlayer(ICMPv6NDOptPrefixInfo, index) for index in (1, 2)]
    assert [(each.validlifetime, each.preferredlifetime) for each in found] == [(3600, 3600), (0, 0)]


DNS = DnsConfiguration(
    (IPv6Address("2001:db8::53"), IPv6Address("2001:db8::54")), ("example.net", "a.very-long.sub.example.org")
)


@pytest.mark.parametrize("lifetime", [3600, 0])
def test_name_servers_and_search_domains_as_scapy_sees_them(lifetime: int) -> None:
    frame = _scapy(router_advertisement(NODE, PREFIXES, lifetime, 1452, dns=DNS))
    servers, search = frame[ICMPv6NDOptRDNSS], frame[ICMPv6NDOptDNSSL]
    assert (servers.lifetime, servers.dns) == (lifetime, [str(server) for server in DNS.servers])
    assert search.lifetime == lifetime
    assert [domain.rstrip(".") for domain in search.searchlist if domain] == [*DNS.search_domains]


def test_without_name_servers_none_are_told() -> None:
    message = router_advertisement(NODE, PREFIXES, 3600, 1452)
    assert not message.all(RecursiveDnsServer) and not message.all(DnsSearchList)
    only_servers = router_advertisement(NODE, PREFIXES, 3600, 1452, dns=DnsConfiguration(DNS.servers))
    assert only_servers.all(RecursiveDnsServer) and not only_servers.all(DnsSearchList)


def test_long_lifetimes_are_cut_to_their_fields() -> None:
    message = parse_frame(build_frame(router_advertisement(NODE, PREFIXES, 2**40, 1452)))
    assert isinstance(message, RouterAdvertisement)
    assert message.router_lifetime == 65535
    assert [prefix.valid_lifetime for prefix in message.all(PrefixInformation)] == [2**32 - 1] * 2


def test_a_probe_as_scapy_sees_it() -> None:
    frame = _scapy(neighbour_solicitation(NODE, NODE_ADDRESS))
    assert (frame.src, frame.dst) == ("00:00:5e:00:52:13", "02:00:00:00:01:01")
    assert (frame[IPv6].src, frame[IPv6].dst) == (str(ROUTER_ADDRESS), str(NODE_ADDRESS))
    assert frame[ICMPv6ND_NS].tgt == str(NODE_ADDRESS)
    assert frame[ICMPv6NDOptSrcLLAddr].lladdr == "00:00:5e:00:52:13"


def test_router_solicitations() -> None:
    bare = router_solicitation(NODE)
    assert (bare.source, bare.destination, bare.options) == (UNSPECIFIED, ALL_ROUTERS, ())
    assert bare.link_layer_destination == bytes.fromhex("333300000002")
    full = _scapy(router_solicitation(NODE, NODE_ADDRESS))
    assert full[ICMPv6NDOptSrcLLAddr].lladdr == "02:00:00:00:01:01"


def test_frames_built_by_scapy_are_parsed() -> None:
    ethernet = Ether(src="02:00:00:00:01:01", dst="33:33:00:00:00:02")
    ip = IPv6(src=str(NODE_ADDRESS), dst="ff02::2", hlim=255)
    option = ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:01:01")
    assert parse_frame(bytes(ethernet / ip / ICMPv6ND_RS() / option)) == router_solicitation(NODE, NODE_ADDRESS)
    # Ethernet fills short frames up; the IPv6 header says where the packet ends.
    padded = bytes(ethernet / IPv6(src="::", dst="ff02::2", hlim=255) / ICMPv6ND_RS()) + bytes(10)
    assert parse_frame(padded) == router_solicitation(NODE)
    ip = IPv6(src=str(NODE_ADDRESS), dst=str(SOLICITED_NODE), hlim=255)
    parsed = parse_frame(bytes(ethernet / ip / ICMPv6ND_NS(tgt=str(ROUTER_ADDRESS)) / option))
    assert isinstance(parsed, NeighbourSolicitation)
    assert parsed.target == ROUTER_ADDRESS
    assert parsed.option(SourceLinkLayerAddress) == SourceLinkLayerAddress(NODE)


_octets6 = st.binary(min_size=6, max_size=6)
_addresses = st.integers(0, 2**128 - 1).map(IPv6Address)
_link_local = st.integers(0, 2**64 - 1).map(lambda low: IPv6Address(0xFE80 << 112 | low))
_unicast = st.integers(1, 2**120).map(IPv6Address)
_numbers = st.integers(0, 2**32 - 1)
_labels = st.from_regex("[A-Za-z0-9_-]{1,63}", fullmatch=True)
_names = st.lists(_labels, min_size=1, max_size=3).map(".".join)
_options = st.lists(
    st.one_of(
        st.builds(SourceLinkLayerAddress, _octets6),
        st.builds(TargetLinkLayerAddress, _octets6),
        st.builds(Mtu, _numbers),
        st.builds(PrefixInformation, _addresses, st.integers(0, 128), _numbers, _numbers),
        st.builds(RecursiveDnsServer, _numbers, st.lists(_addresses, min_size=1, max_size=8).map(tuple)),
        st.builds(DnsSearchList, _numbers, st.lists(_names, min_size=1, max_size=8).map(tuple)),
    ),
    max_size=4,
).map(tuple)
_small = st.integers(0, 255)
_messages = st.one_of(
    st.builds(RouterSolicitation, _octets6, _octets6, _unicast, _addresses, _options),
    st.builds(
        RouterAdvertisement,
        _octets6,
        _octets6,
        _link_local,
        _addresses,
        st.integers(0, 65535),
        _small,
        reachable_time=_numbers,
        retransmission_timer=_numbers,
        options=_options,
    ),
    st.builds(NeighbourSolicitation, _octets6, _octets6, _unicast, _addresses, _unicast, _options),
    st.builds(
        NeighbourAdvertisement, _octets6, _octets6, _addresses, _unicast, _unicast, st.just(NeighbourFlag.S), _options
    ),
)


@settings(deadline=None)
@given(_messages)
def test_what_was_built_parses_to_the_same(message: Frame) -> None:
    assert parse_frame(build_frame(message)) == message


@settings(deadline=None, max_examples=200)
@given(_messages, st.data())
def test_damaged_frames_raise_nothing_but_wire_error(message: Frame, data: st.DataObject) -> None:
    octets = bytearray(build_frame(message))
    for _ in range(data.draw(st.integers(0, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(_small)
    del octets[data.draw(st.integers(0, len(octets))) :]
    if len(octets) > 58 and data.draw(st.booleans()):
        octets[18:20] = (len(octets) - 54).to_bytes(2, "big")
        octets = _with_checksum(octets)
    try:
        parse_frame(bytes(octets))
    except WireError as error:
        assert error.reason in REASONS


@settings(deadline=None)
@given(st.binary(max_size=2048))
def test_random_octets_raise_nothing_but_wire_error(data: bytes) -> None:
    try:
        parse_frame(data)
    except WireError as error:
        assert error.reason in REASONS


def _with_checksum(octets: bytearray) -> bytearray:
    octets[56:58] = b"\0\0"
    source, destination = IPv6Address(bytes(octets[22:38])), IPv6Address(bytes(octets[38:54]))
    octets[56:58] = checksum(source, destination, 58, bytes(octets[54:])).to_bytes(2, "big")
    return octets


def _changed(message: Frame, position: int, value: bytes, seal: bool = True) -> bytes:
    octets = bytearray(build_frame(message))
    octets[position : position + len(value)] = value
    return bytes(_with_checksum(octets) if seal else octets)


def _solicitation(source: IPv6Address, destination: IPv6Address, target: IPv6Address, *options: object) -> bytes:
    return build_frame(NeighbourSolicitation(NODE, NODE, source, destination, target, options))  # type: ignore[arg-type]


RS = router_solicitation(NODE, NODE_ADDRESS)
REFUSED = {
    "cut short": (build_frame(RS)[:-1], "truncated"),
    "too short for its type": (_changed(router_solicitation(NODE), 54, b"\x87"), "length"),
    "routed": (_changed(RS, 21, b"\xfe"), "hop-limit"),
    "checksum": (_changed(RS, 56, b"\x12\x34", seal=False), "checksum"),
    "code": (_changed(RS, 55, b"\x01"), "value"),
    "option of length 0": (_changed(RS, 63, b"\x00"), "option-length"),
    "option past the end": (_changed(RS, 63, b"\x02"), "option-length"),
    "multicast target": (_solicitation(NODE_ADDRESS, SOLICITED_NODE, ALL_NODES), "value"),
    "detection to a node": (_solicitation(UNSPECIFIED, NODE_ADDRESS, NODE_ADDRESS), "value"),
    "detection with a link-layer address": (
        _solicitation(UNSPECIFIED, SOLICITED_NODE, NODE_ADDRESS, SourceLinkLayerAddress(NODE)),
        "value",
    ),
    "solicitation from :: with a link-layer address": (
        build_frame(RouterSolicitation(NODE, NODE, UNSPECIFIED, ALL_ROUTERS, (SourceLinkLayerAddress(NODE),))),
        "value",
    ),
    "advertisement of no link-local router": (
        build_frame(RouterAdvertisement(NODE, NODE, IPv6Address("2001:db8::1"), ALL_NODES, 0)),
        "value",
    ),
    "solicited to all": (
        build_frame(NeighbourAdvertisement(NODE, NODE, NODE_ADDRESS, ALL_NODES, NODE_ADDRESS, NeighbourFlag.S)),
        "value",
    ),
    "prefix length 129": (
        _changed(router_advertisement(NODE, PREFIXES, 1, 1452), 54 + 16 + 8 + 8 + 2, b"\x81"),
        "value",
    ),
    "link-layer address of 14 octets": (
        _changed(router_advertisement(NODE, PREFIXES, 1, 1452), 54 + 16 + 1, b"\x02"),
        "option-length",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_and_why(name: str) -> None:
    frame, reason = REFUSED[name]
    with pytest.raises(WireError) as caught:
        parse_frame(frame)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("position", "value"),
    [(12, b"\x08\x00"), (14, b"\x45"), (20, b"\x11"), (54, b"\x80")],
    ids=["ethertype", "version", "next header", "echo request"],
)
def test_anything_else_is_none(position: int, value: bytes) -> None:
    assert parse_frame(_changed(RS, position, value)) is None
    assert parse_frame(build_frame(RS)[:54]) is None


def test_unknown_options_are_skipped() -> None:
    octets = build_frame(RS)
    nonce = b"\x0e\x01abcdef"
    extended = bytearray(octets[:62] + nonce + octets[62:])
    extended[18:20] = (len(extended) - 54).to_bytes(2, "big")
    assert parse_frame(bytes(_with_checksum(extended))) == RS


def test_a_link_layer_address_has_six_octets() -> None:
    with pytest.raises(ValueError, match="6"):
        build_frame(router_solicitation(b"\x02", NODE_ADDRESS))
    with pytest.raises(ValueError, match="6"):
        build_frame(router_solicitation(b"\x02"))
