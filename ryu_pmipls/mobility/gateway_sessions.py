"""The sessions of mobile nodes at a MAG: registration, refresh, refusal and end (RFC 5213, section 6.9)."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from ryu_pmipls.mobility.advertising import Advertising
from ryu_pmipls.mobility.anchor_choice import AnchorChoice
from ryu_pmipls.mobility.binding_updates import BindingUpdates, granted_prefixes, grants_in, repeats_request
from ryu_pmipls.mobility.claims import Claims
from ryu_pmipls.mobility.config import GatewayConfig, MobileNodePolicy
from ryu_pmipls.mobility.contested_ports import ContestedPort
from ryu_pmipls.mobility.effects import Effects, RecordedBinding
from ryu_pmipls.mobility.peer_clocks import PeerClocks
from ryu_pmipls.mobility.prefix_pool import PREFIX_LENGTH
from ryu_pmipls.mobility.reachability import Reachability
from ryu_pmipls.mobility.refusals import Reaction, Refusals
from ryu_pmipls.mobility.registration import LIFETIME_UNIT
from ryu_pmipls.mobility.route_adjusts import RouteAdjusts
from ryu_pmipls.mobility.timer_queue import TimerQueue
from ryu_pmipls.mobility.tunnels import Tunnels
from ryu_pmipls.mobility.update_list import (
    REFRESH_AFTER,
    BindingState,
    BindingUpdateEntry,
    BindingUpdateList,
    PendingRegistration,
    Place,
)
from ryu_pmipls.wire import BindingAcknowledgement
from ryu_pmipls.wire.codepoints import BindingStatus, HandoffType


class GatewaySessions:
    """The sessions: registers the entries of the binding update list, and ends them.

    ``tunnels`` are those to the LMAs, ``clocks`` compares times of day with theirs, ``routes`` reports to the RMS.
    """

    def __init__(
        self,
        config: GatewayConfig,
        tunnels: Tunnels,
        clocks: PeerClocks,
        routes: RouteAdjusts,
        effects: Effects,
        timers: TimerQueue,
    ) -> None:
        self._config = config
        self._tunnels = tunnels
        self._clocks = clocks
        self._routes = routes
        self._effects = effects
        self._timers = timers
        self._advertising = Advertising(config.advertisement_interval, effects, timers)
        self._reachability = Reachability(config.probes, effects, timers, self._unreachable)
        self._updates = BindingUpdates(config, effects, timers, self._reachability, self._forget)
        self._claims = Claims(config.probes, effects, timers, self._move)
        self._list = BindingUpdateList(effects)
        self._anchors = AnchorChoice(config, tunnels, effects)
        self._refusals = Refusals(config, self._anchors, clocks)

    @property
    def entries(self) -> Mapping[bytes, BindingUpdateEntry]:
        """The binding update list by link-layer address, to be read only."""
        return self._list.entries

    def is_barred(self, policy: MobileNodePolicy) -> bool:
        """True for a node that an LMA has refused for good."""
        return self._refusals.is_barred(policy)

    def unbar(self, lma: IPv6Address) -> None:
        """Forget which nodes an LMA has refused for good: it was restarted, and its policies may be others."""
        self._refusals.unbar(lma)

    # The link

    def attach(self, policy: MobileNodePolicy, place: Place, now: float) -> None:
        """Register a node that has come to a place, or answer one that is there."""
        entry = self._list.of(policy)
        if entry is None or entry.state is BindingState.DEREGISTERING:
            if entry is not None:
                self._forget(entry)
            entry = BindingUpdateEntry(policy, *place)
            self._list.add(entry)
            held = self._claims.held_until(place, now)
            if held is None:
                self._register(entry, policy.prefixes, now)
            else:
                self._register_later(entry, held)
        elif entry.place != place:
            self._claimed(entry, place, now)
            return
        elif entry.elsewhere:
            if self._reachability.asks(entry):
                self._move(entry, place, now)  # it has come back from there, or has never left
        else:
            self._claims.answered(entry, place, now)
            if self._advertising.solicited(entry, now):
                # The node may have been elsewhere in between, because a link may stay up when its node leaves: handle
                # this like any other attachment.
                self._register_again(entry, now)
            self._reachability.confirm(entry, now)

    def _claimed(self, entry: BindingUpdateEntry, place: Place, now: float) -> None:
        """Process a solicitation from another place than the node's."""
        if not entry.elsewhere or self._reachability.asks(entry):
            self._claims.claim(entry, place, now)
        elif self._claims.held_until(place, now) is None:
            self._move(entry, place, now)  # its own place has to wait: there is nothing that could be disputed

    def _move(self, entry: BindingUpdateEntry, place: Place, now: float) -> None:
        """Register a node from another place than before.

        A node that has given its interface another link-layer address is the same one, and so is its session.
        """
        if self.entries.get(place.link_layer_address, entry) is not entry:
            return  # the address is another node's by now
        self._list.move(entry, place)
        self._timers.cancel(self._register_late, entry)
        entry.elsewhere = False
        self._register_again(entry, now)

    def resume(self, policy: MobileNodePolicy, recorded: RecordedBinding, now: float) -> None:
        """Resume a binding of the time before a restart: register the node as soon as it is known to be still there.

        Its prefixes, and the flow entries for them, stay in force meanwhile. Nothing happens if it has come again.
        """
        if self._list.of(policy) is not None or recorded.link_layer_address in self.entries:
            return
        entry = BindingUpdateEntry(policy, recorded.port, recorded.link_layer_address)
        self._list.add_recorded(entry)
        if recorded.anchor is not None and recorded.anchor in self._tunnels:
            entry.anchor = recorded.anchor
        entry.prefixes, entry.registered = recorded.prefixes, recorded.registered
        # The LMA's answer brings the true end, which is no later.
        entry.expires = now + self._config.binding_lifetime
        self._timers.set(self._expire, entry, entry.expires)
        self._advertising.resume(entry, now)
        self._report("resumed", f"{entry.name} on port {entry.port}", identifier=policy.identifier)
        self._reachability.find_out(entry, self._register_again, self._leave_alone, now)

    def _leave_alone(self, entry: BindingUpdateEntry, now: float) -> None:
        """Drop a resumed binding: the node may be elsewhere, or sleep here until it solicits."""
        self._report("not-resumed", f"{entry.name} on port {entry.port}", identifier=entry.policy.identifier)
        self._timers.cancel(self._expire, entry)
        self._advertising.withdraw(entry, link_is_up=False)
        self._forget(entry)

    def displace(self, entry: BindingUpdateEntry, now: float) -> None:
        """De-register a node whose link-layer address turns out to be another one's."""
        self.deregister(entry, now, link_is_up=False)
        if self._list.of(entry.policy) is not None:
            self._forget(entry)

    def reachable(self, policy: MobileNodePolicy, place: Place, now: float) -> None:
        """Process a sign of life of a node; what waits for one at its place goes on.

        It does not count while another MAG has the node: it may be older than that.
        """
        entry = self._list.of(policy)
        if entry is not None and entry.place == place and not entry.elsewhere:
            self._reachability.confirm(entry, now)

    def answered(self, policy: MobileNodePolicy, place: Place, now: float) -> None:
        """Process a node's answer to a probe, at its place or at the one where it was before."""
        entry = self._list.of(policy)
        if entry is not None:
            self._claims.answered(entry, place, now)
            if entry.place == place:
                self._reachability.confirm(entry, now)

    def link_down(self, port: int, now: float) -> None:
        """De-register the nodes of a port whose link is down."""
        self._claims.link_down(port, now)
        for entry in [entry for entry in self.entries.values() if entry.port == port]:
            self.deregister(entry, now, link_is_up=False)

    def contested_ports(self, now: float) -> tuple[ContestedPort, ...]:
        """The ports that have claimed nodes which were elsewhere."""
        return self._claims.contested.all(now)

    def refuse_source(self, entry: BindingUpdateEntry, source: IPv6Address, now: float) -> None:
        """Withdraw an address's prefix from a node that holds others and not this one (RFC 5213, section 6.12)."""
        if entry.prefixes and not any(source in prefix for prefix in entry.prefixes):
            self._advertising.withdraw_foreign(entry, IPv6Network((source, PREFIX_LENGTH), strict=False), now)

    def _unreachable(self, entry: BindingUpdateEntry, now: float) -> None:
        if entry.elsewhere:
            self._forget(entry)
            return
        identifier = entry.policy.identifier
        self._report("unreachable", f"{entry.name} on port {entry.port} does not answer", identifier=identifier)
        self.deregister(entry, now, link_is_up=True)

    def deregister(self, entry: BindingUpdateEntry, now: float, link_is_up: bool) -> None:
        """De-register a node that has left; it is told when it may still hear that."""
        if entry.elsewhere:
            self._forget(entry)
        elif entry.state is not BindingState.DEREGISTERING:
            self._claims.drop(entry)
            held = entry.prefixes
            self._withdraw(entry, now, link_is_up)
            self._list.erase(entry)
            # If the LMA has accepted a request whose answer is still missing, it knows the session without a prefix.
            self._request(entry, HandoffType.UNKNOWN, 0, held, now)

    # Registration

    def _register(self, entry: BindingUpdateEntry, prefixes: tuple[IPv6Network, ...], now: float) -> None:
        # Handoff unknown: only a context transfer, which does not exist here, could tell this MAG whether the interface
        # is new or comes from another MAG (RFC 5213, section 6.9.1.1). The LMA finds out, and creates at once a session
        # that does not exist.
        self._request(entry, HandoffType.UNKNOWN, self._lifetime, prefixes, now)

    def _register_again(self, entry: BindingUpdateEntry, now: float) -> None:
        self._register(entry, entry.prefixes or entry.taken or entry.policy.prefixes, now)

    def register_if_there(self, entry: BindingUpdateEntry, now: float) -> None:
        """Register a node, with its prefixes, as if it had just come; first make sure that it has not gone."""
        self._updates.cancel(entry)
        self._timers.cancel(self._refresh, entry)
        self._reachability.ensure(entry, self._register_again, now)

    @property
    def _lifetime(self) -> int:
        return int(self._config.binding_lifetime // LIFETIME_UNIT)

    def _refresh(self, entry: BindingUpdateEntry, now: float) -> None:
        self._reachability.ensure(entry, self._extend, now)

    def _extend(self, entry: BindingUpdateEntry, now: float) -> None:
        self._request(entry, HandoffType.RE_REGISTRATION, self._lifetime, entry.prefixes, now)

    def _request(
        self, entry: BindingUpdateEntry, handoff: int, lifetime: int, prefixes: tuple[IPv6Network, ...], now: float
    ) -> None:
        self._reachability.drop(entry)
        self._timers.cancel(self._refresh, entry)
        self._updates.request(entry, handoff, lifetime, prefixes, now)

    def acknowledgement(self, message: BindingAcknowledgement, source: IPv6Address, now: float) -> None:
        """Process an LMA's answer to a PBU."""
        entry = self._updates.match(message, source)
        if entry is None or entry.request is None:
            self._report("unmatched-acknowledgement", f"PBA {message.sequence} from {source} ignored")
        elif entry.request.lifetime == 0:
            self._forget(entry)
        elif not repeats_request(entry, message):
            self._report("wrong-acknowledgement", f"PBA {message.sequence} from {source} is not what was asked for")
            self._refusals.bar(entry.policy, source)
            self.give_up(entry, now)
        elif message.status < BindingStatus.REASON_UNSPECIFIED:
            self._accepted(entry, entry.request, message, now)
        else:
            self._refused(entry, entry.request, message, now)

    def _accepted(
        self, entry: BindingUpdateEntry, request: PendingRegistration, message: BindingAcknowledgement, now: float
    ) -> None:
        granted = granted_prefixes(message)
        expires = request.sent + message.lifetime * LIFETIME_UNIT
        if not granted or expires <= now:
            self._report("empty-acceptance", f"{entry.name}: accepted without a prefix or lifetime")
            self.give_up(entry, now)
            return
        lost = tuple(prefix for prefix in entry.prefixes if prefix not in granted)
        new = tuple(
            prefix
            for prefix in granted
            if prefix not in entry.prefixes or request.handoff != HandoffType.RE_REGISTRATION
        )
        self._clocks.agree(entry.anchor)
        self._updates.cancel(entry)
        self._reachability.drop(entry)
        self._anchors.follow(entry, request, message)
        for prefix in lost:
            self._routes.detached(entry, prefix, now)
        entry.prefixes, entry.expires, entry.registered = granted, expires, request.timestamp
        entry.grants = grants_in(message)
        entry.taken, entry.elsewhere = (), False
        self._timers.set(self._expire, entry, expires)
        self._timers.set(self._refresh, entry, request.sent + message.lifetime * LIFETIME_UNIT * REFRESH_AFTER)
        self._advertising.announce(entry, now, withdrawn=lost)
        for prefix in granted:
            if prefix not in new and self._routes.awaits(prefix):
                self._routes.attached(entry, prefix, now)  # as it is now: the RMS may not accept the earlier report
        for prefix in new:
            self._routes.attached(entry, prefix, now)
            self._report("attached", f"{entry.name} on port {entry.port}: {prefix}", prefix=prefix)
        if new or lost:
            self._list.record(entry)

    def _refused(
        self, entry: BindingUpdateEntry, request: PendingRegistration, message: BindingAcknowledgement, now: float
    ) -> None:
        identifier, status = entry.policy.identifier, message.status
        self._report("registration-refused", f"{entry.name}: status {status}", status=status, identifier=identifier)
        reaction = self._refusals.react(entry, request, message, now)
        if reaction is Reaction.ASK_FOR_ANY:
            self._withdraw(entry, now)
            self._register(entry, (), now)
        elif reaction is Reaction.ASK_ANOTHER:
            self._register_again(entry, now)
        elif reaction is not Reaction.TRY_AGAIN:
            self.give_up(entry, now)

    # Another MAG has the session

    def ask_back(self, entry: BindingUpdateEntry, now: float) -> None:
        """Take a session back that another MAG has taken, if the node answers here: the link has not gone down."""
        if not self._config.probes:
            self.give_up(entry, now)
            return
        taken = entry.prefixes
        self._leave(entry, now)
        entry.taken, entry.elsewhere = taken, True
        self._reachability.ensure(entry, self._reclaim, now)

    def _reclaim(self, entry: BindingUpdateEntry, now: float) -> None:
        """Register a node whose handoff state has not changed, whatever another MAG has said."""
        self._report("reclaimed", f"{entry.name} answers on port {entry.port}", identifier=entry.policy.identifier)
        self._request(entry, HandoffType.RE_REGISTRATION, self._lifetime, entry.taken, now)

    def yield_back(self, entry: BindingUpdateEntry, now: float) -> None:
        """Give a session back to the MAG where its node has answered: the claim here was false."""
        until = self._claims.refuted(entry, entry.place, now)
        self._leave(entry, now)
        entry.taken = ()
        if self._config.probes:
            self._register_later(entry, until)
        else:
            self._forget(entry)

    def _register_later(self, entry: BindingUpdateEntry, when: float) -> None:
        entry.elsewhere = True
        self._timers.set(self._register_late, entry, when)

    def _register_late(self, entry: BindingUpdateEntry, now: float) -> None:
        self._reachability.ensure(entry, self._register_again, now)

    def _leave(self, entry: BindingUpdateEntry, now: float) -> None:
        """Hold nothing any more, without a word to the node: it has gone, or gets its prefixes back."""
        self._claims.drop(entry)
        self._withdraw(entry, now, link_is_up=False)
        self._updates.cancel(entry)
        self._reachability.drop(entry)

    # The end

    def _expire(self, entry: BindingUpdateEntry, now: float) -> None:
        """Start over after missing answers: the LMA has forgotten the session, and may give the prefixes away."""
        self._report("binding-expired", entry.name, identifier=entry.policy.identifier)
        self._start_over(entry, now)

    def _start_over(self, entry: BindingUpdateEntry, now: float) -> None:
        """Register a node whose session has ended as if it had just come, because it may still be here."""
        self._withdraw(entry, now)
        entry.anchor, entry.registered = entry.policy.anchor, 0
        self.register_if_there(entry, now)

    def move_on(self, entry: BindingUpdateEntry, now: float) -> None:
        """Have another LMA take the session; the node keeps its prefixes, if that LMA agrees."""
        entry.anchor = entry.policy.anchor
        self.register_if_there(entry, now)

    def give_up(self, entry: BindingUpdateEntry, now: float) -> None:
        """End a session that its LMA has ended or refused."""
        entry.prefixes = entry.prefixes or entry.taken
        self._withdraw(entry, now)
        self._forget(entry)

    def _forget(self, entry: BindingUpdateEntry) -> None:
        self._updates.cancel(entry)
        self._reachability.drop(entry)
        self._claims.drop(entry)
        self._timers.cancel(self._register_late, entry)
        self._list.remove(entry)

    def _withdraw(self, entry: BindingUpdateEntry, now: float, link_is_up: bool = True) -> None:
        """Withdraw all prefixes from the node."""
        self._timers.cancel(self._refresh, entry)
        self._timers.cancel(self._expire, entry)
        self._advertising.withdraw(entry, link_is_up)
        for prefix in entry.prefixes:
            self._routes.detached(entry, prefix, now)
        entry.prefixes = ()

    def _report(self, kind: str, text: str, **details: Any) -> None:
        self._effects.report(kind, text, **details)
