"""scapy and we agree on every Mobility Header: on what it knows of those that we build, and on those that it builds.

It knows the types 0 to 7, the options 2 to 16 and the older flags. The rest it shows as octets; there lengths, types
and octets are compared.
"""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Any

import pytest
from scapy.layers import inet6
from scapy.packet import Packet
from wire_samples import EVERYTHING, LMA, MAG

from ryu_pmipls import wire
from ryu_pmipls.wire import build, parse
from ryu_pmipls.wire.fields import Field

#: The message's fields by scapy's names.
MESSAGES: dict[type[wire.Message], tuple[type[Packet], dict[str, str]]] = {
    wire.BindingUpdate: (inet6.MIP6MH_BU, {"seq": "sequence", "mhtime": "lifetime"}),
    wire.BindingAcknowledgement: (inet6.MIP6MH_BA, {"status": "status", "seq": "sequence", "mhtime": "lifetime"}),
    wire.BindingError: (inet6.MIP6MH_BE, {"status": "status", "ha": "home_address"}),
}
OPTIONS: dict[type[wire.Option], tuple[type[Packet], dict[str, str]]] = {
    wire.AlternateCareOfAddress: (inet6.MIP6OptAltCoA, {"acoa": "address"}),
    wire.MobileNodeIdentifier: (inet6.MIP6OptMNID, {"subtype": "subtype", "id": "identifier"}),
    wire.ReplayProtection: (inet6.MIP6OptReplayProtection, {"timestamp": "timestamp"}),
    wire.Authentication: (inet6.MIP6OptMsgAuth, {"subtype": "subtype", "mspi": "spi", "authdata": "authenticator"}),
}
#: The flags that it knows.
FLAGS: dict[type[wire.Message], str] = {wire.BindingUpdate: "PRMKLHA", wire.BindingAcknowledgement: "PRK"}


def dissected(data: bytes, source: IPv6Address, destination: IPv6Address) -> Packet:
    return inet6.IPv6(bytes(inet6.IPv6(src=str(source), dst=str(destination), nh=135, plen=len(data))) + data).payload


def values(packet: Packet, names: dict[str, str]) -> dict[str, object]:
    return {ours: getattr(packet, theirs) for theirs, ours in names.items()}


def ours(record: Any, names: dict[str, str]) -> dict[str, object]:
    found = {name: getattr(record, name) for name in names.values()}
    return {name: str(value) if isinstance(value, IPv6Address) else value for name, value in found.items()}


@pytest.mark.parametrize("name", EVERYTHING)
def test_scapy_agrees_on_what_we_build(name: str) -> None:
    message, source, destination = EVERYTHING[name]
    octets = build(message, source, destination)
    packet = dissected(octets, source, destination)
    assert (packet.nh, 8 * packet.len + 8, packet.mhtype) == (59, len(octets), octets[2])
    assert inet6.in6_chksum(135, packet.underlayer, octets) == 0

    kind, names = MESSAGES.get(type(message), (inet6.MIP6MH_Generic, {}))
    assert type(packet) is kind
    assert values(packet, names) == ours(message, names)
    if type(message) in FLAGS:
        known = FLAGS[type(message)]
        chosen = message.flags  # type: ignore[attr-defined]
        assert set(str(packet.flags)) == {flag.name for flag in type(chosen) if flag in chosen} & set(known)
    if names:
        compare_options(packet, message)


def compare_options(packet: Packet, message: wire.Message) -> None:
    shown = [option for option in packet.options if not isinstance(option, (inet6.Pad1, inet6.PadN))]
    assert len(shown) == len(message.options)
    for their_option, option in zip(shown, message.options, strict=True):
        kind, names = OPTIONS.get(type(option), (inet6.MIP6OptUnknown, {}))
        assert type(their_option) is kind
        assert values(their_option, names) == ours(option, names)
        number, data = number_and_data(option)
        assert (their_option.otype, their_option.olen) == (number, len(data))
        if not names:
            assert their_option.odata == data


def number_and_data(option: wire.Option) -> tuple[int, bytes]:
    if isinstance(option, wire.UnknownOption):
        return option.type, option.data
    description = option.description
    data = description.layout.build(option)
    if description.number is None:
        assert description.subtype is not None
        return 19, (32473).to_bytes(4, "big") + bytes((description.subtype,)) + data
    return description.number, data


@pytest.mark.parametrize("name", EVERYTHING)
def test_scapy_computes_the_same_length_and_checksum(name: str) -> None:
    message, source, destination = EVERYTHING[name]
    octets = build(message, source, destination)
    whole = inet6.IPv6(src=str(source), dst=str(destination)) / dissected(octets, source, destination)
    packet = whole.payload
    packet.len = packet.cksum = None
    assert bytes(whole)[40:] == octets


def test_all_fields_are_compared_but_those_listed() -> None:
    """So that a new field is not forgotten: of the messages and options that scapy knows, flags are the exception."""
    for kind, (_, names) in {**MESSAGES, **OPTIONS}.items():
        described = {field.name for field in kind.description.layout.fields if isinstance(field, Field)}
        assert described - {*names.values()} <= {"flags"}, kind


ALTERNATE = inet6.MIP6OptAltCoA(acoa="2001:db8:0:2::2")
NAI = inet6.MIP6OptMNID(id=b"mn1@example.net")
BUILT_BY_SCAPY: dict[str, tuple[Packet, wire.Message]] = {
    "BU": (
        inet6.MIP6MH_BU(seq=7, flags="PA", mhtime=900),
        wire.BindingUpdate(7, 900),
    ),
    "BU of a mobile node": (
        inet6.MIP6MH_BU(seq=65535, flags="AHLK", mhtime=1),
        wire.BindingUpdate(
            65535,
            1,
            wire.BindingUpdateFlag.A | wire.BindingUpdateFlag.H | wire.BindingUpdateFlag.L | wire.BindingUpdateFlag.K,
        ),
    ),
    "BU with options": (
        inet6.MIP6MH_BU(seq=1, flags="PA", mhtime=0, options=[NAI, ALTERNATE]),
        wire.BindingUpdate(
            1,
            0,
            options=(
                wire.MobileNodeIdentifier(b"mn1@example.net"),
                wire.AlternateCareOfAddress(IPv6Address("2001:db8:0:2::2")),
            ),
        ),
    ),
    "BU with an authenticator": (
        inet6.MIP6MH_BU(seq=1, flags="PA", mhtime=1, options=[inet6.MIP6OptMsgAuth(mspi=4096, authdata=b"x" * 12)]),
        wire.BindingUpdate(1, 1, options=(wire.Authentication(4096, b"x" * 12),)),
    ),
    "BU with options that we do not know": (
        inet6.MIP6MH_BU(seq=1, flags="PA", mhtime=1, options=[inet6.MIP6OptBRAdvice(rinter=9), NAI]),
        wire.BindingUpdate(
            1, 1, options=(wire.UnknownOption(2, b"\x00\x09"), wire.MobileNodeIdentifier(b"mn1@example.net"))
        ),
    ),
    "BU with an empty identifier": (
        inet6.MIP6MH_BU(seq=1, flags="PA", mhtime=1, options=[inet6.MIP6OptMNID(id=b"")]),
        wire.BindingUpdate(1, 1, options=(wire.MobileNodeIdentifier(b""),)),
    ),
    "BA": (
        inet6.MIP6MH_BA(status=155, flags="P", seq=7, mhtime=900, options=[NAI]),
        wire.BindingAcknowledgement(155, 7, 900, options=(wire.MobileNodeIdentifier(b"mn1@example.net"),)),
    ),
    "BE": (inet6.MIP6MH_BE(status=2, ha=str(MAG)), wire.BindingError(2, MAG)),
}


@pytest.mark.parametrize("name", BUILT_BY_SCAPY)
def test_what_scapy_builds_is_parsed(name: str) -> None:
    packet, message = BUILT_BY_SCAPY[name]
    octets = bytes(inet6.IPv6(src=str(MAG), dst=str(LMA)) / packet)[40:]
    assert parse(octets, MAG, LMA) == message
