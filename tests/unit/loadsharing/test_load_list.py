from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_pmipls.loadsharing import LmaLoad, LmaState, LoadList, OverloadRule, Source
from ryu_pmipls.loadsharing.window import UNKNOWN_COUNTER

RULE = OverloadRule(packet_threshold=1000)


def load_list(rule: OverloadRule = RULE, stale_after: float | None = None) -> LoadList:
    return LoadList(
        ["lma1", "lma2"], ["mag1", "mag2"], rule=rule, window=10, report_interval=1, stale_after=stale_after
    )


def entry(loads: LoadList, now: float, lma: str = "lma1") -> LmaLoad:
    return loads.snapshot(now).lma(lma)


def state_of(cpu: float, packets: int, rule: OverloadRule = RULE) -> LmaState:
    loads = load_list(rule)
    loads.load_info("lma1", cpu, packets, {}, now=50)
    return entry(loads, 50).state


def test_nothing_known_is_stale_and_none_not_zero() -> None:
    load = entry(load_list(), 50)
    assert load.state is LmaState.STALE
    assert (load.cpu, load.cpu_age, load.packets, load.octets, load.source, load.counts_age, load.span) == (None,) * 7
    assert [(mag.mag, mag.packets, mag.octets) for mag in load.mags] == [("mag1", None, None), ("mag2", None, None)]


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
        loads.load_info("lma1", cpu, 5000, {}, now)
        states.append(entry(loads, now).state.value)
    assert states == ["light", "overloaded", "overloaded", "light", "light"]


def test_e28_stale_after_two_report_intervals() -> None:
    loads = load_list()
    loads.load_info("lma1", 0.9, 5000, {"mag1": 5000}, now=50)
    assert entry(loads, 52).state is LmaState.OVERLOADED
    load = entry(loads, 52.1)
    assert load.state is LmaState.STALE
    assert load.cpu_age == load.counts_age == pytest.approx(2.1)


def test_fresh_counts_do_not_make_up_for_an_old_cpu() -> None:
    loads = load_list()
    loads.load_info("lma1", 0.1, 0, {}, now=50)
    for now in (58, 59, 60):
        loads.port_sample("lma1", "mag1", now, now, now)
    assert entry(loads, 60).state is LmaState.STALE


def test_e30_port_statistics_win_while_they_are_fresh_and_load_info_stands_in() -> None:
    loads = load_list()
    for now in (48, 49, 50):
        loads.port_sample("lma1", "mag1", 100 * now, 1000 * now, now)
        loads.load_info("lma1", 0.5, 999, {"mag1": 777}, now)
    load = entry(loads, 50)
    assert (load.source, load.packets, load.octets, load.span) == (Source.OPENFLOW, 200, 2000, 2)
    assert (load.mags[0].packets, load.mags[1].packets) == (200, None)
    assert load.signalled_packets == 999

    loads.switch_lost("lma1")
    load = entry(loads, 50)
    assert (load.source, load.packets, load.octets, load.mags[0].packets) == (Source.SIGNALLING, 999, None, 777)

    loads.port_sample("lma1", "mag1", 5200, 52000, 52)  # reconnected: what passed meanwhile counts
    assert (entry(loads, 52).source, entry(loads, 52).packets) == (Source.OPENFLOW, 400)


def test_port_statistics_that_stop_give_way_to_load_info() -> None:
    loads = load_list()
    loads.port_sample("lma1", "mag1", 0, 0, 40)
    loads.port_sample("lma1", "mag1", 10, 10, 41)
    loads.load_info("lma1", 0.5, 999, {}, now=50)
    assert entry(loads, 50).source is Source.SIGNALLING
    assert entry(loads, 50).state is LmaState.LIGHT


def test_the_total_is_unknown_while_one_port_is() -> None:
    loads = load_list()
    for now in (49, 50):
        loads.port_sample("lma1", "mag1", 100 * now, 0, now)
    loads.port_sample("lma1", "mag2", 4000, 0, 50)
    assert entry(loads, 50).packets is None
    loads.port_lost("lma1", "mag2")
    assert entry(loads, 50).packets == 100


def test_e17_total_is_at_least_the_sum() -> None:
    loads = load_list()
    loads.load_info("lma1", 0.5, 10, {"mag1": 30, "mag2": 5}, now=50)
    assert entry(loads, 50).packets == 35
    loads.load_info("lma1", 0.5, 100, {"mag1": 30, "mag2": 5}, now=51)
    assert entry(loads, 51).packets == 100


@pytest.mark.parametrize("cpu", [-0.01, 1.01, float("nan"), float("inf")])
def test_e9_a_cpu_that_is_no_fraction_is_refused(cpu: float) -> None:
    loads = load_list()
    with pytest.raises(ValueError, match="lma1"):
        loads.load_info("lma1", cpu, 0, {}, now=50)
    assert entry(loads, 50).cpu is None


def test_names_outside_the_domain_are_refused_and_change_nothing() -> None:
    loads = load_list()
    before = loads.snapshot(50)
    for lma, mag in (("lma9", "mag1"), ("lma1", "mag9")):
        with pytest.raises(KeyError):
            loads.port_sample(lma, mag, 1, 1, 50)
        with pytest.raises(KeyError):
            loads.load_info(lma, 0.5, 1, {mag: 1}, 50)
    with pytest.raises(KeyError):
        before.lma("lma9")
    assert loads.snapshot(50) == before


counters = st.one_of(st.just(UNKNOWN_COUNTER), st.integers(0, 2**20))


@given(st.lists(st.tuples(st.sampled_from(["mag1", "mag2"]), counters, st.floats(-1, 3)), max_size=40))
def test_unknown_never_counts_as_zero(samples: list[tuple[str, int, float]]) -> None:
    """Whatever the port statistics say: a count needs two readings of each port; unknown readings change no count."""
    loads, cleaned, now = load_list(stale_after=1e9), load_list(stale_after=1e9), 100.0
    known: dict[str, set[float]] = {}
    latest: dict[str, float] = {}
    for mag, counter, pause in samples:
        now += pause
        loads.port_sample("lma1", mag, counter, counter, now)
        known.setdefault(mag, set())
        if counter != UNKNOWN_COUNTER:
            cleaned.port_sample("lma1", mag, counter, counter, now)
            if now > latest.get(mag, 0.0):
                known[mag].add(now)
                latest[mag] = now
    load = entry(loads, now)
    if known and all(len(times) > 1 for times in known.values()):
        assert load == entry(cleaned, now)
        assert load.packets is not None
    else:
        assert load.packets is None
        assert load.state is LmaState.STALE
