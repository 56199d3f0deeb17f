"""The MAG's reactions to refused registrations (RFC 5213, section 6.9.1.2)."""

from __future__ import annotations

from enum import Enum, auto
from ipaddress import IPv6Address

from ryu_pmipls.mobility.anchor_choice import AnchorChoice
from ryu_pmipls.mobility.config import GatewayConfig, MobileNodePolicy
from ryu_pmipls.mobility.peer_clocks import PeerClocks
from ryu_pmipls.mobility.update_list import BindingUpdateEntry, PendingRegistration
from ryu_pmipls.wire import BindingAcknowledgement, Timestamp
from ryu_pmipls.wire.codepoints import BindingStatus


class Reaction(Enum):
    """The reaction of a MAG to a refused registration."""

    GIVE_UP = auto()  # until the mobile node attaches again
    BAR = auto()  # until an administrator acts, which is a restart
    ASK_FOR_ANY = auto()  # register again, once, with whatever prefix the LMA assigns
    ASK_ANOTHER = auto()  # register with an LMA not asked yet, if redirection is allowed
    TRY_AGAIN = auto()  # after a look at the clock: the next retransmission, with its new timestamp, may do better


_REACTIONS: dict[int, Reaction] = {
    BindingStatus.INSUFFICIENT_RESOURCES: Reaction.ASK_ANOTHER,
    BindingStatus.PROXY_REG_NOT_ENABLED: Reaction.BAR,
    BindingStatus.NOT_LMA_FOR_THIS_MOBILE_NODE: Reaction.ASK_ANOTHER,
    BindingStatus.NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX: Reaction.ASK_FOR_ANY,
    BindingStatus.BCE_PBU_PREFIX_SET_DO_NOT_MATCH: Reaction.ASK_FOR_ANY,
    BindingStatus.TIMESTAMP_MISMATCH: Reaction.TRY_AGAIN,
    BindingStatus.TIMESTAMP_LOWER_THAN_PREV_ACCEPTED: Reaction.TRY_AGAIN,
}


def reaction_to(status: int) -> Reaction:
    """The reaction to a PBA with this status; to a status that RFC 5213 does not name, the MAG gives up."""
    return _REACTIONS.get(status, Reaction.GIVE_UP)


class Refusals:
    """The refused registrations of a MAG: what to do next, and the mobile nodes that an LMA has refused for good."""

    def __init__(self, config: GatewayConfig, anchors: AnchorChoice, clocks: PeerClocks) -> None:
        self._config = config
        self._anchors = anchors
        self._clocks = clocks
        self._barred: dict[bytes, IPv6Address] = {}  # identifier -> the LMA that refuses the node

    def is_barred(self, policy: MobileNodePolicy) -> bool:
        """True for a node that an LMA has refused for good."""
        return policy.identifier in self._barred

    def bar(self, policy: MobileNodePolicy, lma: IPv6Address) -> None:
        """Bar a node, which an LMA has refused for good."""
        self._barred[policy.identifier] = lma

    def unbar(self, lma: IPv6Address) -> None:
        """Forget which nodes an LMA has refused for good: it was restarted, and its policies may be others."""
        self._barred = {identifier: other for identifier, other in self._barred.items() if other != lma}

    def react(
        self, entry: BindingUpdateEntry, request: PendingRegistration, message: BindingAcknowledgement, now: float
    ) -> Reaction:
        """Choose what is possible after a refusal. ``ASK_ANOTHER``: the entry's anchor is the LMA to ask."""
        reaction = reaction_to(message.status)
        if reaction is Reaction.ASK_FOR_ANY:
            return reaction if request.prefixes else Reaction.GIVE_UP
        if reaction is Reaction.ASK_ANOTHER:
            return reaction if self._anchors.ask_another(entry) else Reaction.GIVE_UP
        if reaction is Reaction.TRY_AGAIN:
            self._compare_clocks(entry.anchor, message, now)
        elif reaction is Reaction.BAR:
            self.bar(entry.policy, entry.anchor)
        return reaction

    def _compare_clocks(self, lma: IPv6Address, message: BindingAcknowledgement, now: float) -> None:
        """Compare the time of day with that of an LMA which has refused a timestamp.

        Behind the last one accepted is also a PBU that another MAG's has overtaken: that is no fault of a clock.
        """
        timestamp = message.option(Timestamp)
        away = 0.0 if timestamp is None else abs(timestamp.seconds - self._config.time_of_day(now))
        if message.status == BindingStatus.TIMESTAMP_MISMATCH or away > self._config.timestamp_validity_window:
            self._clocks.disagree(lma, timestamp, now)
