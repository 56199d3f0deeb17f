"""The MAG's PBUs: transmission, retransmission, and matching of their acknowledgements (RFC 5213, section 6.9)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network

from ryu_pmipls.mobility.config import GatewayConfig
from ryu_pmipls.mobility.effects import Effects
from ryu_pmipls.mobility.reachability import Reachability
from ryu_pmipls.mobility.registration import UNSPECIFIED, network
from ryu_pmipls.mobility.timer_queue import TimerQueue, delays
from ryu_pmipls.mobility.update_list import BindingState, BindingUpdateEntry, PendingRegistration
from ryu_pmipls.wire import (
    AccessTechnologyType,
    BindingAcknowledgement,
    BindingUpdate,
    Grant,
    HandoffIndicator,
    HomeNetworkPrefix,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    Option,
    RedirectCapability,
    Timestamp,
)
from ryu_pmipls.wire.codepoints import BindingAcknowledgementFlag, BindingStatus, HandoffType

#: The most PBUs about one mobile node within a second (RFC 6275, section 12).
MAX_UPDATE_RATE = 3


class BindingUpdates:
    """The PBUs under way, at most one for each entry of the binding update list.

    Retransmissions go on as long as ``reachability`` finds the mobile node. A de-registration is sent once;
    ``unanswered(entry)`` is called when it gets no answer.
    """

    def __init__(
        self,
        config: GatewayConfig,
        effects: Effects,
        timers: TimerQueue,
        reachability: Reachability,
        unanswered: Callable[[BindingUpdateEntry], None],
    ) -> None:
        self._config = config
        self._effects = effects
        self._timers = timers
        self._reachability = reachability
        self._give_up = unanswered
        self._pending: dict[int, BindingUpdateEntry] = {}  # by the sequence number of the last PBU
        self._last_sent: dict[bytes, deque[float]] = {}  # times of the last PBUs, by link-layer address
        # Answers to messages from before a restart may still be under way.
        self._sequence = (config.restart_counter << 12) % 2**16
        self._last_ticks = 0

    def request(
        self, entry: BindingUpdateEntry, handoff: int, lifetime: int, prefixes: tuple[IPv6Network, ...], now: float
    ) -> None:
        """Ask the entry's LMA for ``prefixes``, or any one; this replaces an earlier request.

        ``lifetime`` is in units of 4 s; 0 de-registers the node.
        """
        self.cancel(entry)
        schedule = delays(self._config.initial_bindack_timeout, self._config.max_bindack_timeout)
        # A refresh is about a session that the LMA has; any other registration may be the first. (RFC 6463, section
        # 5.2, names the indicator for a new interface, which this MAG cannot know.)
        redirectable = self._config.redirection and lifetime > 0 and handoff != HandoffType.RE_REGISTRATION
        entry.request = PendingRegistration(handoff, lifetime, prefixes, schedule, redirectable)
        self._transmit(entry, now)

    def cancel(self, entry: BindingUpdateEntry) -> None:
        """End the entry's request, if any; an answer to it will be ignored."""
        if entry.request is not None:
            self._no_longer_pending(entry.request)
            self._timers.cancel(self._deferred, entry)
            self._timers.cancel(self._unanswered, entry)
            entry.request = None

    def match(self, message: BindingAcknowledgement, source: IPv6Address) -> BindingUpdateEntry | None:
        """The entry whose request a PBA from ``source`` answers; None if it answers none."""
        entry = self._pending.get(message.sequence)
        if (
            entry is None
            or entry.request is None
            or source != entry.anchor
            or not message.flags & BindingAcknowledgementFlag.P
            or not _is_about(message, entry.policy.identifier)
            or _is_of_another(message, entry.request)
        ):
            return None
        return entry

    def _transmit(self, entry: BindingUpdateEntry, now: float) -> None:
        """Send the PBU, each time with a new sequence number and a new timestamp (RFC 5213, section 6.9.4)."""
        policy, request = entry.policy, entry.request
        assert request is not None
        last_sent = self._last_sent.setdefault(policy.link_layer_address, deque(maxlen=MAX_UPDATE_RATE))
        if len(last_sent) == MAX_UPDATE_RATE and now < last_sent[0] + 1:
            self._timers.set(self._deferred, entry, last_sent[0] + 1)
            return
        last_sent.append(now)
        self._no_longer_pending(request)
        self._sequence = (self._sequence + 1) % 2**16
        request.sequence, request.timestamp, request.sent = self._sequence, self._new_ticks(entry, now), now
        self._pending[request.sequence] = entry
        prefixes = request.prefixes or (IPv6Network("::/0"),)
        options: tuple[Option, ...] = (
            MobileNodeIdentifier(policy.identifier),
            *(HomeNetworkPrefix(prefix.network_address, prefix.prefixlen) for prefix in prefixes),
            HandoffIndicator(request.handoff),
            AccessTechnologyType(policy.access_technology),
            Timestamp(request.timestamp),
            MobileNodeLinkLayerIdentifier(policy.link_layer_address),
            *((RedirectCapability(),) if request.redirectable else ()),
        )
        self._effects.send(BindingUpdate(request.sequence, request.lifetime, options=options), entry.anchor)
        self._timers.set(self._unanswered, entry, now + next(request.delays))

    def _new_ticks(self, entry: BindingUpdateEntry, now: float) -> int:
        """A timestamp (1/65536 s) that no other PBU bears, later than all that order the entry's session.

        A time of day that was set back by more than the LMA tolerates is followed: later timestamps would be refused.
        """
        ticks = Timestamp.of(self._config.time_of_day(now)).ticks
        tolerated = Timestamp.of(self._config.timestamp_validity_window).ticks
        if ticks <= self._last_ticks <= ticks + tolerated:
            ticks = self._last_ticks + 1
        # The report of the session's end bears the tick after its registration.
        self._last_ticks = max(ticks, entry.registered + 2)
        return self._last_ticks

    def _deferred(self, entry: BindingUpdateEntry, now: float) -> None:
        """Send a PBU that had to wait for the rate limit; the node may have gone meanwhile."""
        if entry.state is BindingState.DEREGISTERING:
            self._transmit(entry, now)
        else:
            self._reachability.ensure(entry, self._transmit, now)

    def _unanswered(self, entry: BindingUpdateEntry, now: float) -> None:
        if entry.state is BindingState.DEREGISTERING:
            self._give_up(entry)
        else:
            self._reachability.ensure(entry, self._transmit, now)

    def _no_longer_pending(self, request: PendingRegistration) -> None:
        if request.sequence is not None:
            self._pending.pop(request.sequence, None)


def repeats_request(entry: BindingUpdateEntry, message: BindingAcknowledgement) -> bool:
    """True when a PBA repeats the options of the entry's request unchanged (RFC 5213, section 6.9.1.2)."""
    policy, request = entry.policy, entry.request
    expected = (
        HandoffIndicator(request.handoff if request else 0),
        AccessTechnologyType(policy.access_technology),
        MobileNodeLinkLayerIdentifier(policy.link_layer_address),
    )
    return all(message.option(type(option)) in (None, option) for option in expected)


def granted_prefixes(message: BindingAcknowledgement) -> tuple[IPv6Network, ...]:
    """The prefixes that a PBA gives to the node."""
    options = message.all(HomeNetworkPrefix)
    return tuple(dict.fromkeys(network(option) for option in options if option.prefix != UNSPECIFIED))


def grants_in(message: BindingAcknowledgement) -> dict[IPv6Network, Grant]:
    """The anchor's grants in a PBA, by prefix; none if there is not one for each."""
    prefixes, grants = message.all(HomeNetworkPrefix), message.all(Grant)
    return dict(zip(map(network, prefixes), grants, strict=True)) if len(prefixes) == len(grants) else {}


def _is_about(message: BindingAcknowledgement, identifier: bytes) -> bool:
    """True when the PBA names this node, or none: the sequence number may be another MAG's."""
    return message.option(MobileNodeIdentifier) in (None, MobileNodeIdentifier(identifier))


def _is_of_another(message: BindingAcknowledgement, request: PendingRegistration) -> bool:
    """True when an acceptance echoes another timestamp than the request's: that of a MAG before its restart, say."""
    timestamp = message.option(Timestamp)
    accepted = message.status < BindingStatus.REASON_UNSPECIFIED
    return accepted and timestamp is not None and timestamp.ticks != request.timestamp
