"""The Local Mobility Anchor (RFC 5213, section 5)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from ipaddress import IPv6Address, IPv6Network

from ryu_pmipls.mobility.announced_routes import AnnouncedRoutes
from ryu_pmipls.mobility.binding_cache import BindingCache, BindingCacheEntry, SessionLookup
from ryu_pmipls.mobility.config import AnchorConfig
from ryu_pmipls.mobility.machine import Machine
from ryu_pmipls.mobility.prefix_assignment import PrefixAssignment
from ryu_pmipls.mobility.prefix_leases import PrefixLeases
from ryu_pmipls.mobility.redirection import Redirection
from ryu_pmipls.mobility.registration import LIFETIME_UNIT, UNSPECIFIED, Registration
from ryu_pmipls.mobility.registration_checks import RegistrationChecks
from ryu_pmipls.mobility.revocation import Revocations
from ryu_pmipls.mobility.route_adjusts import RouteAdjusts
from ryu_pmipls.mobility.route_announcements import RouteAnnouncements
from ryu_pmipls.mobility.tunnels import TunnelEvent, TunnelState
from ryu_pmipls.wire import (
    BindingAcknowledgement,
    BindingError,
    BindingRevocationAcknowledgement,
    BindingUpdate,
    GrantKey,
    Heartbeat,
    HeartbeatFlag,
    LoadAdjust,
    MobileNodeIdentifier,
    RouteAdjust,
    Timestamp,
    TunnelAck,
    TunnelRequest,
    TunnelStatus,
)
from ryu_pmipls.wire.codepoints import BindingStatus, BindingUpdateFlag, TunnelStatusCode
from ryu_pmipls.wire.grants import Granter
from ryu_pmipls.wire.printable import printable


class LocalMobilityAnchor(Machine):
    """An LMA: binding cache, prefix assignment, its end of the tunnels, and the routes that the RMS announces.

    ``leases`` (prefix -> identifier) are those that ``Lease`` effects had remembered before a restart of the LMA.
    """

    def __init__(self, config: AnchorConfig, leases: Mapping[IPv6Network, bytes] | None = None) -> None:
        super().__init__(config, config.mags)
        self.config = config
        self._leases = PrefixLeases(config.pool, config.binding_lifetime, leases or {}, self._effects, self._timers)
        self._cache = BindingCache()
        self._routes = AnnouncedRoutes(self._effects)
        self._checks = RegistrationChecks(config, self._cache)
        self._assignment = PrefixAssignment(config, self._cache, self._leases, self._routes)
        self._revocations = Revocations(config.time_of_day, self._effects, self._timers, self._revoked)
        self._redirection = Redirection(config, self._effects, self._timers, self._settle_here, self._drained)
        self._reports = RouteAdjusts(config, self._effects, self._timers)
        self._announcements = RouteAnnouncements(
            config, self._effects, self._timers, self._cache, self._routes, self._reports, self._redirection
        )
        self._receivers = {
            BindingUpdate: self._binding_update,
            BindingAcknowledgement: self._redirection.binding_acknowledgement,
            BindingRevocationAcknowledgement: self._revocations.acknowledged,
            Heartbeat: self._heartbeat,
            BindingError: self._heartbeats.binding_error,
            TunnelRequest: self._tunnel_request,
            LoadAdjust: self._redirection.load_adjust,
            RouteAdjust: self._announcements.route_adjust,
        }
        self._waiting: dict[MobileNodeIdentifier, Registration] = {}
        self._drained_here = self._drained_by_rms = False
        self._granter: Granter | None = None

    @property
    def bindings(self) -> tuple[BindingCacheEntry, ...]:
        """The binding cache, to be read only."""
        return tuple(self._cache)

    @property
    def routes(self) -> dict[IPv6Address, IPv6Address]:
        """Prefix -> MAG, as the RMS announced it by Route_adjust."""
        return self._routes.mags

    @property
    def new_sessions_at(self) -> IPv6Address | None:
        """The LMA to which the RMS wants new sessions redirected; ``None``: they stay here."""
        return self._redirection.target

    def start(self, now: float) -> None:
        """Start the LMA, without sessions; it asks the RMS for all routes."""
        super().start(now)
        self._leases.start(now)
        key = self.config.announced_grant_key
        self._reports.ask(() if key is None else (GrantKey(key),), now)

    # The operator

    def revoke(self, identifier: bytes, now: float) -> int:
        """End the sessions of a mobile node (RFC 5846); it may come again. Return their number."""
        self.handle_timer(now)
        entries = [entry for entry in self._cache.of(MobileNodeIdentifier(identifier)) if not entry.revoked]
        for entry in entries:
            self._revocations.revoke(entry, now)
        return len(entries)

    def drain(self, now: float) -> None:
        """Give up all sessions: create none any more, and tell the MAGs to take theirs elsewhere."""
        self.handle_timer(now)
        self._drained_here = True
        self._revoke_all(now)

    def _revoke_all(self, now: float) -> None:
        for mag in self.config.mags:
            entries = tuple(entry for entry in self._cache if entry.care_of_address == mag and not entry.revoked)
            if entries:
                self._revocations.revoke_all(mag, entries, now)

    def undrain(self, now: float) -> None:
        """Accept sessions again."""
        self.handle_timer(now)
        self._drained_here = self._drained_by_rms = False

    def _drained(self, draining: bool, now: float) -> None:
        """Follow the operator's decision, which the RMS passes on, and repeats as long as it holds.

        That an LMA need not drain, the RMS says after each start of its own; it does not know of orders given here.
        """
        began = draining and not self.draining
        self._drained_by_rms = draining
        if began:
            self._revoke_all(now)

    @property
    def draining(self) -> bool:
        return self._drained_here or self._drained_by_rms

    def _revoked(self, entry: BindingCacheEntry, now: float) -> None:
        """Remove a session whose revocation has ended."""
        if entry in self._cache.of(entry.identifier):
            self._timers.cancel(self._expire, entry)
            self._timers.cancel(self._delete, entry)
            self._remove(entry, now)
            self._report_session("binding-revoked", entry)

    # Tunnels (draft section 3.1)

    def _tunnel_request(self, message: TunnelRequest, source: IPv6Address, now: float) -> None:
        if source not in self._tunnels or message.mag != source:
            # Create no state on the word of a stranger (erratum E40).
            self._report("unknown-mag", f"Tnl_request of {message.mag} from {source} refused", mag=message.mag)
        else:
            self._tunnel(source, TunnelEvent.WANTED, now)

    def _tunnel_up(self, peer: IPv6Address, now: float) -> None:
        status = TunnelStatus(TunnelStatusCode.ACCEPTED, self.config.encapsulation)
        self._send(TunnelAck(self.config.address, options=(status,)), peer)

    def _tunnel_lost(self, peer: IPv6Address, now: float) -> None:
        """Do nothing: the MAG repeats its request until it gets an answer."""

    # Peers (RFC 5847)

    def _heartbeat(self, message: Heartbeat, source: IPv6Address, now: float) -> None:
        self._heartbeats.heartbeat(message, source, now)
        asks = not message.flags & HeartbeatFlag.R
        if asks and self._tunnels.states.get(source) is TunnelState.IDLE:
            # The MAG still has its end of the tunnel, and has noticed neither its loss nor a restart of the LMA.
            self._tunnel(source, TunnelEvent.WANTED, now)

    def peer_restarted(self, peer: IPv6Address, since: float, now: float) -> None:
        """Let a restarted MAG's sessions stay until a MAG takes them up again, or their lifetime ends.

        De-registered sessions end earlier, but here the mobile nodes may be present and use their prefixes. Sessions
        that the MAG registered after ``since`` may be newer than its restart, and are kept.
        """
        for entry in self.bindings:
            if entry.care_of_address == peer and not entry.leaving and entry.granted <= since:
                self._leave(entry, entry.expires)
                self._report_session("binding-invalid", entry)

    # Registration

    def _binding_update(self, message: BindingUpdate, source: IPv6Address, now: float) -> None:
        if not message.flags & BindingUpdateFlag.P:
            self._report("not-a-proxy-registration", f"Binding Update without the P flag from {source} dropped")
            return
        request = Registration.of(message, source)
        status = self._checks.objection(request, self._waiting.get(request.identifier), now)
        if status is None:
            self._settle(request, now)
        else:
            self._refuse(request, status, now)

    def _settle(self, request: Registration, now: float, may_wait: bool = True) -> None:
        match = self._cache.lookup(request)
        leaves = request.message.lifetime == 0
        if match.verdict is SessionLookup.WAIT and may_wait and not leaves:
            self._wait(request, now)
            return
        self._stop_waiting(request)
        if match.status is not None:
            self._refuse(request, match.status, now)
        elif leaves:
            if match.entry is not None and match.entry.care_of_address == request.care_of_address:
                self._deregister(match.entry, request, now)
            elif match.entry is not None or not self._redirection.redirect(request, now):
                # The old MAG, after a handoff: ignore it, without an answer (RFC 5213, section 5.3.5).
                self._report("late-deregistration", f"from {request.source}", identifier=request.identifier.identifier)
        elif match.entry is None:
            self._place(request, now)
        elif not match.entry.revoked:
            self._update(match.entry, request, now)
        elif self.draining:
            self._place(request, now)
        else:
            # A refresh that crosses the operator's revocation must not revive the session.
            self._refuse(request, BindingStatus.ADMINISTRATIVELY_PROHIBITED, now)

    def _place(self, request: Registration, now: float) -> None:
        """Place a new session: at another LMA, if so decided, but all sessions of a mobile node at one."""
        alone = all(entry.revoked for entry in self._cache.of(request.identifier))
        if not (alone and self._redirection.redirect(request, now)):
            self._settle_here(request, BindingStatus.INSUFFICIENT_RESOURCES, now)

    def _settle_here(self, request: Registration, status: BindingStatus, now: float) -> None:
        """Create a new session that no other LMA has taken (the last answered ``status``)."""
        if self.draining:
            self._refuse(request, status, now)
            return
        match = self._cache.lookup(request)
        if match.entry is not None and not match.entry.revoked:
            self._update(match.entry, request, now)
        else:
            self._create(request, now)

    def _refuse(self, request: Registration, status: BindingStatus, now: float) -> None:
        sequence, timestamp = request.message.sequence, request.timestamp
        if status in (BindingStatus.TIMESTAMP_MISMATCH, BindingStatus.TIMESTAMP_LOWER_THAN_PREV_ACCEPTED):
            if timestamp is not None and self._checks.differs(timestamp, now):
                self._clocks.disagree(request.source, Timestamp(timestamp), now)
            timestamp = Timestamp.of(self._time_of_day(now)).ticks
        elif status is BindingStatus.SEQUENCE_NUMBER_OUT_OF_WINDOW:
            # RFC 6275, section 9.5.1: the answer holds the last sequence number accepted.
            last = self._checks.last_sequence(request)
            sequence = sequence if last is None else last
        self._send(request.refusal(status, sequence, timestamp), request.source)
        self._report(
            "registration-refused",
            f"{printable(request.identifier.identifier)} from {request.source}: {status.name}",
            status=int(status),
            identifier=request.identifier.identifier,
        )

    # A node's only session may be about to end at the old MAG (RFC 5213, sections 5.4.1.2 and 5.4.1.3)

    def _wait(self, request: Registration, now: float) -> None:
        if request.identifier not in self._waiting:
            self._timers.set(self._waited, request.identifier, now + self.config.max_delay_before_new_bce_assign)
        self._waiting[request.identifier] = request

    def _waited(self, identifier: MobileNodeIdentifier, now: float) -> None:
        self._settle(self._waiting.pop(identifier), now, may_wait=False)

    def _stop_waiting(self, request: Registration) -> None:
        waiting = self._waiting.get(request.identifier)
        if waiting is not None and waiting.session == request.session:
            del self._waiting[request.identifier]
            self._timers.cancel(self._waited, request.identifier)

    # Sessions

    def _create(self, request: Registration, now: float) -> None:
        prefixes = self._assignment.assign(request)
        if isinstance(prefixes, BindingStatus):
            self._refuse(request, prefixes, now)
            return
        entry = BindingCacheEntry(
            identifier=request.identifier,
            prefixes=prefixes,
            care_of_address=request.care_of_address,
            access_technology=request.access_technology,
            link_layer_identifier=request.link_layer_identifier,
            timestamp=0,
            sequence=0,
            lifetime=0,
            expires=now,
        )
        self._cache.add(entry)
        for prefix in prefixes:
            self._leases.lease(prefix, entry.identifier.identifier)
        self._redirection.created(entry.identifier)
        self._report_session("binding-created", entry)
        self._grant(entry, request, now)

    def _update(self, entry: BindingCacheEntry, request: Registration, now: float) -> None:
        """Carry out a refresh, handoff or revival."""
        old, had_left = entry.care_of_address, entry.leaving
        same_access = entry.access_technology == request.access_technology
        self._cache.move(entry, request.care_of_address)
        entry.access_technology = request.access_technology
        entry.link_layer_identifier = request.link_layer_identifier
        entry.leaving = False
        self._timers.cancel(self._delete, entry)
        self._grant(entry, request, now)
        if old != entry.care_of_address:
            self._report_session("handoff", entry)
            self._revocations.returned(entry)
            if not had_left:
                self._revocations.handed_over(entry, old, same_access, request.unmoved, now)

    def _grant(self, entry: BindingCacheEntry, request: Registration, now: float) -> None:
        self._record_order(entry, request)
        entry.granted, entry.registered = now, request.timestamp or Timestamp.of(self._time_of_day(now)).ticks
        self._clocks.agree(request.source)
        entry.lifetime = min(request.message.lifetime, int(self.config.binding_lifetime // LIFETIME_UNIT))
        entry.expires = now + entry.lifetime * LIFETIME_UNIT
        self._timers.set(self._expire, entry, entry.expires)
        if self._tunnels.states[entry.care_of_address] is TunnelState.IDLE:
            # An LMA that was restarted learns its MAGs from their registrations.
            self._tunnel(entry.care_of_address, TunnelEvent.WANTED, now)
        link_local = self._link_local(entry, request)
        answer = request.acceptance(entry.prefixes, entry.lifetime, link_local, self._present_granter())
        self._send(answer, request.source)

    def _present_granter(self) -> Granter | None:
        """The maker of grants with the present key; the key file may have changed."""
        key = None if self.config.grant_key is None else self.config.grant_key()
        if key is not None and (self._granter is None or self._granter.key != key):
            self._granter = Granter(key)
        return self._granter

    def _deregister(self, entry: BindingCacheEntry, request: Registration, now: float) -> None:
        self._record_order(entry, request)
        end = now + self.config.min_delay_before_bce_delete
        if not entry.leaving or end < entry.expires:
            self._leave(entry, end)
            self._report_session("binding-deregistered", entry)
        self._send(request.acceptance(entry.prefixes, 0, self._link_local(entry, request)), request.source)
        waiting = self._waiting.get(entry.identifier)
        if waiting is not None:
            self._settle(waiting, now)

    def _leave(self, entry: BindingCacheEntry, end: float) -> None:
        entry.leaving, entry.expires = True, end
        self._timers.cancel(self._expire, entry)
        self._timers.set(self._delete, entry, end)

    def _record_order(self, entry: BindingCacheEntry, request: Registration) -> None:
        entry.timestamp = request.timestamp or 0
        entry.sequence = request.message.sequence

    def _expire(self, entry: BindingCacheEntry, now: float) -> None:
        self._report_session("binding-expired", entry)
        self._remove(entry, now)

    def _delete(self, entry: BindingCacheEntry, now: float) -> None:
        self._remove(entry, now)
        self._report_session("binding-deleted", entry)

    def _remove(self, entry: BindingCacheEntry, now: float) -> None:
        self._cache.remove(entry)
        for prefix in entry.prefixes:
            self._leases.release(prefix)
            self._reports.ended(entry, prefix, now)

    def _report_session(self, kind: str, entry: BindingCacheEntry) -> None:
        prefixes = ", ".join(map(str, entry.prefixes))
        self._report(
            kind,
            f"{printable(entry.identifier.identifier)}: {prefixes} at {entry.care_of_address}",
            identifier=entry.identifier.identifier,
            prefixes=entry.prefixes,
            mag=entry.care_of_address,
        )

    def _link_local(self, entry: BindingCacheEntry, request: Registration) -> IPv6Address | None:
        """The MAG's link-local address, if it asks for one; kept as long as the session (RFC 5213, section 8.6)."""
        if request.link_local is None:
            return None
        if request.link_local != UNSPECIFIED:
            entry.link_local = request.link_local
        elif entry.link_local is None:
            digest = hashlib.sha256(entry.identifier.identifier + entry.prefixes[0].network_address.packed).digest()
            entry.link_local = IPv6Address(b"\xfe\x80" + bytes(6) + digest[:8])
        return entry.link_local
