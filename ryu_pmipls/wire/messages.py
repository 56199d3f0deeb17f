"""Mobility Header messages: the content of each, and the one description of its octets."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv6Address, IPv6Network
from typing import ClassVar

from ryu_pmipls.wire.codepoints import (
    BindingAcknowledgementFlag,
    BindingErrorStatus,
    BindingStatus,
    BindingUpdateFlag,
    HeartbeatFlag,
    MobilityHeaderType,
    RevocationFlag,
    RevocationStatus,
    RevocationTrigger,
    UpdateNotificationFlag,
    UpdateNotificationReason,
    UpdateNotificationStatus,
)
from ryu_pmipls.wire.fields import Counter, Flags, Fraction, Ipv6, Number, Reserved
from ryu_pmipls.wire.layout import Layout, Repeated
from ryu_pmipls.wire.options.option import HasOptions, Option

#: Length of the prefixes in a Route_adjust, which has no field for it (erratum E14).
ROUTE_PREFIX_LENGTH = 64

_UNSPECIFIED = IPv6Address("::")
_REQUEST = HeartbeatFlag(0)


@dataclass(frozen=True)
class MessageDescription:
    """A message: name, defining document, distinguishing numbers, and its octets up to the mobility options.

    ``number`` is the Mobility Header type; ``inner`` the first octet of the message data where one type carries
    several messages. A message of the draft has neither but ``code_point``, the attribute of ``CodePoints`` with its
    inner type, and a Length octet after that. ``drafted_length`` is a Length that the draft prescribes although the
    message is longer (erratum E3). ``sender`` is a field that must name the source of the packet.
    """

    title: str
    source: str
    layout: Layout
    number: int | None = None
    inner: int | None = None
    code_point: str | None = None
    drafted_length: int | None = None
    sender: str | None = None


class Message(HasOptions):
    """Base of all messages."""

    __slots__ = ()

    description: ClassVar[MessageDescription]


@dataclass(frozen=True, slots=True)
class BindingUpdate(Message):
    """A Proxy Binding Update, or a Binding Update when flag P is off. ``lifetime`` is in units of 4 s."""

    sequence: int
    lifetime: int
    flags: BindingUpdateFlag = BindingUpdateFlag.A | BindingUpdateFlag.P
    options: tuple[Option, ...] = ()

    description = MessageDescription(
        number=MobilityHeaderType.BINDING_UPDATE,
        title="Binding Update",
        source="RFC 6275, section 6.1.7; RFC 5213, section 8.1",
        layout=Layout(
            Number(name="sequence", octets=2),
            Flags(name="flags", octets=2, values=BindingUpdateFlag),
            Number(name="lifetime", octets=2, text="units of 4 s; 0 de-registers"),
        ),
    )


@dataclass(frozen=True, slots=True)
class BindingAcknowledgement(Message):
    """A Proxy Binding Acknowledgement; ``status`` is a ``BindingStatus``, ``lifetime`` in units of 4 s."""

    status: int
    sequence: int
    lifetime: int
    flags: BindingAcknowledgementFlag = BindingAcknowledgementFlag.P
    options: tuple[Option, ...] = ()

    description = MessageDescription(
        number=MobilityHeaderType.BINDING_ACKNOWLEDGEMENT,
        title="Binding Acknowledgement",
        source="RFC 6275, section 6.1.8; RFC 5213, section 8.2",
        layout=Layout(
            Number(name="status", octets=1, values=BindingStatus, text="accepted below 128"),
            Flags(name="flags", octets=1, values=BindingAcknowledgementFlag),
            Number(name="sequence", octets=2, text="of the Binding Update"),
            Number(name="lifetime", octets=2, text="granted, units of 4 s"),
        ),
    )


@dataclass(frozen=True, slots=True)
class BindingError(Message):
    """Report of a message that cannot be processed; ``status`` is a ``BindingErrorStatus``."""

    status: int
    home_address: IPv6Address = _UNSPECIFIED
    options: tuple[Option, ...] = ()

    description = MessageDescription(
        number=MobilityHeaderType.BINDING_ERROR,
        title="Binding Error",
        source="RFC 6275, section 6.1.9",
        layout=Layout(
            Number(name="status", octets=1, values=BindingErrorStatus),
            Reserved(1),
            Ipv6(name="home_address", text="of the Home Address destination option, else `::`"),
        ),
    )


@dataclass(frozen=True, slots=True)
class Heartbeat(Message):
    """A heartbeat request, or the response to one (flag R)."""

    sequence: int
    flags: HeartbeatFlag = _REQUEST
    options: tuple[Option, ...] = ()

    description = MessageDescription(
        number=MobilityHeaderType.HEARTBEAT,
        title="Heartbeat",
        source="RFC 5847, section 3.3",
        layout=Layout(
            Flags(name="flags", octets=2, values=HeartbeatFlag),
            Number(name="sequence", octets=4),
        ),
    )


@dataclass(frozen=True, slots=True)
class BindingRevocationIndication(Message):
    """Revocation of bindings; ``trigger`` is a ``RevocationTrigger``."""

    trigger: int
    sequence: int
    flags: RevocationFlag = RevocationFlag.P
    options: tuple[Option, ...] = ()

    description = MessageDescription(
        number=MobilityHeaderType.BINDING_REVOCATION,
        inner=1,
        title="Binding Revocation Indication",
        source="RFC 5846, section 5.1",
        layout=Layout(
            Number(name="trigger", octets=1, values=RevocationTrigger),
            Number(name="sequence", octets=2),
            Flags(name="flags", octets=2, values=RevocationFlag),
        ),
    )


@dataclass(frozen=True, slots=True)
class BindingRevocationAcknowledgement(Message):
    """The answer to a revocation; ``status`` is a ``RevocationStatus``."""

    status: int
    sequence: int
    flags: RevocationFlag = RevocationFlag.P
    options: tuple[Option, ...] = ()

    description = MessageDescription(
        number=MobilityHeaderType.BINDING_REVOCATION,
        inner=2,
        title="Binding Revocation Acknowledgement",
        source="RFC 5846, section 5.2",
        layout=Layout(
            Number(name="status", octets=1, values=RevocationStatus),
            Number(name="sequence", octets=2, text="of the indication"),
            Flags(name="flags", octets=2, values=RevocationFlag),
        ),
    )


@dataclass(frozen=True, slots=True)
class UpdateNotification(Message):
    """The LMA asks the MAG to change something; ``reason`` is an ``UpdateNotificationReason``."""

    sequence: int
    reason: int
    flags: UpdateNotificationFlag = UpdateNotificationFlag.A
    options: tuple[Option, ...] = ()

    description = MessageDescription(
        number=MobilityHeaderType.UPDATE_NOTIFICATION,
        title="Update Notification",
        source="RFC 7077, section 4.1",
        layout=Layout(
            Number(name="sequence", octets=2),
            Number(name="reason", octets=2, values=UpdateNotificationReason),
            Flags(name="flags", octets=2, values=UpdateNotificationFlag),
        ),
    )


@dataclass(frozen=True, slots=True)
class UpdateNotificationAcknowledgement(Message):
    """The answer to an update notification; ``status`` is an ``UpdateNotificationStatus``."""

    sequence: int
    status: int
    options: tuple[Option, ...] = ()

    description = MessageDescription(
        number=MobilityHeaderType.UPDATE_NOTIFICATION_ACKNOWLEDGEMENT,
        title="Update Notification Acknowledgement",
        source="RFC 7077, section 4.2",
        layout=Layout(
            Number(name="sequence", octets=2, text="of the notification"),
            Number(name="status", octets=1, values=UpdateNotificationStatus),
            Reserved(3),
        ),
    )


@dataclass(frozen=True, slots=True)
class TunnelRequest(Message):
    """Tnl_request: ``mag`` asks for a tunnel to the LMA that receives this."""

    mag: IPv6Address
    options: tuple[Option, ...] = ()

    description = MessageDescription(
        code_point="tunnel_request",
        title="Tnl_request",
        source="draft section 3.1",
        layout=Layout(Ipv6(name="mag", text="MAG address")),
    )


@dataclass(frozen=True, slots=True)
class TunnelAck(Message):
    """Tnl_ack: ``lma``, which sends this, has built its end of the tunnel (erratum E10)."""

    lma: IPv6Address
    options: tuple[Option, ...] = ()

    description = MessageDescription(
        code_point="tunnel_ack",
        title="Tnl_ack",
        source="draft section 3.1; errata E10, E13",
        sender="lma",
        layout=Layout(Ipv6(name="lma", text="LMA address, the source of the packet")),
    )


@dataclass(frozen=True, slots=True)
class MagLoad:
    """Packets that an LMA got from a MAG in the window."""

    mag: IPv6Address
    packets: int

    layout: ClassVar = Layout(
        Ipv6(name="mag", text="MAG address"), Counter(name="packets", text="packets from that MAG")
    )


@dataclass(frozen=True, slots=True)
class LoadInfo(Message):
    """Load_info: the load of the LMA that sends this (erratum E7), for at most 12 MAGs.

    ``cpu`` is a fraction 0..1 with the precision of binary32 (erratum E9); counts above 2**32 - 1 are sent as that
    (erratum E16).
    """

    cpu: float
    total_packets: int
    mags: tuple[MagLoad, ...] = ()
    options: tuple[Option, ...] = ()

    description = MessageDescription(
        code_point="load_info",
        title="Load_info",
        source="draft section 3.2; errata E5 to E9, E11, E16, E17",
        layout=Layout(
            Fraction(name="cpu", text="CPU utilization rate, 0 to 1"),
            Counter(name="total_packets", text="packets from all MAGs in the window"),
            Repeated(name="mags", record=MagLoad),
        ),
    )

    @property
    def total(self) -> int:
        """Packets from all MAGs: the total reported, or the sum of the MAGs where that is larger (erratum E17)."""
        return max(self.total_packets, sum(load.packets for load in self.mags))

    @property
    def understated(self) -> bool:
        """True when the reported total is less than the sum of the MAGs, which makes the report doubtful."""
        return self.total_packets < self.total


@dataclass(frozen=True, slots=True)
class LoadAdjust(Message):
    """Load_adjust: the MAG must send to ``new_lma`` all traffic that it sends to ``old_lma``."""

    old_lma: IPv6Address
    new_lma: IPv6Address
    options: tuple[Option, ...] = ()

    description = MessageDescription(
        code_point="load_adjust",
        title="Load_adjust",
        source="draft section 3.2",
        layout=Layout(
            Ipv6(name="old_lma", text="old LMA address"),
            Ipv6(name="new_lma", text="new LMA address"),
        ),
    )


@dataclass(frozen=True, slots=True)
class RouteAdjust(Message):
    """Route_adjust: ``prefix`` has moved from ``old_mag`` to ``new_mag``; ``::`` for none or unknown.

    ``length_as_drafted`` is true for a received message whose Length was the draft's 32 instead of 48 (erratum E3);
    that is worth a log entry and makes no difference otherwise.
    """

    prefix: IPv6Address
    old_mag: IPv6Address
    new_mag: IPv6Address
    options: tuple[Option, ...] = ()
    length_as_drafted: bool = field(default=False, compare=False, kw_only=True)

    description = MessageDescription(
        code_point="route_adjust",
        title="Route_adjust",
        source="draft section 3.3; errata E3, E4, E14",
        drafted_length=32,
        layout=Layout(
            Ipv6(name="prefix", text=f"mobile node's prefix, a /{ROUTE_PREFIX_LENGTH}"),
            Ipv6(name="old_mag", text="old MAG address, `::` when unknown or none"),
            Ipv6(name="new_mag", text="new MAG address, `::` after a detachment"),
        ),
    )

    @property
    def network(self) -> IPv6Network:
        """The prefix as a network (erratum E14); bits beyond its length are ignored."""
        return IPv6Network((self.prefix, ROUTE_PREFIX_LENGTH), strict=False)


#: All supported messages.
MESSAGES: tuple[type[Message], ...] = (
    BindingUpdate,
    BindingAcknowledgement,
    BindingError,
    Heartbeat,
    BindingRevocationIndication,
    BindingRevocationAcknowledgement,
    UpdateNotification,
    UpdateNotificationAcknowledgement,
    TunnelRequest,
    TunnelAck,
    LoadInfo,
    LoadAdjust,
    RouteAdjust,
)
