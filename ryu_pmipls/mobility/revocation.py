"""Binding revocation (RFC 5846): an LMA ends sessions at a MAG, and the MAG responds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address

from ryu_pmipls.mobility.binding_cache import BindingCacheEntry
from ryu_pmipls.mobility.effects import Effects
from ryu_pmipls.mobility.registration import network
from ryu_pmipls.mobility.timer_queue import TimerQueue, delays
from ryu_pmipls.mobility.update_list import BindingState, BindingUpdateEntry
from ryu_pmipls.wire import (
    BindingRevocationAcknowledgement,
    BindingRevocationIndication,
    HomeNetworkPrefix,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    Option,
    RevocationFlag,
    RevocationStatus,
    RevocationTrigger,
    Timestamp,
)

#: Seconds to wait for the first acknowledgement (InitMINDelayBRIs) and at most for any (MAX_BRACK_TIMEOUT).
FIRST_TIMEOUT, MAX_TIMEOUT = 1.0, 2.0
#: Transmissions of an indication: one, and BRIMaxRetriesNumber retransmissions.
TRIES = 2

HANDOVERS = (
    RevocationTrigger.INTER_MAG_HANDOVER_SAME_ACCESS_TYPE,
    RevocationTrigger.INTER_MAG_HANDOVER_DIFFERENT_ACCESS_TYPE,
    RevocationTrigger.INTER_MAG_HANDOVER_UNKNOWN,
)
#: Triggers by which a session has gone to another MAG; by the last one it has gone back to the MAG where the node has
#: been all the time, as that MAG says.
_GONE = (*HANDOVERS, RevocationTrigger.POSSIBLE_OUT_OF_SYNC_BCE_STATE)
#: Triggers that revoke one mobile node; those of global revocations are ``PER_PEER_POLICY`` and
#: ``REVOKING_MOBILITY_NODE_LOCAL_POLICY``.
_OF_ONE_NODE = range(RevocationTrigger.UNSPECIFIED, RevocationTrigger.POSSIBLE_OUT_OF_SYNC_BCE_STATE + 1)


# The LMA, which revokes


@dataclass(eq=False)
class Revocation:
    """An indication that ``mag`` has not acknowledged; once it has, ``entries`` must be deleted."""

    indication: BindingRevocationIndication
    mag: IPv6Address
    entries: tuple[BindingCacheEntry, ...]
    left: BindingCacheEntry | None
    delays: Iterator[float]


class Revocations:
    """The revocations under way at an LMA.

    ``delete(entry, now)`` is called for each entry whose revocation has ended: acknowledged, refused, or unanswered.
    The anchor of a session decides on it, whatever the MAG says.
    """

    def __init__(
        self,
        time_of_day: Callable[[float], float],
        effects: Effects,
        timers: TimerQueue,
        delete: Callable[[BindingCacheEntry, float], None],
    ) -> None:
        self._time_of_day = time_of_day
        self._effects = effects
        self._timers = timers
        self._delete = delete
        self._sequence = 0
        self._pending: dict[int, Revocation] = {}

    def revoke(self, entry: BindingCacheEntry, now: float) -> None:
        """End a session at the operator's request."""
        entry.revoked = True
        options = (*_naming(entry), Timestamp(max(entry.timestamp, Timestamp.of(self._time_of_day(now)).ticks)))
        self._indicate(
            RevocationTrigger.ADMINISTRATIVE_REASON, RevocationFlag.P, options, entry.care_of_address, now, (entry,)
        )

    def revoke_all(self, mag: IPv6Address, entries: tuple[BindingCacheEntry, ...], now: float) -> None:
        """End all sessions at a MAG, which are ``entries``."""
        for entry in entries:
            entry.revoked = True
        # No options: they would narrow the revocation (RFC 5846, section 9.1).
        self._indicate(RevocationTrigger.PER_PEER_POLICY, RevocationFlag.P | RevocationFlag.G, (), mag, now, entries)

    def handed_over(
        self, entry: BindingCacheEntry, old: IPv6Address, same_access: bool, unmoved: bool, now: float
    ) -> None:
        """Indicate to the MAG ``old``, which did not de-register the session, that another MAG has it.

        ``unmoved``: according to that one the node has been there all the time.
        """
        trigger = _GONE[-1] if unmoved else HANDOVERS[0] if same_access else HANDOVERS[1]
        # The timestamp of the registration that took the session away. A MAG to which the mobile node has since
        # returned sees by it that the indication is outdated.
        taken = (Timestamp(entry.timestamp),) if entry.timestamp else ()
        self._indicate(trigger, RevocationFlag.P, (*_naming(entry), *taken), old, now, left=entry)

    def returned(self, entry: BindingCacheEntry) -> None:
        """End indications to the session's present MAG that the session has left it."""
        for revocation in list(self._pending.values()):
            if revocation.left is entry and revocation.mag == entry.care_of_address:
                self._end(revocation)

    def acknowledged(self, message: BindingRevocationAcknowledgement, source: IPv6Address, now: float) -> None:
        """Process a MAG's answer."""
        revocation = self._pending.get(message.sequence)
        if revocation is None or revocation.mag != source or not message.flags & RevocationFlag.P:
            self._effects.report("unmatched-revocation", f"acknowledgement {message.sequence} from {source} ignored")
            return
        if message.status > RevocationStatus.BINDING_DOES_NOT_EXIST:
            text = f"{source} refuses revocation {message.sequence}: status {message.status}"
            self._effects.report("revocation-refused", text, mag=source, status=message.status)
        self._conclude(revocation, now)

    def _indicate(
        self,
        trigger: RevocationTrigger,
        flags: RevocationFlag,
        options: tuple[Option, ...],
        mag: IPv6Address,
        now: float,
        entries: tuple[BindingCacheEntry, ...] = (),
        left: BindingCacheEntry | None = None,
    ) -> None:
        self._sequence = (self._sequence + 1) % 2**16
        indication = BindingRevocationIndication(trigger, self._sequence, flags, options)
        schedule = delays(FIRST_TIMEOUT, MAX_TIMEOUT, TRIES)
        self._pending[self._sequence] = Revocation(indication, mag, entries, left, schedule)
        self._effects.report("revocation", f"{trigger.name} to {mag}", mag=mag, trigger=int(trigger))
        self._transmit(self._sequence, now)

    def _transmit(self, sequence: int, now: float) -> None:
        revocation = self._pending[sequence]
        delay = next(revocation.delays, None)
        if delay is None:
            text = f"{revocation.mag} does not acknowledge revocation {sequence}"
            self._effects.report("revocation-unanswered", text, mag=revocation.mag)
            self._conclude(revocation, now)
        else:
            self._effects.send(revocation.indication, revocation.mag)
            self._timers.set(self._transmit, sequence, now + delay)

    def _conclude(self, revocation: Revocation, now: float) -> None:
        self._end(revocation)
        for entry in revocation.entries:
            self._delete(entry, now)

    def _end(self, revocation: Revocation) -> None:
        sequence = revocation.indication.sequence
        self._timers.cancel(self._transmit, sequence)
        del self._pending[sequence]


def _naming(entry: BindingCacheEntry) -> tuple[Option, ...]:
    options: list[Option] = [entry.identifier]
    options += [HomeNetworkPrefix(prefix.network_address, prefix.prefixlen) for prefix in entry.prefixes]
    if entry.link_layer_identifier:
        options.append(MobileNodeLinkLayerIdentifier(entry.link_layer_identifier))
    return tuple(options)


# The MAG, which follows


@dataclass(frozen=True)
class Judgement:
    """A MAG's answer to an indication, and the bindings that it ends; ``options`` name those that it did not find."""

    status: RevocationStatus
    entries: tuple[BindingUpdateEntry, ...] = ()
    options: tuple[Option, ...] = ()


def judge(
    message: BindingRevocationIndication, source: IPv6Address, bindings: Iterable[BindingUpdateEntry]
) -> Judgement:
    """Judge a revocation by the LMA ``source`` against the binding update list (RFC 5846, section 9.1).

    It affects only sessions that ``source`` anchors.
    """
    if not message.flags & RevocationFlag.P:
        return Judgement(RevocationStatus.BINDING_DOES_NOT_EXIST)  # this MAG has only proxy bindings
    if message.flags & RevocationFlag.V:
        return Judgement(RevocationStatus.REVOCATION_FUNCTION_NOT_SUPPORTED)  # nor any IPv4 home addresses
    own = [entry for entry in bindings if entry.anchor == source]
    if message.flags & RevocationFlag.G:
        return _judge_global(message, own)
    if message.trigger not in _OF_ONE_NODE:
        return Judgement(RevocationStatus.REVOCATION_TRIGGER_NOT_SUPPORTED)
    return _judge_one_node(message, own)


def _judge_one_node(message: BindingRevocationIndication, own: list[BindingUpdateEntry]) -> Judgement:
    identifier = message.option(MobileNodeIdentifier)
    if identifier is None:
        return Judgement(RevocationStatus.REVOKED_MOBILE_NODES_IDENTITY_REQUIRED)
    link_layer = message.option(MobileNodeLinkLayerIdentifier)
    named = {network(option) for option in message.all(HomeNetworkPrefix)}
    found = [
        entry
        for entry in own
        if entry.policy.identifier == identifier.identifier
        and (link_layer is None or link_layer.identifier == entry.policy.link_layer_address)
        and entry.state is not BindingState.DEREGISTERING
        # A session that is requested, and may be granted already, has no prefixes here yet.
        and (not named or not entry.prefixes or named.intersection(entry.prefixes))
    ]
    later = [entry for entry in found if _came_later(entry, message)]
    if later and message.trigger in _GONE:
        return Judgement(RevocationStatus.REVOCATION_FAILED_MN_IS_ATTACHED)
    ended = tuple(entry for entry in found if entry not in later)
    if not ended:
        return Judgement(RevocationStatus.BINDING_DOES_NOT_EXIST)
    held = {prefix for entry in ended for prefix in entry.prefixes}
    missing = tuple(option for option in message.all(HomeNetworkPrefix) if held and network(option) not in held)
    return Judgement(RevocationStatus.PARTIAL_SUCCESS if missing else RevocationStatus.SUCCESS, ended, missing)


def _judge_global(message: BindingRevocationIndication, own: list[BindingUpdateEntry]) -> Judgement:
    if message.trigger == RevocationTrigger.PER_PEER_POLICY:
        if message.options:
            return Judgement(RevocationStatus.GLOBAL_REVOCATION_NOT_AUTHORIZED)
        return Judgement(RevocationStatus.SUCCESS, tuple(own))
    if message.trigger != RevocationTrigger.REVOKING_MOBILITY_NODE_LOCAL_POLICY:
        return Judgement(RevocationStatus.REVOCATION_TRIGGER_NOT_SUPPORTED)
    names = [option.identifier for option in message.all(MobileNodeIdentifier)]
    found = tuple(entry for entry in own if any(_belongs(entry.policy.identifier, name) for name in names))
    if not found:
        return Judgement(RevocationStatus.REVOKED_MOBILE_NODES_IDENTITY_REQUIRED)
    return Judgement(RevocationStatus.SUCCESS, found)


def _belongs(identifier: bytes, name: bytes) -> bool:
    """True when a mobile node has that name; "@realm" stands for all of a realm (RFC 5846, section 8.1)."""
    return identifier.endswith(name) if name.startswith(b"@") else identifier == name


def _came_later(entry: BindingUpdateEntry, message: BindingRevocationIndication) -> bool:
    """True when the mobile node registered here after the event of the message, which is then outdated."""
    asked = entry.request if message.trigger in _GONE else None
    time = message.option(Timestamp)
    if asked is not None and (time is None or asked.sequence is None):
        return True  # a registration under way, or still to be sent
    if time is None:
        return False
    return max(entry.registered, 0 if asked is None else asked.timestamp) > time.ticks
