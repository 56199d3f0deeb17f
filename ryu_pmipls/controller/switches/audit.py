"""Audit of a switch: it must hold the desired entries, and no others of ours; somebody may have changed it by hand.

The audit compares a slice of the entries at a time. Changes are under way all the time, so a difference is only a
suspicion until it shows again, after all changes under way have come through, and for an unchanged binding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.ryu import in_turns
from ryu_pmipls.controller.switches.cookies import SLICES, slice_of
from ryu_pmipls.controller.switches.flow import FlowEntry, Group
from ryu_pmipls.controller.switches.inventory import Inventory
from ryu_pmipls.controller.switches.node_pipeline import NodePipeline

#: Entries that are compared, and prefixes that are put into slices, before other green threads have their turn.
_COMPARED, _SORTED = 64, 4096
#: A group or an entry that differs from the desired one, with the binding that it is for, if any; None is a stray.
_Difference = tuple[Group | FlowEntry, Binding | None] | None


class Audit:
    """Repeated passes over a switch's entries, desired and installed; :attr:`slice` is the next one to compare.

    A pass takes long, but in turns, and gives up (``InterruptionError``) as soon as ``unless()`` is true.
    """

    def __init__(
        self, pipeline: NodePipeline, inventory: Inventory, unless: Callable[[], bool] = lambda: False
    ) -> None:
        self.slice = 0
        self.suspects: Counter[_Difference] = Counter()
        self._pipeline = pipeline
        self._inventory = inventory
        self._unless = unless
        self._prefixes: list[list[bytes]] = []

    def compare(self) -> int:
        """Count the differences proved by the switch's latest reply: its groups, and the entries of the slice.

        Decoding the entries takes long, so groups and the node's own entries are compared with the desired ones of now.
        (A binding has its timestamp.) While there are :attr:`suspects`, compare the slice once more, else the next one.
        """
        inventory, ports = self._inventory, self._inventory.ports
        groups = self._pipeline.groups(ports)
        different = [(group, None) for group in groups if inventory.groups.get(group.group) != group]
        first = self.slice == 0
        base = {*self._pipeline.base_entries(ports, inventory.link_layer_address)} if first else set()
        entries, strays = inventory.decode_entries(self._unless)
        differences: Counter[_Difference] = Counter((*different, *self._entries(entries, base), *[None] * strays))
        proved = differences & self.suspects
        # Earlier suspicions are settled either way; new ones have to show twice.
        self.suspects = Counter() if self.suspects else differences
        if not self.suspects:
            self.slice = (self.slice + 1) % SLICES
        return sum(proved.values())

    def _entries(self, entries: Iterable[FlowEntry], different: set[FlowEntry]) -> Iterable[_Difference]:
        """Yield the differences; ``different`` begins with the desired entries other than those of bindings."""
        pipeline, inventory = self._pipeline, self._inventory
        found, prefixes = set(), {*self._prefixes_of_slice()}
        for entry in in_turns(entries, _COMPARED, self._unless):
            found.add(entry)
            if (home := entry.home_prefix) is not None:
                prefixes.add(home.network_address.packed[:8])
        bindings: dict[bytes, Binding] = {}
        for prefix in in_turns(prefixes, _COMPARED, self._unless):
            binding = pipeline.bindings.get(prefix)
            if binding is not None:
                bindings[prefix] = binding
                different.update(pipeline.binding_entries(inventory.ports, binding))
        for entry in in_turns(found, _COMPARED, self._unless):
            different ^= {entry}
        for entry in different:
            if entry.rule.hard_timeout:
                continue  # it is there or not, depending on the time
            home = entry.home_prefix
            binding = None if home is None else bindings.get(home.network_address.packed[:8])
            if binding is not None and entry not in found and inventory.refused.get(binding.prefix) == binding:
                continue  # the switch has refused it for good, and would again
            yield entry, binding

    def _prefixes_of_slice(self) -> list[bytes]:
        """The slice's prefixes, of the bindings that had entries in the switch when the pass began."""
        if self.slice == 0 or not self._prefixes:
            self._prefixes = [[] for _ in range(SLICES)]
            for prefix in in_turns(self._pipeline.prefixes(), _SORTED, self._unless):
                self._prefixes[slice_of(prefix)].append(prefix)
        return self._prefixes[self.slice]
