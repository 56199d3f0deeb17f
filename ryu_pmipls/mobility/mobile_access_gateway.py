"""The Mobile Access Gateway (RFC 5213, section 6)."""

from __future__ import annotations

from fractions import Fraction
from ipaddress import IPv6Address

from ryu_pmipls.mobility.config import GatewayConfig, MobileNodePolicy
from ryu_pmipls.mobility.contested_ports import ContestedPort
from ryu_pmipls.mobility.effects import Forward, RecordedBinding
from ryu_pmipls.mobility.gateway_sessions import GatewaySessions
from ryu_pmipls.mobility.known_nodes import KnownNodes
from ryu_pmipls.mobility.machine import Machine
from ryu_pmipls.mobility.registration import UNSPECIFIED
from ryu_pmipls.mobility.revocation import HANDOVERS, judge
from ryu_pmipls.mobility.route_adjusts import RouteAdjusts
from ryu_pmipls.mobility.tunnel_requests import TunnelRequests
from ryu_pmipls.mobility.tunnels import TunnelEvent
from ryu_pmipls.mobility.update_list import BindingState, BindingUpdateEntry, Place
from ryu_pmipls.mobility.uplink_shares import Uplinks
from ryu_pmipls.wire import (
    BindingAcknowledgement,
    BindingError,
    BindingRevocationAcknowledgement,
    BindingRevocationIndication,
    Heartbeat,
    LoadAdjust,
    Message,
    RevocationFlag,
    RevocationTrigger,
    RouteAdjust,
    Timestamp,
    TunnelAck,
)
from ryu_pmipls.wire.printable import printable


class MobileAccessGateway(Machine):
    """A MAG: attachment, registration and the binding update list, and its end of the tunnels."""

    def __init__(self, config: GatewayConfig) -> None:
        super().__init__(config, config.lmas)
        self._uplinks = Uplinks(config, self._tunnels, self._effects)
        self._tunnel_requests = TunnelRequests(config, self._effects, self._timers)
        self._routes = RouteAdjusts(config, self._effects, self._timers)
        self._sessions = GatewaySessions(config, self._tunnels, self._clocks, self._routes, self._effects, self._timers)
        self._receivers = {
            BindingAcknowledgement: self._sessions.acknowledgement,
            BindingRevocationIndication: self._revocation,
            Heartbeat: self._heartbeats.heartbeat,
            BindingError: self._heartbeats.binding_error,
            TunnelAck: self._tunnel_ack,
            LoadAdjust: self._uplinks.load_adjust,
            RouteAdjust: self._route_adjust,
        }
        self.config = config
        self._nodes = KnownNodes(config.mobile_nodes)
        self._last_revocations: dict[IPv6Address, tuple[BindingRevocationIndication, Message]] = {}

    @property
    def bindings(self) -> tuple[BindingUpdateEntry, ...]:
        """The binding update list, to be read only."""
        return tuple(self._sessions.entries.values())

    def binding(self, link_layer_address: bytes) -> BindingUpdateEntry | None:
        """The entry of the binding update list for a node, to be read only."""
        return self._sessions.entries.get(link_layer_address)

    @property
    def uplinks(self) -> dict[IPv6Address, Fraction]:
        """LMA -> the part of the uplink that it carries, of those that carry any; together they make 1."""
        return self._uplinks.shares

    # Tunnels (draft section 3.1)

    def start(self, now: float) -> None:
        """Start the MAG: it asks every LMA for a tunnel, until each has answered (erratum E40)."""
        super().start(now)
        for lma in self.config.lmas:
            self._tunnel_requests.request(lma, now)

    def _tunnel_ack(self, message: TunnelAck, source: IPv6Address, now: float) -> None:
        if self._tunnel_requests.accepted(message, source):
            self._tunnel(source, TunnelEvent.WANTED, now)

    def _tunnel_up(self, peer: IPv6Address, now: float) -> None:
        """Do nothing: the LMA built its end first."""

    def _tunnel_lost(self, peer: IPv6Address, now: float) -> None:
        self._tunnel_requests.request_later(peer, now)

    # Peers (RFC 5847)

    def peer_restarted(self, peer: IPv6Address, since: float, now: float) -> None:
        """Ask a restarted LMA again for the tunnel and for the sessions that it anchors.

        Meanwhile mobile nodes keep their prefixes: the LMA will give them the same ones.
        """
        self._last_revocations.pop(peer, None)  # its sequence numbers begin again
        self._sessions.unbar(peer)
        self._tunnel_requests.request(peer, now)
        for entry in self.bindings:
            if entry.anchor == peer and entry.state is not BindingState.DEREGISTERING:
                self._sessions.register_if_there(entry, now)

    # Attachment

    def attach(self, link_layer_address: bytes, port: int, now: float) -> None:
        """Register a node on OpenFlow port ``port``: it has solicited a router, or an access point has reported it."""
        self.handle_timer(now)
        policy = self._served(link_layer_address, port)
        if policy is not None:
            self._sessions.attach(policy, Place(port, link_layer_address), now)

    def resume(self, binding: RecordedBinding, now: float) -> None:
        """Resume a binding that an earlier process of this MAG has left: it is registered if the node is there.

        A node that the access network had identified is known by that again.
        """
        self.handle_timer(now)
        address, identifier = binding.link_layer_address, binding.identifier
        known = self._nodes.policy(address)
        if identifier is not None and (known is None or known.identifier != identifier):
            self._nodes.identify(identifier, address)
        policy = self._served(address, binding.port)
        if policy is not None:
            self._sessions.resume(policy, binding, now)

    def _served(self, link_layer_address: bytes, port: int) -> MobileNodePolicy | None:
        """The policy of a node that may have service on OpenFlow port ``port``."""
        policy = self._nodes.policy(link_layer_address)
        if policy is None:
            self._report("unknown-mobile-node", f"{link_layer_address.hex(':')} on port {port} gets nothing", port=port)
        elif not policy.enabled or self._sessions.is_barred(policy):
            self._report("barred-mobile-node", f"{printable(policy.identifier)} on port {port} gets nothing", port=port)
        else:
            return policy
        return None

    def identify(self, identifier: bytes, link_layer_address: bytes, now: float) -> None:
        """Learn the link-layer address of a node whose identity the access network has authenticated.

        Identity is what counts (RFC 5213, section 6.6), whatever address the profile has. ``attach`` follows.
        """
        policy = self._nodes.identify(identifier, link_layer_address)
        if policy is None:
            self._report("unknown-mobile-node", f"{printable(identifier)} gets nothing", identifier=identifier)
            return
        other = self.binding(link_layer_address)
        if other is not None and other.policy is not policy:
            self._report("another-mobile-node", f"{other.name} is {printable(identifier)}", identifier=identifier)
            self._sessions.displace(other, now)

    def policy(self, link_layer_address: bytes) -> MobileNodePolicy | None:
        """The policy of the mobile node that has a link-layer address; None when nobody known has it."""
        return self._nodes.policy(link_layer_address)

    def reachable(self, link_layer_address: bytes, port: int, now: float) -> None:
        """Process a sign of life on the link of OpenFlow port ``port``; the node need not be attached."""
        # Due timers must wait: one may be about to declare the node gone.
        policy = self.policy(link_layer_address)
        if policy is not None:
            self._sessions.reachable(policy, Place(port, link_layer_address), now)

    def answered(self, link_layer_address: bytes, port: int, now: float) -> None:
        """Process a node's answer to a probe on OpenFlow port ``port``, which may be where it was before."""
        policy = self.policy(link_layer_address)
        if policy is not None:
            self._sessions.answered(policy, Place(port, link_layer_address), now)

    def detach(self, port: int, now: float) -> None:
        """De-register the nodes of OpenFlow port ``port``, whose link is down."""
        # Due timers must wait: a refresh for a node that has gone would take it back from its new MAG.
        self._sessions.link_down(port, now)

    def contested_ports(self, now: float) -> tuple[ContestedPort, ...]:
        """The ports that have claimed nodes which were elsewhere, with the number of these false claims."""
        return self._sessions.contested_ports(now)

    def refuse_source(self, link_layer_address: bytes, source: IPv6Address, now: float) -> None:
        """Withdraw the prefix of an address that a node sends from and must not: it has been told of another one.

        The node has the prefix of an earlier session, say, which this MAG knows nothing of.
        """
        entry = self.binding(link_layer_address)
        if entry is not None:
            self._sessions.refuse_source(entry, source, now)

    def depart(self, link_layer_address: bytes, now: float) -> None:
        """De-register a node that has gone though its link is up: unreachable, or by an administrator's command."""
        entry = self._sessions.entries.get(link_layer_address)
        if entry is not None:
            self._sessions.deregister(entry, now, link_is_up=True)

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

    def _revocation(self, message: BindingRevocationIndication, source: IPv6Address, now: float) -> None:
        """End sessions because the LMA revokes them (RFC 5846, section 9.1)."""
        if source not in self._tunnels:
            self._report("unknown-lma", f"revocation by {source} refused", lma=source)
            return
        known = self._last_revocations.get(source)
        if known is not None and known[0] == message:
            self._send(known[1], source)
            return
        judgement = judge(message, source, self.bindings)
        flags = message.flags & (RevocationFlag.P | RevocationFlag.G)
        answer = BindingRevocationAcknowledgement(judgement.status, message.sequence, flags, judgement.options)
        self._last_revocations[source] = message, answer
        self._send(answer, source)
        for entry in judgement.entries:
            self._report("revoked", f"{entry.name} by {source}", identifier=entry.policy.identifier)
            if message.trigger == RevocationTrigger.PER_PEER_POLICY and entry.state is not BindingState.DEREGISTERING:
                # The LMA gives up all its sessions; the mobile node is still here.
                self._sessions.move_on(entry, now)
            elif message.trigger in HANDOVERS:
                self._sessions.ask_back(entry, now)
            elif message.trigger == RevocationTrigger.POSSIBLE_OUT_OF_SYNC_BCE_STATE:
                self._sessions.yield_back(entry, now)
            else:
                self._sessions.give_up(entry, now)
