"""Counters of uplinks that the RMS asks of MAGs, and what it takes of the answers."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ryu_pmipls.controller.load_measurement import LoadMeasurement, empty_load_list
from ryu_pmipls.controller.ryu import ToldGroupCounters, hub
from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.loadsharing import SLOTS, Slots, whole

PROFILE = load_profile("two-lma")
DIVIDED: Slots = ("lma1",) * 20 + ("lma2",) * 12


class Asked:
    """A switch's counters, which are only asked."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.pending = False

    def request_ports(self, groups: Iterable[int] = ()) -> bool:
        self.groups.append([*groups])
        return not self.pending


class Domain:
    """The measurement of a domain without switches; mag1 has a mobile node of lma1."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.loads = empty_load_list(PROFILE)
        self.uplinks: dict[str, dict[str, Slots]] = {
            mag.name: {lma.name: whole(lma.name) for lma in PROFILE.lmas} for mag in PROFILE.mags
        }
        nodes = [node.name for node in (*PROFILE.mags, *PROFILE.lmas)]
        self.switches = {name: SimpleNamespace(name=name, counters=Asked()) for name in nodes}
        bindings = SimpleNamespace(sessions=lambda: {"mag1": {"lma1": 1}})
        state = SimpleNamespace(uplinks=self.uplinks, bindings=bindings)
        self._stopped = SimpleNamespace(sleeps=0)
        monkeypatch.setattr(hub, "sleep", self._sleep)
        switches = Switches(self.switches, {mag.name for mag in PROFILE.mags})
        context = SimpleNamespace(
            profile=PROFILE, state=state, load_list=self.loads, switches=switches, clock=lambda: self.now
        )
        self.measurement = LoadMeasurement(cast(Any, context))

    def _sleep(self, _: float) -> None:
        self._stopped.sleeps += 1
        if self._stopped.sleeps % len(self.switches) == 0:
            raise StopIteration

    def poll(self) -> list[int]:
        """Ask all switches once; returns the groups that mag1 was asked for."""
        with pytest.raises(StopIteration):
            self.measurement.poll()
        return self.switches["mag1"].counters.groups[-1]

    def heat(self, cpu: float) -> None:
        self.now += 0.5
        self.loads.add_load_info("lma1", cpu, 0, {}, self.now)

    def tell(self, now: float, *buckets: int, group: int = 1) -> None:
        self.now = now
        self.measurement.add_group_statistics("mag1", [ToldGroupCounters(0, group, sum(buckets), buckets)])

    def rates(self) -> dict[str, tuple[float, ...]]:
        return dict(self.loads.slot_rates(self.now).get("mag1", {}))


class Switches:
    """The switches of a domain by name."""

    def __init__(self, switches: dict[str, Any], mags: set[str]) -> None:
        self._switches = switches
        self.mags = mags

    def __iter__(self) -> Any:
        return iter(self._switches.values())


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> Domain:
    return Domain(monkeypatch)


def test_only_uplinks_that_carry_something_to_a_hot_lma_are_asked_for(domain: Domain) -> None:
    assert domain.poll() == []
    domain.heat(0.85)
    assert domain.poll() == [1]
    assert domain.switches["mag2"].counters.groups[-1] == [1]  # it is not known what carries something there
    domain.heat(0.5)
    assert domain.poll() == []


def test_a_full_lma_has_its_tunnel_counted_as_well(domain: Domain) -> None:
    domain.heat(1.0)
    assert domain.poll() == [0x10001, 1]


def ask(domain: Domain) -> None:
    domain.heat(1.0)
    domain.poll()


def test_the_rates_of_slots_come_from_the_buckets(domain: Domain) -> None:
    domain.uplinks["mag1"]["lma1"] = DIVIDED
    ask(domain)
    domain.tell(10.0, *[100] * SLOTS)
    domain.tell(18.0, 900, *[100] * (SLOTS - 1))
    assert domain.rates() == {"lma1": (100.0, *[0.0] * (SLOTS - 1))}


def test_what_was_asked_before_a_change_says_nothing(domain: Domain) -> None:
    ask(domain)
    domain.tell(10.0, 100)
    domain.uplinks["mag1"]["lma1"] = DIVIDED
    domain.tell(18.0, 800)
    assert domain.rates() == {}
    ask(domain)
    domain.tell(20.0, *[1] * SLOTS)
    domain.uplinks["mag1"]["lma1"] = ("lma1",) * 10 + ("lma2",) * 22
    ask(domain)
    domain.tell(28.0, *[800] * SLOTS)  # of another group, though no counter has fallen
    assert domain.rates() == {}


@pytest.mark.parametrize("buckets", [[], [1] * 31, [1] * 33, [1] * SLOTS])
def test_another_number_of_buckets_than_the_uplink_must_have_is_passed_over(domain: Domain, buckets: list[int]) -> None:
    ask(domain)
    for now in (10.0, 18.0):
        domain.tell(now, *buckets)
    assert domain.rates() == {}


def test_groups_that_nobody_has_asked_for_are_passed_over(domain: Domain) -> None:
    ask(domain)
    for now, packets in ((10.0, 0), (18.0, 700)):
        domain.tell(now, packets, group=2)
        domain.tell(now, packets, group=999)
    assert domain.rates() == {}
