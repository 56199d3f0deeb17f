"""Our own options: sub-types of the vendor-specific option."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address

from ryu_pmipls.wire.codepoints import CoreRouting, Encapsulation, TunnelStatusCode
from ryu_pmipls.wire.fields import Ipv6, LinkLayer, Number, Octets16, Octets32
from ryu_pmipls.wire.layout import Layout
from ryu_pmipls.wire.options.option import Option, OptionDescription


@dataclass(frozen=True, slots=True)
class Attachment(Option):
    """In Route_adjust: the OpenFlow port of the mobile node at its MAG, and the LMA that anchors it.

    In the Route_adjust of a detachment it says that this LMA reports it.
    """

    port: int
    anchor: IPv6Address

    description = OptionDescription(
        subtype=1,
        title="Attachment",
        source="docs/signalling.md",
        layout=Layout(
            Number(name="port", octets=4, text="OpenFlow port at the new MAG"),
            Ipv6(name="anchor", text="LMA that holds the binding"),
        ),
    )


@dataclass(frozen=True, slots=True)
class CoreGateway(Option):
    """In Load_info: the link-layer address to which an LMA sends traffic that leaves the domain."""

    link_layer_address: bytes

    description = OptionDescription(
        subtype=2,
        title="Core Gateway",
        source="docs/signalling.md",
        layout=Layout(LinkLayer(name="link_layer_address")),
    )


@dataclass(frozen=True, slots=True)
class LoadInfoPart(Option):
    """In Load_info: this is part ``index`` (from 0) of ``count`` of the report on ``window`` (erratum E5).

    ``ValueError`` unless ``index`` is less than ``count``.
    """

    window: int
    index: int
    count: int

    description = OptionDescription(
        subtype=3,
        title="Load Info Part",
        source="erratum E5",
        layout=Layout(
            Number(name="window", octets=4, text="number of the measuring window"),
            Number(name="index", octets=1, text="from 0"),
            Number(name="count", octets=1, text="parts of the report"),
        ),
    )

    def __post_init__(self) -> None:
        if not self.index < self.count:
            raise ValueError(f"part {self.index} of {self.count} does not exist, counted from 0")


@dataclass(frozen=True, slots=True)
class TunnelStatus(Option):
    """In Tnl_ack: the LMA's acceptance or refusal of the tunnel, and its encapsulation (erratum E13)."""

    status: int
    encapsulation: int

    description = OptionDescription(
        subtype=4,
        title="Tunnel Status",
        source="erratum E13",
        layout=Layout(
            Number(name="status", octets=1, values=TunnelStatusCode),
            Number(name="encapsulation", octets=1, values=Encapsulation),
        ),
    )


@dataclass(frozen=True, slots=True)
class UplinkShare(Option):
    """In Load_adjust, once for each LMA: the number of ``slots`` of the MAG's uplink that it carries from now on."""

    lma: IPv6Address
    slots: int

    description = OptionDescription(
        subtype=5,
        title="Uplink Share",
        source="erratum E34",
        layout=Layout(
            Ipv6(name="lma", text="LMA that carries it"),
            Number(name="slots", octets=2, text="of as many as all these options name"),
        ),
    )


@dataclass(frozen=True, slots=True)
class Drain(Option):
    """In Load_adjust to an LMA: the operator's order to give up all its sessions and take none, or its end."""

    draining: int

    description = OptionDescription(
        subtype=6,
        title="Drain",
        source="docs/signalling.md",
        layout=Layout(Number(name="draining", octets=1, text="1: have no sessions; 0: accept them again")),
    )


@dataclass(frozen=True, slots=True)
class CoreRoutingStatus(Option):
    """In Load_info: state of the core network's downlink routing to the LMA; ``status`` is a ``CoreRouting``."""

    status: int

    description = OptionDescription(
        subtype=7,
        title="Core Routing Status",
        source="docs/health.md",
        layout=Layout(Number(name="status", octets=1, values=CoreRouting)),
    )


@dataclass(frozen=True, slots=True)
class Grant(Option):
    """The anchor's code for a prefix that it has given to a mobile node at a MAG (``wire/grants.py``).

    In a PBA, one for each Home Network Prefix, in the same order; in the MAG's Route_adjust that of its prefix.
    """

    code: bytes

    description = OptionDescription(
        subtype=8,
        title="Grant",
        source="docs/signalling.md",
        layout=Layout(Octets16(name="code", text="made with the key that the anchor shares with the RMS")),
    )


@dataclass(frozen=True, slots=True)
class GrantKey(Option):
    """In an LMA's messages to the RMS, unless the two share a key: that by which the LMA makes its grants."""

    secret: bytes

    description = OptionDescription(
        subtype=9,
        title="Grant Key",
        source="docs/signalling.md",
        layout=Layout(Octets32(name="secret")),
    )


@dataclass(frozen=True, slots=True)
class RouteSnapshot(Option):
    """In Route_adjust of the RMS about no prefix (``::``): all routes follow, or have been announced since then.

    An LMA that gets the end of the snapshot whose beginning it got last forgets the routes that were not part of it.
    """

    number: int
    complete: int

    description = OptionDescription(
        subtype=10,
        title="Route Snapshot",
        source="docs/signalling.md",
        layout=Layout(
            Number(name="number", octets=4),
            Number(name="complete", octets=1, text="0: begins; 1: has ended"),
        ),
    )
