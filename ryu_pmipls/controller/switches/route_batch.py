"""Make before break: the steps that put a batch of bindings into force.

First the entries at the new MAG, then the routes on all LMAs at once; when all of these have answered, forwarding
entries replace the old MAGs' entries. Nothing here waits: the answers to one step start the next. A switch that has
stopped answering holds up no step: like a disconnected one, it gets its routes before it gets traffic (erratum E39).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial

from ryu_pmipls.controller.fast.binding_encoder import RouteUpdate
from ryu_pmipls.controller.switches.inventory import SwitchState
from ryu_pmipls.controller.switches.session import Transaction, WriteOutcome
from ryu_pmipls.controller.switches.switch import Switch


class RouteBatch:
    """Updates to one new MAG (or to none that is connected), on their way into force.

    A superseded update goes no further. ``silent`` names the switches that nothing waits for; call
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
        """Write to the new MAG, if it is connected; then to the LMAs."""
        transaction = None if mag is None else _write(self._mags[mag], self.updates)
        if mag is None or transaction is None:
            self._route_on_lmas()
        else:
            self._await([(mag, transaction)], RouteBatch._route_on_lmas)

    def leave_behind(self) -> None:
        """Go on without the switches that have become silent."""
        silent = [name for name in self._awaited if name in self._silent]
        for name in silent:
            del self._awaited[name]
        if silent and not self._awaited:
            self._next(self)

    def _route_on_lmas(self) -> None:
        self.updates = [update for update in self.updates if not update.superseded]
        routed = [(name, _write(lma, self.updates)) for name, lma in self._lmas.items()] if self.updates else []
        self._await(
            [(name, transaction) for name, transaction in routed if transaction is not None], RouteBatch._finish
        )

    def _finish(self) -> None:
        departures: dict[str, dict[RouteUpdate, None]] = {}  # by the old MAG, each update once
        for update in self.updates:
            for leftover in () if update.superseded else update.leftovers:
                mag = leftover.mag
                if mag is not None and mag != update.binding.mag and mag in self._mags:
                    departures.setdefault(mag, {})[update] = None
        for mag, gone in departures.items():
            transaction = _write(self._mags[mag], [*gone])
            if transaction is not None:
                transaction.then(partial(self._confirm_forwarding, mag, [*gone]))
        self._done(self)

    def _confirm_forwarding(self, mag: str, updates: Sequence[RouteUpdate], transaction: Transaction) -> None:
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
        self._record_outcome(name, transaction)
        if not self._awaited:
            self._next(self)

    def _record_outcome(self, name: str, transaction: Transaction) -> None:
        if transaction.outcome in (WriteOutcome.ACKED, WriteOutcome.ERROR):
            self.acknowledged.append(name)
            for place, error in transaction.errors.items():
                self.failures.setdefault(self.updates[place], {})[name] = error
        elif transaction.outcome is WriteOutcome.TIMEOUT:
            for update in self.updates:
                self.failures.setdefault(update, {})[name] = WriteOutcome.TIMEOUT.value


def _write(switch: Switch, updates: Sequence[RouteUpdate]) -> Transaction | None:
    return None if switch.writer is None else switch.writer.route(updates)


class RouteBatches:
    """The batches under way, over the switches of all MAGs and LMAs by name.

    Nothing waits long for a switch that leaves more than ``missing_allowed`` echo requests unanswered, one every
    ``echo_interval`` (s), or a barrier for as long.
    """

    def __init__(
        self, mags: Mapping[str, Switch], lmas: Mapping[str, Switch], missing_allowed: int, echo_interval: float
    ) -> None:
        self._mags = mags
        self._lmas = lmas
        self._missing_allowed = missing_allowed
        self._patience = (missing_allowed + 1) * echo_interval
        self._silent: set[str] = set()  # switches that are connected and do not answer
        self._late: set[str] = set()  # switches that owed an answer to a barrier at the last look
        self._under_way: set[RouteBatch] = set()

    def start(
        self,
        updates: Iterable[RouteUpdate],
        done: Callable[[RouteBatch], None],
        forwarding: Callable[[str, Sequence[RouteUpdate]], None],
    ) -> None:
        """Put bindings into force, make before break (:class:`RouteBatch`); return at once.

        Updates to one MAG go together, so that a slow MAG does not hold up another.
        """
        by_mag: dict[str | None, list[RouteUpdate]] = {}
        batches: dict[str | None, list[RouteUpdate]] = {}  # the same, with the MAGs that are not written to
        for update in updates:
            place = update.binding.mag
            together = batches.get(place)
            if together is None:
                written = place is not None and place in self._mags and self._mags[place].written is not None
                together = batches[place] = by_mag.setdefault(place if written else None, [])
            together.append(update)

        def finished(batch: RouteBatch) -> None:
            self._under_way.discard(batch)
            done(batch)

        for mag, together in by_mag.items():
            batch = RouteBatch(together, self._mags, self._lmas, self._silent, finished, forwarding)
            self._under_way.add(batch)
            batch.start(mag)

    def leave_silent_behind(self, now: float) -> None:
        """Have batches go on without switches that leave echo requests or barriers unanswered; call this now and then.

        ``now`` is of the monotonic clock.
        """
        switches = (*self._mags.values(), *self._lmas.values())
        connected = [switch for switch in switches if switch.state is not SwitchState.DISCONNECTED]
        late = {switch.name for switch in connected if not switch.confirms(self._patience, now)}
        # Twice in a row: the first time the answer may be there, and not read yet because this process was held up.
        mute, self._late = late & self._late, late
        self._silent.clear()
        self._silent.update(mute, (switch.name for switch in connected if not switch.answers(self._missing_allowed)))
        if self._silent:
            for batch in [*self._under_way]:
                batch.leave_behind()
