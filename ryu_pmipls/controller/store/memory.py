"""The store of an RMS that keeps nothing over a restart: the RMS then learns from the switches and the MAGs anew."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.store.interface import in_order
from ryu_pmipls.loadsharing import Incident, Record


class MemoryStore:
    """A store in the memory of the process, with the last ``decisions_kept`` decisions, and incidents.

    ``directory`` exists for the sake of other back ends; nothing is written there.
    """

    def __init__(self, directory: Path, *, decisions_kept: int = 1000) -> None:
        self._decisions_kept = decisions_kept
        self._bindings: dict[bytes, Binding] = {}
        self._uplinks: dict[str, dict[str, tuple[str, ...]]] = {}
        self._core_gateways: dict[str, bytes] = {}
        self._met_switches: set[str] = set()
        self._settings: dict[str, str] = {}  # JSON: callers cannot change stored values
        self._rounds: dict[str, str] = {}
        self._decisions: dict[str, Record] = {}
        self._incidents: list[Incident] = []

    def save_bindings(self, bindings: Iterable[Binding]) -> None:
        self._bindings.update({binding.prefix: binding for binding in bindings})

    def delete_bindings(self, prefixes: Iterable[bytes]) -> None:
        for prefix in [*prefixes]:
            self._bindings.pop(prefix, None)

    def load_bindings(self) -> Iterator[Binding]:
        return iter(sorted(self._bindings.values()))

    def save_uplinks(self, uplinks: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        for mag, carriers in uplinks.items():
            kept = self._uplinks.setdefault(mag, {})
            kept.update({anchor: tuple(lmas) for anchor, lmas in carriers.items()})

    def load_uplinks(self) -> dict[str, dict[str, tuple[str, ...]]]:
        return {mag: dict(carriers) for mag, carriers in self._uplinks.items()}

    def save_core_gateway(self, lma: str, link_layer_address: bytes) -> None:
        self._core_gateways[lma] = link_layer_address

    def load_core_gateways(self) -> dict[str, bytes]:
        return dict(self._core_gateways)

    def save_met_switch(self, name: str) -> None:
        self._met_switches.add(name)

    def load_met_switches(self) -> set[str]:
        return set(self._met_switches)

    def save_setting(self, name: str, value: Any) -> None:
        if value is None:
            self._settings.pop(name, None)
        else:
            self._settings[name] = json.dumps(value)

    def load_settings(self) -> dict[str, Any]:
        return {name: json.loads(value) for name, value in self._settings.items()}

    def save_round(self, name: str, time: float, inputs: str) -> None:
        self._rounds[name] = inputs

    def load_round(self, name: str) -> str | None:
        return self._rounds.get(name)

    def save_decisions(self, records: Iterable[Record]) -> None:
        self._decisions.update({record.decision.id: record for record in in_order(records)})
        latest = self.load_decisions()[-self._decisions_kept :]
        self._decisions = {record.decision.id: record for record in latest}
        names = [*self._rounds]
        if latest and latest[0].decision.round in names:
            for name in names[: names.index(latest[0].decision.round)]:
                del self._rounds[name]

    def load_decisions(self) -> list[Record]:
        return [*self._decisions.values()]

    def save_incident(self, incident: Incident) -> None:
        self._incidents = [*self._incidents, incident][-self._decisions_kept :]

    def load_incidents(self) -> list[Incident]:
        return [*self._incidents]

    def tidy(self) -> None:
        """Do nothing: nothing was put off."""

    def close(self) -> None:
        """Do nothing: nothing is open."""
