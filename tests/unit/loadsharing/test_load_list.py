from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ryu_pmipls.loadsharing import LmaLoad, LmaState, LoadList, LoadSnapshot, MagTraffic, OverloadRule, Source
from ryu_pmipls.loadsharing.window import UNKNOWN_COUNTER

RULE = OverloadRule(packet_threshold=1000)


def load_list(rule: OverloadRule = RULE, stale_after: float | None = None, ports: tuple[str, ...] = ()) -> LoadList:
    """Two LMAs and two MAGs; lma1's switch has the given tunnel ports."""
    loads = LoadList(
        ["lma1", "lma2"],
        ["mag1", "mag2"],
        rule=rule,
        window=10,
        report_interval=1,
        stale_after=stale_after,
        capacities={"lma2": 2.0},
    )
    loads.set_ports("lma1", ports)
    return loads


def read(loads: LoadList, now: float, **counters: int) -> None:
    """The packet counters of lma1's tunnel ports; ten octets a packet."""
    octets = {mag: count if count == UNKNOWN_COUNTER else 10 * count for mag, count in counters.items()}
    loads.add_port_statistics("lma1", {mag: (count, octets[mag]) for mag, count in counters.items()}, now)


def entry(loads: LoadList, now: float, lma: str = "lma1") -> LmaLoad:
    return loads.snapshot(now).lma(lma)


def state_of(cpu: float, packets: int, rule: OverloadRule = RULE) -> LmaState:
    loads = load_list(rule)
    loads.add_load_info("lma1", cpu, packets, {}, now=50)
    return entry(loads, 50).state


def test_nothing_known_is_stale_and_none_not_zero() -> None:
    load = entry(load_list(), 50)
    assert load.state is LmaState.STALE
    assert (load.cpu, load.cpu_age, load.packets, load.octets, load.source, load.counts_age, load.span) == (None,) * 7
    assert load_list().snapshot(50).traffic("lma1") == (
        MagTraffic("mag1", None, None, None),
        MagTraffic("mag2", None, None, None),
    )


@pytest.mark.parametrize(
    ("cpu", "packets", "state"),
    [
        (0.80, 1001, LmaState.OVERLOADED),
        (0.80, 1000, LmaState.NEUTRAL),
        (0.79, 10**9, LmaState.LIGHT),
        (0.00, 0, LmaState.LIGHT),
        (1.00, 0, LmaState.NEUTRAL),
    ],
)
def test_e20_three_states(cpu: float, packets: int, state: LmaState) -> None:
    assert state_of(cpu, packets) is state


@pytest.mark.parametrize(
    ("cpu", "packets", "state"),
    [
        (0.80, 0, LmaState.OVERLOADED),
        (0.10, 1001, LmaState.OVERLOADED),
        (0.79, 1000, LmaState.LIGHT),
    ],
)
def test_e20_or_mode(cpu: float, packets: int, state: LmaState) -> None:
    assert state_of(cpu, packets, OverloadRule(packet_threshold=1000, combine="or")) is state


def test_e25_an_overload_ends_below_the_threshold_less_the_hysteresis() -> None:
    loads = load_list()
    states = []
    for now, cpu in enumerate((0.75, 0.85, 0.75, 0.69, 0.75)):
        loads.add_load_info("lma1", cpu, 5000, {}, now)
        states.append(entry(loads, now).state.value)
    assert states == ["light", "overloaded", "overloaded", "light", "light"]


def test_e28_stale_after_two_report_intervals() -> None:
    loads = load_list()
    loads.add_load_info("lma1", 0.9, 5000, {"mag1": 5000}, now=50)
    assert entry(loads, 52).state is LmaState.OVERLOADED
    load = entry(loads, 52.1)
    assert load.state is LmaState.STALE
    assert load.cpu_age == load.counts_age == pytest.approx(2.1)


def test_fresh_counts_do_not_make_up_for_an_old_cpu() -> None:
    loads = load_list(ports=("mag1",))
    loads.add_load_info("lma1", 0.1, 0, {}, now=50)
    for now in (58, 59, 60):
        read(loads, now, mag1=now)
    assert entry(loads, 60).state is LmaState.STALE


def test_e30_port_statistics_win_while_they_are_fresh_and_load_info_stands_in() -> None:
    loads = load_list(ports=("mag1",))
    for now in (48, 49, 50):
        read(loads, now, mag1=100 * now)
        loads.add_load_info("lma1", 0.5, 999, {"mag1": 777}, now)
    load = entry(loads, 50)
    assert (load.source, load.packets, load.octets, load.span) == (Source.OPENFLOW, 200, 2000, 2)
    assert loads.snapshot(50).traffic("lma1") == (MagTraffic("mag1", 200, 2000, 2.0),)
    assert load.signalled_packets == 999

    loads.lose_switch("lma1")
    load = entry(loads, 50)
    assert (load.source, load.packets, load.octets) == (Source.SIGNALLING, 999, None)
    assert loads.snapshot(50).traffic("lma1") == (
        MagTraffic("mag1", 777, None, 10.0),
        MagTraffic("mag2", None, None, 10.0),
    )

    read(loads, 52, mag1=5200)  # reconnected: what passed meanwhile counts
    assert (entry(loads, 52).source, entry(loads, 52).packets) == (Source.OPENFLOW, 400)


def test_port_statistics_that_stop_give_way_to_load_info_and_the_latest_are_shown_when_both_are_old() -> None:
    loads = load_list(ports=("mag1",))
    read(loads, 40, mag1=0)
    read(loads, 41, mag1=10)
    loads.add_load_info("lma1", 0.5, 999, {}, now=50)
    assert (entry(loads, 50).source, entry(loads, 50).state) == (Source.SIGNALLING, LmaState.LIGHT)
    read(loads, 55, mag1=20)
    loads.lose_switch("lma1")
    assert (entry(loads, 70).source, entry(loads, 70).state) == (Source.OPENFLOW, LmaState.STALE)


def test_the_total_is_unknown_while_one_port_is() -> None:
    loads = load_list(ports=("mag1", "mag2"))
    for now in (49, 50):
        read(loads, now, mag1=100 * now)
    assert entry(loads, 50).packets is None
    read(loads, 51, mag1=5100, mag2=4000)
    assert entry(loads, 51).packets is None
    loads.set_ports("lma1", ["mag1"])
    assert entry(loads, 51).packets == 200


def test_capacity_scales_the_packet_threshold() -> None:
    loads = load_list()
    states = []
    for now, packets in enumerate((2000, 2001)):
        loads.add_load_info("lma2", 0.9, packets, {}, now)
        states.append(entry(loads, now, "lma2").state)
    assert states == [LmaState.NEUTRAL, LmaState.OVERLOADED]
    assert (entry(loads, 1, "lma1").capacity, entry(loads, 1, "lma2").capacity) == (1.0, 2.0)


def test_draining_and_dead_go_before_what_is_measured() -> None:
    loads = load_list()
    loads.add_load_info("lma1", 0.9, 5000, {}, now=50)
    for told, state in (
        (lambda: loads.set_draining("lma1", True), LmaState.DRAINING),
        (lambda: loads.set_dead("lma1", True), LmaState.DEAD),
        (lambda: loads.set_draining("lma1", False), LmaState.DEAD),
        (lambda: loads.set_dead("lma1", False), LmaState.OVERLOADED),
    ):
        told()
        assert entry(loads, 50).state is state
    with pytest.raises(KeyError):
        loads.set_dead("lma9", True)


def test_a_report_that_is_no_later_than_the_last_is_passed_over() -> None:
    loads = load_list()
    loads.add_load_info("lma1", 0.9, 5000, {}, now=50)
    for late in (50, 49):
        loads.add_load_info("lma1", 0.1, 10, {}, now=late)
    assert (entry(loads, 50).cpu, entry(loads, 50).packets) == (0.9, 5000)


def test_in_or_mode_what_may_become_too_much_is_not_light() -> None:
    """Two seconds of a window of ten were watched: 400 packets in them are 2000 in a window, but not proven yet."""
    loads = load_list(OverloadRule(packet_threshold=1000, combine="or"), ports=("mag1",))
    for now in (48, 49, 50):
        read(loads, now, mag1=200 * now)
        loads.add_load_info("lma1", 0.1, 0, {}, now)
    assert (entry(loads, 50).packets, entry(loads, 50).state) == (400, LmaState.NEUTRAL)


def test_a_snapshot_survives_json() -> None:
    loads = load_list(ports=("mag1", "mag2"))
    for now in range(42, 51):
        read(loads, now, mag1=100 * now, mag2=7)
        loads.add_sent_statistics("mag1", {"lma1": 125 * now}, now)
        loads.add_load_info("lma1", 1.0, 0, {}, now)
    loads.add_load_info("lma2", 0.5, 999, {"mag1": 777}, 50)
    shot = loads.snapshot(50)
    assert shot.lma("lma1").loss == pytest.approx(0.2)
    again = LoadSnapshot.from_document(json.loads(json.dumps(shot.to_document())))
    assert again == shot
    assert (again.packets == shot.packets).all() and np.array_equal(again.rates(), shot.rates(), equal_nan=True)
    assert np.array_equal(again.offered, shot.offered, equal_nan=True)
    assert [traffic.mag for traffic in shot.traffic("lma1")] == ["mag1"]  # mag2 is known to have sent nothing


def test_e17_total_is_at_least_the_sum() -> None:
    loads = load_list()
    loads.add_load_info("lma1", 0.5, 10, {"mag1": 30, "mag2": 5}, now=50)
    assert entry(loads, 50).packets == 35
    loads.add_load_info("lma1", 0.5, 100, {"mag1": 30, "mag2": 5}, now=51)
    assert entry(loads, 51).packets == 100


@pytest.mark.parametrize("cpu", [-0.01, 1.01, float("nan"), float("inf")])
def test_e9_a_cpu_that_is_no_fraction_is_refused(cpu: float) -> None:
    loads = load_list()
    with pytest.raises(ValueError, match="lma1"):
        loads.add_load_info("lma1", cpu, 0, {}, now=50)
    assert entry(loads, 50).cpu is None


def test_names_outside_the_domain_are_refused_and_change_nothing() -> None:
    loads = load_list(ports=("mag1",))
    before = loads.snapshot(50)
    for lma, mag in (("lma9", "mag1"), ("lma1", "mag9")):
        with pytest.raises(KeyError):
            loads.add_port_statistics(lma, {mag: (1, 1)}, 50)
        with pytest.raises(KeyError):
            loads.add_load_info(lma, 0.5, 1, {mag: 1}, 50)
        with pytest.raises(KeyError):
            loads.set_ports(lma, [mag])
    with pytest.raises(KeyError):
        before.lma("lma9")
    assert loads.snapshot(50) == before


# Statistics that are wrong: short, wrapped, reset, all ones, of ports that are not there, repeated, late.


@dataclass
class Fault:
    """What happens to one reply: which ports are missing or unknown, and whether mag2's was reset; when it comes."""

    missing: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    reset: bool = False
    lost: bool = False
    repeated: bool = False


ports = st.frozensets(st.sampled_from(["mag1", "mag2"]))
faults = st.builds(Fault, ports, ports, st.booleans(), st.booleans(), st.booleans())


def after_faults(rates: tuple[int, int], given_faults: list[Fault | None], rule: OverloadRule, cpu: float) -> LoadList:
    """lma1 has tunnels to mag1 and mag2, which send steadily; a reply every second, faulty or right."""
    loads = load_list(rule, ports=("mag1", "mag2"))
    rate = dict(zip(("mag1", "mag2"), rates, strict=True))
    counters = {"mag1": 2**64 - 3000, "mag2": 10_000}  # mag1's wraps soon; mag2's may be reset once
    may_be_reset = True
    replies: list[tuple[dict[str, tuple[int, int]], int]] = []
    for now, fault in enumerate(given_faults, start=1):
        fault = fault or Fault()
        for mag, count in counters.items():
            counters[mag] = (count + rate[mag]) % 2**64
        if fault.reset and may_be_reset:
            counters["mag2"], may_be_reset = 0, False
        reply = {
            mag: (UNKNOWN_COUNTER,) * 2 if mag in fault.unknown else (count, count)
            for mag, count in counters.items()
            if mag not in fault.missing
        }
        replies.append((reply, now))
        loads.add_load_info("lma1", cpu, 0, {mag: 10 * rate[mag] for mag in rate}, now)
        if not fault.lost:
            loads.add_port_statistics("lma1", reply, now)
        if fault.repeated:
            loads.add_port_statistics("lma1", *replies[len(replies) // 2])
    return loads


@settings(max_examples=80, deadline=None)
@given(
    st.tuples(st.integers(0, 300), st.integers(0, 300)),
    st.lists(st.none() | faults, min_size=1, max_size=20),
    st.sampled_from(["and", "or"]),
    st.sampled_from([0.5, 0.9]),
)
def test_faulty_statistics_never_make_an_lma_look_light(
    rates: tuple[int, int], given_faults: list[Fault | None], combine: Literal["and", "or"], cpu: float
) -> None:
    """Light only where the same traffic would be light when all is read aright; and never fewer packets than came.

    With a reset between two readings nobody knows what came: for steady traffic the estimate is no less. A reset is
    seen by a counter that fell. So one is not seen where the counter has caught up with the last reading, or where it
    reads as a wrap; what is missed is no more than what a port had counted until then, or what it lacked of a wrap.
    """
    rule = OverloadRule(packet_threshold=1000, combine=combine)
    now = len(given_faults)
    faulty = after_faults(rates, given_faults, rule, cpu)
    right = after_faults(rates, [None] * max(now, 12), rule, cpu)  # all of a window
    load = entry(faulty, now)
    if load.state is LmaState.LIGHT:
        assert entry(right, max(now, 12)).state is LmaState.LIGHT
    if load.source is Source.OPENFLOW and load.packets is not None and load.span is not None:
        assert load.packets >= sum(rates) * load.span * 0.99 - 4


@given(st.lists(st.tuples(st.sampled_from(["mag1", "mag2"]), st.none() | st.integers(0, 2**20)), max_size=40))
def test_unknown_readings_change_no_count(readings: list[tuple[str, int | None]]) -> None:
    loads, cleaned = (load_list(stale_after=1e9, ports=("mag1", "mag2")) for _ in range(2))
    for now, (mag, counter) in enumerate(readings):
        read(loads, now, **{mag: UNKNOWN_COUNTER if counter is None else counter})
        if counter is not None:
            read(cleaned, now, **{mag: counter})
    assert entry(loads, 50) == entry(cleaned, 50)
    known = {mag: sum(counter is not None for name, counter in readings if name == mag) for mag in ("mag1", "mag2")}
    if min(known.values()) < 2:
        assert (entry(loads, 50).packets, entry(loads, 50).state) == (None, LmaState.STALE)
