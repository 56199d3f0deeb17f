"""A small domain, and the messages of its nodes, for the tests of the machines."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network
from typing import Any, TypeVar

from ryu_pmipls.mobility import (
    AnchorConfig,
    Effect,
    GatewayConfig,
    LocalMobilityAnchor,
    MobileAccessGateway,
    MobileNodePolicy,
    PrefixPool,
    Send,
)
from ryu_pmipls.mobility.machine import Machine
from ryu_pmipls.wire import (
    AccessTechnologyType,
    BindingAcknowledgement,
    BindingUpdate,
    HandoffIndicator,
    HomeNetworkPrefix,
    LinkLocalAddress,
    Message,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    Option,
    Timestamp,
)
from ryu_pmipls.wire.codepoints import AccessTechnology, BindingUpdateFlag, HandoffType

RMS = IPv6Address("fd00::99")
LMA1, LMA2 = IPv6Address("fd00::11"), IPv6Address("fd00::12")
MAG1, MAG2, MAG3 = (IPv6Address(f"fd00::2{number}") for number in (1, 2, 3))
STRANGER = IPv6Address("fd00::66")
ANY = IPv6Network("::/0")
POOL = PrefixPool(IPv6Network("2001:db8:100::/40"), 0, 2)
FIXED = IPv6Network("2001:db8:100:3::/64")
LINK1, LINK2 = b"\x02\0\0\0\1\1", b"\x02\0\0\0\1\2"
NODE1 = MobileNodePolicy(b"mn1@example.net", LINK1, LMA1)
NODE2 = MobileNodePolicy(b"mn2@example.net", LINK2, LMA1)
NODE3 = MobileNodePolicy(b"mn3@example.net", b"\x02\0\0\0\1\3", LMA1, (FIXED,))
ELSEWHERE = MobileNodePolicy(b"mn4@example.net", b"\x02\0\0\0\1\4", LMA2)
DISABLED = MobileNodePolicy(b"mn5@example.net", b"\x02\0\0\0\1\5", LMA1, enabled=False)
NODES = (NODE1, NODE2, NODE3, ELSEWHERE, DISABLED)
START = 1_700_000_000.0

T = TypeVar("T")


def anchor(**changes: Any) -> LocalMobilityAnchor:
    return LocalMobilityAnchor(AnchorConfig(**{
        "address": LMA1, "rms": RMS, "mags": (MAG1, MAG2, MAG3), "pool": POOL, "mobile_nodes": NODES, **changes
    }))  # fmt: skip


def gateway(**changes: Any) -> MobileAccessGateway:
    return MobileAccessGateway(GatewayConfig(**{
        "address": MAG1, "rms": RMS, "lmas": (LMA1, LMA2), "mobile_nodes": NODES, **changes
    }))  # fmt: skip


def sent(effects: list[Effect], kind: type[T]) -> list[T]:
    """The messages of a type among effects."""
    return [effect.message for effect in effects if isinstance(effect, Send) and isinstance(effect.message, kind)]


def of(effects: list[Effect], kind: type[T]) -> list[T]:
    """The effects of a type."""
    return [effect for effect in effects if isinstance(effect, kind)]


def only(items: list[T]) -> T:
    assert len(items) == 1, items
    return items[0]


def answer(machine: Machine, message: Message, source: IPv6Address, now: float) -> list[Effect]:
    """Let a machine receive a message; its effects."""
    machine.receive(message, source, now)
    return machine.effects()


def until(machine: Machine, now: float) -> list[tuple[float, Effect]]:
    """Let the time pass up to ``now``; the effects with their times."""
    seen = []
    while (deadline := machine.deadline()) is not None and deadline <= now:
        machine.handle_timer(deadline)
        seen += [(deadline, effect) for effect in machine.effects()]
    return seen


def pbu(
    now: float,
    node: MobileNodePolicy = NODE1,
    *,
    sequence: int = 1,
    lifetime: int = 900,
    prefixes: tuple[IPv6Network, ...] = (ANY,),
    handoff: int | None = HandoffType.UNKNOWN,
    technology: int | None = AccessTechnology.IEEE_802_3,
    link: bytes | None = LINK1,
    timestamp: bool = True,
    identifier: bool = True,
    link_local: IPv6Address | None = None,
    more: tuple[Option, ...] = (),
    flags: BindingUpdateFlag = BindingUpdateFlag.A | BindingUpdateFlag.P,
) -> BindingUpdate:
    """A PBU with, by default, everything that a MAG has to say of ``NODE1``."""
    options: list[Option] = [*more]
    if identifier:
        options.append(MobileNodeIdentifier(node.identifier))
    options += [HomeNetworkPrefix(prefix.network_address, prefix.prefixlen) for prefix in prefixes]
    if handoff is not None:
        options.append(HandoffIndicator(handoff))
    if technology is not None:
        options.append(AccessTechnologyType(technology))
    if timestamp:
        options.append(Timestamp.of(now))
    if link is not None:
        options.append(MobileNodeLinkLayerIdentifier(link))
    if link_local is not None:
        options.append(LinkLocalAddress(link_local))
    return BindingUpdate(sequence, lifetime, flags, options=tuple(options))


def networks(message: BindingAcknowledgement) -> tuple[IPv6Network, ...]:
    return tuple(IPv6Network((option.prefix, option.length)) for option in message.all(HomeNetworkPrefix))
