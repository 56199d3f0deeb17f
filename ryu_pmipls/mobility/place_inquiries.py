"""Inquiries whether a mobile node is at a certain place at its MAG, when it is said to be at two.

Unlike those of :mod:`ryu_pmipls.mobility.reachability` nothing of the session waits for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ryu_pmipls.mobility.effects import Effects, ProbeNode
from ryu_pmipls.mobility.reachability import RETRANS_TIMER
from ryu_pmipls.mobility.timer_queue import TimerQueue
from ryu_pmipls.mobility.update_list import BindingUpdateEntry, Place

#: A step to which an inquiry leads.
Step = Callable[[float], object]


@dataclass
class PlaceInquiry:
    """An inquiry at ``place`` with that many probes left: ``answered(now)`` follows an answer, else ``silent(now)``."""

    place: Place
    answered: Step
    silent: Step
    left: int


class PlaceInquiries:
    """The inquiries under way, at most one for each entry; a node that leaves ``probes`` unanswered is not there."""

    def __init__(self, probes: int, effects: Effects, timers: TimerQueue) -> None:
        self._probes = probes
        self._effects = effects
        self._timers = timers
        self._inquiries: dict[BindingUpdateEntry, PlaceInquiry] = {}

    def ask(self, entry: BindingUpdateEntry, place: Place, answered: Step, silent: Step, now: float) -> None:
        """Ask whether the node is at ``place``, unless nodes are not to be probed; replaces an earlier inquiry."""
        self.drop(entry)
        if self._probes:
            self._inquiries[entry] = PlaceInquiry(place, answered, silent, self._probes)
            self._ask_again(entry, now)

    def place(self, entry: BindingUpdateEntry) -> Place | None:
        """The place at which an inquiry about the node is under way, if there is one."""
        inquiry = self._inquiries.get(entry)
        return None if inquiry is None else inquiry.place

    def confirm(self, entry: BindingUpdateEntry, place: Place, now: float) -> None:
        """Process a node's answer from ``place``."""
        if self.place(entry) == place:
            self._end(entry).answered(now)

    def link_down(self, port: int, now: float) -> None:
        """Take the silence of a port for granted, whose link is down."""
        for entry in [entry for entry, inquiry in self._inquiries.items() if inquiry.place.port == port]:
            self._end(entry).silent(now)

    def drop(self, entry: BindingUpdateEntry) -> None:
        """End the inquiry about a node, if any, without a step."""
        if entry in self._inquiries:
            self._end(entry)

    def _end(self, entry: BindingUpdateEntry) -> PlaceInquiry:
        self._timers.cancel(self._ask_again, entry)
        return self._inquiries.pop(entry)

    def _ask_again(self, entry: BindingUpdateEntry, now: float) -> None:
        inquiry = self._inquiries[entry]
        if inquiry.left == 0:
            self._end(entry).silent(now)
        else:
            inquiry.left -= 1
            self._effects.append(ProbeNode(*inquiry.place))
            self._timers.set(self._ask_again, entry, now + RETRANS_TIMER)
