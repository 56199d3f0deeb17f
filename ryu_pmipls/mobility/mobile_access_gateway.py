"""The Mobile Access Gateway (RFC 5213, section 6)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from ipaddress import IPv6Address, IPv6Network

from ryu_pmipls.mobility.advertising import Advertising
from ryu_pmipls.mobility.binding_updates import BindingUpdates, repeats_request
from ryu_pmipls.mobility.config import GatewayConfig
from ryu_pmipls.mobility.effects import Forward
from ryu_pmipls.mobility.machine import Machine
from ryu_pmipls.mobility.reachability import Reachability
from ryu_pmipls.mobility.refusals import Reaction, reaction_to
from ryu_pmipls.mobility.registration import LIFETIME_UNIT, UNSPECIFIED, network
from ryu_pmipls.mobility.revocation import judge
from ryu_pmipls.mobility.route_adjusts import RouteAdjusts
from ryu_pmipls.mobility.timer_queue import delays
from ryu_pmipls.mobility.tunnels import TunnelEvent
from ryu_pmipls.mobility.update_list import REFRESH_AFTER, BindingState, BindingUpdateEntry, PendingRegistration
from ryu_pmipls.mobility.uplink_shares import Uplinks
from ryu_pmipls.wire import (
    BindingAcknowledgement,
    BindingError,
    BindingRevocationAcknowledgement,
    BindingRevocationIndication,
    Heartbeat,
    HomeNetworkPrefix,
    LoadAdjust,
    Message,
    Redirect,
    RevocationFlag,
    RevocationTrigger,
    RouteAdjust,
    Timestamp,
    TunnelAck,
    TunnelRequest,
    TunnelStatus,
)
from ryu_pmipls.wire.codepoints import BindingStatus, HandoffType, TunnelStatusCode
from ryu_pmipls.wire.printable import printable

#: The longest wait between two Tnl_request, in seconds.
MAX_TUNNEL_REQUEST_TIMEOUT = 32.0


class MobileAccessGateway(Machine):
    """A MAG: attachment, registration and the binding update list, and its end of the tunnels."""

    def __init__(self, config: GatewayConfig) -> None:
        super().__init__(config, config.lmas)
        self._uplinks = Uplinks(config, self._tunnels, self._effects)
        self._routes = RouteAdjusts(config, self._effects, self._timers)
        self._advertising = Advertising(config.advertisement_interval, self._effects, self._timers)
        self._reachability = Reachability(config.probes, self._effects, self._timers, self._unreachable)
        self._updates = BindingUpdates(config, self._effects, self._timers, self._reachability, self._forget)
        self._receivers = {
            BindingAcknowledgement: self._binding_acknowledgement,
            BindingRevocationIndication: self._revocation,
            Heartbeat: self._heartbeats.heartbeat,
            BindingError: self._heartbeats.binding_error,
            TunnelAck: self._tunnel_ack,
            LoadAdjust: self._uplinks.load_adjust,
            RouteAdjust: self._route_adjust,
        }
        self.config = config
        self._policies = {node.link_layer_address: node for node in config.mobile_nodes}
        self._entries: dict[bytes, BindingUpdateEntry] = {}
        self._barred: set[bytes] = set()
        self._last_revocations: dict[IPv6Address, tuple[BindingRevocationIndication, Message]] = {}
        self._tunnel_delays: dict[IPv6Address, Iterator[float]] = {}

    @property
    def bindings(self) -> tuple[BindingUpdateEntry, ...]:
        """The binding update list, to be read only."""
        return tuple(self._entries.values())

    @property
    def uplinks(self) -> dict[IPv6Address, Fraction]:
        """LMA -> the part of the uplink that it carries, of those that carry any; together they make 1."""
        return self._uplinks.shares

    # Tunnels (draft section 3.1)

    def start(self, now: float) -> None:
        """Start the MAG: it asks every LMA for a tunnel, until each has answered (erratum E40)."""
        super().start(now)
        for lma in self.config.lmas:
            self._want_tunnel(lma, now)

    def _want_tunnel(self, lma: IPv6Address, now: float) -> None:
        self._restart_requests(lma)
        self._request_tunnel(lma, now)

    def _restart_requests(self, lma: IPv6Address) -> None:
        self._tunnel_delays[lma] = delays(self.config.tunnel_request_timeout, MAX_TUNNEL_REQUEST_TIMEOUT)

    def _request_tunnel(self, lma: IPv6Address, now: float) -> None:
        self._send(TunnelRequest(self.config.address), lma)
        self._timers.set(self._request_tunnel, lma, now + next(self._tunnel_delays[lma]))

    def _tunnel_ack(self, message: TunnelAck, source: IPv6Address, now: float) -> None:
        status = message.option(TunnelStatus)
        if source not in self._tunnels or message.lma != source:
            # The acknowledgement names the LMA, whatever the draft calls the field (erratum E10).
            self._report("unknown-lma", f"Tnl_ack of {message.lma} from {source} refused", lma=message.lma)
        elif status is not None and status.encapsulation != self.config.encapsulation:
            self._report("encapsulation-mismatch", f"{source} encapsulates in another way", lma=source)
        elif status is not None and status.status != TunnelStatusCode.ACCEPTED:
            self._report("tunnel-refused", f"{source} refuses a tunnel: status {status.status}", lma=source)
        else:
            self._timers.cancel(self._request_tunnel, source)
            self._tunnel(source, TunnelEvent.WANTED, now)

    def _tunnel_up(self, peer: IPv6Address, now: float) -> None:
        """Do nothing: the LMA built its end first."""

    def _tunnel_lost(self, peer: IPv6Address, now: float) -> None:
        self._restart_requests(peer)
        self._timers.set(self._request_tunnel, peer, now + next(self._tunnel_delays[peer]))

    # Peers (RFC 5847)

    def peer_restarted(self, peer: IPv6Address, since: float, now: float) -> None:
        """Ask a restarted LMA again for the tunnel and for the sessions that it anchors.

        Meanwhile mobile nodes keep their prefixes: the LMA will give them the same ones.
        """
        self._last_revocations.pop(peer, None)  # its sequence numbers begin again
        self._want_tunnel(peer, now)
        for entry in self.bindings:
            if entry.anchor == peer and entry.state is not BindingState.DEREGISTERING:
                self._register_if_there(entry, now)

    # Attachment

    def attach(self, link_layer_address: bytes, port: int, now: float) -> None:
        """Register a node on OpenFlow port ``port``: it has solicited a router, or an access point has reported it."""
        self.handle_timer(now)
        policy = self._policies.get(link_layer_address)
        if policy is None:
            self._report("unknown-mobile-node", f"{link_layer_address.hex(':')} on port {port} gets nothing", port=port)
            return
        if not policy.enabled or link_layer_address in self._barred:
            self._report("barred-mobile-node", f"{printable(policy.identifier)} on port {port} gets nothing", port=port)
            return
        entry = self._entries.get(link_layer_address)
        if entry is None or entry.state is BindingState.DEREGISTERING:
            if entry is not None:
                self._forget(entry)
            entry = self._entries[link_layer_address] = BindingUpdateEntry(policy, port)
            self._register(entry, policy.prefixes, now)
        elif entry.port != port or self._advertising.solicited(entry, now):
            # The node may have been elsewhere in between, because a link may stay up when its node leaves: handle this
            # like any other attachment.
            entry.port = port
            self._register_again(entry, now)
        self._reachability.confirm(entry, now)

    def reachable(self, link_layer_address: bytes, port: int, now: float) -> None:
        """Process a sign of life on the link of OpenFlow port ``port``; the node need not be attached."""
        # Due timers must wait: one may be about to declare the node gone.
        entry = self._entries.get(link_layer_address)
        if entry is not None and entry.port == port:
            self._reachability.confirm(entry, now)

    def detach(self, port: int, now: float) -> None:
        """De-register the nodes of OpenFlow port ``port``, whose link is down."""
        # Due timers must wait: a refresh for a node that has gone would take it back from its new MAG.
        for entry in [entry for entry in self._entries.values() if entry.port == port]:
            self._deregister(entry, now, link_is_up=False)

    def depart(self, link_layer_address: bytes, now: float) -> None:
        """De-register a node that has gone though its link is up: unreachable, or by an administrator's command."""
        entry = self._entries.get(link_layer_address)
        if entry is not None:
            self._deregister(entry, now, link_is_up=True)

    def _unreachable(self, entry: BindingUpdateEntry, now: float) -> None:
        identifier = entry.policy.identifier
        self._report("unreachable", f"{entry.name} on port {entry.port} does not answer", identifier=identifier)
        self._deregister(entry, now, link_is_up=True)

    def _deregister(self, entry: BindingUpdateEntry, now: float, link_is_up: bool) -> None:
        if entry.state is not BindingState.DEREGISTERING:
            held = entry.prefixes
            self._withdraw(entry, now, link_is_up)
            # If the LMA has accepted a request whose answer is still missing, it knows the session without a prefix.
            self._request(entry, HandoffType.UNKNOWN, 0, held, now)

    # Registration

    def _register(self, entry: BindingUpdateEntry, prefixes: tuple[IPv6Network, ...], now: float) -> None:
        # Handoff unknown: only a context transfer, which does not exist here, could tell this MAG whether the interface
        # is new or comes from another MAG (RFC 5213, section 6.9.1.1). The LMA finds out, and creates at once a session
        # that does not exist.
        self._request(entry, HandoffType.UNKNOWN, self._lifetime, prefixes, now)

    def _register_again(self, entry: BindingUpdateEntry, now: float) -> None:
        self._register(entry, entry.prefixes or entry.policy.prefixes, now)

    def _register_if_there(self, entry: BindingUpdateEntry, now: float) -> None:
        """Register a node, with its prefixes, as if it had just come; first make sure that it has not gone."""
        self._updates.cancel(entry)
        self._timers.cancel(self._refresh, entry)
        self._reachability.ensure(entry, self._register_again, now)

    @property
    def _lifetime(self) -> int:
        return int(self.config.binding_lifetime // LIFETIME_UNIT)

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

    def _binding_acknowledgement(self, message: BindingAcknowledgement, source: IPv6Address, now: float) -> None:
        entry = self._updates.match(message, source)
        if entry is None or entry.request is None:
            self._report("unmatched-acknowledgement", f"PBA {message.sequence} from {source} ignored")
        elif entry.request.lifetime == 0:
            self._forget(entry)
        elif not repeats_request(entry, message):
            self._report("wrong-acknowledgement", f"PBA {message.sequence} from {source} is not what was asked for")
            self._barred.add(entry.policy.link_layer_address)
            self._give_up(entry, now)
        elif message.status < BindingStatus.REASON_UNSPECIFIED:
            self._accepted(entry, entry.request, message, now)
        else:
            self._refused(entry, entry.request, message, now)

    def _accepted(
        self, entry: BindingUpdateEntry, request: PendingRegistration, message: BindingAcknowledgement, now: float
    ) -> None:
        granted = tuple(
            dict.fromkeys(network(option) for option in message.all(HomeNetworkPrefix) if option.prefix != UNSPECIFIED)
        )
        expires = request.sent + message.lifetime * LIFETIME_UNIT
        if not granted or expires <= now:
            self._report("empty-acceptance", f"{entry.name}: accepted without a prefix or lifetime")
            self._give_up(entry, now)
            return
        lost = tuple(prefix for prefix in entry.prefixes if prefix not in granted)
        new = tuple(
            prefix
            for prefix in granted
            if prefix not in entry.prefixes or request.handoff != HandoffType.RE_REGISTRATION
        )
        self._agree(entry.anchor)
        self._updates.cancel(entry)
        self._reachability.drop(entry)
        self._follow(entry, request, message)
        for prefix in lost:
            self._routes.detached(entry, prefix, now)
        entry.prefixes, entry.expires, entry.registered = granted, expires, request.timestamp
        self._timers.set(self._expire, entry, expires)
        self._timers.set(self._refresh, entry, request.sent + message.lifetime * LIFETIME_UNIT * REFRESH_AFTER)
        self._advertising.announce(entry, now, withdrawn=lost)
        for prefix in new:
            self._routes.attached(entry, prefix, now)
            self._report("attached", f"{entry.name} on port {entry.port}: {prefix}", prefix=prefix)

    def _route_adjust(self, message: RouteAdjust, source: IPv6Address, now: float) -> None:
        """Process the RMS's answer to a report, or a node's new place, or a request for all reports (prefix ``::``).

        The RMS requests all reports when it has lost its bindings.
        """
        if source != self.config.rms or message.prefix != UNSPECIFIED:
            self._routes.route_adjust(message, source, now)
            if source == self.config.rms and message.new_mag != UNSPECIFIED:
                self._routed(message)
            return
        if message.option(Timestamp) is not None:
            self._send(message, source)
        for entry in self.bindings:
            for prefix in entry.prefixes:
                self._routes.attached(entry, prefix, now)

    def _routed(self, message: RouteAdjust) -> None:
        """Act on a prefix's routes in force. A node that is elsewhere by now needs no report of its departure."""
        here = message.new_mag == self.config.address
        timestamp = message.option(Timestamp)
        if not here and timestamp is not None:
            self._routes.drop_outdated(message.prefix, timestamp.ticks - 1)
        self._effects.append(Forward(message.prefix, here))

    def _follow(self, entry: BindingUpdateEntry, request: PendingRegistration, message: BindingAcknowledgement) -> None:
        """Follow the redirection of the session to an LMA, which has it already (RFC 6463, section 5.2)."""
        entry.unwilling.clear()
        redirect = message.option(Redirect)
        if redirect is None:
            return
        if request.redirectable and isinstance(redirect.address, IPv6Address) and self._tunnels.is_up(redirect.address):
            entry.anchor = redirect.address
            self._report("redirected", f"{entry.name} to {entry.anchor}", lma=entry.anchor)
        else:
            text = f"{entry.name}: redirection to {redirect.address} ignored"
            self._report("redirection-ignored", text, lma=redirect.address)

    def _refused(
        self, entry: BindingUpdateEntry, request: PendingRegistration, message: BindingAcknowledgement, now: float
    ) -> None:
        identifier, status = entry.policy.identifier, message.status
        self._report("registration-refused", f"{entry.name}: status {status}", status=status, identifier=identifier)
        reaction = reaction_to(status)
        if reaction is Reaction.TRY_AGAIN:
            self._compare_clocks(entry.anchor, message, now)
            return
        if reaction is Reaction.ASK_FOR_ANY and request.prefixes:
            self._withdraw(entry, now)
            self._register(entry, (), now)
            return
        other = self._other_anchor(entry) if reaction is Reaction.ASK_ANOTHER else None
        if other is not None:
            entry.anchor = other
            self._register_again(entry, now)
            return
        if reaction is Reaction.BAR:
            self._barred.add(entry.policy.link_layer_address)
        self._give_up(entry, now)

    def _compare_clocks(self, lma: IPv6Address, message: BindingAcknowledgement, now: float) -> None:
        """Compare the time of day with that of an LMA which has refused a timestamp.

        Behind the last one accepted is also a PBU that another MAG's has overtaken: that is no fault of a clock.
        """
        timestamp = message.option(Timestamp)
        away = 0.0 if timestamp is None else abs(timestamp.seconds - self._time_of_day(now))
        if message.status == BindingStatus.TIMESTAMP_MISMATCH or away > self.config.timestamp_validity_window:
            self._disagree(lma, timestamp, now)

    def _other_anchor(self, entry: BindingUpdateEntry) -> IPv6Address | None:
        """The next LMA to ask when one refuses the session: the profile's, then the others in their order."""
        entry.unwilling.add(entry.anchor)
        lmas = (entry.policy.anchor, *self.config.lmas) if self.config.redirection else ()
        return next((lma for lma in lmas if lma not in entry.unwilling and self._tunnels.is_up(lma)), None)

    def _revocation(self, message: BindingRevocationIndication, source: IPv6Address, now: float) -> None:
        """End sessions because the LMA revokes them (RFC 5846, section 9.1)."""
        if source not in self._tunnels:
            self._report("unknown-lma", f"revocation by {source} refused", lma=source)
            return
        known = self._last_revocations.get(source)
        if known is not None and known[0] == message:
            self._send(known[1], source)
            return
        judgement = judge(message, source, self._entries.values())
        flags = message.flags & (RevocationFlag.P | RevocationFlag.G)
        answer = BindingRevocationAcknowledgement(judgement.status, message.sequence, flags, judgement.options)
        self._last_revocations[source] = message, answer
        self._send(answer, source)
        for entry in judgement.entries:
            self._report("revoked", f"{entry.name} by {source}", identifier=entry.policy.identifier)
            if message.trigger == RevocationTrigger.PER_PEER_POLICY and entry.state is not BindingState.DEREGISTERING:
                # The LMA gives up all its sessions; the mobile node is still here.
                self._move_on(entry, now)
            else:
                self._give_up(entry, now)

    def _expire(self, entry: BindingUpdateEntry, now: float) -> None:
        """Start over after missing answers: the LMA has forgotten the session, and may give the prefixes away."""
        self._report("binding-expired", entry.name, identifier=entry.policy.identifier)
        self._start_over(entry, now)

    def _start_over(self, entry: BindingUpdateEntry, now: float) -> None:
        """Register a node whose session has ended as if it had just come, because it may still be here."""
        self._withdraw(entry, now)
        entry.anchor, entry.registered = entry.policy.anchor, 0
        self._register_if_there(entry, now)

    def _move_on(self, entry: BindingUpdateEntry, now: float) -> None:
        """Have another LMA take the session; the node keeps its prefixes, if that LMA agrees."""
        entry.anchor = entry.policy.anchor
        self._register_if_there(entry, now)

    def _give_up(self, entry: BindingUpdateEntry, now: float) -> None:
        self._withdraw(entry, now)
        self._forget(entry)

    def _forget(self, entry: BindingUpdateEntry) -> None:
        self._updates.cancel(entry)
        self._reachability.drop(entry)
        del self._entries[entry.policy.link_layer_address]

    def _withdraw(self, entry: BindingUpdateEntry, now: float, link_is_up: bool = True) -> None:
        """Withdraw all prefixes from the node."""
        self._timers.cancel(self._refresh, entry)
        self._timers.cancel(self._expire, entry)
        self._advertising.withdraw(entry, link_is_up)
        for prefix in entry.prefixes:
            self._routes.detached(entry, prefix, now)
        entry.prefixes = ()
