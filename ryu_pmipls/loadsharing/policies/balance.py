"""A policy to leave switched on: it keeps the highest CPU of the LMAs as low as possible, with few moves."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from pydantic import Field

from ryu_pmipls.loadsharing.decision import Outlook
from ryu_pmipls.loadsharing.demand import Demand, loss_at
from ryu_pmipls.loadsharing.levels import water_level
from ryu_pmipls.loadsharing.pieces import Uplink, chosen, smallest
from ryu_pmipls.loadsharing.policies.policy import NewSessionRanking, Policy, PolicySettings, lightest_first
from ryu_pmipls.loadsharing.rest import Rest
from ryu_pmipls.loadsharing.round_builder import RoundBuilder
from ryu_pmipls.loadsharing.slots import SLOTS
from ryu_pmipls.loadsharing.snapshot import LmaLoad, LmaState
from ryu_pmipls.loadsharing.window import Floats

#: Least part of the wanted work for which a MAG moves as a whole; below it the MAG is divided.
_WHOLE_SUFFICES = 0.7
#: Least size of a worthwhile move, as a part of the tolerance.
_WORTHWHILE = 0.25
#: The same for a move that divides the uplink of a MAG, whose switch then has more to do for each packet.
_WORTH_A_SPLIT = 0.5
#: Tolerances above the level for which a MAG that rests is moved again; twice as much for each further time.
_URGENT = 4
#: The same where the rates of slots are measured: predictions are right then, but for noise.
_URGENT_IF_MEASURED = 1
#: Part of an LMA's distance from the CPU threshold that is added to the tolerance: moves cost more than evenness brings
#: while nobody has much to do.
_EASE = 0.3
#: Level from which on losses are what counts.
_NEARLY_FULL = 0.9
#: Loss above that of evenly divided work for which a full LMA gives to another full one; as much more for each earlier
#: round that has moved something from or to it lately, because what is measured may be wrong by that much.
_LOSS_TOLERANCE = 0.1
#: Part of the tolerance by which an LMA may be brought above the level where that spares the division of an uplink.
_SPARED = 0.5
#: Part of ``balance_above`` below which an anchor must stay for uplinks to go back to it.
_RETURN_BELOW = 0.8


class BalanceSettings(PolicySettings):
    """Settings of ``balance``."""

    tolerance: float = Field(
        default=0.05, gt=0, lt=1, description="an LMA may be above the mean by this fraction of it"
    )
    balance_above: float = Field(
        default=0.3, gt=0, le=1, description="CPU fraction below which nothing has to be evened out"
    )


def balance(plan: RoundBuilder, own: BalanceSettings) -> None:
    """One round.

    The CPU of an LMA is attributed to MAGs by their packets, so that each uplink has a known amount of work, and a
    share of it can be moved. The lower bound of the highest CPU is the level to which all work together would fill the
    LMAs if it could be divided at will. LMAs above it by more than the tolerance give to the lowest ones up to that
    level, the highest first.

    * Demand may be more than an LMA carries (``Demand``). Where even evenly divided work would fill all LMAs, moves
      cannot carry more; then only an LMA that measurably loses more than the others gives to them.
    * A move must promise a lower maximum, or less loss where that stays above what an LMA carries: a quarter of the
      tolerance, or half of it if a MAG's uplink would be divided by it.
    * While an LMA is far from the CPU threshold, and by its trend will be for a window, it may be further above the
      level, because moves cost something as well.
    * A MAG of which something was moved to or from an LMA rests there for the cool-down, unless it had to leave. While
      it rests, the LMA must be far above the level for another move, and twice as far for each further one; and the
      very slots that were moved stay.
      So under constant offers moves come to an end, however wrong the predictions are.
    * When no LMA is above ``balance_above``, uplinks go back to where they began as long as that remains true.
    """
    board = _Board(plan, own)
    if not board.demand.playing.any():
        return
    before = board.demand.highest()
    board.level_out()
    board.send_home()
    plan.outlook = Outlook(before, board.demand.highest(), board.demand.level)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Slots of one MAG at one LMA that can move: ``work`` altogether, ``rate`` in packets per second."""

    column: int
    slots: Mapping[str, tuple[int, ...]]
    work: float
    rate: float


class _Board:
    """Demand of the LMAs that take part, and the moves that bring it to the level."""

    def __init__(self, plan: RoundBuilder, own: BalanceSettings) -> None:
        self.plan = plan
        self.own = own
        self.settings = plan.settings
        self.demand = Demand(plan)
        self.moves = 0
        self.rest = Rest(plan)

    def level_out(self) -> None:
        """Move work from LMAs above the level to LMAs below it."""
        demand, loads = self.demand, self.plan.snapshot.lmas
        limits = self._limits()
        stuck = ~demand.playing | (demand.demand <= limits) | (~demand.known if demand.full else False)
        while self.moves < self.settings.max_moves:
            source = int(np.argmax(np.where(stuck, -np.inf, demand.demand)))
            if stuck[source]:
                break
            moved = self._relieve_homewards(source) or self._relieve(source)
            stuck[source] = not moved or demand.demand[source] <= limits[source]
        relieved = {decision.old_lma for decision in self.plan.decisions}
        for row in np.flatnonzero(demand.playing).tolist():
            if loads[row].state is LmaState.OVERLOADED and loads[row].lma not in relieved:
                why = (
                    "nothing there can move to where it fits"
                    if demand.demand[row] > limits[row]
                    else "the others have as much to do"
                )
                self.plan.alarm(loads[row].lma, f"{loads[row].lma} is overloaded: CPU {loads[row].cpu:.0%}; {why}")

    def send_home(self) -> None:
        """Move uplinks to where they began, while all LMAs have little to do."""
        plan, demand = self.plan, self.demand
        if demand.highest() > self.own.balance_above:
            return
        moved = {mag for mag, _ in self.rest.places} | {decision.mag for decision in plan.decisions}
        for away, stays in sorted(self._displaced.items()):
            for column, anchor, home, numbers in stays:
                if plan.snapshot.mags[column] in moved:
                    continue
                piece = self._as_piece(away, column, {anchor: numbers})
                # Sessions are not alike: the piece may be all that the MAG sends there, and would have to leave again.
                after = demand.demand[home] + demand.work[away, column] / plan.capacity[home]
                if (
                    demand.playing[away]
                    and demand.may_take[home]
                    and self.moves < self.settings.max_moves
                    and after <= _RETURN_BELOW * self.own.balance_above
                ):
                    self._move(
                        away, home, piece, f"the load has fallen: {plan.names[home]} carries its own uplink again"
                    )

    def _limits(self) -> Floats:
        """The demand up to which each LMA keeps all that it has.

        A tolerance above the level, and more of it the farther the LMA will be from an overload, as its CPU rises.
        """
        level, own, demand = self.demand.level, self.own, self.demand.demand
        far = np.clip(self.settings.rule.cpu_threshold - demand - self._rise(), 0.0, None)
        rounds = np.array([self.rest.rounds[name] for name in self.plan.names])
        limits: Floats = np.maximum(own.balance_above, level * (1 + own.tolerance + _EASE * far))
        if level >= _NEARLY_FULL:
            kept = 1 - loss_at(level) - _LOSS_TOLERANCE * (1 + rounds)
            seen = np.where(kept > 0, 1 / np.maximum(kept, 1e-9), math.inf)
            # Losses are measured badly, rates of slots well.
            limits = np.maximum(limits, np.where(self.demand.measured, level * (1 + own.tolerance * rounds), seen))
        return limits

    def _rise(self) -> Floats:
        """The rise of each LMA's CPU in a window, if it goes on as it did in the last one."""
        snapshot = self.plan.snapshot
        return np.array([max(0.0, load.rise or 0.0) * snapshot.window for load in snapshot.lmas])

    @cached_property
    def _displaced(self) -> Mapping[int, Sequence[tuple[int, str, int, tuple[int, ...]]]]:
        """Carrier (its row) -> slots there that began elsewhere: column, anchor, row of their home, numbers."""
        plan, found = self.plan, dict[int, list[tuple[int, str, int, tuple[int, ...]]]]()
        for mag, anchors in plan.inputs.uplinks.items():
            column = plan.column.get(mag)
            for anchor, slots in anchors.items():
                home = plan.home(mag, anchor)
                if column is None or home is None or slots is home or slots == home:
                    continue
                away: dict[tuple[str, str], list[int]] = {}
                for number, (carrier, begun) in enumerate(zip(slots, home, strict=True)):
                    if carrier != begun and carrier in plan.row:
                        away.setdefault((carrier, begun), []).append(number)
                for (carrier, begun), numbers in away.items():
                    place = column, anchor, plan.row[begun], tuple(numbers)
                    found.setdefault(plan.row[carrier], []).append(place)
        return found

    def _candidates(self, source: int) -> list[int]:
        """The MAGs whose traffic may leave an LMA, the biggest first."""
        work, mags = self.demand.work[source], self.plan.snapshot.mags
        columns = np.flatnonzero(work > 0)
        order: list[int] = columns[np.argsort(-work[columns], kind="stable")].tolist()
        excess = self.demand.demand[source] - self.demand.level
        urgent = _URGENT_IF_MEASURED if self.demand.measured[source] else _URGENT
        unrest = excess / max(1e-9, urgent * self.own.tolerance * self.demand.level)
        name = self.plan.names[source]
        return [column for column in order if self._may_move(self.rest.places.get((mags[column], name), 0), unrest)]

    @staticmethod
    def _may_move(times: int, unrest: float) -> bool:
        """True for a MAG moved so many times, at an LMA so far above the level, in what is urgent the first time."""
        return times == 0 or unrest > 2.0 ** (times - 1)

    def _relieve_homewards(self, source: int) -> bool:
        """Send slots home from an LMA, where home stays below the level; true if there are any."""
        plan, demand = self.plan, self.demand
        if source not in self._displaced:
            return False
        allowed = {column: place for place, column in enumerate(self._candidates(source))}
        excess = (demand.demand[source] - demand.level) * plan.capacity[source]
        stays = [stay for stay in self._displaced[source] if stay[0] in allowed]
        for column, anchor, home, numbers in sorted(stays, key=lambda stay: allowed[stay[0]]):
            if not demand.may_take[home]:
                continue
            room = (demand.level - demand.demand[home]) * plan.capacity[home]
            piece = self._piece(source, column, anchor=anchor, wanted=min(excess, room), among=numbers)
            if self._worthwhile(source, home, piece):
                self._move(source, home, piece, self._above(source))
                return True
        return False

    def _relieve(self, source: int) -> bool:
        """Make the best move from an LMA to the lowest one; true if there is any."""
        plan, demand = self.plan, self.demand
        targets = demand.may_take & (demand.demand < demand.level)
        if demand.full:
            targets &= demand.known
        targets[source] = False
        if not targets.any():
            return False
        target = int(np.argmin(np.where(targets, demand.demand, np.inf)))
        excess = (demand.demand[source] - demand.level) * plan.capacity[source]
        room = (demand.level - demand.demand[target]) * plan.capacity[target]
        piece = self._fitting(source, target, min(excess, room))
        if piece is not None:
            self._move(source, target, piece, self._above(source))
        return piece is not None

    def _fitting(self, source: int, target: int, wanted: float) -> _Piece | None:
        """Piece nearest to the wanted work without exceeding it, best a whole MAG; None if no move is worthwhile."""
        columns, work = self._candidates(source), self.demand.work[source]
        most = wanted + self._slack(source)
        small = [column for column in columns if work[column] <= most]
        large = sorted((column for column in columns if work[column] > most), key=lambda column: work[column])
        # A slot that is known to carry more than is wanted may still help more than those that fit.
        above = wanted if self.demand.measured[source] else 0.0
        best = next((piece for column in small if (piece := self._piece(source, column)).work > 0), _NOTHING)
        finest = _NOTHING
        # A MAG that need not divide an uplink for it comes first.
        ways = (False, True) if self._may_divide(source) else (False,)
        for dividing in ways if best.work < _WHOLE_SUFFICES * wanted else ():
            for column in large:
                part = self._piece(source, column, wanted=wanted, dividing=dividing)
                best = max(best, part, key=lambda piece: piece.work)
                if best.work >= _WHOLE_SUFFICES * wanted:
                    break
                movable = [uplink for uplink in self._movable(source, column) if dividing or not uplink.whole]
                slot = self._as_piece(source, column, smallest(movable, above))
                if slot.slots and (not finest.slots or slot.work < finest.work):
                    finest = slot
            if best.work >= _WHOLE_SUFFICES * wanted:
                break
        # When every slot is too big to stay below the level, the smallest goes, if that helps at all.
        worthwhile = [piece for piece in (best, finest) if self._worthwhile(source, target, piece)]
        if not self.demand.measured[source]:
            return next(iter(worthwhile), None)
        return max(worthwhile, key=lambda piece: self.demand.promise(source, target, piece.work).demand, default=None)

    def _may_divide(self, source: int) -> bool:
        """True when a whole uplink may be divided at an LMA.

        It is not known what its slots carry, and often few carry all. Where all else is measured, that is for an LMA
        that is far above the level.
        """
        excess = self.demand.demand[source] / self.demand.level - 1
        return not self.demand.measured[source] or bool(excess > _URGENT * self.own.tolerance)

    def _slack(self, source: int) -> float:
        """Work beyond the level that spares the division of an uplink, where it is known how much that carries."""
        if not self.demand.measured[source]:
            return 0.0
        return _SPARED * self.own.tolerance * self.demand.level * float(self.plan.capacity[source])

    def _worthwhile(self, source: int, target: int, piece: _Piece) -> bool:
        """True when a move promises more than it costs."""
        if piece.work <= 0:
            return False
        promise = self.demand.promise(source, target, piece.work)
        least = _WORTH_A_SPLIT if self._divides(source, piece) else _WORTHWHILE
        tolerance = self.own.tolerance if self.demand.measured[source] else _LOSS_TOLERANCE
        if self.demand.full and promise.loss < least * tolerance:
            return False
        return promise.demand >= least * self.own.tolerance * self.demand.level

    def _divides(self, source: int, piece: _Piece) -> bool:
        """True when the piece is a part of an uplink that one LMA has carried as a whole."""
        carried = self.plan.carried(self.plan.snapshot.mags[piece.column], self.plan.names[source])
        return any(len(numbers) < len(carried[anchor]) == SLOTS for anchor, numbers in piece.slots.items())

    def _above(self, source: int) -> str:
        return (
            f"{self.plan.names[source]} is at CPU {self.demand.demand[source]:.0%}, where evenly divided work would "
            f"bring all to {self.demand.level:.0%}"
        )

    def _piece(
        self,
        row: int,
        column: int,
        anchor: str | None = None,
        wanted: float = math.inf,
        among: Collection[int] = range(SLOTS),
        dividing: bool = True,
    ) -> _Piece:
        """Movable slots of a MAG at an LMA, ``among`` these: of one anchor, or of all; no more than the wanted work."""
        movable = [
            replace(uplink, slots={number: work for number, work in uplink.slots.items() if number in among})
            for uplink in self._movable(row, column)
            if anchor in (None, uplink.anchor)
        ]
        return self._as_piece(row, column, chosen(movable, wanted, self._slack(row), dividing))

    def _movable(self, row: int, column: int) -> list[Uplink]:
        """The uplinks of a MAG at an LMA that carry anything, with their slots that do not rest.

        Those with another anchor come first: they were moved here because they carried traffic.
        """
        plan, lma = self.plan, self.plan.names[row]
        mag = plan.snapshot.mags[column]
        there = plan.carried(mag, lma)
        weights = plan.weights(mag, there)
        total = sum(float(weights[owner][list(numbers)].sum()) for owner, numbers in there.items())
        # Where it is measured what slots carry, it is known what moving them again brings.
        resting = {} if self.demand.measured[row] else self.rest.slots(mag, lma)
        found = []
        for owner in sorted(there, key=lambda owner: owner == lma):
            free = [number for number in there[owner] if number not in resting.get(owner, ())]
            if free and total > 0 and weights[owner].any():
                work = float(self.demand.work[row, column]) * weights[owner] / total
                slots = {number: float(work[number]) for number in free}
                found.append(Uplink(owner, slots, len(free) == SLOTS))
        return found

    def _as_piece(self, row: int, column: int, slots: Mapping[str, tuple[int, ...]]) -> _Piece:
        mag = self.plan.snapshot.mags[column]
        part = self.plan.part(mag, slots, self.plan.carried(mag, self.plan.names[row]))
        demand = self.demand
        return _Piece(column, slots, float(demand.work[row, column]) * part, float(demand.rates[row, column]) * part)

    def _move(self, source: int, target: int, piece: _Piece, reason: str) -> None:
        plan, column = self.plan, piece.column
        mag = plan.snapshot.mags[column]
        before = self.demand.demand[target]
        self.demand.move(source, target, column, piece.work, piece.rate)
        self.moves += 1
        share = plan.share(mag, source, piece.slots)
        what = f"{share:.0%} of what {mag} sends through it, {piece.rate:.0f} packets/s"
        plan.move(
            mag,
            source,
            target,
            piece.slots,
            work=piece.work,
            rate=piece.rate,
            reason=f"{reason}; {what}, bring {plan.names[target]} from CPU {before:.0%} to "
            f"{self.demand.demand[target]:.0%}",
        )


_NOTHING = _Piece(0, {}, 0.0, 0.0)


def from_above_the_mean(light: Sequence[LmaLoad], own: BalanceSettings) -> NewSessionRanking:
    """Send new sessions from LMAs above the mean to those below, half a tolerance before uplinks would have to move."""
    if not light:
        return NewSessionRanking((), (), ())
    level = _mean(light)
    limit = max(own.balance_above, level * (1 + own.tolerance / 2))
    lightest = lightest_first(light)
    taking = [load for load in lightest if (load.cpu or 0.0) < level] or lightest[:1]
    return NewSessionRanking([load for load in light if (load.cpu or 0.0) > limit], taking, taking)


def _mean(loads: Sequence[LmaLoad]) -> float:
    """The CPU that LMAs would all have if their work were divided evenly."""
    capacities = np.array([load.capacity for load in loads])
    cpu = np.array([load.cpu or 0.0 for load in loads])
    return water_level(np.zeros(len(loads)), np.full(len(loads), np.inf), capacities, float((cpu * capacities).sum()))


POLICY = Policy("balance", BalanceSettings, balance, from_above_the_mean, rest_windows=12, spreads=True)
