"""A policy to leave switched on: it keeps the highest CPU of the LMAs as low as possible, with few moves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from ryu_pmipls.loadsharing.decision import Decision, Outlook
from ryu_pmipls.loadsharing.levels import water_level
from ryu_pmipls.loadsharing.load_list import SATURATED
from ryu_pmipls.loadsharing.policies.policy import NewSessionRanking, Policy, PolicySettings, lightest_first
from ryu_pmipls.loadsharing.round_builder import RoundBuilder
from ryu_pmipls.loadsharing.slots import whole
from ryu_pmipls.loadsharing.snapshot import LmaLoad, LmaState
from ryu_pmipls.loadsharing.window import Flags, Floats

_PLAYING = (LmaState.OVERLOADED, LmaState.NEUTRAL, LmaState.LIGHT)
#: Assumed ratio of offered to forwarded load of a saturated LMA, where it is unknown. Too little costs another round,
#: too much a move back.
_UNSEEN = 1.25
#: Highest ratio of offered to forwarded load that is believed.
_MOST_OFFERED = 5.0
#: Report intervals after a move until the counters show the load offered since.
_REPORTED = 2
#: Least part of the wanted work for which a MAG moves as a whole; below it the MAG is divided.
_WHOLE_SUFFICES = 0.7
#: Least size of a worthwhile move, as a part of the tolerance.
_WORTHWHILE = 0.25
#: Tolerances above the level that are as urgent as an overload.
_URGENT = 4
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

    * An LMA takes part in a round when its CPU was measured after its last move. Packets of the window that came before
      a move are counted where they would come now.
    * A saturated LMA forwards less than it is offered. The MAGs' own counters show how much more it is offered; where
      they do not, its work is taken to be a quarter more.
    * A MAG that was moved rests for the cool-down, unless it had to leave an LMA; at an LMA that is overloaded, or far
      above the level, only the very slots that were moved rest.
    * When no LMA is above ``balance_above``, uplinks go back to their anchors as long as that remains true.
    """
    board = _Board(plan, own)
    if not board.playing.any():
        return
    before = board.highest()
    board.level_out()
    board.send_home()
    plan.outlook = Outlook(before, board.highest(), board.level)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Slots of one MAG at one LMA that can move: ``work`` altogether, ``rate`` in packets per second."""

    column: int
    slots: Mapping[str, tuple[int, ...]]
    work: float
    rate: float


class _Board:
    """Work and levels of the LMAs that take part; both follow the moves."""

    def __init__(self, plan: RoundBuilder, own: BalanceSettings) -> None:
        self.plan = plan
        self.own = own
        self.settings = plan.settings
        loads = plan.snapshot.lmas
        self.cpu: Floats = plan.cpu * np.where(plan.cpu >= SATURATED, self._unseen(), 1.0)
        self.rates = self._rates()
        totals = np.maximum(
            self.rates.sum(axis=1),
            [0.0 if load.packets is None or not load.span else load.packets / load.span for load in loads],
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            work = (self.cpu * plan.capacity / totals)[:, None] * self.rates
        self.work: Floats = np.nan_to_num(work, nan=0.0, posinf=0.0)
        self.playing = self._settled() & np.array(
            [load.state in _PLAYING and load.cpu is not None and load.packets is not None for load in loads]
        )
        self.level = self._level()
        self.moves = 0
        self.resting = {move.mag for move in plan.recent(self.settings.cool_down) if not move.evacuation}
        self.moved_to: dict[tuple[str, str], dict[str, set[int]]] = {}
        for move in plan.recent(self.settings.cool_down):
            there = self.moved_to.setdefault((move.mag, move.new_lma), {})
            for anchor, numbers in move.slots.items():
                there.setdefault(anchor, set()).update(numbers)

    def highest(self) -> float:
        """The highest CPU of those that take part."""
        return float(self.cpu[self.playing].max())

    # Known state.

    def _unseen(self) -> Floats:
        """Ratio of offered to forwarded load of each LMA, if it is full."""
        plan = self.plan
        moved = {lma for move in self._unreported() for lma in (move.old_lma, move.new_lma)}
        known = (None if load.lma in moved else load.loss for load in plan.snapshot.lmas)
        losses = np.array([np.nan if loss is None else loss for loss in known])
        unseen: Floats = np.where(np.isnan(losses), _UNSEEN, 1 / np.maximum(1 - losses, 1 / _MOST_OFFERED))
        return unseen

    def _unreported(self) -> list[Decision]:
        """Moves that the counters of the last interval may not reflect."""
        return [*self.plan.recent(_REPORTED * self.plan.snapshot.report_interval), *self.plan.decisions]

    def _rates(self) -> Floats:
        """Packets per second (LMAs, MAGs) with the present uplinks: the offered rate where known."""
        plan, snapshot = self.plan, self.plan.snapshot
        rates = np.nan_to_num(plan.rates, nan=0.0)
        for move in (*plan.recent(2 * snapshot.window), *plan.decisions):
            old, new, column = plan.row.get(move.old_lma), plan.row.get(move.new_lma), plan.column.get(move.mag)
            if old is None or new is None or column is None or move.rate is None:
                continue
            for row, change in ((old, -move.rate), (new, move.rate)):
                load = snapshot.lmas[row]
                span = snapshot.spans[row, column]
                if load.counts_age is not None and span > 0:
                    began = plan.now - load.counts_age - span
                    rates[row, column] += change * min(1.0, max(0.0, (move.time - began) / span))
        moved = {move.mag for move in self._unreported()}
        known = np.isfinite(snapshot.offered) & [mag not in moved for mag in snapshot.mags]
        result: Floats = np.where(known, snapshot.offered, rates.clip(min=0.0))
        return result

    def _settled(self) -> Flags:
        """The LMAs whose CPU was measured, over a report interval, after their last move.

        One that had to be evacuated has a window's time to prove itself.
        """
        plan = self.plan
        settled = np.ones(len(plan.names), dtype=np.bool_)
        for move in (*plan.recent(plan.snapshot.window + plan.snapshot.report_interval), *plan.decisions):
            for lma in (move.old_lma, move.new_lma):
                row = plan.row.get(lma)
                age = None if row is None else plan.snapshot.lmas[row].cpu_age
                if row is not None and age is not None:
                    settled[row] &= plan.now - age - plan.snapshot.report_interval >= move.time
            if move.evacuation and move.old_lma in plan.row:
                settled[plan.row[move.old_lma]] &= plan.now - move.time >= plan.snapshot.window
        return settled

    def _level(self) -> float:
        """The lower bound of the highest CPU."""
        playing, capacity = self.playing, self.plan.capacity[self.playing]
        work = self.work[playing].sum(axis=1)
        cpu = self.cpu[playing]
        ceilings = np.where(self.plan.may_take[playing], np.inf, cpu)
        return water_level(cpu - work / capacity, ceilings, capacity, float(work.sum()))

    # Moves.

    def level_out(self) -> None:
        """Move work from LMAs above the level to LMAs below it."""
        settings, loads = self.settings, self.plan.snapshot.lmas
        limit = max(self.own.balance_above, self.level * (1 + self.own.tolerance))
        stuck = ~self.playing
        while self.moves < settings.max_moves:
            source = int(np.argmax(np.where(stuck, -np.inf, self.cpu)))
            if stuck[source] or self.cpu[source] <= limit:
                break
            stuck[source] = not (self._relieve_homewards(source) or self._relieve(source))
        relieved = {decision.old_lma for decision in self.plan.decisions}
        for row in np.flatnonzero(self.playing).tolist():
            if loads[row].state is LmaState.OVERLOADED and loads[row].lma not in relieved:
                why = "nothing there can move to where it fits" if stuck[row] else "the others have as much to do"
                self.plan.alarm(loads[row].lma, f"{loads[row].lma} is overloaded: CPU {loads[row].cpu:.0%}; {why}")

    def send_home(self) -> None:
        """Move uplinks to their anchors, while all LMAs have little to do."""
        plan, settings = self.plan, self.settings
        if self.highest() > self.own.balance_above:
            return
        for mag, anchor, carrier in self._displaced():
            home, away = plan.row[anchor], plan.row[carrier]
            piece = self._as_piece(away, plan.column[mag], {anchor: plan.carried(mag, carrier)[anchor]})
            # Sessions are not alike: the piece may be all that the MAG sends there, and would have to leave again.
            after = self.cpu[home] + self.work[away, piece.column] / plan.capacity[home]
            if self.moves < settings.max_moves and after <= _RETURN_BELOW * self.own.balance_above:
                self._move(away, home, piece, f"the load has fallen: {anchor} carries its own uplink again")

    def _displaced(self) -> Iterator[tuple[str, str, str]]:
        """(MAG, anchor, carrier) of uplinks that could go home: both take part, and the MAG was not moved lately."""
        plan = self.plan
        moved = self.resting | {decision.mag for decision in plan.decisions}
        for mag, anchors in plan.inputs.uplinks.items():
            if mag in moved or mag not in plan.column:
                continue
            for anchor, slots in anchors.items():
                if slots == whole(anchor) or not self._takes(anchor):
                    continue
                for carrier in dict.fromkeys(slots):
                    if carrier != anchor and carrier in plan.row and self.playing[plan.row[carrier]]:
                        yield mag, anchor, carrier

    def _takes(self, lma: str) -> bool:
        row = self.plan.row.get(lma)
        return row is not None and bool(self.playing[row] and self.plan.may_take[row])

    def _candidates(self, source: int) -> list[int]:
        """The MAGs whose traffic may leave an LMA, the biggest first."""
        plan, work = self.plan, self.work[source]
        columns = np.flatnonzero(work > 0)
        order: list[int] = columns[np.argsort(-work[columns], kind="stable")].tolist()
        much = self.cpu[source] > self.level * (1 + _URGENT * self.own.tolerance)
        if much or plan.snapshot.lmas[source].state is LmaState.OVERLOADED:
            return order
        return [column for column in order if plan.snapshot.mags[column] not in self.resting]

    def _relieve_homewards(self, source: int) -> bool:
        """Send home uplinks that an LMA carries for an anchor that stays below the level; true if there are any."""
        plan, name = self.plan, self.plan.names[source]
        excess = (self.cpu[source] - self.level) * plan.capacity[source]
        for column in self._candidates(source):
            for anchor in plan.carried(plan.snapshot.mags[column], name):
                if anchor == name or not self._takes(anchor):
                    continue
                home = plan.row[anchor]
                room = (self.level - self.cpu[home]) * plan.capacity[home]
                piece = self._piece(source, column, anchor=anchor, wanted=min(excess, room))
                if piece.work >= self._least(source):
                    self._move(source, home, piece, self._above(source))
                    return True
        return False

    def _relieve(self, source: int) -> bool:
        """Make the best move from an LMA to the lowest one; true if there is any."""
        plan = self.plan
        may_take = self.playing & plan.may_take & (self.cpu < self.level)
        may_take[source] = False
        if not may_take.any():
            return False
        target = int(np.argmin(np.where(may_take, self.cpu, np.inf)))
        excess = (self.cpu[source] - self.level) * plan.capacity[source]
        room = (self.level - self.cpu[target]) * plan.capacity[target]
        piece = self._fitting(source, target, min(excess, room))
        if piece is not None:
            self._move(source, target, piece, self._above(source))
        return piece is not None

    def _fitting(self, source: int, target: int, wanted: float) -> _Piece | None:
        """Piece nearest to the wanted work without exceeding it, best a whole MAG; None if no move is worthwhile."""
        columns = self._candidates(source)
        small = [column for column in columns if self.work[source, column] <= wanted]
        large = [column for column in columns if self.work[source, column] > wanted]
        best = next((piece for column in small if (piece := self._piece(source, column)).work > 0), _NOTHING)
        finest = _NOTHING
        if best.work < _WHOLE_SUFFICES * wanted:
            for column in sorted(large, key=lambda column: self.work[source, column]):
                part = self._piece(source, column, wanted=wanted)
                best = max(best, part, key=lambda piece: piece.work)
                slot = self._finest(source, column)
                if slot.slots and (not finest.slots or slot.work < finest.work):
                    finest = slot
                if best.work >= _WHOLE_SUFFICES * wanted:
                    break
        if best.work >= self._least(source):
            return best
        # Every slot is too big to stay below the level: the smallest goes, if that helps at all.
        after = self.cpu[target] + finest.work / self.plan.capacity[target]
        helps = finest.slots and self.cpu[source] - after >= self._least(source) / self.plan.capacity[source]
        return finest if helps else None

    def _least(self, source: int) -> float:
        """The least work that is worth a move."""
        return _WORTHWHILE * self.own.tolerance * self.level * float(self.plan.capacity[source])

    def _above(self, source: int) -> str:
        return (
            f"{self.plan.names[source]} is at CPU {self.cpu[source]:.0%}, where evenly divided work would bring all "
            f"to {self.level:.0%}"
        )

    def _piece(self, row: int, column: int, anchor: str | None = None, wanted: float = math.inf) -> _Piece:
        """Movable slots of a MAG at an LMA: those of one anchor, or of all; no more than the wanted work."""
        pieces = {}
        left = wanted
        for owner, numbers, work in self._movable(row, column):
            if anchor in (None, owner) and work <= left:
                pieces[owner] = numbers[: _whole_number(min(left / work, len(numbers)))]
                left -= work * len(pieces[owner])
        return self._as_piece(row, column, pieces)

    def _finest(self, row: int, column: int) -> _Piece:
        """The one slot that moves the least."""
        movable = self._movable(row, column)
        owner, numbers, _ = min(movable, key=lambda slots: slots[2], default=("", (), 0.0))
        return self._as_piece(row, column, {owner: numbers[:1]} if numbers else {})

    def _movable(self, row: int, column: int) -> list[tuple[str, tuple[int, ...], float]]:
        """(anchor, slots that do not rest, work of one of them) of the uplinks of a MAG at an LMA that carry anything.

        Uplinks with another anchor come first: they were moved here because they carried traffic.
        """
        plan, lma = self.plan, self.plan.names[row]
        mag = plan.snapshot.mags[column]
        there = plan.carried(mag, lma)
        weights = plan.weights(mag, there)
        total = sum(weights[owner] * len(numbers) for owner, numbers in there.items())
        resting = self.moved_to.get((mag, lma), {})
        found = []
        for owner in sorted(there, key=lambda owner: owner == lma):
            free = tuple(number for number in there[owner] if number not in resting.get(owner, ()))
            work = float(self.work[row, column]) * weights[owner] / total
            if free and work > 0:
                found.append((owner, free, work))
        return found

    def _as_piece(self, row: int, column: int, slots: Mapping[str, tuple[int, ...]]) -> _Piece:
        mag = self.plan.snapshot.mags[column]
        part = self.plan.part(mag, slots, self.plan.carried(mag, self.plan.names[row]))
        return _Piece(column, slots, float(self.work[row, column]) * part, float(self.rates[row, column]) * part)

    def _move(self, source: int, target: int, piece: _Piece, reason: str) -> None:
        plan, column = self.plan, piece.column
        mag = plan.snapshot.mags[column]
        before = self.cpu[target]
        self.cpu[source] -= piece.work / plan.capacity[source]
        self.cpu[target] += piece.work / plan.capacity[target]
        for table, amount in ((self.work, piece.work), (self.rates, piece.rate)):
            table[source, column] -= amount
            table[target, column] += amount
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
            reason=f"{reason}; {what}, bring {plan.names[target]} from CPU {before:.0%} to {self.cpu[target]:.0%}",
        )


def _whole_number(number: float) -> int:
    """The next lower whole number; a number that rounding errors put just below a whole one counts as that one."""
    return int(number + 1e-9)


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


POLICY = Policy("balance", BalanceSettings, balance, from_above_the_mean, rest_windows=12)
