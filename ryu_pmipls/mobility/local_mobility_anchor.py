"""The Local Mobility Anchor (RFC 5213, section 5)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network

from ryu_pmipls.mobility.binding_cache import BindingCache, BindingCacheEntry, SessionLookup
from ryu_pmipls.mobility.config import AnchorConfig
from ryu_pmipls.mobility.machine import Machine
from ryu_pmipls.mobility.prefix_leases import PrefixLeases
from ryu_pmipls.mobility.redirection import Redirection
from ryu_pmipls.mobility.registration import LIFETIME_UNIT, UNSPECIFIED, Registration
from ryu_pmipls.mobility.revocation import Revocations
from ryu_pmipls.mobility.route_adjusts import RouteAdjusts
from ryu_pmipls.mobility.tunnels import TunnelEvent, TunnelState
from ryu_pmipls.wire import (
    AccessTechnologyType,
    Attachment,
    BindingAcknowledgement,
    BindingError,
    BindingRevocationAcknowledgement,
    BindingUpdate,
    HandoffIndicator,
    Heartbeat,
    HeartbeatFlag,
    HomeNetworkPrefix,
    LoadAdjust,
    MobileNodeIdentifier,
    RouteAdjust,
    Timestamp,
    TunnelAck,
    TunnelRequest,
    TunnelStatus,
)
from ryu_pmipls.wire.codepoints import BindingStatus, BindingUpdateFlag, TunnelStatusCode


@dataclass(frozen=True)
class Route:
    """The MAG (``::``: none any more) to which a node's prefix is routed since ``timestamp`` (1/65536 s)."""

    mag: IPv6Address
    timestamp: int
    identifier: MobileNodeIdentifier | None

    def holder(self) -> bytes | None:
        """The identifier of the prefix's holder, if known."""
        return None if self.mag == UNSPECIFIED or self.identifier is None else self.identifier.identifier


class LocalMobilityAnchor(Machine):
    """An LMA: binding cache, prefix assignment, its end of the tunnels, and the routes that the RMS announces.

    ``leases`` (prefix -> identifier) are those that ``Lease`` effects had remembered before a restart of the LMA.
    """

    def __init__(self, config: AnchorConfig, leases: Mapping[IPv6Network, bytes] | None = None) -> None:
        super().__init__(config, config.mags)
        self._revocations = Revocations(self._effects, self._timers, self._revoked)
        self._redirection = Redirection(config, self._effects, self._timers, self._settle_here, self._drained)
        self._reports = RouteAdjusts(config, self._effects, self._timers)
        self._receivers = {
            BindingUpdate: self._binding_update,
            BindingAcknowledgement: self._redirection.binding_acknowledgement,
            BindingRevocationAcknowledgement: self._revocations.acknowledged,
            Heartbeat: self._heartbeat,
            BindingError: self._heartbeats.binding_error,
            TunnelRequest: self._tunnel_request,
            LoadAdjust: self._redirection.load_adjust,
            RouteAdjust: self._route_adjust,
        }
        self.config = config
        self._policies = {MobileNodeIdentifier(node.identifier): node for node in config.mobile_nodes}
        self._reserved = frozenset(prefix for node in config.mobile_nodes for prefix in node.prefixes)
        self._leases = PrefixLeases(config.pool, config.binding_lifetime, leases or {}, self._effects, self._timers)
        self._cache = BindingCache()
        self._waiting: dict[MobileNodeIdentifier, Registration] = {}
        self._routes: dict[IPv6Address, Route] = {}
        self._draining = False

    @property
    def bindings(self) -> tuple[BindingCacheEntry, ...]:
        """The binding cache, to be read only."""
        return tuple(self._cache)

    @property
    def routes(self) -> dict[IPv6Address, IPv6Address]:
        """Prefix -> MAG, as the RMS announced it by Route_adjust."""
        return {prefix: route.mag for prefix, route in self._routes.items() if route.mag != UNSPECIFIED}

    @property
    def new_sessions_at(self) -> IPv6Address | None:
        """The LMA to which the RMS wants new sessions redirected; ``None``: they stay here."""
        return self._redirection.target

    def start(self, now: float) -> None:
        """Start the LMA, without sessions."""
        super().start(now)
        self._leases.start(now)

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
        self._draining = True
        for mag in self.config.mags:
            entries = tuple(entry for entry in self._cache if entry.care_of_address == mag and not entry.revoked)
            if entries:
                self._revocations.revoke_all(mag, entries, now)

    def undrain(self, now: float) -> None:
        """Take sessions again."""
        self.handle_timer(now)
        self._draining = False

    def _drained(self, draining: bool, now: float) -> None:
        """Follow the operator's decision, which the RMS passes on, and repeats as long as it holds."""
        if draining and not self._draining:
            self.drain(now)
        elif not draining:
            self.undrain(now)

    @property
    def draining(self) -> bool:
        return self._draining

    def _revoked(self, entry: BindingCacheEntry, now: float) -> None:
        """Remove a session whose revocation has ended."""
        if entry in self._cache.of(entry.identifier):
            self._timers.cancel(self._expire, entry)
            self._timers.cancel(self._delete, entry)
            self._remove(entry, now)
            self._tell("binding-revoked", entry)

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
                self._tell("binding-invalid", entry)

    # Routes (draft section 3.3)

    def _route_adjust(self, message: RouteAdjust, source: IPv6Address, now: float) -> None:
        if source != self.config.rms:
            self._report("not-from-rms", f"Route_adjust from {source} refused")
            return
        if message.new_mag != UNSPECIFIED and message.new_mag not in self._tunnels:
            self._report("unknown-mag", f"Route_adjust to {message.new_mag} refused", mag=message.new_mag)
            return
        attachment = message.option(Attachment)
        if message.new_mag == UNSPECIFIED and attachment is not None and attachment.anchor == self.config.address:
            self._reports.route_adjust(message, source, now)  # the answer to this LMA's own report
            return
        timestamp = message.option(Timestamp)
        known = self._routes.get(message.prefix)
        if timestamp is not None and known is not None:
            if timestamp.ticks < known.timestamp:
                self._report("stale-route-adjust", f"a newer route for {message.prefix} is known")
                return
            if timestamp.ticks == known.timestamp and message.new_mag != known.mag:
                self._report("conflicting-route-adjust", f"two routes of one time for {message.prefix}")
                return
        ticks = timestamp.ticks if timestamp is not None else Timestamp.of(now).ticks
        self._routes[message.prefix] = Route(message.new_mag, ticks, message.option(MobileNodeIdentifier))
        self._redirection.heard(message)
        self._reports.heard(message.prefix, ticks)
        if timestamp is not None:
            self._send(message, source)

    # Registration

    def _binding_update(self, message: BindingUpdate, source: IPv6Address, now: float) -> None:
        if not message.flags & BindingUpdateFlag.P:
            self._report("not-a-proxy-registration", f"Binding Update without the P flag from {source} dropped")
            return
        request = Registration.of(message, source)
        status = self._objection(request, now)
        if status is None:
            self._settle(request, now)
        else:
            self._refuse(request, status, now)

    def _objection(self, request: Registration, now: float) -> BindingStatus | None:
        """The objection to a request before the lookup, if any; in the order of RFC 5213, section 5.3.1."""
        message = request.message
        if message.option(MobileNodeIdentifier) is None:
            return BindingStatus.MISSING_MN_IDENTIFIER_OPTION
        peers = self.config.redirection_peers
        if request.source not in (*self.config.mags, *peers) or request.care_of_address not in self._tunnels:
            return BindingStatus.MAG_NOT_AUTHORIZED_FOR_PROXY_REG
        policy = self._policies.get(request.identifier)
        if policy is None or (policy.anchor != self.config.address and not peers):
            return BindingStatus.NOT_LMA_FOR_THIS_MOBILE_NODE
        if not policy.enabled:
            return BindingStatus.PROXY_REG_NOT_ENABLED
        disorder = self._disorder(request, now)
        if disorder is not None:
            return disorder
        if not message.all(HomeNetworkPrefix):
            return BindingStatus.MISSING_HOME_NETWORK_PREFIX_OPTION
        if message.option(HandoffIndicator) is None:
            return BindingStatus.MISSING_HANDOFF_INDICATOR_OPTION
        if message.option(AccessTechnologyType) is None:
            return BindingStatus.MISSING_ACCESS_TECH_TYPE_OPTION
        return None

    def _disorder(self, request: Registration, now: float) -> BindingStatus | None:
        """The refusal of a late request, if it is late (RFC 5213, section 5.5). A timestamp, if any, decides alone."""
        if request.timestamp is None:
            last = self._last_sequence(request)
            newer = last is None or 0 < (request.message.sequence - last) % 2**16 < 2**15
            return None if newer else BindingStatus.SEQUENCE_NUMBER_OUT_OF_WINDOW
        accepted = [entry.timestamp for entry in self._cache.of(request.identifier)]
        waiting = self._waiting.get(request.identifier)
        if waiting is not None and waiting.timestamp is not None:
            accepted.append(waiting.timestamp)
        last_timestamp = max(accepted, default=0)
        if request.timestamp < last_timestamp:
            return BindingStatus.TIMESTAMP_LOWER_THAN_PREV_ACCEPTED
        away = abs(Timestamp(request.timestamp).seconds - now)
        if request.timestamp == last_timestamp or away > self.config.timestamp_validity_window:
            return BindingStatus.TIMESTAMP_MISMATCH
        return None

    def _last_sequence(self, request: Registration) -> int | None:
        """The last accepted sequence number of the mobile node, if sequence numbers order its requests."""
        for entry in self._cache.of(request.identifier):
            if entry.timestamp == 0 and (entry.identifier, entry.access_technology, entry.link_layer_identifier) == (
                request.session
            ):
                return entry.sequence
        return None

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
            elif match.entry is not None or not self._redirection.take(request, now):
                # The old MAG, after a handoff: ignore it, without an answer (RFC 5213, section 5.3.5).
                self._report("late-deregistration", f"from {request.source}", identifier=request.identifier.identifier)
        elif match.entry is None:
            self._place(request, now)
        elif not match.entry.revoked:
            self._update(match.entry, request, now)
        elif self._draining:
            self._place(request, now)
        else:
            # A refresh that crosses the operator's revocation must not revive the session.
            self._refuse(request, BindingStatus.ADMINISTRATIVELY_PROHIBITED, now)

    def _place(self, request: Registration, now: float) -> None:
        """Place a new session: at another LMA, if so decided, but all sessions of a mobile node at one."""
        alone = all(entry.revoked for entry in self._cache.of(request.identifier))
        if not (alone and self._redirection.take(request, now)):
            self._settle_here(request, BindingStatus.INSUFFICIENT_RESOURCES, now)

    def _settle_here(self, request: Registration, status: BindingStatus, now: float) -> None:
        """Take a new session that no other LMA has taken (the last answered ``status``)."""
        if self._draining:
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
            timestamp = Timestamp.of(now).ticks
        elif status is BindingStatus.SEQUENCE_NUMBER_OUT_OF_WINDOW:
            # RFC 6275, section 9.5.1: the answer holds the last sequence number accepted.
            last = self._last_sequence(request)
            sequence = sequence if last is None else last
        self._send(request.refusal(status, sequence, timestamp), request.source)
        self._report(
            "registration-refused",
            f"{request.identifier.identifier!r} from {request.source}: {status.name}",
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
        prefixes = self._assign(request)
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
            self._leases.take(prefix, entry.identifier.identifier)
        self._redirection.created(entry.identifier)
        self._tell("binding-created", entry)
        self._grant(entry, request, now)

    def _update(self, entry: BindingCacheEntry, request: Registration, now: float) -> None:
        """Carry out a refresh, handoff or revival."""
        old, told = entry.care_of_address, entry.leaving
        same_access = entry.access_technology == request.access_technology
        self._cache.move(entry, request.care_of_address)
        entry.access_technology = request.access_technology
        entry.link_layer_identifier = request.link_layer_identifier
        entry.leaving = False
        self._timers.cancel(self._delete, entry)
        self._grant(entry, request, now)
        if old != entry.care_of_address:
            self._tell("handoff", entry)
            self._revocations.returned(entry)
            if not told:
                self._revocations.handed_over(entry, old, same_access, now)

    def _grant(self, entry: BindingCacheEntry, request: Registration, now: float) -> None:
        self._note(entry, request)
        entry.granted, entry.registered = now, request.timestamp or Timestamp.of(now).ticks
        entry.lifetime = min(request.message.lifetime, int(self.config.binding_lifetime // LIFETIME_UNIT))
        entry.expires = now + entry.lifetime * LIFETIME_UNIT
        self._timers.set(self._expire, entry, entry.expires)
        if self._tunnels.states[entry.care_of_address] is TunnelState.IDLE:
            # An LMA that was restarted learns its MAGs from their registrations.
            self._tunnel(entry.care_of_address, TunnelEvent.WANTED, now)
        self._send(request.acceptance(entry.prefixes, entry.lifetime, self._link_local(entry, request)), request.source)

    def _deregister(self, entry: BindingCacheEntry, request: Registration, now: float) -> None:
        self._note(entry, request)
        end = now + self.config.min_delay_before_bce_delete
        if not entry.leaving or end < entry.expires:
            self._leave(entry, end)
            self._tell("binding-deregistered", entry)
        self._send(request.acceptance(entry.prefixes, 0, self._link_local(entry, request)), request.source)
        waiting = self._waiting.get(entry.identifier)
        if waiting is not None:
            self._settle(waiting, now)

    def _leave(self, entry: BindingCacheEntry, end: float) -> None:
        entry.leaving, entry.expires = True, end
        self._timers.cancel(self._expire, entry)
        self._timers.set(self._delete, entry, end)

    def _note(self, entry: BindingCacheEntry, request: Registration) -> None:
        entry.timestamp = request.timestamp or 0
        entry.sequence = request.message.sequence

    def _expire(self, entry: BindingCacheEntry, now: float) -> None:
        self._tell("binding-expired", entry)
        self._remove(entry, now)

    def _delete(self, entry: BindingCacheEntry, now: float) -> None:
        self._remove(entry, now)
        self._tell("binding-deleted", entry)

    def _remove(self, entry: BindingCacheEntry, now: float) -> None:
        self._cache.remove(entry)
        for prefix in entry.prefixes:
            self._leases.release(prefix)
            self._reports.ended(entry, prefix, now)

    def _tell(self, kind: str, entry: BindingCacheEntry) -> None:
        prefixes = ", ".join(map(str, entry.prefixes))
        self._report(
            kind,
            f"{entry.identifier.identifier!r}: {prefixes} at {entry.care_of_address}",
            identifier=entry.identifier.identifier,
            prefixes=entry.prefixes,
            mag=entry.care_of_address,
        )

    # Prefixes and link-local addresses

    def _assign(self, request: Registration) -> tuple[IPv6Network, ...] | BindingStatus:
        """Choose the prefixes of a new session: those that the MAG asks for, the node's fixed ones, or one of the pool.

        RFC 5213, section 5.3.2: a request for any prefix gets one, whatever else it asks for.
        """
        if self._cache.load(request.care_of_address) >= self.config.max_bindings_per_mag:
            return BindingStatus.INSUFFICIENT_RESOURCES
        identifier = request.identifier.identifier
        fixed = self._policies[request.identifier].prefixes
        if request.prefixes and not request.asks_for_any:
            if any(map(self._cache.holds, request.prefixes)) or not self._entitled(identifier, request.prefixes, fixed):
                return BindingStatus.NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX
            return request.prefixes
        if fixed and not any(map(self._cache.holds, fixed)):
            return fixed
        prefix = self._leases.choose(
            identifier,
            lambda prefix: prefix in self._reserved or self._holder(prefix) not in (None, identifier),
            len(self._reserved) + len(self._routes),
        )
        return BindingStatus.INSUFFICIENT_RESOURCES if prefix is None else (prefix,)

    def _entitled(self, identifier: bytes, asked: tuple[IPv6Network, ...], fixed: tuple[IPv6Network, ...]) -> bool:
        """True when a session may have these prefixes.

        They are the fixed ones; or one that this LMA could have assigned; or one that belongs to the mobile node as the
        RMS has announced: the session then comes from another LMA, which gives up its sessions.
        """
        if set(asked) == set(fixed):
            return True
        if len(asked) != 1 or asked[0] in self._reserved:
            return False
        holder = self._holder(asked[0])
        return holder == identifier if holder is not None else self._leases.may_have(asked[0], identifier)

    def _holder(self, prefix: IPv6Network) -> bytes | None:
        """The identifier of a prefix's holder, as the RMS has announced; None if it has not."""
        route = self._routes.get(prefix.network_address)
        return None if route is None else route.holder()

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
