"""What the RMS expects of a store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv6Network
from typing import Protocol

from ryu_pmipls.loadsharing import Record
from ryu_pmipls.routing import Binding


class StoreError(Exception):
    """The store cannot be used. Its text names the file, what is wrong with it, and the way out."""


class Store(Protocol):
    """Every method may raise ``StoreError``. What was saved when a method returns survives a crash of the machine."""

    def save_bindings(self, bindings: Iterable[Binding]) -> None:
        """Keep bindings, all or none, in place of what there was for their prefixes."""

    def delete_bindings(self, prefixes: Iterable[IPv6Network]) -> None:
        """Forget the bindings of prefixes."""

    def load_bindings(self) -> list[Binding]: ...

    def save_uplinks(self, mag: str, carriers: Mapping[str, str]) -> None:
        """Keep which LMA carries a MAG's uplink, for each of the anchor LMAs in ``carriers`` (anchor -> LMA)."""

    def load_uplinks(self) -> dict[str, dict[str, str]]:
        """MAG -> anchor LMA -> LMA that carries the uplink."""

    def save_core_gateway(self, lma: str, link_layer_address: bytes) -> None:
        """Keep where an LMA sends what leaves the domain."""

    def load_core_gateways(self) -> dict[str, bytes]:
        """LMA -> link-layer address, six octets."""

    def save_decision(self, record: Record) -> None:
        """Keep a decision, in place of what there was of it; only the latest decisions are kept."""

    def load_decisions(self) -> list[Record]:
        """The decisions that are kept, oldest first."""

    def close(self) -> None: ...
