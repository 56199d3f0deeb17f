"""The common part of MAG and LMA: effects, timers, tunnels, heartbeats, and the entry point for messages."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv6Address
from typing import Any

from ryu_pmipls.mobility.config import AnchorConfig, GatewayConfig
from ryu_pmipls.mobility.effects import BuildTunnel, CheckTunnel, Effect, Effects, RemoveTunnel
from ryu_pmipls.mobility.heartbeat import HeartbeatPeer, Heartbeats, Watcher
from ryu_pmipls.mobility.peer_clocks import PeerClocks
from ryu_pmipls.mobility.timer_queue import TimerQueue
from ryu_pmipls.mobility.tunnels import TunnelAction, TunnelEvent, Tunnels, TunnelState
from ryu_pmipls.wire import Message


class Machine(Watcher):
    """A protocol machine without sockets, threads and clocks.

    ``now`` is in seconds of the monotonic clock; ``config.time_of_day`` dates messages. After every call the caller
    carries out ``effects()`` and calls ``handle_timer`` when ``deadline()`` has come.
    """

    #: message type -> handler(message, source, now)
    _receivers: Mapping[type[Message], Callable[[Any, IPv6Address, float], None]]

    def __init__(self, config: GatewayConfig | AnchorConfig, peers: Iterable[IPv6Address]) -> None:
        self._time_of_day = config.time_of_day
        self._effects = Effects()
        self._clocks = PeerClocks(config.time_of_day, self._effects)
        self._timers = TimerQueue()
        self._tunnels = Tunnels(peers)
        self._peers = {peer: HeartbeatPeer() for peer in self._tunnels.states}
        self._heartbeats = Heartbeats(config, self._peers, self._effects, self._timers, self)

    def effects(self) -> list[Effect]:
        """Return the effects since the last call, in order."""
        effects = list(self._effects)
        self._effects.clear()
        return effects

    def deadline(self) -> float | None:
        """The time at which ``handle_timer`` must be called."""
        return self._timers.deadline()

    def handle_timer(self, now: float) -> None:
        """Run the timers that are due; do nothing if it is too early."""
        self._timers.run(now)

    def receive(self, message: Message, source: IPv6Address, now: float) -> None:
        """Process a message from a peer; one that is out of place is reported and has no effect."""
        self.handle_timer(now)
        receiver = self._receivers.get(type(message))
        if receiver is None:
            self._report("unexpected-message", f"{type(message).__name__} from {source} is not for this node")
        else:
            receiver(message, source, now)

    def clock_skews(self, now: float) -> dict[IPv6Address, float]:
        """The peers with which registrations fail for the time of day, and the seconds that theirs is ahead."""
        return self._clocks.current(now)

    @property
    def tunnels(self) -> Mapping[IPv6Address, TunnelState]:
        """The state of the tunnel to every peer, for display."""
        return self._tunnels.states

    @property
    def peers(self) -> Mapping[IPv6Address, HeartbeatPeer]:
        """The state of every peer according to its heartbeats, for display."""
        return self._peers

    def start(self, now: float) -> None:
        """Start the node, with nothing but its configuration."""
        self._heartbeats.announce()

    def tunnel_built(self, peer: IPv6Address, now: float) -> None:
        """Record that the tunnel to ``peer`` stands at this end; ``KeyError`` for an unknown peer."""
        self._tunnel(peer, TunnelEvent.BUILT, now)

    def tunnel_failed(self, peer: IPv6Address, now: float) -> None:
        """Record that the tunnel to ``peer`` failed, or has lost its other end; ``KeyError`` for an unknown peer."""
        self._report("tunnel-failed", f"the tunnel to {peer} does not work")
        self._tunnel(peer, TunnelEvent.FAILED, now)

    def _tunnel(self, peer: IPv6Address, event: TunnelEvent, now: float) -> None:
        action = self._tunnels.advance(peer, event)
        if action is TunnelAction.BUILD:
            self._effects.append(BuildTunnel(peer))
        elif action is TunnelAction.CONFIRM:
            self._tunnel_up(peer, now)
            if event is TunnelEvent.BUILT:
                self._heartbeats.watch(peer, now)
        elif action is TunnelAction.REMOVE:
            self._heartbeats.ignore(peer)
            self._effects.append(RemoveTunnel(peer))
            self._tunnel_lost(peer, now)

    @abstractmethod
    def _tunnel_up(self, peer: IPv6Address, now: float) -> None:
        """Act on a tunnel that stands at this end, or for which the peer asks again."""

    @abstractmethod
    def _tunnel_lost(self, peer: IPv6Address, now: float) -> None:
        """Act on the loss of the tunnel at this end."""

    def peer_lost(self, peer: IPv6Address, now: float) -> None:
        # Sessions stay until they expire: the node may come back, and mobile nodes are free to move. The tunnel also
        # stays if the node's switch goes on without its agent.
        self._effects.append(CheckTunnel(peer))

    def _send(self, message: Message, destination: IPv6Address) -> None:
        self._effects.send(message, destination)

    def _report(self, kind: str, text: str, **details: Any) -> None:
        self._effects.report(kind, text, **details)
