"""The states of a node's tunnels (draft section 3.1), the same for MAG and LMA."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from ipaddress import IPv6Address


class TunnelState(Enum):
    """The state of this end of a tunnel."""

    IDLE = auto()
    BUILDING = auto()
    UP = auto()


class TunnelEvent(Enum):
    """An event at a tunnel. ``WANTED``: the peer asked for it (Tnl_request) or agreed to it (Tnl_ack)."""

    WANTED = auto()
    BUILT = auto()
    FAILED = auto()


class TunnelAction(Enum):
    """The action that the machine must take upon an event."""

    NOTHING = auto()
    BUILD = auto()
    CONFIRM = auto()
    REMOVE = auto()


#: (state, event) -> (next state, action). ``CONFIRM`` again in ``UP`` serves a peer that lost the first confirmation.
TRANSITIONS = {
    (TunnelState.IDLE, TunnelEvent.WANTED): (TunnelState.BUILDING, TunnelAction.BUILD),
    (TunnelState.IDLE, TunnelEvent.BUILT): (TunnelState.IDLE, TunnelAction.NOTHING),
    (TunnelState.IDLE, TunnelEvent.FAILED): (TunnelState.IDLE, TunnelAction.NOTHING),
    (TunnelState.BUILDING, TunnelEvent.WANTED): (TunnelState.BUILDING, TunnelAction.NOTHING),
    (TunnelState.BUILDING, TunnelEvent.BUILT): (TunnelState.UP, TunnelAction.CONFIRM),
    (TunnelState.BUILDING, TunnelEvent.FAILED): (TunnelState.IDLE, TunnelAction.REMOVE),
    (TunnelState.UP, TunnelEvent.WANTED): (TunnelState.UP, TunnelAction.CONFIRM),
    (TunnelState.UP, TunnelEvent.BUILT): (TunnelState.UP, TunnelAction.NOTHING),
    (TunnelState.UP, TunnelEvent.FAILED): (TunnelState.IDLE, TunnelAction.REMOVE),
}


class Tunnels:
    """The tunnels to a fixed set of peers, known by their addresses."""

    def __init__(self, peers: Iterable[IPv6Address]) -> None:
        self.states = dict.fromkeys(peers, TunnelState.IDLE)

    def __contains__(self, peer: IPv6Address) -> bool:
        return peer in self.states

    def is_up(self, peer: IPv6Address) -> bool:
        return self.states.get(peer) is TunnelState.UP

    def advance(self, peer: IPv6Address, event: TunnelEvent) -> TunnelAction:
        """Process an event; ``KeyError`` when there is no such peer."""
        self.states[peer], action = TRANSITIONS[self.states[peer], event]
        return action
