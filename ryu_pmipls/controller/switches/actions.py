"""Actions of rules, each a class that knows its encoding, its decoding and its text.

A new action is one class here, and its use in a pipeline.
"""

from __future__ import annotations

import struct
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Network
from typing import Any, ClassVar

from ryu_pmipls.controller.ryu import nicira_ext
from ryu_pmipls.controller.ryu import ofproto_v1_3 as ofp
from ryu_pmipls.controller.ryu import ofproto_v1_3_parser as parser
from ryu_pmipls.controller.switches.flow import Action
from ryu_pmipls.controller.switches.parameter import LinkLayer, Number, Port, Prefix, shown
from ryu_pmipls.wire.neighbour_discovery import NeighbourAdvertisement, NeighbourFlag, TargetLinkLayerAddress

#: Fields of neighbour discovery that Ryu does not know: flags with reserved bits, and the type of the first option
#: (class 0x1000, ERICOXM_OF_ICMPV6_ND_RESERVED and ..._OPTIONS_TYPE). Ryu shows such values in base 64.
_ND_RESERVED, _ND_OPTION_TYPE = (f"field_{0x1000 << 7 | number}" for number in (1, 2))
_ADVERTISEMENT = NeighbourAdvertisement.description.number
_TARGET_OPTION = bytes((TargetLinkLayerAddress.description.number or 0,))


@dataclass(frozen=True)
class SetLinkLayer(Action):
    """Write both link-layer addresses (a packet from a layer 3 tunnel has none)."""

    source: LinkLayer
    destination: LinkLayer

    encoded: ClassVar[int] = 2

    def encode(self) -> list[Any]:
        assert isinstance(self.source, bytes) and isinstance(self.destination, bytes)
        return [
            parser.OFPActionSetField(eth_src=self.source.hex(":")),
            parser.OFPActionSetField(eth_dst=self.destination.hex(":")),
        ]

    @classmethod
    def decode(cls, *actions: Any) -> Action | None:
        if not all(isinstance(action, parser.OFPActionSetField) for action in actions):
            return None
        if [action.key for action in actions] != ["eth_src", "eth_dst"]:
            return None
        return cls(*(bytes.fromhex(action.value.replace(":", "")) for action in actions))

    def __str__(self) -> str:
        return f"link-layer addresses {shown(self.source)} -> {shown(self.destination)}"


@dataclass(frozen=True)
class ToLinkLayer(Action):
    """Write the link-layer destination."""

    address: LinkLayer

    def encode(self) -> list[Any]:
        assert isinstance(self.address, bytes)
        return [parser.OFPActionSetField(eth_dst=self.address.hex(":"))]

    @classmethod
    def decode(cls, *actions: Any) -> Action | None:
        (action,) = actions
        return cls(bytes.fromhex(action.value.replace(":", ""))) if _field_set(action) == "eth_dst" else None

    def __str__(self) -> str:
        return f"to link-layer address {shown(self.address)}"


@dataclass(frozen=True)
class ReturnToSender(Action):
    """Address the packet to its sender, as from a node with these addresses (moves are a Nicira extension)."""

    link_layer: LinkLayer
    address: Prefix

    encoded: ClassVar[int] = 4
    #: Source and destination field of the two moves, and their bits; by Nicira's names, as a switch describes them.
    _MOVES: ClassVar[tuple[tuple[str, str, int], ...]] = (
        ("eth_src_nxm", "eth_dst_nxm", 48),
        ("ipv6_src_nxm", "ipv6_dst_nxm", 128),
    )

    def encode(self) -> list[Any]:
        assert isinstance(self.link_layer, bytes) and isinstance(self.address, IPv6Network)
        link_layer, address = (
            parser.NXActionRegMove(src_field=source, dst_field=destination, n_bits=bits)
            for source, destination, bits in self._MOVES
        )
        return [
            link_layer,
            parser.OFPActionSetField(eth_src=self.link_layer.hex(":")),
            address,
            parser.OFPActionSetField(ipv6_src=str(self.address.network_address)),
        ]

    @classmethod
    def decode(cls, *actions: Any) -> Action | None:
        moves, (link_layer, address) = actions[::2], actions[1::2]
        if not all(isinstance(move, parser.NXActionRegMove) for move in moves):
            return None
        if tuple((move.src_field, move.dst_field, move.n_bits) for move in moves) != cls._MOVES:
            return None
        if any(move.src_ofs or move.dst_ofs for move in moves):
            return None
        if _field_set(link_layer) != "eth_src" or _field_set(address) != "ipv6_src":
            return None
        return cls(bytes.fromhex(link_layer.value.replace(":", "")), IPv6Network(address.value))

    def __str__(self) -> str:
        return f"back to the sender, from {shown(self.link_layer)}, {_address(self.address)}"


@dataclass(frozen=True)
class ToAddress(Action):
    """Write the IPv6 destination."""

    address: Prefix

    def encode(self) -> list[Any]:
        assert isinstance(self.address, IPv6Network)
        return [parser.OFPActionSetField(ipv6_dst=str(self.address.network_address))]

    @classmethod
    def decode(cls, *actions: Any) -> Action | None:
        (action,) = actions
        return cls(IPv6Network(action.value)) if _field_set(action) == "ipv6_dst" else None

    def __str__(self) -> str:
        return f"to {_address(self.address)}"


@dataclass(frozen=True)
class ExchangeAddresses(Action):
    """Exchange source and destination of the packet, by way of a register (moves are a Nicira extension)."""

    encoded: ClassVar[int] = 3
    #: The register is none that another action writes.
    _MOVES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("ipv6_src_nxm", "xxreg1"),
        ("ipv6_dst_nxm", "ipv6_src_nxm"),
        ("xxreg1", "ipv6_dst_nxm"),
    )

    def encode(self) -> list[Any]:
        return [
            parser.NXActionRegMove(src_field=source, dst_field=destination, n_bits=128)
            for source, destination in self._MOVES
        ]

    @classmethod
    def decode(cls, *actions: Any) -> Action | None:
        if not all(isinstance(move, parser.NXActionRegMove) for move in actions):
            return None
        ours = [(source, destination, 128, 0, 0) for source, destination in cls._MOVES]
        found = [(move.src_field, move.dst_field, move.n_bits, move.src_ofs, move.dst_ofs) for move in actions]
        return cls() if found == ours else None

    def __str__(self) -> str:
        return "exchange source and destination"


@dataclass(frozen=True)
class BecomeEchoReply(Action):
    """Turn an echo request into the reply to it, with a hop limit of its own (RFC 4443, section 4.2)."""

    encoded: ClassVar[int] = 2
    _TYPE: ClassVar[int] = 129
    _HOP_LIMIT: ClassVar[int] = 64

    def encode(self) -> list[Any]:
        return [parser.OFPActionSetField(icmpv6_type=self._TYPE), parser.OFPActionSetNwTtl(self._HOP_LIMIT)]

    @classmethod
    def decode(cls, *actions: Any) -> Action | None:
        kind, hop_limit = actions
        if _field_set(kind) != "icmpv6_type" or kind.value != cls._TYPE:
            return None
        ours = isinstance(hop_limit, parser.OFPActionSetNwTtl) and hop_limit.nw_ttl == cls._HOP_LIMIT
        return cls() if ours else None

    def __str__(self) -> str:
        return "echo reply"


@dataclass(frozen=True)
class BecomeAdvertisement(Action):
    """Turn a neighbour solicitation into an advertisement of its target with these ``flags`` (RFC 4861, section 4.4).

    Its checksum is that of the new message. The flags are a field of Open vSwitch's own.
    """

    flags: Number

    encoded: ClassVar[int] = 2

    def encode(self) -> list[Any]:
        assert isinstance(self.flags, int)
        return [
            parser.OFPActionSetField(icmpv6_type=_ADVERTISEMENT),
            parser.OFPActionSetField(**{_ND_RESERVED: b64encode(bytes((self.flags, 0, 0, 0))).decode()}),
        ]

    @classmethod
    def decode(cls, *actions: Any) -> Action | None:
        kind, reserved = actions
        if _field_set(kind) != "icmpv6_type" or kind.value != _ADVERTISEMENT or _field_set(reserved) != _ND_RESERVED:
            return None
        flags, *rest = b64decode(reserved.value)
        return None if any(rest) else cls(flags)

    def __str__(self) -> str:
        assert isinstance(self.flags, int)
        letters = (str(flag.name) for flag in NeighbourFlag if flag & self.flags)
        return f"neighbour advertisement with flags {' '.join(letters)}"


@dataclass(frozen=True)
class NameTarget(Action):
    """Turn the first option of a neighbour advertisement into the target's link-layer address.

    An option of neighbour discovery can only be changed, not added. Its type is a field of Open vSwitch's own.
    """

    link_layer: LinkLayer

    encoded: ClassVar[int] = 2

    def encode(self) -> list[Any]:
        assert isinstance(self.link_layer, bytes)
        return [
            parser.OFPActionSetField(**{_ND_OPTION_TYPE: b64encode(_TARGET_OPTION).decode()}),
            parser.OFPActionSetField(ipv6_nd_tll=self.link_layer.hex(":")),
        ]

    @classmethod
    def decode(cls, *actions: Any) -> Action | None:
        kind, address = actions
        if _field_set(kind) != _ND_OPTION_TYPE or b64decode(kind.value) != _TARGET_OPTION:
            return None
        return cls(bytes.fromhex(address.value.replace(":", ""))) if _field_set(address) == "ipv6_nd_tll" else None

    def __str__(self) -> str:
        return f"target link-layer address {shown(self.link_layer)}"


@dataclass(frozen=True)
class CheckPacketLarger(Action):
    """Mark a packet larger than ``mtu`` octets, for later tables to match (a Nicira extension)."""

    mtu: Number

    #: NXAST_CHECK_PKT_LARGER, which Ryu does not know.
    SUBTYPE: ClassVar[int] = 49
    #: Octets of the Ethernet header, which the switch counts.
    _HEADER: ClassVar[int] = 14
    #: The register whose bit 0 is the mark.
    _REGISTER: ClassVar[str] = "reg0"

    def encode(self) -> list[Any]:
        assert isinstance(self.mtu, int)
        body = bytearray(struct.pack("!HH", self.mtu + self._HEADER, 0))  # the size, and the number of the bit
        ofp.oxm_serialize_header(ofp.oxm_from_user_header(self._REGISTER), body, len(body))
        return [parser.NXActionUnknown(self.SUBTYPE, bytes(body))]

    @classmethod
    def decode(cls, *actions: Any) -> Action | None:
        (action,) = actions
        if not isinstance(action, parser.NXActionUnknown) or action.subtype != cls.SUBTYPE:
            return None
        return cls(int.from_bytes(action.data[:2], "big") - cls._HEADER)

    def __str__(self) -> str:
        return f"check whether larger than {shown(self.mtu)}"


@dataclass(frozen=True)
class DecrementHopLimit(Action):
    """Decrement the hop limit; a packet whose hop limit is used up is dropped."""

    def encode(self) -> list[Any]:
        return [parser.OFPActionDecNwTtl()]

    @classmethod
    def decode(cls, *actions: Any) -> Action | None:
        return cls() if isinstance(actions[0], parser.OFPActionDecNwTtl) else None

    def __str__(self) -> str:
        return "hop limit - 1"


@dataclass(frozen=True)
class ForgetInPort(Action):
    """Let the packet leave by the port it came in by, which OpenFlow forbids otherwise (a Nicira extension)."""

    def encode(self) -> list[Any]:
        # ofs_nbits: bits 0 to 31 of the OpenFlow 1.1+ port number.
        return [parser.NXActionRegLoad(ofs_nbits=nicira_ext.ofs_nbits(0, 31), dst="in_port", value=0)]

    @classmethod
    def decode(cls, *actions: Any) -> Action | None:
        (action,) = actions
        ours = isinstance(action, parser.NXActionRegLoad) and (action.dst, action.value) == ("in_port", 0)
        return cls() if ours else None

    def __str__(self) -> str:
        return "forget the input port"


@dataclass(frozen=True)
class Output(Action):
    """Send the packet out of a port."""

    port: Port

    def encode(self) -> list[Any]:
        return [parser.OFPActionOutput(self.port)]

    @classmethod
    def decode(cls, *actions: Any) -> Action | None:
        return cls(actions[0].port) if isinstance(actions[0], parser.OFPActionOutput) else None

    def __str__(self) -> str:
        return f"output {shown(self.port)}"


@dataclass(frozen=True)
class ToGroup(Action):
    """Have a group process the packet."""

    group: Number

    def encode(self) -> list[Any]:
        return [parser.OFPActionGroup(self.group)]

    @classmethod
    def decode(cls, *actions: Any) -> Action | None:
        return cls(actions[0].group_id) if isinstance(actions[0], parser.OFPActionGroup) else None

    def __str__(self) -> str:
        return f"group {shown(self.group)}"


def _field_set(action: Any) -> str | None:
    """The field that an action of Ryu writes; None when it does something else."""
    return action.key if isinstance(action, parser.OFPActionSetField) else None


def _address(value: Prefix) -> str:
    return str(value.network_address) if isinstance(value, IPv6Network) else shown(value)


#: All kinds of actions.
KINDS: tuple[type[Action], ...] = tuple(Action.__subclasses__())


def decode_actions(actions: Sequence[Any]) -> Iterator[Action | None]:
    """Decode actions of Ryu; None for one that is not ours."""
    while actions:
        fitting = (kind for kind in KINDS if kind.encoded <= len(actions))
        found = next(filter(None, (kind.decode(*actions[: kind.encoded]) for kind in fitting)), None)
        yield found
        actions = actions[1 if found is None else found.encoded :]
