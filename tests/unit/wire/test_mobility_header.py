from __future__ import annotations

import dataclasses
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet6 import IPv6, in6_chksum
from wire_samples import (
    GOLDEN,
    LMA,
    MAG,
    NONE,
    PREFIX,
    REGISTRATION,
    RMS,
    header,
    messages,
    octets_of,
    options,
    sealed,
    source_of,
)

from ryu_pmipls import wire
from ryu_pmipls.wire import REASONS, WireError, build, parse
from ryu_pmipls.wire.fields import Field
from tests.fuzz.parser import check


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_vectors_are_built_bit_for_bit_and_parsed(name: str) -> None:
    message, source, destination, octets = GOLDEN[name]
    assert build(message, source, destination).hex() == octets
    assert parse(bytes.fromhex(octets), source, destination) == message


@pytest.mark.parametrize("kind", wire.MESSAGES)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_what_was_built_parses_to_the_same(kind: Any, data: st.DataObject) -> None:
    message = data.draw(messages(kind))
    source = source_of(message)
    octets = build(message, source, LMA)
    assert parse(octets, source, LMA) == message
    assert in6_chksum(135, IPv6(src=str(source), dst=str(LMA)), octets) == 0
    assert len(octets) % 8 == 0


@pytest.mark.parametrize("kind", wire.MESSAGES)
@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_what_was_parsed_is_built_in_canonical_form(kind: Any, data: st.DataObject) -> None:
    """Which parses to the same, and is built again to the same octets, however the received ones looked."""
    check(data.draw(octets_of(kind)))


@pytest.mark.parametrize("kind", [*wire.MESSAGES, *wire.OPTIONS.values(), *wire.OWN_OPTIONS.values()])
def test_what_is_spoken_is_offered_and_its_description_names_its_fields(kind: Any) -> None:
    described = {field.name for field in kind.description.layout.fields if isinstance(field, Field)}
    assert described == {field.name for field in dataclasses.fields(kind)} - {"options", "length_as_drafted"}
    assert getattr(wire, kind.__name__) is kind


@settings(deadline=None)
@given(st.lists(options(), max_size=6))
def test_options_are_aligned_when_sent(chosen: list[wire.Option]) -> None:
    octets = build(wire.BindingUpdate(1, 1, options=tuple(chosen)), MAG, LMA)
    position, seen = 12, []
    while position < len(octets):
        number = octets[position]
        if number > 1:
            seen.append((number, position))
        position += 1 if number == 0 else 2 + octets[position + 1]
    assert position == len(octets)
    assert len(seen) == len(chosen)
    for (number, position), option in zip(seen, chosen, strict=True):
        if isinstance(option, wire.UnknownOption):
            continue
        described = wire.OPTIONS[number].description
        multiple, offset = described.alignment_by_length.get(octets[position + 1], described.alignment)
        assert (position - offset) % multiple == 0, option


@settings(deadline=None, max_examples=600)
@given(st.binary(max_size=2048), st.booleans(), st.integers(0, 255))
def test_random_octets_raise_nothing_but_wire_error(data: bytes, seal: bool, number: int) -> None:
    if seal and len(data) >= 8:
        data = sealed(data[: len(data) // 8 * 8])
        data = sealed(data[:2] + bytes((number,)) + data[3:])
    try:
        parse(data, MAG, LMA)
    except WireError as error:
        assert error.reason in REASONS


@settings(deadline=None, max_examples=600)
@given(st.sampled_from(sorted(GOLDEN)), st.data())
def test_damaged_messages_raise_nothing_but_wire_error(name: str, data: st.DataObject) -> None:
    _, source, destination, octets = GOLDEN[name]
    damaged = bytearray.fromhex(octets)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(6, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    whole = sealed(bytes(damaged), source, destination)
    try:
        message = parse(whole, source, destination)
    except WireError as error:
        assert error.reason in REASONS
    else:
        again = build(message, source, destination)
        assert parse(again, source, destination) == message
        assert build(parse(again, source, destination), source, destination) == again


def _reason(data: bytes) -> str:
    with pytest.raises(WireError) as caught:
        parse(data, MAG, LMA)
    return caught.value.reason


PBU = bytes.fromhex(GOLDEN["PBU"][3])


REFUSED = {
    "nothing": (b"", "truncated"),
    "seven octets": (PBU[:7], "truncated"),
    "cut short": (PBU[:-8], "checksum"),
    "one bit flipped": (PBU[:20] + bytes((PBU[20] ^ 1,)) + PBU[21:], "checksum"),
    "type 42": (header(42, bytes(10)), "unknown-type"),
    "draft type 9": (header(11, b"\x09\x00" + bytes(8)), "unknown-inner-type"),
    "revocation type 3": (header(16, b"\x03" + bytes(9)), "unknown-inner-type"),
    "PBU of 8 octets": (header(5, b"\x00\x01"), "length"),
    "Tnl_request with Length 15": (header(11, b"\x01\x0f" + bytes(16)), "length"),
    "Tnl_request past the end": (header(11, b"\x01\x10" + bytes(8)), "length"),
    "option past the end": (header(5, bytes(6) + b"\x16\x12\x00\x40"), "option-length"),
    "prefix of 17 octets": (header(5, bytes(6) + b"\x16\x11\x00\x40" + bytes(15)), "option-length"),
    "prefix length 129": (header(5, bytes(6) + b"\x16\x12\x00\x81" + bytes(16)), "value"),
    "identifier without sub-type": (header(5, bytes(6) + b"\x08\x00"), "option-length"),
    "option without Length": (header(5, bytes(6) + b"\x01\x01\x00\x08"), "option-length"),
    "redirect K and N": (header(6, bytes(6) + b"\x2f\x12\xc0\x00" + bytes(16)), "value"),
    "IPv4 prefix length 63": (header(6, bytes(6) + b"\x25\x06\x00\xff" + bytes(4)), "value"),
    "part 2 of 2": (
        header(11, b"\x01\x10" + MAG.packed + b"\x13\x0b\x00\x00\x7e\xd9\x03" + bytes(4) + b"\x02\x02"),
        "value",
    ),
    "our option of a wrong length": (
        header(11, b"\x01\x10" + MAG.packed + b"\x13\x06\x00\x00\x7e\xd9\x03\x00"),
        "option-length",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_and_why(name: str) -> None:
    data, reason = REFUSED[name]
    assert _reason(data) == reason


def test_payload_proto_other_than_none_is_refused() -> None:
    data = b"\x3a" + PBU[1:]
    value = (int.from_bytes(PBU[4:6], "big") + (59 - 58) * 256) % 0xFFFF
    assert _reason(data[:4] + struct.pack("!H", value) + data[6:]) == "payload-proto"


@pytest.mark.parametrize("change", [-1, 1])
def test_header_len_has_to_agree_with_the_datagram(change: int) -> None:
    data = PBU[:1] + bytes((PBU[1] + change,)) + PBU[2:]
    value = (int.from_bytes(PBU[4:6], "big") - change) % 0xFFFF
    assert _reason(data[:4] + struct.pack("!H", value) + data[6:]) == "length"


def test_options_are_found_in_any_order_and_at_any_offset() -> None:
    fixed = b"\x00\x07\x82\x00\x03\x84"
    octets = [
        b"\x17\x02\x00\x01",
        b"\x16\x12\x00\x40" + PREFIX.packed,
        b"\x08\x10\x01mn1@example.net",
        b"\x18\x02\x00\x04",
    ]
    wanted = {REGISTRATION[0], REGISTRATION[1], REGISTRATION[2], REGISTRATION[3]}
    for padding in (b"", b"\x00", b"\x01\x00", b"\x01\x03abc", b"\x00\x00\x00"):
        for order in (octets, octets[::-1]):
            message = parse(header(5, fixed + padding.join((b"", *order))), MAG, LMA)
            assert len(message.options) == 4
            assert set(message.options) == wanted


def test_unknown_options_and_vendors_are_kept_but_not_taken_for_others() -> None:
    vendor = b"\x13\x06\x00\x00\x00\x09\x01\x05"
    ours_unknown = b"\x13\x06\x00\x00\x7e\xd9\xc8\x05"
    message = parse(header(5, bytes(6) + b"\xc8\x03abc" + vendor + ours_unknown + b"\x17\x02\x00\x01"), MAG, LMA)
    assert message.options == (
        wire.UnknownOption(200, b"abc"),
        wire.VendorSpecific(9, 1, b"\x05"),
        wire.VendorSpecific(32473, 200, b"\x05"),
        wire.HandoffIndicator(1),
    )
    assert message.option(wire.HandoffIndicator) == wire.HandoffIndicator(1)
    assert message.option(wire.AccessTechnologyType) is None


def test_repeated_options_come_in_order() -> None:
    prefixes = tuple(wire.HomeNetworkPrefix(PREFIX + (index << 64), 64) for index in range(3))
    message = wire.BindingUpdate(1, 1, options=(REGISTRATION[0], *prefixes))
    assert parse(build(message, MAG, LMA), MAG, LMA).all(wire.HomeNetworkPrefix) == prefixes


def test_reserved_bits_are_ignored() -> None:
    message = parse(header(5, b"\x00\x07\x82\x0f\x03\x84"), MAG, LMA)
    assert message == wire.BindingUpdate(7, 900)


def test_numbers_without_a_name_stay_numbers() -> None:
    message = wire.BindingAcknowledgement(200, 1, 1, options=(wire.HandoffIndicator(77),))
    parsed = parse(build(message, MAG, LMA), MAG, LMA)
    assert isinstance(parsed, wire.BindingAcknowledgement)
    assert parsed == message
    assert not isinstance(parsed.status, wire.BindingStatus)
    known = parse(build(wire.BindingAcknowledgement(155, 1, 1), MAG, LMA), MAG, LMA)
    assert isinstance(known, wire.BindingAcknowledgement)
    assert known.status is wire.BindingStatus.NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX


@pytest.mark.parametrize(
    "message",
    [
        wire.BindingUpdate(65536, 1),
        wire.BindingUpdate(1, -1),
        wire.BindingUpdate(1, 1, options=(wire.HomeNetworkPrefix(PREFIX, 129),)),
        wire.BindingUpdate(1, 1, options=(wire.MobileNodeIdentifier(bytes(255)),)),
        wire.BindingUpdate(1, 1, options=(wire.UnknownOption(0, b""),)),
        wire.BindingUpdate(1, 1, options=(wire.UnknownOption(1, b""),)),
        wire.BindingUpdate(1, 1, options=(wire.GreKey(2**32),)),
        wire.BindingUpdate(1, 1, options=(wire.UnknownOption(200, bytes(250)),) * 9),
        wire.LoadInfo(1.1, 0),
        wire.LoadInfo(0.5, -1),
    ],
)
def test_what_does_not_fit_is_not_built(message: wire.Message) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        build(message, MAG, LMA)


def test_the_longest_message_is_built_and_parsed() -> None:
    message = wire.BindingUpdate(1, 1, options=(wire.UnknownOption(200, bytes(252)),) * 8)
    octets = build(message, MAG, LMA)
    assert len(octets) == 2048
    assert parse(octets, MAG, LMA) == message


def test_a_gre_key_option_without_a_key_has_length_2() -> None:
    message = wire.BindingUpdate(1, 1, options=(wire.GreKey(None),))
    assert b"\x21\x02\x00\x00" in build(message, MAG, LMA)


def test_an_eui_64_goes_on_its_natural_boundary() -> None:
    message = wire.BindingUpdate(1, 1, options=(wire.MobileNodeLinkLayerIdentifier(bytes(range(8))),))
    assert build(message, MAG, LMA).index(bytes(range(8))) % 8 == 0


def test_code_points_may_be_chosen() -> None:
    chosen = wire.CodePoints(
        mobility_header_type=200,
        tunnel_request=9,
        tunnel_ack=8,
        load_info=7,
        load_adjust=6,
        route_adjust=1,
        vendor_id=5,
    )
    message = wire.RouteAdjust(PREFIX, NONE, MAG, (wire.Attachment(3, LMA),))
    octets = build(message, MAG, RMS, chosen)
    assert (octets[2], octets[6]) == (200, 1)
    assert parse(octets, MAG, RMS, chosen) == message
    with pytest.raises(WireError) as caught:
        parse(octets, MAG, RMS)
    assert caught.value.reason == "unknown-type"


@pytest.mark.parametrize(
    ("field", "value"),
    [("tunnel_request", 2), ("load_info", 256), ("vendor_id", -1), ("mobility_header_type", 5)],
)
def test_code_points_that_cannot_be(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=r"must|belongs"):
        wire.CodePoints(**{field: value})


def test_seconds_of_a_timestamp() -> None:
    assert wire.Timestamp.of(1700000000.5).ticks == 1700000000 << 16 | 0x8000
    assert wire.Timestamp.of(1700000000.5).seconds == 1700000000.5


def test_flags_of_a_redirect_have_to_fit_its_address() -> None:
    with pytest.raises(ValueError, match="disagree"):
        wire.Redirect(wire.RedirectFlag.N, LMA)
