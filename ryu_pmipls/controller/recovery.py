"""Bindings that the store lacks, because it is new or was lost: recovered from the switches and the MAGs.

The RMS reads a switch that the store has never met before it writes to it, so that the loss of the store cuts nobody's
traffic. Then each MAG repeats its reports, which hold details that no flow entry has.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from ipaddress import IPv6Address

from ryu_pmipls.controller.bindings import Binding, BindingTable, Result
from ryu_pmipls.controller.retransmission import Retransmission
from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.controller.store import Store, StoreError
from ryu_pmipls.controller.switches import recovered_bindings as remains
from ryu_pmipls.controller.switches.flow import FlowEntry
from ryu_pmipls.controller.switches.switch import Switch
from ryu_pmipls.domain.profile import Mag, Profile
from ryu_pmipls.wire import RouteAdjust, Timestamp

LOG = logging.getLogger(__name__)

_UNSPECIFIED = IPv6Address("::")


class Recovery:
    """Brings back ``bindings`` and ``gateways`` (LMA -> link-layer address of its core gateway)."""

    def __init__(self, profile: Profile, bindings: BindingTable, gateways: dict[str, bytes], store: Store) -> None:
        self._profile = profile
        self._bindings = bindings
        self._gateways = gateways
        self._store = store
        self._met = store.load_met_switches()

    def read(self, switch: Switch, entries: Iterable[list[FlowEntry]]) -> int | None:
        """Take over the flow entries of a switch, which come in pieces, unless the store has met it.

        All entries of a prefix are in one piece. Returns the number of prefixes for which other switches must follow,
        or None when the store could not save them.
        """
        if switch.name in self._met:
            return 0
        try:
            return self._read(switch, entries)
        except StoreError as error:
            LOG.error("%s: its flow entries are not taken over, tried again: %s", switch.name, error)
            return None

    def _read(self, switch: Switch, entries: Iterable[list[FlowEntry]]) -> int:
        recovered = moved = 0
        for piece in entries:
            updates = [self._bindings.recover(binding) for binding in self._found(switch, piece)]
            changed = [update for update in updates if update.result is Result.CHANGED]
            self._store.save_bindings([update.binding for update in changed if update.binding is not None])
            recovered += len(changed)
            moved += sum(update.moved for update in changed)
        self._store.save_met_switch(switch.name)
        self._met.add(switch.name)
        if recovered:
            LOG.warning("%s: %d bindings recovered from its flow entries", switch.name, recovered)
        return moved

    def _found(self, switch: Switch, entries: list[FlowEntry]) -> Iterable[Binding]:
        node = switch.node
        if isinstance(node, Mag):
            return remains.bindings_at_mag(self._profile, node, entries)
        gateway = remains.gateway_at_lma(entries)
        if gateway is not None and switch.name not in self._gateways:
            self._gateways[switch.name] = gateway
            self._store.save_core_gateway(switch.name, gateway)
        return remains.routes_at_lma(self._profile, switch.ports, entries)

    def ask_mags(self, confirmation: Retransmission, now: float) -> None:
        """Have all MAGs repeat their reports if the store has met no switch yet."""
        if self._met:
            return
        for mag in self._profile.mags:
            hub.spawn(self._ask, mag, confirmation, now)

    def _ask(self, mag: Mag, confirmation: Retransmission, now: float) -> None:
        everything = RouteAdjust(_UNSPECIFIED, _UNSPECIFIED, mag.address, options=(Timestamp.of(now),))
        if not confirmation.confirmed(everything, mag.address):
            LOG.warning("%s: does not repeat its reports of mobile nodes", mag.name)
