"""Claims: solicitations by which a mobile node, bound elsewhere, is said to be in another place now.

Whoever knows a node's link-layer address can make one. The network layer cannot tell whether it is true, but it can ask
where the node was (RFC 4861, section 7.3): a node that answers there has not moved.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ryu_pmipls.mobility.contested_ports import ContestedPorts
from ryu_pmipls.mobility.effects import Effects
from ryu_pmipls.mobility.place_inquiries import PlaceInquiries
from ryu_pmipls.mobility.timer_queue import TimerQueue
from ryu_pmipls.mobility.update_list import BindingUpdateEntry, Place


class Claims:
    """Judge of claims at a MAG that probes nodes ``probes`` times; with 0 every claim is believed.

    A claim takes effect at once, by ``move(entry, place, now)``, and the former place is asked beside it. One from a
    place with false claims of the node takes effect only when the present one is silent.
    """

    def __init__(
        self,
        probes: int,
        effects: Effects,
        timers: TimerQueue,
        move: Callable[[BindingUpdateEntry, Place, float], None],
    ) -> None:
        self.contested = ContestedPorts()
        self._effects = effects
        self._inquiries = PlaceInquiries(probes, effects, timers)
        self._move = move

    def claim(self, entry: BindingUpdateEntry, place: Place, now: float) -> None:
        """Process a claim from another place than the node's present one."""
        asked = self._inquiries.place(entry)
        if self.held_until(place, now) is not None:
            if asked is None:
                refuted, moved = partial(self.refuted, entry, place), partial(self._move, entry, place)
                self._inquiries.ask(entry, entry.place, refuted, moved, now)
        else:
            former = entry.place
            self._move(entry, place, now)
            if asked in (None, place):  # else the place where the node was before claims began is asked still
                self._inquiries.ask(entry, former, partial(self._return, entry, former), _settled, now)

    def answered(self, entry: BindingUpdateEntry, place: Place, now: float) -> None:
        """Process a sign of life from a place: the answer to an inquiry there, if there is one."""
        self._inquiries.confirm(entry, place, now)

    def refuted(self, entry: BindingUpdateEntry, place: Place, now: float) -> float:
        """Record a claim as false; returns the time until which the next one from there waits."""
        text = f"{entry.name} is not on port {place.port}, which claims it, but answers elsewhere"
        self._effects.report("false-claim", text, port=place.port, identifier=entry.policy.identifier)
        return self.contested.record(place, now)

    def held_until(self, place: Place, now: float) -> float | None:
        """The time until which claims from a place wait; None if they need not."""
        return self.contested.held_until(place, now)

    def link_down(self, port: int, now: float) -> None:
        """Note that a port's nodes have left: none of them will answer there."""
        self._inquiries.link_down(port, now)

    def drop(self, entry: BindingUpdateEntry) -> None:
        """Ask no longer for a node whose entry ends."""
        self._inquiries.drop(entry)

    def _return(self, entry: BindingUpdateEntry, former: Place, now: float) -> None:
        self.refuted(entry, entry.place, now)
        self._move(entry, former, now)


def _settled(_now: float) -> None:
    """Leave a node where it has moved."""
