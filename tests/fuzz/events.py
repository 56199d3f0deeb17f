"""What happens to a machine, read from the octets of a fuzzer's input.

Every octet chooses something: an event, what a message says, or for how long nothing happens. When the octets end,
all choices are the first ones. Numbers that matter come from short lists, so that a few octets lead deep into a
machine; ``Input.datagram`` makes messages of raw octets too, which any other content may have.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv6Address, IPv6Network
from typing import TypeVar

from ryu_pmipls.mobility import Effect, PrefixPool, Send
from ryu_pmipls.mobility.machine import Machine
from ryu_pmipls.wire import (
    AccessTechnologyType,
    AlternateCareOfAddress,
    Attachment,
    Authentication,
    BindingError,
    BindingRevocationAcknowledgement,
    BindingRevocationIndication,
    BindingUpdate,
    HandoffIndicator,
    Heartbeat,
    HeartbeatFlag,
    HomeNetworkPrefix,
    LinkLocalAddress,
    LoadAdjust,
    Message,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    Option,
    Redirect,
    RedirectCapability,
    RedirectFlag,
    RestartCounter,
    RevocationFlag,
    RouteAdjust,
    Timestamp,
    TunnelAck,
    TunnelRequest,
    TunnelStatus,
    UnknownOption,
    UplinkShare,
    WireError,
    build,
    parse,
)
from ryu_pmipls.wire.codepoints import BindingUpdateFlag
from tests.unit.mobility.mobility_helpers import (
    DISABLED,
    ELSEWHERE,
    LMA1,
    LMA2,
    MAG1,
    MAG2,
    MAG3,
    NODE1,
    NODE2,
    NODE3,
    RMS,
    START,
    STRANGER,
)
from tests.unit.wire.wire_samples import sealed

Choice = TypeVar("Choice")

#: Events of one input at most.
MOST_EVENTS = 40
#: A pool with four prefixes for LMA1, one of which is FIXED.
POOL = PrefixPool(IPv6Network("2001:db8:100::/61"), 0, 2)
NODES = (NODE1, NODE2, NODE3, ELSEWHERE, DISABLED)
LINK_LAYER_IDENTIFIERS = (*(node.link_layer_address for node in NODES), bytes(6), b"", b"\x02\0\0\0\1\x22")
NONE = IPv6Address("::")
ADDRESSES = (MAG1, MAG2, LMA1, LMA2, NONE, MAG3, RMS, STRANGER)
PREFIXES = (NONE, *(POOL.prefix(number).network_address for number in range(POOL.size)), STRANGER)
PAUSES = (0.0, 0.01, 0.26, 1.0, 2.0, 11.0, 31.0, 61.0, 3601.0)
DEVIATIONS = (0.0, 0.0, -0.1, 0.1, -0.29, 0.4, -5.0, 1e9)  # of timestamps from the clock, in seconds
LIFETIMES = (900, 0, 1, 65535)
TRIGGERS = (0, 1, 2, 3, 7, 8, 128, 129)  # of revocations
USUAL_FLAGS = BindingUpdateFlag.A | BindingUpdateFlag.P


class Input:
    """The octets of an input, each of which is asked for once."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def ended(self) -> bool:
        return self._position >= len(self._data)

    def number(self, limit: int = 256) -> int:
        """A number below ``limit``, which is 256 at most."""
        octets = self.octets(1)
        return octets[0] % limit if octets else 0

    def pick(self, choices: Sequence[Choice]) -> Choice:
        return choices[self.number(len(choices))]

    def octets(self, count: int) -> bytes:
        found = self._data[self._position : self._position + count]
        self._position += count
        return found

    # What messages are made of

    def ticks(self, now: float) -> int:
        return max(0, Timestamp.of(now + self.pick(DEVIATIONS)).ticks)

    def prefix(self) -> HomeNetworkPrefix:
        return HomeNetworkPrefix(self.pick(PREFIXES), self.pick((64, 64, 64, 0, 128, 40)))

    def link_layer_identifier(self) -> bytes:
        return self.pick(LINK_LAYER_IDENTIFIERS)

    def option(self, now: float) -> Option:
        """Any option that a machine looks at, or one that none does."""
        match self.number(17):
            case 0:
                return self.prefix()
            case 1:
                return RedirectCapability()
            case 2:
                return HandoffIndicator(self.number(7))
            case 3:
                return AccessTechnologyType(self.number(5))
            case 4:
                return MobileNodeLinkLayerIdentifier(self.link_layer_identifier())
            case 5:
                return Timestamp(self.ticks(now))
            case 6:
                return MobileNodeIdentifier(self.pick(NODES).identifier, self.pick((1, 1, 1, 2)))
            case 7:
                return LinkLocalAddress(self.pick((NONE, STRANGER)))
            case 8:
                return AlternateCareOfAddress(self.pick(ADDRESSES))
            case 9:
                return Redirect(RedirectFlag.K, self.pick(ADDRESSES))
            case 10:
                return RestartCounter(self.number(4))
            case 11:
                return Attachment(self.number(), self.pick(ADDRESSES))
            case 12:
                return TunnelStatus(self.pick((0, 129)), self.number(3))
            case 13:
                return Authentication(1, self.octets(12))
            case 14:
                return MobileNodeIdentifier(self.octets(self.number(4)))
            case 15:
                return UplinkShare(self.pick(ADDRESSES), self.number(3))
            case _:
                return UnknownOption(200, self.octets(self.number(8)))

    def more_options(self, now: float) -> tuple[Option, ...]:
        return tuple(self.option(now) for _ in range(self.pick((0, 0, 1, 2, 5))))

    # Messages that both machines may get; those that are for the other one change nothing

    def update(self, now: float) -> BindingUpdate:
        """A PBU that says all it should, or lacks some of it, and may say more."""
        node = self.pick(NODES)
        usual: tuple[Option, ...] = (
            MobileNodeIdentifier(node.identifier),
            self.prefix(),
            HandoffIndicator(self.pick((4, 5, 1, 2, 3, 0))),
            AccessTechnologyType(self.pick((3, 4))),
            Timestamp(self.ticks(now)),
            MobileNodeLinkLayerIdentifier(self.pick((node.link_layer_address, self.link_layer_identifier()))),
        )
        left_out = self.pick((0, 0, 0, 0b10000, 0b100000, 0b110000, self.number(64)))
        kept = tuple(option for place, option in enumerate(usual) if not left_out >> place & 1)
        flags = self.pick((USUAL_FLAGS, USUAL_FLAGS, USUAL_FLAGS, BindingUpdateFlag.A))
        return BindingUpdate(self.number(4), self.pick(LIFETIMES), flags, options=kept + self.more_options(now))

    def message(self, now: float) -> Message:
        kind, more = self.number(9), self.more_options(now)
        match kind:
            case 0:
                return self.update(now)
            case 1:
                return Heartbeat(self.number(8), HeartbeatFlag(self.number(4)), options=more)
            case 2:
                return BindingError(self.number(3))
            case 3:
                return TunnelRequest(self.pick(ADDRESSES), options=more)
            case 4:
                return TunnelAck(self.pick(ADDRESSES), options=more)
            case 5:
                return LoadAdjust(self.pick(ADDRESSES), self.pick(ADDRESSES), options=more)
            case 6:
                return RouteAdjust(self.pick(PREFIXES), self.pick(ADDRESSES), self.pick(ADDRESSES), options=more)
            case 7:
                flags = RevocationFlag(self.pick((4, 5, self.number(8))) << 13)  # P, P and G, any of P, V and G
                return BindingRevocationIndication(self.pick(TRIGGERS), self.number(4), flags, options=more)
            case _:
                return BindingRevocationAcknowledgement(self.pick((0, 1, 128, 132)), self.number(8), options=more)

    def datagram(self, source: IPv6Address, destination: IPv6Address) -> Message | None:
        """What the parser makes of raw octets with the right length and checksum; ``None`` if nothing."""
        octets = self.octets(8 * (1 + self.number(16)))
        if len(octets) % 8 or not octets:
            return None
        try:
            return parse(sealed(octets, source, destination), source, destination)
        except WireError:
            return None


def play(
    machine: Machine,
    events: Input,
    event: Callable[[float], None],
    check: Callable[[float], None],
) -> None:
    """Let events happen until the input ends, and see after each whether all is in order.

    ``event(now)`` makes one happen; ``check(now)`` takes the effects, too.
    """
    now = START
    for _ in range(MOST_EVENTS):
        if events.ended:
            break
        pause = events.pick(PAUSES)
        if pause:
            now += pause
            machine.handle_timer(now)
            check(now)
        event(now)
        machine.handle_timer(now)  # what became due by the event
        check(now)


def timers(machine: Machine) -> defaultdict[int, set[str]]:
    """The names of the handlers that are to be called, by the ``id`` of what they are about."""
    names = defaultdict(set)
    for handler, subject in machine._timers._due:
        names[id(subject)].add(handler.__name__)
    return names


def carried_out(effects: Iterable[Effect], address: IPv6Address) -> list[Send]:
    """The messages that are to be sent, each of which can be; what the builder raises if not."""
    sent = [effect for effect in effects if isinstance(effect, Send)]
    for effect in sent:
        try:
            build(effect.message, address, effect.destination)
        except ValueError as error:  # it repeats unaligned options of a raw message
            assert "more than a Mobility Header holds" in str(error), error
    return sent
