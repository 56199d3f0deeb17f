"""Actions of rules, each a class that knows its encoding, its decoding and its text.

A new action is one class here, and its use in a pipeline.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ryu_pmipls.controller.ryu import nicira_ext
from ryu_pmipls.controller.ryu import ofproto_v1_3 as ofp
from ryu_pmipls.controller.ryu import ofproto_v1_3_parser as parser
from ryu_pmipls.controller.switches.flow import Action
from ryu_pmipls.controller.switches.parameter import LinkLayer, Number, Port, shown


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


#: All kinds of actions.
KINDS: tuple[type[Action], ...] = tuple(Action.__subclasses__())


def decode_actions(actions: Sequence[Any]) -> Iterator[Action | None]:
    """Decode actions of Ryu; None for one that is not ours."""
    while actions:
        fitting = (kind for kind in KINDS if kind.encoded <= len(actions))
        found = next(filter(None, (kind.decode(*actions[: kind.encoded]) for kind in fitting)), None)
        yield found
        actions = actions[1 if found is None else found.encoded :]
