"""Neighbour unreachability detection: checks that a mobile node is still on its link (RFC 4861, section 7.3).

A MAG must do so before it extends a binding (RFC 5213, section 6.13) and before it retransmits a PBU (section 6.9.4):
otherwise it would take a node back from its new MAG.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ryu_pmipls.mobility.effects import Effects, ProbeNode
from ryu_pmipls.mobility.timer_queue import TimerQueue
from ryu_pmipls.mobility.update_list import BindingUpdateEntry

#: Seconds from one probe to the next, and from the last one to the verdict.
RETRANS_TIMER = 1.0
#: Probes of a node whose presence nothing says, where others are not probed.
_PROBES_OF_UNKNOWN = 3

Step = Callable[[BindingUpdateEntry, float], None]


@dataclass
class Inquiry:
    """An inquiry under way: the step that waits for the node's answer, the one without it, and the probes left."""

    step: Step
    gone: Step
    left: int


class Reachability:
    """Probes mobile nodes for a sign of life.

    A node that leaves ``probes`` (MAX_UNICAST_SOLICIT) in a row unanswered has gone: ``gone(entry, now)`` is called.
    Without probes all nodes count as present.
    """

    def __init__(self, probes: int, effects: Effects, timers: TimerQueue, gone: Step) -> None:
        self._probes = probes
        self._effects = effects
        self._timers = timers
        self._gone = gone
        self._inquiries: dict[BindingUpdateEntry, Inquiry] = {}

    def ensure(self, entry: BindingUpdateEntry, step: Step, now: float) -> None:
        """Call ``step(entry, now)`` as soon as the node is known to be there; this replaces any other step."""
        if not self._probes:
            step(entry, now)
        elif entry in self._inquiries:
            self._inquiries[entry].step = step
        else:
            self._inquiries[entry] = Inquiry(step, self._gone, self._probes)
            self._probe(entry, now)

    def find_out(self, entry: BindingUpdateEntry, step: Step, unknown: Step, now: float) -> None:
        """Call ``step(entry, now)`` as soon as a node, which must be asked even without probes, is known to be there.

        Without probes an unanswered question does not say that it has gone: ``unknown(entry, now)`` is called.
        """
        gone = self._gone if self._probes else unknown
        self._inquiries[entry] = Inquiry(step, gone, self._probes or _PROBES_OF_UNKNOWN)
        self._probe(entry, now)

    def asks(self, entry: BindingUpdateEntry) -> bool:
        """True while an inquiry about the node is under way."""
        return entry in self._inquiries

    def confirm(self, entry: BindingUpdateEntry, now: float) -> None:
        """Go on with the step that waits, if any: the node has sent something on its link."""
        inquiry = self._inquiries.get(entry)
        if inquiry is not None:
            self.drop(entry)
            inquiry.step(entry, now)

    def drop(self, entry: BindingUpdateEntry) -> None:
        """End the inquiry; nothing waits for the node's answer any more."""
        self._inquiries.pop(entry, None)
        self._timers.cancel(self._probe, entry)

    def _probe(self, entry: BindingUpdateEntry, now: float) -> None:
        inquiry = self._inquiries[entry]
        if inquiry.left == 0:
            self.drop(entry)
            inquiry.gone(entry, now)
        else:
            inquiry.left -= 1
            self._effects.append(ProbeNode(entry.port, entry.link_layer_address))
            self._timers.set(self._probe, entry, now + RETRANS_TIMER)
