"""Effects that a machine wants: the caller carries them out, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address, IPv6Network
from typing import Any, Union

from ryu_pmipls.wire import Message


@dataclass(frozen=True)
class Send:
    """Send ``message`` from this node's address to ``destination``."""

    message: Message
    destination: IPv6Address


@dataclass(frozen=True)
class BuildTunnel:
    """Build this end of the tunnel to ``peer``; then call ``tunnel_built`` or ``tunnel_failed``."""

    peer: IPv6Address


@dataclass(frozen=True)
class RemoveTunnel:
    """Remove whatever there is of this end of the tunnel to ``peer``."""

    peer: IPv6Address


@dataclass(frozen=True)
class CheckTunnel:
    """Check whether the node at the other end of the tunnel to ``peer`` is there; if not, call ``tunnel_failed``."""

    peer: IPv6Address


@dataclass(frozen=True)
class Advertise:
    """Send a router advertisement to a mobile node (RFC 5213, section 6.9.2).

    ``port`` is the OpenFlow port; ``lifetime`` is in seconds, of the prefixes and the router; 0 withdraws them.
    ``withdrawn`` are prefixes that end while the others stay.
    """

    port: int
    link_layer_address: bytes
    prefixes: tuple[IPv6Network, ...]
    lifetime: int
    withdrawn: tuple[IPv6Network, ...] = ()


@dataclass(frozen=True)
class ProbeNode:
    """Ask a mobile node on OpenFlow port ``port`` for a sign of life; when it answers, call ``reachable``."""

    port: int
    link_layer_address: bytes


@dataclass(frozen=True)
class Forward:
    """Forward the packets buffered for the mobile node of ``prefix``: its routes are in force again.

    ``here`` is true when they lead to this MAG; else the MAG also stops buffering later packets.
    """

    prefix: IPv6Address
    here: bool


@dataclass(frozen=True)
class Lease:
    """Remember, before doing anything else, that ``prefix`` belongs to ``identifier``; b"": to nobody any more.

    The LMA gets the remembered leases back when it starts.
    """

    prefix: IPv6Network
    identifier: bytes


@dataclass(frozen=True)
class RecordedBinding:
    """A binding as it outlives the MAG's process: what another process needs to register the mobile node again.

    ``anchor`` and ``identifier`` are None, and ``registered`` is 0, where they are unknown. Without ``identifier`` the
    link-layer address tells the mobile node.
    """

    link_layer_address: bytes
    port: int
    prefixes: tuple[IPv6Network, ...]
    anchor: IPv6Address | None = None
    registered: int = 0
    identifier: bytes | None = None


@dataclass(frozen=True)
class RecordBinding:
    """Record a binding, in place of an earlier one of the mobile node; a restarted MAG resumes it by ``resume``."""

    binding: RecordedBinding


@dataclass(frozen=True)
class EraseBinding:
    """Erase the record of a mobile node's binding: the node has left, or its session has ended."""

    identifier: bytes


@dataclass(frozen=True)
class SynchroniseClock:
    """Set this node's time of day by the domain's time source, as far as that helps (RFC 5213, section 6.9.1.2).

    ``peer_time`` is the time of day (seconds since 1970) of the peer with which the node disagrees; None when unknown.
    """

    peer_time: float | None


@dataclass(frozen=True)
class Notice:
    """Something for the log. ``kind`` is a short slug, fit for a counter's label."""

    kind: str
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)


# Evaluated at run time, so it needs a spelling that suits Python 3.10 and mypy alike.
Effect = Union[  # noqa: UP007
    Send,
    BuildTunnel,
    RemoveTunnel,
    CheckTunnel,
    Advertise,
    ProbeNode,
    Forward,
    Lease,
    RecordBinding,
    EraseBinding,
    SynchroniseClock,
    Notice,
]


class Effects(list[Effect]):
    """The effects of a machine that nobody has carried out yet; the machine's parts add theirs."""

    def send(self, message: Message, destination: IPv6Address) -> None:
        self.append(Send(message, destination))

    def report(self, kind: str, text: str, **details: Any) -> None:
        self.append(Notice(kind, text, details))
