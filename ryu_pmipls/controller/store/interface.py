"""The RMS's interface to a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.loadsharing import Incident, Record


class StoreError(Exception):
    """The store cannot be used. The text names the file, its fault, and the way out."""


class Store(Protocol):
    """Every method may raise ``StoreError``. Data that a method has saved survives a crash of the machine.

    Methods may wait for a disk or for other machines, so an event loop should call them in a native thread: any thread
    will do, but one call at a time.
    """

    def save_bindings(self, bindings: Iterable[Binding]) -> None:
        """Replace the bindings of their prefixes, all or none; of two for one prefix the latter counts."""

    def delete_bindings(self, prefixes: Iterable[bytes]) -> None:
        """Forget the bindings of prefixes (8 octets each), all or none."""

    def load_bindings(self) -> Iterator[Binding]:
        """All bindings, one for each prefix. Save nothing while they are being read."""

    def save_uplinks(self, uplinks: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        """Keep the LMAs that carry the uplinks of the MAGs named (MAG -> anchor LMA -> LMAs), all or none."""

    def load_uplinks(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """MAG -> anchor LMA -> LMAs that carry the uplink."""

    def save_core_gateway(self, lma: str, link_layer_address: bytes) -> None:
        """Keep the link-layer address to which an LMA sends traffic that leaves the domain."""

    def load_core_gateways(self) -> dict[str, bytes]:
        """LMA -> link-layer address, six octets."""

    def save_met_switch(self, name: str) -> None:
        """Keep that a switch has been met: the bindings in its earlier contents have been recovered."""

    def load_met_switches(self) -> set[str]: ...

    def save_setting(self, name: str, value: Any) -> None:
        """Keep a setting of the operator, or a finding of the RMS, as a JSON value; None removes it."""

    def load_settings(self) -> dict[str, Any]:
        """Name -> value of all settings."""

    def save_round(self, name: str, time: float, inputs: str) -> None:
        """Keep the inputs of a round of decisions, as text, as long as one of its decisions is kept."""

    def load_round(self, name: str) -> str | None:
        """The inputs of the round of that name; None if they are not kept."""

    def save_decisions(self, records: Iterable[Record]) -> None:
        """Replace decisions, all or none; only the decisions that came last are kept."""

    def load_decisions(self) -> list[Record]:
        """The decisions that are kept, oldest first."""

    def save_incident(self, incident: Incident) -> None:
        """Keep an incident of an LMA; only the latest are kept."""

    def load_incidents(self) -> list[Incident]:
        """The incidents that are kept, oldest first."""

    def tidy(self) -> None:
        """Do some of the work that was put off; call this every second or so."""

    def close(self) -> None: ...


def in_order(records: Iterable[Record]) -> list[Record]:
    """The decisions of one call in their order, by time and id."""
    return sorted(records, key=lambda record: (record.decision.time, record.decision.id))
