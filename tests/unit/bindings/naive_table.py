"""The binding table as one would write it first: one dictionary of objects, and a search of all of it for the rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ryu_pmipls.controller.bindings import Binding, Result, RouteChange
from ryu_pmipls.controller.bindings.binding_table import TICKS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Entry:
    mag: str | None
    previous_mag: str | None
    identifier: str | None
    link_layer_address: bytes | None
    port: int | None
    anchor: str | None
    timestamp: int


class NaiveTable:
    """What :class:`BindingTable` must do, but for how it expires."""

    def __init__(self, max_skew: float = 5.0, max_detached: int = 100_000) -> None:
        self._max_skew = max_skew
        self._max_detached = max_detached
        self.entries: dict[bytes, Entry] = {}

    def update(self, changes: Iterable[RouteChange], now: float) -> list[Result]:
        return [self._update(change, now) for change in changes]

    def _update(self, change: RouteChange, now: float) -> Result:
        held = self.entries.get(change.prefix)
        if change.timestamp > (now + self._max_skew) * TICKS_PER_SECOND:
            return Result.TOO_NEW
        if held is not None and held.timestamp > (now + self._max_skew) * TICKS_PER_SECOND:
            held = replace(held, timestamp=-1)
        if held is not None and change.timestamp == held.timestamp and change.new_mag == held.mag:
            return Result.UNCHANGED
        if held is not None and change.timestamp <= held.timestamp:
            return Result.STALE
        if change.new_mag is None:
            if held is None and len(self.at(None)) >= self._max_detached:
                return Result.NOT_CURRENT
            if held is not None and held.mag is not None and held.mag != change.old_mag:
                return Result.NOT_CURRENT
        if held is None:
            held = Entry(None, change.old_mag, None, None, None, None, -1)
        moved = change.new_mag != held.mag
        self.entries[change.prefix] = Entry(
            mag=change.new_mag,
            previous_mag=held.mag if moved and held.mag is not None else held.previous_mag,
            identifier=change.identifier or held.identifier,
            link_layer_address=change.link_layer_address or held.link_layer_address,
            port=change.port or (None if moved else held.port),
            anchor=change.anchor or held.anchor,
            timestamp=change.timestamp,
        )
        return Result.CHANGED

    def get(self, prefix: bytes) -> Binding | None:
        held = self.entries.get(prefix)
        return None if held is None else Binding(prefix, *(getattr(held, name) for name in Entry.__slots__))

    def at(self, mag: str | None) -> set[bytes]:
        return {prefix for prefix, held in self.entries.items() if held.mag == mag}
