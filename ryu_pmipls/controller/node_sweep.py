"""Sweeps over all mobile nodes, one after the other, to find those whose downlink does not come through.

The RMS observes one group of mobile nodes at a time, in one request to each switch, so that the cost has a limit
however many there are. Up to ``_GROUP`` of them are all observed in every round; of more, a part.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.context import Context
from ryu_pmipls.controller.data_path import LEAST_TIME, SETTLING, NodeFaults, Observation
from ryu_pmipls.controller.ryu import hub, in_turns
from ryu_pmipls.controller.switches.cookies import SLICES
from ryu_pmipls.controller.switches.inventory import SwitchState
from ryu_pmipls.controller.switches.switch import Switch
from ryu_pmipls.controller.switches.written_entries import WrittenEntries

LOG = logging.getLogger(__name__)

#: Mobile nodes in a group, unless they need more than ``SLICES`` groups of this size.
_GROUP = 1000
#: Flow entries that are read per second in the long run, at some 4 us each of the RMS's time.
_RATE = 5000.0
#: Prefixes that are visited before other green threads have their turn.
_TURN = 4096
#: Seconds to observe a group.
_ROUND = LEAST_TIME + 2 * SETTLING

#: Switch -> its written entries (another object after every reconciliation), and its packet counters.
_Reading = dict[str, tuple[WrittenEntries | None, Mapping[bytes, int]]]


class NodeSweep:
    """Observes the mobile nodes of a domain; ``faults`` are those found."""

    def __init__(self, context: Context) -> None:
        self.faults = NodeFaults()
        self._bindings = context.state.bindings
        self._switches = context.switches
        self._groups = 0  # the number of groups to which the faults belong
        self._counted = 0  # entries in this round

    def run(self) -> None:
        """Observe one group after the other, for ever."""
        group = 0
        while True:
            try:
                groups = group_count(len(self._bindings))
                if groups != self._groups:
                    self._groups, self.faults = groups, NodeFaults()
                group %= groups
                self._observe(group, groups)
                group += 1
                hub.sleep(max(self._counted / _RATE - _ROUND, 0))
            except Exception:
                LOG.exception("observing the downlink of mobile nodes failed")
                hub.sleep(_ROUND)

    def _observe(self, group: int, groups: int) -> None:
        self._counted = 0
        before = self._places(group, groups)
        mags, lmas = [*self._switches.mags.values()], [*self._switches.lmas.values()]
        mags_before = self._entries(mags, group, groups)
        hub.sleep(SETTLING)
        lmas_before = self._entries(lmas, group, groups)
        hub.sleep(LEAST_TIME)
        lmas_after = self._entries(lmas, group, groups)
        hub.sleep(SETTLING)
        mags_after = self._entries(mags, group, groups)
        places = {
            prefix: binding.mag
            for prefix, binding in before.items()
            if binding.mag is not None and self._bindings.get(prefix) == binding
        }
        both_mags, both_lmas = unchanged(mags_before, mags_after), unchanged(lmas_before, lmas_after)
        observation = Observation(places, both_mags[0], both_lmas[0], both_lmas[1], both_mags[1])
        self.faults.add(group, observation.faults())

    def _places(self, group: int, groups: int) -> dict[bytes, Binding]:
        """The bindings of the group that have everything that a MAG's entries need."""
        places = {}
        for prefix in in_turns(self._bindings.prefixes(), _TURN, lambda: False):
            if prefix[-1] % groups == group:
                binding = self._bindings.get(prefix)
                if binding is not None and None not in (binding.link_layer_address, binding.port, binding.anchor):
                    places[prefix] = binding
        return places

    def _entries(self, switches: Sequence[Switch], group: int, groups: int) -> _Reading:
        """Read the downlink entries of the switches that are ready."""
        found: _Reading = {}
        for switch in switches:
            if switch.state is SwitchState.READY:
                written = switch.written
                entries = switch.counters.downlink_entries(group, groups)
                if entries is not None:
                    found[switch.name] = written, entries
                    self._counted += len(entries)
        return found


def group_count(nodes: int) -> int:
    """The number of groups for that many mobile nodes: a power of two."""
    groups = 1
    while groups < SLICES and nodes > groups * _GROUP:
        groups *= 2
    return groups


def unchanged(
    before: _Reading, after: _Reading
) -> tuple[dict[str, Mapping[bytes, int]], dict[str, Mapping[bytes, int]]]:
    """The entries before and after of the switches that were not reconciled in between."""
    same = [name for name in before if name in after and before[name][0] is after[name][0] is not None]
    return {name: before[name][1] for name in same}, {name: after[name][1] for name in same}
