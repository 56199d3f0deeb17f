"""Make before break: the steps that put a batch of bindings into force.

First the entries at the new MAG, then the routes on all LMAs at once; when all of these have answered, forwarding
entries replace the old MAGs' entries. Nothing here waits: the answers to one step start the next. A switch that has
stopped answering holds up no step: like a disconnected one, it gets its routes before it gets traffic (erratum E39).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from ryu_pmipls.controller.fast.binding_encoder import RouteUpdate
from ryu_pmipls.controller.switches.session import Transaction, WriteOutcome
from ryu_pmipls.controller.switches.switch import Switch


class RouteBatch:
    """Updates to one new MAG (or to none that is connected), on their way into force.

    A superseded update takes no further step. ``silent`` names the switches that nothing waits for; call
    :meth:`leave_behind` when one joins them. ``done`` is called when all other LMAs have answered, or have failed to;
    ``forwarding``, with a MAG and updates, when that MAG has answered, too, and forwards as they say.
    """

    def __init__(
        self,
        updates: Sequence[RouteUpdate],
        mags: Mapping[str, Switch],
        lmas: Mapping[str, Switch],
        silent: Collection[str],
        done: Callable[[RouteBatch], None],
        forwarding: Callable[[str, Sequence[RouteUpdate]], None],
    ) -> None:
        self.updates = updates
        #: The switches that have acknowledged their part, except for single updates in ``failures``.
        self.acknowledged: list[str] = []
        #: Errors, by the name of the switch.
        self.failures: dict[RouteUpdate, dict[str, str]] = {}
        self._mags = mags
        self._lmas = lmas
        self._silent = silent
        self._done = done
        self._awaited: dict[str, Transaction] = {}  # by the name of the switch
        # A function, not a method: a method would make a cycle, and leave all objects of a handoff to the garbage
        # collector.
        self._next: Callable[[RouteBatch], None] = RouteBatch._finish
        self._forwarding = forwarding

    def start(self, mag: str | None) -> None:
        """Take the first step."""
        transaction = None if mag is None else self._mags[mag].route(self.updates)
        if mag is None or transaction is None:
            self._to_lmas()
        else:
            self._await([(mag, transaction)], RouteBatch._to_lmas)

    def leave_behind(self) -> None:
        """Go on without the switches that have become silent."""
        silent = [name for name in self._awaited if name in self._silent]
        for name in silent:
            del self._awaited[name]
        if silent and not self._awaited:
            self._next(self)

    def _to_lmas(self) -> None:
        self.updates = [update for update in self.updates if not update.superseded]
        routed = [(name, lma.route(self.updates)) for name, lma in self._lmas.items()] if self.updates else []
        self._await(
            [(name, transaction) for name, transaction in routed if transaction is not None], RouteBatch._finish
        )

    def _finish(self) -> None:
        left: dict[str, dict[RouteUpdate, None]] = {}  # by the MAG, each update once
        for update in self.updates:
            for leftover in () if update.superseded else update.leftovers:
                mag = leftover.mag
                if mag is not None and mag != update.binding.mag and mag in self._mags:
                    left.setdefault(mag, {})[update] = None
        for mag, gone in left.items():
            transaction = self._mags[mag].route([*gone])
            if transaction is not None:
                transaction.then(partial(self._left, mag, [*gone]))
        self._done(self)

    def _left(self, mag: str, updates: Sequence[RouteUpdate], transaction: Transaction) -> None:
        if transaction.outcome is WriteOutcome.ACKED:
            self._forwarding(mag, updates)

    def _await(self, transactions: list[tuple[str, Transaction]], step: Callable[[RouteBatch], None]) -> None:
        """Await the answers to transactions, by the names of the switches; take the next step when all have come."""
        self._next = step
        self._awaited = {name: transaction for name, transaction in transactions if name not in self._silent}
        if not self._awaited:
            step(self)
            return
        for name, transaction in [*self._awaited.items()]:
            transaction.then(partial(self._answered, name))

    def _answered(self, name: str, transaction: Transaction) -> None:
        if self._awaited.get(name) is not transaction:
            return  # it was left behind
        del self._awaited[name]
        self._note(name, transaction)
        if not self._awaited:
            self._next(self)

    def _note(self, name: str, transaction: Transaction) -> None:
        if transaction.outcome in (WriteOutcome.ACKED, WriteOutcome.ERROR):
            self.acknowledged.append(name)
            for place, error in transaction.errors.items():
                self.failures.setdefault(self.updates[place], {})[name] = error
        elif transaction.outcome is WriteOutcome.TIMEOUT:
            for update in self.updates:
                self.failures.setdefault(update, {})[name] = WriteOutcome.TIMEOUT.value
