"""Demand on LMAs: the work that MAGs offer to each, also beyond what it can carry, as far as measurements show it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np

from ryu_pmipls.loadsharing.decision import Decision
from ryu_pmipls.loadsharing.levels import water_level
from ryu_pmipls.loadsharing.load_list import LOSS_INTERVALS, SATURATED
from ryu_pmipls.loadsharing.round_builder import RoundBuilder
from ryu_pmipls.loadsharing.snapshot import LmaState
from ryu_pmipls.loadsharing.window import Flags, Floats

_PLAYING = (LmaState.OVERLOADED, LmaState.NEUTRAL, LmaState.LIGHT)
#: Assumed ratio of offered to forwarded load of a saturated LMA, where it is unknown. Too little costs another round,
#: too much a move back.
_UNSEEN = 1.25
#: Highest ratio of offered to forwarded load that is believed.
_MOST_OFFERED = 10.0
#: Windows within which a full LMA's loss is measured, if the MAGs count what they send.
_UNMEASURED = 1.5
#: Part of the packets per second at an LMA that must be those of measured slots.
_MOSTLY = 0.9
#: Least ratio of what measured slots offer to what arrives.
_BELIEVED = 0.3
#: Logarithm of the ratio to the others from which on an LMA is taken to forward less or more than they do.
_OTHERWISE = 0.4
#: Ratio of the packets of the busiest LMA to those of the lightest from which on the two tell what an idle LMA uses.
_TELLING = 4.0


def loss_at(demand: float) -> float:
    """The fraction that an LMA loses of a demand, which is 1 when it can just carry it."""
    return max(0.0, 1 - 1 / demand) if demand > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Promise:
    """Promise of a move for its two LMAs: less loss, of the one that loses more or of both, and a lower highest demand.

    Fractions.
    """

    loss: float
    demand: float


class Demand:
    """Demand on the LMAs that take part in a round; it follows the moves that are added to it.

    ``demand`` is a fraction of each LMA's capacity, ``work`` (LMAs, MAGs) what MAGs add to it times that capacity,
    ``rates`` their packets per second. ``known`` is false for a full LMA whose loss nobody has measured. ``level`` is
    the lower bound of the highest demand: that of all LMAs, if the work could be divided at will.

    * Where it is measured what slots carry, and some LMA is full, the demand is what they offer by what LMAs forward:
      at once after a move as well. While slots of a divided uplink wait to be measured their LMAs are left alone.
    * Any other LMA takes part when its CPU, and its loss if it is full, were measured after its last move. Packets of
      the window that came before a move are counted where they would come now.
    * A full LMA forwards less than it is offered. The MAGs' own counters show how much more it is offered; where they
      do not, its work is taken to be a quarter more.
    * What an idle LMA uses cannot be moved. It shows when one LMA has few packets beside another's.
    """

    def __init__(self, plan: RoundBuilder) -> None:
        self._plan = plan
        loads = plan.snapshot.lmas
        full = plan.cpu >= SATURATED
        losses = self._losses()
        self.known: Flags = ~full | np.isfinite(losses)
        self.rates = self._rates()
        self.measured: Flags = self._measured()
        self.known |= self.measured
        self.playing: Flags = np.array(
            [load.state in _PLAYING and load.cpu is not None and load.packets is not None for load in loads]
        ) & (
            self.measured
            | self._settled() & ~(full & (self._unreported() | (np.isnan(losses) & ~self._unmeasurable())))
        )
        self.playing &= ~plan.awaited()
        totals: Floats = np.maximum(
            self.rates.sum(axis=1),
            [0.0 if load.packets is None or not load.span else load.packets / load.span for load in loads],
        )
        ratio = np.where(np.isnan(losses), _UNSEEN, 1 / np.maximum(1 - losses, 1 / _MOST_OFFERED))
        ratio = np.where(full, ratio, 1.0)
        idle = self._idle(totals / np.where(self.known, ratio, 1.0) / plan.capacity)
        self.demand: Floats = idle + (plan.cpu - idle) * ratio
        if self.measured.any():
            offered = self.rates.sum(axis=1)
            totals = np.where(self.measured, offered, totals)
            forwardable = self._forwardable(np.where(self.measured, offered, np.nan))
            self.demand = np.where(self.measured, idle + (1 - idle) * offered / forwardable, self.demand)
        with np.errstate(invalid="ignore", divide="ignore"):
            work = ((self.demand - idle) * plan.capacity / totals)[:, None] * self.rates
        self.work: Floats = np.nan_to_num(work, nan=0.0, posinf=0.0)
        self.may_take = self._may_take()
        self.level = self._level()

    def highest(self) -> float:
        """The highest demand on those that take part."""
        return float(self.demand[self.playing].max())

    @property
    def full(self) -> bool:
        """True when the LMAs together are offered as much as they can carry, or more."""
        return self.level >= SATURATED

    def promise(self, source: int, target: int, work: float) -> Promise:
        """The promise of moving that work; nothing, when the target would be where the source was."""
        capacity, before = self._plan.capacity[[source, target]], self.demand[[source, target]]
        after = before + np.array((-work, work)) / capacity
        lost = [float((np.maximum(0.0, demand - 1) * capacity).sum()) for demand in (before, after)]
        highest, lower = float(before.max()), float(after.max())
        less = (lost[0] - lost[1]) / float((before * capacity).sum())
        return Promise(max(less, loss_at(highest) - loss_at(lower)), highest - lower)

    def move(self, source: int, target: int, column: int, work: float, rate: float) -> None:
        """Count the work and the packets per second of a MAG at another LMA."""
        self.demand[source] -= work / self._plan.capacity[source]
        self.demand[target] += work / self._plan.capacity[target]
        for table, amount in ((self.work, work), (self.rates, rate)):
            table[source, column] -= amount
            table[target, column] += amount

    # What measurements show.

    def _losses(self) -> Floats:
        """Measured loss of each LMA, where it is full and nothing was moved there meanwhile; NaN where unknown."""
        losses = np.array([np.nan if load.loss is None else load.loss for load in self._plan.snapshot.lmas])
        losses[self._unreported()] = np.nan
        return losses

    def _forwardable(self, offered: Floats) -> Floats:
        """Packets per second that each LMA can forward, by what full ones do; ``offered`` is NaN where it is unknown.

        What they show is unsteady, and settles only slowly after a move, and so it is taken to be the same for all of
        a capacity, unless an LMA that has been left alone shows otherwise. An LMA that is far too full tells nothing
        for a while: then it is no more than what the one is offered that is offered the least. NaN if none is full.
        """
        plan, loads = self._plan, self._plan.snapshot.lmas
        shown = np.array([load.forwarded or np.nan for load in loads])
        alone = ~self._unreported()
        certain = np.isfinite(shown) & (alone if (np.isfinite(shown) & alone).any() else True)
        if not certain.any():
            full = np.isfinite(offered) & (offered > 0) & (plan.cpu >= SATURATED)
            most = float((offered / plan.capacity)[full].min()) if full.any() else np.nan
            common: Floats = plan.capacity * most
            return common
        common = plan.capacity * float(shown[certain].sum() / plan.capacity[certain].sum())
        other = certain & alone & self._unmeasurable() & (np.abs(np.log(shown / common)) > _OTHERWISE)
        return np.where(other, shown, common)

    def _measured(self) -> Flags:
        """The LMAs to which known rates of slots lead, where it is known what LMAs can forward.

        There they take the place of others, unless much more arrives than they say.
        """
        rates, arriving = self._plan.measured(), self.rates.sum(axis=1)
        known = np.isfinite(rates)
        rates = np.where(known, rates, self.rates)
        offered = rates.sum(axis=1)
        result: Flags = known.any(axis=1) & (offered >= _BELIEVED * arriving)
        result &= np.where(known, rates, 0.0).sum(axis=1) >= _MOSTLY * offered
        result &= np.isfinite(self._forwardable(np.where(result, offered, np.nan)))
        self.rates = np.where(result[:, None], rates, self.rates)
        for move in self._plan.recent(self._plan.snapshot.window):
            if move.evacuation and move.old_lma in self._plan.row:
                result[self._plan.row[move.old_lma]] = False
        return result

    def _unmeasurable(self) -> Flags:
        """The LMAs that have been full for so long that no measurement of their loss will come, where there is none."""
        longest = _UNMEASURED * self._plan.snapshot.window
        return np.array([load.full_for is None or load.full_for > longest for load in self._plan.snapshot.lmas])

    def _recent(self) -> list[Decision]:
        """Moves since which losses have not been measured."""
        snapshot = self._plan.snapshot
        span = min(snapshot.window, LOSS_INTERVALS * snapshot.report_interval) + snapshot.report_interval
        return [*self._plan.recent(span), *self._plan.decisions]

    def _unreported(self) -> Flags:
        """The LMAs of such moves."""
        found = np.zeros(len(self._plan.names), dtype=np.bool_)
        for move in self._recent():
            for lma in (move.old_lma, move.new_lma):
                if lma in self._plan.row:
                    found[self._plan.row[lma]] = True
        return found

    def _rates(self) -> Floats:
        """Packets per second (LMAs, MAGs) with the present uplinks: the offered rate where known."""
        plan, snapshot = self._plan, self._plan.snapshot
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
        moved = {move.mag for move in self._recent()}
        known = np.isfinite(snapshot.offered) & [mag not in moved for mag in snapshot.mags]
        result: Floats = np.where(known, snapshot.offered, rates.clip(min=0.0))
        return result

    def _settled(self) -> Flags:
        """The LMAs whose CPU was measured, over a report interval, after their last move.

        One that had to be evacuated has a window's time to prove itself.
        """
        plan = self._plan
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

    def _idle(self, forwarded: Floats) -> Floats:
        """The CPU of each LMA without any packets, from what it forwards for its capacity (packets/s).

        It is the same for all, never more than any uses, and taken to be nothing while all have much to do.
        """
        plan, playing = self._plan, np.flatnonzero(self.playing)
        if len(playing) < 2:
            return np.zeros(len(plan.names))
        least, most = (int(pick(forwarded[playing])) for pick in (np.argmin, np.argmax))
        low, high = forwarded[playing][[least, most]]
        cpu = plan.cpu[playing]
        if high <= 0 or low * _TELLING > high or cpu[most] <= cpu[least]:
            return np.zeros(len(plan.names))
        slope = (cpu[most] - cpu[least]) / (high - low)
        idle = min(float(cpu[least] - slope * low), float(cpu.min()))
        return np.minimum(max(0.0, idle), np.nan_to_num(plan.cpu, nan=inf))

    def _level(self) -> float:
        """The lower bound of the highest demand."""
        ceilings = np.where(self.may_take[self.playing], np.inf, self.demand[self.playing])
        return self._poured(ceilings)

    def _may_take(self) -> Flags:
        """The LMAs that may be given anything; overloaded ones only if all together have too much to do."""
        plan, allowed = self._plan, self._plan.may_take
        if self._poured(np.full(int(self.playing.sum()), np.inf)) >= plan.settings.rule.cool_below:
            allowed = allowed | np.array([load.state is LmaState.OVERLOADED for load in plan.snapshot.lmas])
        result: Flags = allowed & self.playing
        return result

    def _poured(self, ceilings: Floats) -> float:
        """The level to which all work fills the LMAs that take part, each up to its ceiling."""
        playing, capacity = self.playing, self._plan.capacity[self.playing]
        work = self.work[playing].sum(axis=1)
        return water_level(self.demand[playing] - work / capacity, ceilings, capacity, float(work.sum()))
