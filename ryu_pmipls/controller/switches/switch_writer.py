"""Writes to one connected switch: its desired state, and changes to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ryu_pmipls.controller.fast.binding_encoder import RouteUpdate
from ryu_pmipls.controller.switches.inventory import Inventory
from ryu_pmipls.controller.switches.node_pipeline import NodePipeline
from ryu_pmipls.controller.switches.session import SwitchSession, Transaction, WriteOutcome
from ryu_pmipls.controller.switches.written_entries import WrittenEntries

#: A switch's errors for messages that it can never carry out: repeating them is useless.
FINAL_ERRORS = frozenset({"BAC_BAD_OUT_PORT", "BMC_BAD_VALUE"})


class SwitchWriter:
    """Sends what ``pipeline`` desires by ``session``; nothing before the first generation of entries has begun.

    ``retry`` is called after a refusal that need not be final.
    """

    def __init__(
        self, pipeline: NodePipeline, inventory: Inventory, session: SwitchSession, retry: Callable[[], None]
    ) -> None:
        self.written: WrittenEntries | None = None
        self._pipeline = pipeline
        self._inventory = inventory
        self._session = session
        self._retry = retry

    def begin_generation(self, generation: int) -> None:
        """Write everything anew from here on, with that generation in the cookies, over the switch's groups."""
        encoder = self._pipeline.encoder(self._inventory.ports, generation)
        self.written = WrittenEntries(generation, self._inventory.groups, encoder)
        self._inventory.refused.clear()

    def follow_ports(self) -> None:
        """Bring groups, the node's own entries, and the encoding of bindings in line with changed ports."""
        if self.written is not None:
            self.written.encoder = self._pipeline.encoder(self._inventory.ports, self.written.generation)
            self.refresh()

    def refresh(self) -> Transaction | None:
        """Bring the groups and the node's own entries up to date."""
        if self.written is None:
            return None
        pipeline, inventory = self._pipeline, self._inventory
        messages = [*self.written.update_groups(pipeline.groups(inventory.ports))]
        messages += self.written.update_base(pipeline.base_entries(inventory.ports, inventory.link_layer_address))
        return self._watched(self._session.request(*messages))

    def refresh_groups(self) -> Transaction | None:
        """Bring the groups up to date: one message per changed group, whatever the number of mobile nodes."""
        if self.written is None:
            return None
        groups = self._pipeline.groups(self._inventory.ports)
        return self._watched(self._session.request(*self.written.update_groups(groups)))

    def route(self, updates: Sequence[RouteUpdate]) -> Transaction | None:
        """Bring the entries of bindings up to date; errors refer to the place of the update."""
        if self.written is None:
            return None
        first = self._session.reserve(len(updates))
        octets = self.written.encoder.encode(updates, first)
        transaction = self._session.submit(octets, first, len(updates))
        transaction.then(partial(self._settle_route, updates))
        return transaction

    def _settle_route(self, updates: Sequence[RouteUpdate], transaction: Transaction) -> None:
        refused = self._inventory.refused
        if refused:
            for update in updates:
                refused.pop(update.binding.prefix, None)
        if transaction.errors:
            bindings = [updates[place].binding for place, error in transaction.errors.items() if error in FINAL_ERRORS]
            refused.update((binding.prefix, binding) for binding in bindings)
            self._settle(transaction)

    def _watched(self, transaction: Transaction) -> Transaction:
        transaction.then(self._settle)
        return transaction

    def _settle(self, transaction: Transaction) -> None:
        if transaction.outcome is WriteOutcome.ERROR and not FINAL_ERRORS.issuperset(transaction.errors.values()):
            self._retry()
