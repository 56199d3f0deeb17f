"""The draft's errata on wire formats, one test each, as we read them."""

from __future__ import annotations

import dataclasses
import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_samples import GOLDEN, LMA, MAG, NONE, OTHER_LMA, PREFIX, RMS, header, sealed

from docs.generators.messages import reference
from ryu_pmipls import wire
from ryu_pmipls.wire import CodePoints, LoadInfo, MagLoad, RouteAdjust, TunnelAck, WireError, build, parse

DRAFT: list[type[wire.Message]] = [wire.TunnelRequest, wire.TunnelAck, wire.LoadInfo, wire.LoadAdjust, wire.RouteAdjust]


def _body(message: wire.Message) -> bytes:
    return build(message, MAG, RMS)[8:]


def _reason(data: bytes) -> str:
    with pytest.raises(WireError) as caught:
        parse(data, MAG, LMA)
    return caught.value.reason


def _load_info(cpu: bytes, total: int = 0) -> bytes:
    return header(11, b"\x03\x08" + cpu + total.to_bytes(4, "big"))


def test_e01_all_five_messages_share_the_type_for_experiments() -> None:
    samples = [
        wire.TunnelRequest(MAG),
        wire.TunnelAck(LMA),
        wire.LoadInfo(0, 0),
        wire.LoadAdjust(LMA, OTHER_LMA),
        wire.RouteAdjust(PREFIX, NONE, MAG),
    ]
    octets = [build(message, LMA, MAG) for message in samples]
    assert [data[2] for data in octets] == [11] * 5
    assert [data[6] for data in octets] == [1, 2, 3, 4, 5]
    assert [type(parse(data, LMA, MAG)) for data in octets] == DRAFT


def test_e02_the_message_is_a_tlv_behind_the_checksum_and_options_may_follow() -> None:
    message = wire.TunnelRequest(MAG, (wire.Timestamp(1 << 48 | 5),))
    octets = build(message, MAG, LMA)
    assert octets[6:24] == b"\x01\x10" + MAG.packed
    assert parse(octets, MAG, LMA).option(wire.Timestamp) == wire.Timestamp(1 << 48 | 5)


def test_e03_route_adjust_has_length_48_and_32_is_accepted_when_48_octets_follow() -> None:
    message = RouteAdjust(PREFIX, NONE, MAG, (wire.Timestamp(1),))
    octets = build(message, MAG, LMA)
    assert octets[7] == 48
    proper = parse(octets, MAG, LMA)
    assert isinstance(proper, RouteAdjust)
    assert not proper.length_as_drafted

    drafted = parse(sealed(octets[:7] + b"\x20" + octets[8:]), MAG, LMA)
    assert isinstance(drafted, RouteAdjust)
    assert drafted == message
    assert drafted.length_as_drafted


def test_e03_length_32_is_refused_where_it_is_not_wanted() -> None:
    octets = build(RouteAdjust(PREFIX, NONE, MAG), MAG, LMA)
    with pytest.raises(WireError, match="Length 32, not 48"):
        parse(sealed(octets[:7] + b"\x20" + octets[8:]), MAG, LMA, lenient=False)
    assert parse(octets, MAG, LMA, lenient=False) == RouteAdjust(PREFIX, NONE, MAG)


def test_e03_length_32_is_refused_when_only_32_octets_follow() -> None:
    assert _reason(header(11, b"\x05\x20" + PREFIX.packed + MAG.packed)) == "length"


def test_e04_the_new_mag_address_has_16_octets() -> None:
    assert _body(RouteAdjust(PREFIX, LMA, MAG))[32:48] == MAG.packed


def test_e05_twelve_mags_fit_and_thirteen_do_not() -> None:
    mags = tuple(MagLoad(MAG + index, index) for index in range(13))
    octets = build(LoadInfo(0.5, 78, mags[:12]), MAG, LMA)
    assert octets[7] == 248
    with pytest.raises(ValueError, match="Length would be 268"):
        build(LoadInfo(0.5, 78, mags), MAG, LMA)
    parts = wire.split_load_info(LoadInfo(0.5, 78, mags, (wire.LoadInfoPart(4, 0, 1),)))
    assert [part.option(wire.LoadInfoPart) for part in parts] == [
        wire.LoadInfoPart(4, 0, 2),
        wire.LoadInfoPart(4, 1, 2),
    ]
    merger = wire.LoadInfoMerger()
    merged = [merger.add(LMA, parse_load_info(build(part, LMA, RMS))) for part in parts]
    assert merged[0] is None
    assert merged[1] is not None
    assert merged[1].mags == mags


def parse_load_info(data: bytes) -> LoadInfo:
    message = parse(data, LMA, RMS)
    assert isinstance(message, LoadInfo)
    return message


@pytest.mark.parametrize("count", range(13))
def test_e06_padding_is_not_counted_in_length(count: int) -> None:
    octets = build(LoadInfo(0.5, 0, tuple(MagLoad(MAG + index, 0) for index in range(count))), MAG, LMA)
    assert len(octets) % 8 == 0
    assert octets[7] == 20 * count + 8
    assert octets[8 + octets[7] :] == (b"\x01\x02\x00\x00" if count % 2 else b"")


def test_e07_load_info_does_not_say_which_lma_it_is_from() -> None:
    assert _body(LoadInfo(0.5, 0)) == struct.pack("!fI", 0.5, 0)


def test_e08_the_number_of_mags_follows_from_length() -> None:
    assert parse_load_info(build(LoadInfo(0.5, 7), LMA, RMS)).mags == ()
    for length in (0, 7, 9, 27, 29):
        data = header(11, bytes((3, length)) + bytes(length))
        assert _reason(data) == "length", length


@pytest.mark.parametrize("cpu", [math.nan, math.inf, -math.inf, -0.001, 1.001, 80.0])
def test_e09_the_cpu_rate_is_a_fraction_and_nothing_else(cpu: float) -> None:
    assert _reason(_load_info(struct.pack("!f", cpu))) == "value"
    with pytest.raises(ValueError, match="cpu"):
        build(LoadInfo(cpu, 0), MAG, LMA)


def test_e09_the_cpu_rate_is_binary32_and_reaches_the_threshold() -> None:
    message = parse(_load_info(bytes.fromhex("3f4ccccd")), MAG, LMA)
    assert isinstance(message, LoadInfo)
    assert message.cpu >= 0.8
    assert [parse_load_info(build(LoadInfo(cpu, 0), LMA, RMS)).cpu for cpu in (0.0, 1.0)] == [0.0, 1.0]


def test_e10_tnl_ack_names_the_lma_that_sends_it() -> None:
    assert parse(build(TunnelAck(LMA), LMA, MAG), LMA, MAG) == TunnelAck(LMA)
    with pytest.raises(WireError) as caught:
        parse(build(TunnelAck(OTHER_LMA), LMA, MAG), LMA, MAG)
    assert caught.value.reason == "source"


def test_e11_load_info_names_the_mags() -> None:
    assert _body(LoadInfo(0.5, 9, (MagLoad(MAG, 9),)))[8:24] == MAG.packed


@pytest.mark.parametrize("name", ["Tnl_request", "Load_info", "Load_adjust", "Route_adjust"])
def test_e12_a_timestamp_may_follow_for_order_and_replay(name: str) -> None:
    message, source, destination, octets = GOLDEN[name]
    stamped = dataclasses.replace(message, options=(wire.Timestamp(77),))  # type: ignore[type-var]
    data = build(stamped, source, destination)
    bare = bytes.fromhex(octets)
    assert data[6 : 8 + bare[7]] == bare[6 : 8 + bare[7]]
    assert parse(data, source, destination).option(wire.Timestamp) == wire.Timestamp(77)


def test_e13_tnl_ack_may_carry_status_and_encapsulation() -> None:
    refusal = wire.TunnelStatus(wire.TunnelStatusCode.INSUFFICIENT_RESOURCES, wire.Encapsulation.SRV6)
    message = TunnelAck(LMA, (refusal,))
    octets = build(message, LMA, MAG)
    assert octets[26:35] == b"\x13\x07" + (32473).to_bytes(4, "big") + b"\x04\x82\x01"
    assert parse(octets, LMA, MAG) == message
    assert parse(build(TunnelAck(LMA), LMA, MAG), LMA, MAG).option(wire.TunnelStatus) is None


def test_e14_the_prefix_is_a_64() -> None:
    assert str(RouteAdjust(PREFIX + 5, NONE, MAG).network) == "2001:db8:100::/64"


def test_e15_ipv4_nodes_can_only_be_named_by_mapped_addresses() -> None:
    mapped = type(MAG)("::ffff:192.0.2.1")
    parsed = parse(build(wire.TunnelRequest(mapped), MAG, LMA), MAG, LMA)
    assert isinstance(parsed, wire.TunnelRequest)
    assert str(parsed.mag.ipv4_mapped) == "192.0.2.1"


@settings(deadline=None, max_examples=50)
@given(st.integers(2**32 - 1, 2**70))
def test_e16_counters_saturate(packets: int) -> None:
    message = parse_load_info(build(LoadInfo(0.5, packets, (MagLoad(MAG, packets),)), LMA, RMS))
    assert message.total_packets == message.mags[0].packets == 2**32 - 1


@pytest.mark.parametrize(("reported", "total", "understated"), [(500, 500, False), (300, 300, False), (299, 300, True)])
def test_e17_the_total_is_at_least_the_sum(reported: int, total: int, understated: bool) -> None:
    info = LoadInfo(0.5, reported, (MagLoad(MAG, 100), MagLoad(LMA, 200)))
    assert (info.total, info.understated) == (total, understated)


def test_e18_names_are_spelt_in_one_way() -> None:
    titles = [kind.description.title for kind in DRAFT]
    assert titles == ["Tnl_request", "Tnl_ack", "Load_info", "Load_adjust", "Route_adjust"]
    code_points = [kind.description.code_point for kind in DRAFT]
    assert code_points == list(CodePoints.__match_args__[1:6])


def test_e19_nothing_but_the_rms_stands_for_the_routing_entities() -> None:
    assert "Route Management Server (RMS; erratum E19)" in reference()
    assert "entities" not in reference()
