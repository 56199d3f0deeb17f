from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ryu_pmipls.lab.storm import blow_plan, blows
from ryu_pmipls.lab.storm.blow_plan import plan_blows
from ryu_pmipls.lab.storm.blows import (
    Attach,
    Blow,
    ClockStep,
    Detach,
    DrainLma,
    Handoff,
    Kill,
    StormTargets,
    Stranger,
    UndrainLma,
)

seeds = st.integers(0, 2**32 - 1)
durations = st.floats(10, 2000)


@st.composite
def domains(draw: st.DrawFn) -> StormTargets:
    """Domains of any size, whose mobile nodes all find a port."""
    lmas = tuple(f"lma{number}" for number in range(1, draw(st.integers(1, 4)) + 1))
    ports = {f"mag{number}": draw(st.integers(1, 4)) for number in range(1, draw(st.integers(1, 5)) + 1)}
    places = [mag for mag, count in ports.items() for _ in range(count)]
    nodes = draw(st.integers(1, len(places)))
    return StormTargets(
        daemons=("rms", *lmas, *ports, *(f"{name}/ovs-vswitchd" for name in (*lmas, *ports))),
        clocks=("rms", *lmas, *ports),
        lmas=lmas,
        ports=ports,
        attached={f"mn{number}": places[number] for number in range(nodes)},
        strangers={"garbage": ("rms", *lmas), "forgery": tuple(f"mn{number}" for number in range(nodes))},
    )


@given(seeds, durations, domains())
def test_the_same_seed_gives_the_same_blows(seed: int, duration: float, domain: StormTargets) -> None:
    assert plan_blows(seed, duration, domain) == plan_blows(seed, duration, domain)


@given(seeds, durations, domains())
def test_blows_come_in_order_and_within_the_storm(seed: int, duration: float, domain: StormTargets) -> None:
    times = [blow.at for blow in plan_blows(seed, duration, domain)]
    assert times == sorted(times)
    assert all(0 <= at <= duration for at in times)


@given(seeds, durations, domains())
def test_nothing_is_struck_that_is_down_and_all_is_up_in_the_end(
    seed: int, duration: float, domain: StormTargets
) -> None:
    up_again: dict[str, float] = {}
    for blow in plan_blows(seed, duration, domain):
        if isinstance(blow, Kill):
            assert blow.target in domain.daemons
            assert blow.at >= up_again.get(blow.target, 0)
            assert blow.down >= 0
            up_again[blow.target] = blow.at + blow.down
    assert all(when <= duration + 1e-6 for when in up_again.values())


@given(seeds, durations, domains())
def test_a_mobile_node_moves_to_a_free_port_and_is_attached_in_the_end(
    seed: int, duration: float, domain: StormTargets
) -> None:
    places: dict[str, str | None] = dict(domain.attached)
    for blow in plan_blows(seed, duration, domain):
        if isinstance(blow, Detach):
            assert places[blow.target] is not None
            places[blow.target] = None
        elif isinstance(blow, Attach):
            assert places[blow.target] is None
            places[blow.target] = blow.mag
        elif isinstance(blow, Handoff):
            assert places[blow.target] not in (None, blow.mag)
            places[blow.target] = blow.mag
        taken = Counter(mag for mag in places.values() if mag is not None)
        assert all(number <= domain.ports[mag] for mag, number in taken.items())
    assert None not in places.values()


@given(seeds, durations, domains())
def test_one_lma_at_least_is_never_drained_and_none_in_the_end(
    seed: int, duration: float, domain: StormTargets
) -> None:
    drained: set[str] = set()
    for blow in plan_blows(seed, duration, domain):
        if isinstance(blow, DrainLma):
            assert blow.target not in drained
            drained.add(blow.target)
        elif isinstance(blow, UndrainLma):
            drained.remove(blow.target)
        assert len(drained) < len(domain.lmas)
    assert not drained


@given(seeds, durations, domains())
def test_every_clock_is_right_in_the_end(seed: int, duration: float, domain: StormTargets) -> None:
    ahead: Counter[str] = Counter()
    for blow in plan_blows(seed, duration, domain):
        if isinstance(blow, ClockStep):
            assert bool(ahead[blow.target]) == (ahead[blow.target] == -blow.seconds)
            ahead[blow.target] += blow.seconds  # type: ignore[assignment]
    assert not any(ahead.values())


@given(seeds, domains())
def test_strangers_do_what_they_can_where_they_can(seed: int, domain: StormTargets) -> None:
    for blow in plan_blows(seed, 300, domain):
        if isinstance(blow, Stranger):
            assert blow.target in domain.strangers[blow.what]


def test_a_long_storm_has_blows_of_all_kinds() -> None:
    domain = StormTargets(
        ("rms",), ("rms",), ("lma1", "lma2"), {"mag1": 2, "mag2": 2}, {"mn1": "mag1"}, {"noise": ("rms",)}
    )
    kinds = Counter(type(blow) for blow in plan_blows(1, 900, domain))
    assert {*kinds} == {*Blow.__subclasses__()}
    assert 300 < sum(kinds.values()) < 700


def test_the_plan_is_pure() -> None:
    for module in (blow_plan, blows):
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert names <= {
            "__future__",
            "collections",
            "collections.abc",
            "dataclasses",
            "random",
            "typing",
            "ryu_pmipls.lab.storm.blows",
        }
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
