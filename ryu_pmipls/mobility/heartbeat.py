"""Heartbeats between MAG and LMA (RFC 5847): they show that a peer is there, and that it has lost its sessions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address

from ryu_pmipls.mobility.config import AnchorConfig, GatewayConfig
from ryu_pmipls.mobility.effects import Effects
from ryu_pmipls.mobility.timer_queue import TimerQueue
from ryu_pmipls.wire import BindingError, BindingErrorStatus, Heartbeat, HeartbeatFlag, RestartCounter

_RESPONSE = HeartbeatFlag.R


@dataclass
class HeartbeatPeer:
    """The known state of a peer.

    ``last_heard`` is on the monotonic clock, and so is ``counted``, the time of the last restart counter. ``missed``
    counts unanswered requests in a row; more than allowed make a peer ``lost``, until it is heard again or has a new
    tunnel. A peer that does not ``understand`` heartbeats gets no more requests. A value that the peer never sent is
    None.
    """

    last_heard: float | None = None
    missed: int = 0
    restart_counter: int | None = None
    counted: float = 0.0
    lost: bool = False
    understands: bool = True
    awaited: int | None = None  # the sequence number of the unanswered request


class Watcher(ABC):
    """Handler of changes in the peers' state."""

    @abstractmethod
    def peer_lost(self, peer: IPv6Address, now: float) -> None:
        """Act on ``peer`` not answering any more; called again at every interval as long as it is watched."""

    @abstractmethod
    def peer_restarted(self, peer: IPv6Address, since: float, now: float) -> None:
        """Act on ``peer``'s loss of its sessions: its restart counter has changed since ``since``."""


class Heartbeats:
    """Sends requests to the watched peers, and answers every request.

    RFC 5847 (section 3.1) wants requests only while the two have a session. Here they go on as long as there is a
    tunnel: the draft builds it before any session, and an uplink may move to it at any time.
    """

    def __init__(
        self,
        config: GatewayConfig | AnchorConfig,
        peers: Mapping[IPv6Address, HeartbeatPeer],
        effects: Effects,
        timers: TimerQueue,
        watcher: Watcher,
    ) -> None:
        self.peers = peers
        self._config = config
        self._effects = effects
        self._timers = timers
        self._watcher = watcher
        self._sequence = 0

    def announce(self) -> None:
        """Send all peers the restart counter unasked, because the node has started (RFC 5847, section 3.2)."""
        for peer in self.peers:
            self._respond(HeartbeatFlag.U | _RESPONSE, 0, peer)

    def watch(self, address: IPv6Address, now: float) -> None:
        """Start requests to a peer, because there is a tunnel to it."""
        peer = self.peers[address]
        peer.missed, peer.awaited, peer.lost = 0, None, False
        self._request(address, now)

    def ignore(self, address: IPv6Address) -> None:
        """Stop requests to a peer, because there is no tunnel to it any more."""
        self._timers.cancel(self._request, address)

    def heartbeat(self, message: Heartbeat, source: IPv6Address, now: float) -> None:
        """Process a request, which always gets an answer, or a response."""
        peer = self.peers.get(source)
        if peer is None:
            self._effects.report("unknown-peer", f"heartbeat of {source} ignored")
        elif not message.flags & _RESPONSE:
            self._respond(_RESPONSE, message.sequence, source)
            self._mark_present(peer, source, now)
        elif message.flags & HeartbeatFlag.U or message.sequence == peer.awaited:
            peer.missed, peer.awaited = 0, None
            self._mark_present(peer, source, now)
            self._compare(peer, source, message, now)
        else:
            self._effects.report("unmatched-heartbeat", f"response {message.sequence} of {source} ignored")

    def binding_error(self, message: BindingError, source: IPv6Address, now: float) -> None:
        """Stop requests for good to a peer that does not know heartbeats (RFC 5847, section 3.3)."""
        self._effects.report("binding-error", f"{source}: status {message.status}", status=message.status)
        peer = self.peers.get(source)
        if peer is not None and peer.awaited is not None and message.status == BindingErrorStatus.UNRECOGNIZED_MH_TYPE:
            peer.understands = False
            peer.missed, peer.awaited = 0, None
            self.ignore(source)

    def _request(self, address: IPv6Address, now: float) -> None:
        peer = self.peers[address]
        if not peer.understands:
            return
        if peer.awaited is not None:
            peer.missed += 1
        self._sequence = (self._sequence + 1) % 2**32
        peer.awaited = self._sequence
        self._effects.send(Heartbeat(self._sequence), address)
        self._timers.set(self._request, address, now + self._config.heartbeat_interval)
        if peer.missed > self._config.missing_heartbeats_allowed:
            if not peer.lost:
                peer.lost = True
                self._effects.report("peer-lost", f"{address} does not answer heartbeats", peer=address)
            self._watcher.peer_lost(address, now)

    def _respond(self, flags: HeartbeatFlag, sequence: int, peer: IPv6Address) -> None:
        options = (RestartCounter(self._config.restart_counter),)
        self._effects.send(Heartbeat(sequence, flags, options=options), peer)

    def _mark_present(self, peer: HeartbeatPeer, address: IPv6Address, now: float) -> None:
        peer.last_heard = now
        if peer.lost:
            peer.lost = False
            self._effects.report("peer-returned", f"{address} answers again", peer=address)

    def _compare(self, peer: HeartbeatPeer, address: IPv6Address, message: Heartbeat, now: float) -> None:
        option = message.option(RestartCounter)
        if option is None:
            return
        known = peer.restart_counter
        if known is not None and message.flags & HeartbeatFlag.U and not 0 < (option.counter - known) % 2**32 < 2**31:
            return  # an overtaken one; a response to a request is as new as the request
        since, peer.restart_counter, peer.counted = peer.counted, option.counter, now
        if known is not None and known != option.counter:
            text = f"{address} has lost its sessions: restart counter {known}, now {option.counter}"
            self._effects.report("peer-restarted", text, peer=address)
            self._watcher.peer_restarted(address, since, now)
