"""The rule of draft section 3.2: the MAG that sends an overloaded LMA the most moves to the lightest LMA."""

from __future__ import annotations

from pydantic import Field

from ryu_pmipls.loadsharing.evacuation import bring_back
from ryu_pmipls.loadsharing.policies.policy import Policy, PolicySettings
from ryu_pmipls.loadsharing.round_builder import RoundBuilder
from ryu_pmipls.loadsharing.snapshot import LmaLoad, LmaState


class DraftSettings(PolicySettings):
    """Settings of ``draft``."""

    predict: bool = Field(default=True, description="choose targets by the load that they would have (erratum E24)")


def draft(plan: RoundBuilder, own: DraftSettings) -> None:
    """One round of the rule, with errata E20 to E29 filling its gaps, after evacuated uplinks have gone back.

    * The worst LMA goes first, and gives up one MAG a round, with all that the MAG sends it; moves planned in a round
      count at their target.
    * An LMA's CPU is taken to be proportional to its packets, which predicts the load that a MAG would add to a target;
      when that is too much, the next smaller MAG is tried.
    * A MAG that was moved rests for the cool-down, and for as long, but no longer than a window, both LMAs of a move
      neither give nor take, because their counts still mix traffic from before and after the move.
    * Among equals the first in the profile wins.

    The draft's text has no prediction, hysteresis or cool-down: with these off in the settings the biggest MAG goes to
    the lightest LMA, whatever that does to it.
    """
    bring_back(plan)
    snapshot, settings = plan.snapshot, plan.settings
    unsettled = {
        lma for move in plan.recent(min(settings.cool_down, snapshot.window)) for lma in (move.old_lma, move.new_lma)
    }
    light = [row for row, load in enumerate(snapshot.lmas) if load.state is LmaState.LIGHT]
    targets = [row for row in light if plan.names[row] not in unsettled]
    for row in _worst_first(plan):
        load = snapshot.lmas[row]
        if load.lma in unsettled:
            continue
        trouble = _relieve(plan, own, row, targets)
        if trouble and (targets or not light):
            plan.alarm(load.lma, f"{_overload(plan, load)}; {trouble}")


def _worst_first(plan: RoundBuilder) -> list[int]:
    rows = [row for row, load in enumerate(plan.snapshot.lmas) if load.state is LmaState.OVERLOADED and load.packets]
    loads = plan.snapshot.lmas
    return sorted(rows, key=lambda row: (loads[row].cpu or 0.0, loads[row].packets or 0), reverse=True)


def _relieve(plan: RoundBuilder, own: DraftSettings, source: int, targets: list[int]) -> str | None:
    """Move a MAG that relieves an overloaded LMA; return the reason if there is none to move."""
    if not targets:
        return "no LMA is light"
    load, settings = plan.snapshot.lmas[source], plan.settings
    assert load.cpu is not None and load.packets
    resting = {move.mag for move in (*plan.recent(settings.cool_down), *plan.decisions)}
    passed_over = []
    for column, packets in plan.traffic(source):
        mag = plan.snapshot.mags[column]
        slots = plan.carried(mag, load.lma)
        if not slots:
            continue
        if mag in resting:
            passed_over.append(f"{mag} rests after its last move")
            continue
        work = load.cpu * packets / load.packets * load.capacity
        target = _lightest(plan, own, targets, work, packets)
        cpu, total = plan.cpu[target] + work / plan.capacity[target], plan.packets[target] + packets
        sent, name = f"{packets} packets from {mag}", plan.names[target]
        if own.predict and not _fits(plan, load, cpu, total / plan.capacity[target]):
            passed_over.append(f"{sent} would bring {name} to CPU {cpu:.0%}, {total:.0f} packets")
            continue
        reason = [
            _overload(plan, load),
            *passed_over,
            f"{sent} bring {name} from CPU {plan.cpu[target]:.0%} to {cpu:.0%}",
        ]
        rate = plan.rates[source, column]
        plan.move(mag, source, target, slots, work=work, rate=rate, reason="; ".join(reason))
        return None
    return "; ".join(passed_over) or "no uplink that carries packets points to it"


def _lightest(plan: RoundBuilder, own: DraftSettings, targets: list[int], work: float, packets: int) -> int:
    """The target that will be the lightest; without prediction the one that was the lightest before the round."""
    if not own.predict:
        loads = plan.snapshot.lmas
        return min(targets, key=lambda row: (loads[row].cpu or 0.0, loads[row].packets or 0))
    return min(targets, key=lambda row: (plan.cpu[row] + work / plan.capacity[row], plan.packets[row] + packets))


def _overload(plan: RoundBuilder, load: LmaLoad) -> str:
    rule = plan.settings.rule
    return (
        f"{load.lma} is overloaded: CPU {load.cpu:.0%} (from {rule.cpu_threshold:.0%} on, until below "
        f"{rule.cool_below:.0%}) {rule.combine} {load.packets} packets in a window of {plan.snapshot.window:g} s "
        f"(more than {rule.packet_threshold * load.capacity:g})"
    )


def _fits(plan: RoundBuilder, source: LmaLoad, cpu: float, packets: float) -> bool:
    """True when a target with that CPU and packets (for a capacity of 1) is not overloaded, nor near the source's CPU.

    A saturated LMA forwards less than it is offered, so that the prediction is too low, never too high. It still shows
    that a MAG which saturates an LMA by itself would saturate any other of that capacity.
    """
    rule = plan.settings.rule
    if rule.combine == "or" and packets > rule.packet_threshold:
        return False
    highest = max(source.cpu or 0.0, rule.cpu_threshold)
    return cpu < min(rule.cpu_threshold, highest - rule.hysteresis)


POLICY = Policy("draft", DraftSettings, draft)
