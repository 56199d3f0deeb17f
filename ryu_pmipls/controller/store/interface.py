"""What the RMS expects of a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.loadsharing import Incident, Record


class StoreError(Exception):
    """The store cannot be used. Its text names the file, what is wrong with it, and the way out."""


class Store(Protocol):
    """Every method may raise ``StoreError``. What was saved when a method returns survives a crash of the machine.

    Methods may wait for a disk or for other machines, so that an event loop had better call them in a native thread:
    any thread will do, but one call at a time.
    """

    def save_bindings(self, bindings: Iterable[Binding]) -> None:
        """Keep bindings, all or none, in place of what there was for their prefixes; of two for one the latter."""

    def delete_bindings(self, prefixes: Iterable[bytes]) -> None:
        """Forget the bindings of prefixes (8 octets each), all or none."""

    def load_bindings(self) -> Iterator[Binding]:
        """All bindings, one for each prefix. Nothing may be saved while they are being read."""

    def save_uplinks(self, uplinks: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        """Keep which LMAs carry the uplinks of the MAGs named (MAG -> anchor LMA -> LMAs), all or none."""

    def load_uplinks(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """MAG -> anchor LMA -> LMAs that carry the uplink."""

    def save_core_gateway(self, lma: str, link_layer_address: bytes) -> None:
        """Keep where an LMA sends what leaves the domain."""

    def load_core_gateways(self) -> dict[str, bytes]:
        """LMA -> link-layer address, six octets."""

    def save_met_switch(self, name: str) -> None:
        """Keep that a switch has been met: what was in it before has been taken over."""

    def load_met_switches(self) -> set[str]: ...

    def save_setting(self, name: str, value: Any) -> None:
        """Keep what the operator has set, or the RMS has found out, a JSON value; None is as if it never had been."""

    def load_settings(self) -> dict[str, Any]:
        """Name -> value of all that is set."""

    def save_round(self, name: str, time: float, inputs: str) -> None:
        """Keep what a round of decisions was made from, as text, as long as one of its decisions is kept."""

    def load_round(self, name: str) -> str | None:
        """What the round of that name was made from; None if that is not kept."""

    def save_decisions(self, records: Iterable[Record]) -> None:
        """Keep decisions, all or none, in place of what there was of them; only the latest decisions are kept."""

    def load_decisions(self) -> list[Record]:
        """The decisions that are kept, oldest first."""

    def save_incident(self, incident: Incident) -> None:
        """Keep what has happened to an LMA; only the latest are kept."""

    def load_incidents(self) -> list[Incident]:
        """What is kept of that, oldest first."""

    def tidy(self) -> None:
        """Do some of what was put off; to be called every second or so."""

    def close(self) -> None: ...
