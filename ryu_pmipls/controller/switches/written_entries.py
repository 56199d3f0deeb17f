"""A switch's entries and groups, as written in one generation of cookies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ryu_pmipls.controller.fast.binding_encoder import BindingEncoder
from ryu_pmipls.controller.switches import encoding as encode
from ryu_pmipls.controller.switches.flow import FlowEntry, Group


class WrittenEntries:
    """The groups, the node's own entries, and the encoder for those of bindings.

    Entries of bindings are not remembered, however many there are: they follow from the bindings. ``groups`` are those
    that the switch had before, whatever their contents.
    """

    def __init__(self, generation: int, groups: Iterable[int], encoder: BindingEncoder) -> None:
        self.generation = generation
        self.encoder = encoder
        self._groups: dict[int, Group | None] = dict.fromkeys(groups)
        self._base: dict[Any, FlowEntry] = {}

    @property
    def groups(self) -> int:
        """Number of groups that are ours."""
        return sum(group is not None for group in self._groups.values())

    @property
    def base(self) -> int:
        """Number of entries that belong to the node itself."""
        return len(self._base)

    def update_groups(self, desired: Iterable[Group]) -> Iterator[Any]:
        """Messages that bring the groups in line."""
        for group in desired:
            if self._groups.get(group.group) != group:
                yield encode.group_mod(group, exists=group.group in self._groups)
                self._groups[group.group] = group

    def update_base(self, desired: Iterable[FlowEntry]) -> Iterator[Any]:
        """Messages that bring the node's own entries in line: replacements first."""
        before, self._base = self._base, {entry.key: entry for entry in desired}
        for key, entry in self._base.items():
            if before.get(key) != entry:
                yield encode.add_flow(entry, self.generation)
        for key, entry in before.items():
            if key not in self._base:
                yield encode.delete_flow(entry)
