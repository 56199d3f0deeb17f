"""Messages to octets and back: ours, and scapy.

scapy knows Binding Update and the Mobile Node Identifier; the rest is described to it here as its users do that. Both
sides make the same octets. To build is to make the message from its values and its octets from that; to parse is the
other way, where ours also verifies the checksum, and scapy does not. Each batch goes over many different messages, so
that no side lives off what it remembers of the last one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv6Address
from typing import Any

from scapy import VERSION
from scapy.fields import (
    ByteField,
    FieldLenField,
    IEEEFloatField,
    IntField,
    LongField,
    MACField,
    PacketListField,
    ShortField,
    StrFixedLenField,
)
from scapy.layers import inet6
from scapy.packet import Packet

from ryu_pmipls import wire
from tests.bench.comparison import Comparison, Effort, compare

AT_LEAST = 20
#: Different messages in a batch.
VARIETY = 64
ROUNDS = 30

MAG, LMA, RMS = IPv6Address("2001:db8:0:1::2"), IPv6Address("2001:db8::2"), IPv6Address("2001:db8::99")
FLAGS = wire.BindingUpdateFlag.A | wire.BindingUpdateFlag.P


class HomeNetworkPrefix(inet6._MIP6OptAlign):
    fields_desc = [
        ByteField("otype", 22),
        ByteField("olen", 18),
        ByteField("res", 0),
        ByteField("plen", 64),
        inet6.IP6Field("prefix", "::"),
    ]
    x, y = 8, 4


class HandoffIndicator(inet6._MIP6OptAlign):
    fields_desc = [ByteField("otype", 23), ByteField("olen", 2), ByteField("res", 0), ByteField("hi", 0)]
    x, y = 0, 0


class AccessTechnologyType(inet6._MIP6OptAlign):
    fields_desc = [ByteField("otype", 24), ByteField("olen", 2), ByteField("res", 0), ByteField("att", 0)]
    x, y = 0, 0


class LinkLayerIdentifier(inet6._MIP6OptAlign):
    fields_desc = [ByteField("otype", 25), ByteField("olen", 8), ShortField("res", 0), MACField("lladdr", None)]
    x, y = 4, 0


class Timestamp(inet6._MIP6OptAlign):
    fields_desc = [ByteField("otype", 27), ByteField("olen", 8), LongField("ticks", 0)]
    x, y = 8, 2


class VendorSpecific(inet6._MIP6OptAlign):
    x, y = 4, 2


def _vendor_specific(subtype: int, length: int) -> list[Any]:
    return [ByteField("otype", 19), ByteField("olen", 5 + length), IntField("vendor", 32473), ByteField("sub", subtype)]


class Attachment(VendorSpecific):
    fields_desc = [*_vendor_specific(1, 20), IntField("port", 0), inet6.IP6Field("anchor", "::")]


class CoreGateway(VendorSpecific):
    fields_desc = [*_vendor_specific(2, 6), StrFixedLenField("address", b"", 6)]


class LoadInfoPart(VendorSpecific):
    fields_desc = [*_vendor_specific(3, 6), IntField("window", 0), ByteField("index", 0), ByteField("parts", 1)]


class AnyOption(inet6.MIP6OptUnknown):
    @classmethod
    def dispatch_hook(cls, data: bytes, *args: Any, **kwargs: Any) -> type[Packet]:
        if data[0] == 19:
            return {1: Attachment, 2: CoreGateway, 3: LoadInfoPart}[data[6]]
        return super().dispatch_hook(data, *args, **kwargs)


inet6.moboptcls.update(
    {
        22: HomeNetworkPrefix,
        23: HandoffIndicator,
        24: AccessTechnologyType,
        25: LinkLayerIdentifier,
        27: Timestamp,
    }
)


def _draft_header(inner: int, length: Any) -> list[Any]:
    return [
        ByteField("nh", 59),
        ByteField("len", None),
        ByteField("mhtype", 11),
        ByteField("res", 0),
        inet6.XShortField("cksum", None),
        ByteField("inner", inner),
        length,
    ]


def _options(curpos: int | Callable[[Packet], int], start: Callable[[Packet], int]) -> list[Any]:
    """The options from ``start(packet)``; ``curpos`` is what they are aligned by."""
    return [
        inet6._PhantomAutoPadField("autopad", 1),
        inet6._OptionsField(
            "options", [], AnyOption, curpos, length_from=lambda packet: 8 * packet.len + 8 - start(packet)
        ),
    ]


class RouteAdjust(inet6._MobilityHeader):
    fields_desc = [
        *_draft_header(5, ByteField("length", 48)),
        inet6.IP6Field("prefix", "::"),
        inet6.IP6Field("old_mag", "::"),
        inet6.IP6Field("new_mag", "::"),
        *_options(56, lambda packet: 56),
    ]


class MagLoad(Packet):
    fields_desc = [inet6.IP6Field("mag", "::"), IntField("packets", 0)]

    def extract_padding(self, rest: bytes) -> tuple[bytes, bytes]:
        return b"", rest


class LoadInfo(inet6._MobilityHeader):
    fields_desc = [
        *_draft_header(3, FieldLenField("length", None, length_of="mags", fmt="B", adjust=lambda packet, x: x + 8)),
        IEEEFloatField("cpu", 0),
        IntField("total", 0),
        PacketListField("mags", [], MagLoad, length_from=lambda packet: packet.length - 8),
        *_options(256, lambda packet: 16 + 20 * len(packet.mags)),  # 256: 12 MAGs are a multiple of 8 octets
    ]


@dataclass(frozen=True)
class Case:
    """A message as both sides know it: made anew from number ``index`` of its variety."""

    name: str
    source: IPv6Address
    destination: IPv6Address
    ours: Callable[[int], wire.Message]
    theirs: Callable[[int], Packet]
    their_class: type[Packet]

    def build(self, index: int) -> bytes:
        return wire.build(self.ours(index), self.source, self.destination)

    def build_by_scapy(self, index: int) -> bytes:
        packet = inet6.IPv6(src=str(self.source), dst=str(self.destination)) / self.theirs(index)
        return bytes(packet)[40:]


def _prefix(index: int) -> IPv6Address:
    return IPv6Address((0x20010DB8_01000000 + index) << 64)


def _ticks(index: int) -> int:
    return (1_700_000_000 << 16) + 12345 * index


def _link_layer(index: int) -> bytes:
    return b"\x02\0\0\0\1" + bytes((index,))


def _pbu(index: int) -> wire.Message:
    return wire.BindingUpdate(
        index,
        900,
        FLAGS,
        (
            wire.MobileNodeIdentifier(b"mn%d@example.net" % index),
            wire.HomeNetworkPrefix(_prefix(index), 64),
            wire.HandoffIndicator(4),
            wire.AccessTechnologyType(4),
            wire.Timestamp(_ticks(index)),
            wire.MobileNodeLinkLayerIdentifier(_link_layer(index)),
        ),
    )


def _pbu_of_scapy(index: int) -> Packet:
    return inet6.MIP6MH_BU(
        seq=index,
        flags="PA",
        mhtime=900,
        options=[
            inet6.MIP6OptMNID(id=b"mn%d@example.net" % index),
            HomeNetworkPrefix(plen=64, prefix=str(_prefix(index))),
            HandoffIndicator(hi=4),
            AccessTechnologyType(att=4),
            Timestamp(ticks=_ticks(index)),
            LinkLayerIdentifier(lladdr=_link_layer(index).hex(":")),
        ],
    )


def _route_adjust(index: int) -> wire.Message:
    options = (wire.Timestamp(_ticks(index)), wire.Attachment(index, LMA))
    return wire.RouteAdjust(_prefix(index), MAG + 1, MAG, options)


def _route_adjust_of_scapy(index: int) -> Packet:
    return RouteAdjust(
        prefix=str(_prefix(index)),
        old_mag=str(MAG + 1),
        new_mag=str(MAG),
        options=[Timestamp(ticks=_ticks(index)), Attachment(port=index, anchor=str(LMA))],
    )


def _load_info(index: int) -> wire.Message:
    return wire.LoadInfo(
        index / 128,
        100_000 + index,
        tuple([wire.MagLoad(MAG + number, 100 * index + number) for number in range(12)]),
        (wire.Timestamp(_ticks(index)), wire.CoreGateway(_link_layer(1)), wire.LoadInfoPart(index, 0, 1)),
    )


def _load_info_of_scapy(index: int) -> Packet:
    return LoadInfo(
        cpu=index / 128,
        total=100_000 + index,
        mags=[MagLoad(mag=str(MAG + number), packets=100 * index + number) for number in range(12)],
        options=[
            Timestamp(ticks=_ticks(index)),
            CoreGateway(address=_link_layer(1)),
            LoadInfoPart(window=index, index=0, parts=1),
        ],
    )


CASES = (
    Case("PBU", MAG, LMA, _pbu, _pbu_of_scapy, inet6.MIP6MH_BU),
    Case("Route_adjust", MAG, RMS, _route_adjust, _route_adjust_of_scapy, RouteAdjust),
    Case("Load_info, 12 MAGs", LMA, RMS, _load_info, _load_info_of_scapy, LoadInfo),
)


def _batch(function: Callable[[Any], object], arguments: list[Any], times: int) -> int:
    for _ in range(times):
        for argument in arguments:
            function(argument)
    return times * len(arguments)


def _agree(parsed: Packet, made: Packet) -> bool:
    """Whether scapy has parsed what it was made of."""
    for name, value in made.fields.items():
        found = getattr(parsed, name)
        if isinstance(value, list):
            real = [each for each in found if not isinstance(each, (inet6.Pad1, inet6.PadN))]
            if len(real) != len(value) or not all(map(_agree, real, value)):
                return False
        elif found != value:
            return False
    return True


def measure(effort: Effort) -> list[Comparison]:
    comparisons = []
    numbers = list(range(VARIETY))
    for case in CASES:
        octets = [case.build(index) for index in numbers]
        for index, data in zip(numbers, octets, strict=True):
            assert case.build_by_scapy(index) == data, case.name
            assert wire.parse(data, case.source, case.destination) == case.ours(index)
            assert _agree(case.their_class(data), case.theirs(index)), case.name
        parse = partial(wire.parse, source=case.source, destination=case.destination)
        for what, ours, theirs, inputs in (
            ("parse", parse, case.their_class, octets),
            ("build", case.build, case.build_by_scapy, numbers),
        ):
            comparisons.append(
                compare(
                    f"{case.name}, {what}",
                    partial(_batch, ours, inputs, 40),
                    f"scapy {VERSION}",
                    partial(_batch, theirs, inputs, 1),
                    AT_LEAST,
                    rounds=effort.of(ROUNDS),
                )
            )
    return comparisons
