"""Policies: from a snapshot of the load list to the uplinks that shall move.

A policy reads nothing but the arguments of ``decide``. What it must remember from round to round (which MAG was moved
when) it keeps itself, so that the same sequence of arguments always gives the same sequence of decisions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ryu_pmipls.loadsharing.load_list import LmaState, LoadSnapshot, OverloadRule

#: MAG -> anchor LMA -> the LMA that carries the uplink of the MAG's mobile nodes of that anchor.
Uplinks = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Decision:
    """Move everything that ``mag`` sends through ``old_lma`` to ``new_lma`` (Load_adjust; erratum E33).

    ``anchors`` are the anchor LMAs whose uplink at the MAG is concerned; ``predicted_cpu`` is the fraction expected
    at the new LMA; ``time`` is seconds since 1970. ``id`` is unique: a MAG is moved once in a round.
    """

    id: str
    time: float
    mag: str
    old_lma: str
    new_lma: str
    anchors: tuple[str, ...]
    predicted_cpu: float
    reason: str
    snapshot: LoadSnapshot


@dataclass(frozen=True, slots=True)
class Alarm:
    """An LMA is overloaded and cannot be relieved (erratum E23), seen in every round from ``since`` to the last."""

    lma: str
    since: float
    reason: str


class Policy(Protocol):
    """Decides which uplinks move."""

    @property
    def name(self) -> str:
        """What the policy is called in the profile."""

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """The alarms that stand after the last round."""

    def decide(self, snapshot: LoadSnapshot, uplinks: Uplinks, now: float) -> list[Decision]:
        """One round: the moves to make now."""


class StaticPolicy:
    """Never moves anything: the baseline."""

    name = "static"
    alarms: tuple[Alarm, ...] = ()

    def decide(self, snapshot: LoadSnapshot, uplinks: Uplinks, now: float) -> list[Decision]:
        return []


@dataclass(frozen=True, slots=True)
class _Move:
    time: float
    mag: str
    old_lma: str
    new_lma: str


@dataclass(frozen=True, slots=True)
class _Overloaded:
    """An overloaded LMA, with the packets of each MAG that sends it any, the biggest first."""

    lma: str
    cpu: float
    packets: int
    mags: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class _Target:
    """A light LMA with what it carries, including the moves planned in this round (erratum E29)."""

    lma: str
    cpu: float
    packets: int

    def with_added(self, cpu: float, packets: int) -> _Target:
        return _Target(self.lma, self.cpu + cpu, self.packets + packets)


class DraftPolicy:
    """The rule of draft section 3.2: the MAG that sends an overloaded LMA the most moves to the lightest LMA.

    Errata E20 to E29 fill its gaps:

    * the worst LMA goes first, and gives up one MAG a round; moves planned in a round count at their target;
    * an LMA's CPU is taken to be proportional to its packets, so that what a MAG would add to a target can be told;
      when it is too much, the next smaller MAG is tried;
    * a MAG that was moved rests for ``rest`` seconds, and for a window both LMAs of a move neither give nor take,
      because their counts still mix what was before the move with what is after;
    * of equals the first in the profile is taken.

    ``capacities`` (LMA -> any unit, 1 if not given) tells unequal LMAs apart.
    """

    name = "draft"

    def __init__(
        self, rule: OverloadRule | None = None, *, rest: float = 300.0, capacities: Mapping[str, float] | None = None
    ) -> None:
        self._rule = rule or OverloadRule()
        self._rest = rest
        self._capacities = capacities or {}
        self._moves: list[_Move] = []
        self._alarms: dict[str, Alarm] = {}

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        return tuple(self._alarms.values())

    def decide(self, snapshot: LoadSnapshot, uplinks: Uplinks, now: float) -> list[Decision]:
        """One round of the rule."""
        remember = max(self._rest, snapshot.window)
        self._moves = [move for move in self._moves if now - move.time < remember]
        recent = [move for move in self._moves if now - move.time < snapshot.window]
        unsettled = {lma for move in recent for lma in (move.old_lma, move.new_lma)}

        light = [load for load in snapshot.lmas if load.state is LmaState.LIGHT]
        targets = {
            load.lma: _Target(load.lma, load.cpu, load.packets)
            for load in light
            if load.lma not in unsettled and load.cpu is not None and load.packets is not None
        }
        decisions: list[Decision] = []
        alarms: dict[str, Alarm] = {}
        for source in _worst_first(snapshot):
            if source.lma in unsettled:
                continue
            outcome = self._relieve(source, targets, uplinks, snapshot, now)
            if isinstance(outcome, Decision):
                decisions.append(outcome)
            elif targets or not light:
                since = self._alarms[source.lma].since if source.lma in self._alarms else now
                alarms[source.lma] = Alarm(source.lma, since, f"{self._overload(source, snapshot)}; {outcome}")
        self._alarms = alarms
        return decisions

    def _relieve(
        self, source: _Overloaded, targets: dict[str, _Target], uplinks: Uplinks, snapshot: LoadSnapshot, now: float
    ) -> Decision | str:
        """The move that relieves an overloaded LMA, which is charged to its target; or why there is none."""
        if not targets:
            return "no LMA is light"
        passed_over = []
        for mag, packets in source.mags:
            anchors = tuple(anchor for anchor, carrier in uplinks.get(mag, {}).items() if carrier == source.lma)
            if not anchors:
                continue
            if any(move.mag == mag and now - move.time < self._rest for move in self._moves):
                passed_over.append(f"{mag} rests after its last move")
                continue
            work = source.cpu * packets / source.packets * self._capacity(source.lma)
            loaded = [target.with_added(work / self._capacity(target.lma), packets) for target in targets.values()]
            # min() takes the first of equals, and targets are in the profile's order.
            best = min(loaded, key=lambda target: (target.cpu, target.packets))
            sent = f"{packets} packets from {mag}"
            if not self._fits(source, best):
                passed_over.append(f"{sent} would bring {best.lma} to CPU {best.cpu:.0%}, {best.packets} packets")
                continue
            before = targets[best.lma]
            targets[best.lma] = best
            self._moves.append(_Move(now, mag, source.lma, best.lma))
            reasons = [
                self._overload(source, snapshot),
                *passed_over,
                f"{sent} bring {best.lma} from CPU {before.cpu:.0%} to {best.cpu:.0%}",
            ]
            return Decision(
                id=f"{round(now * 1000)}-{mag}",
                time=now,
                mag=mag,
                old_lma=source.lma,
                new_lma=best.lma,
                anchors=anchors,
                predicted_cpu=best.cpu,
                reason="; ".join(reasons),
                snapshot=snapshot,
            )
        return "; ".join(passed_over) or "no uplink that carries packets points to it"

    def _overload(self, source: _Overloaded, snapshot: LoadSnapshot) -> str:
        rule = self._rule
        return (
            f"{source.lma} is overloaded: CPU {source.cpu:.0%} (from {rule.cpu_threshold:.0%} on, until below "
            f"{rule.cool_below:.0%}) {rule.combine} {source.packets} packets in a window of {snapshot.window:g} s "
            f"(more than {rule.packet_threshold})"
        )

    def _capacity(self, lma: str) -> float:
        return self._capacities.get(lma, 1.0)

    def _fits(self, source: _Overloaded, target: _Target) -> bool:
        """Whether the target, with the MAG's traffic, is below the threshold, and by the hysteresis below the source.

        A saturated LMA forwards less than it is offered, so that the prediction is too low, never too high. It still
        tells that a MAG which saturates an LMA by itself would saturate any other of that capacity.
        """
        rule = self._rule
        if rule.combine == "or" and target.packets > rule.packet_threshold:
            return False
        highest = max(source.cpu, rule.cpu_threshold)
        return target.cpu < min(rule.cpu_threshold, highest - rule.hysteresis)


def make_policy(name: str, rule: OverloadRule, rest: float) -> Policy:
    """The policy that the profile calls ``name``; ``ValueError`` names those there are. ``rest`` is in seconds."""
    if name == DraftPolicy.name:
        return DraftPolicy(rule, rest=rest)
    if name == StaticPolicy.name:
        return StaticPolicy()
    raise ValueError(f"no policy is called {name!r}; there are: {DraftPolicy.name}, {StaticPolicy.name}")


def _worst_first(snapshot: LoadSnapshot) -> list[_Overloaded]:
    overloaded = []
    for load in snapshot.lmas:
        if load.state is LmaState.OVERLOADED and load.cpu is not None and load.packets:
            # A MAG that sends nothing, or of which nothing is known, is no candidate: its move would relieve nobody.
            known = [(traffic.mag, traffic.packets) for traffic in load.mags if traffic.packets]
            mags = tuple(sorted(known, key=lambda mag: mag[1], reverse=True))
            overloaded.append(_Overloaded(load.lma, load.cpu, load.packets, mags))
    return sorted(overloaded, key=lambda source: (source.cpu, source.packets), reverse=True)
