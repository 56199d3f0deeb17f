"""Steps of the wall clock of the RMS's host: whatever they are, the domain is looked after as if there were none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ryu_pmipls.clock import Clock
from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.signalling.keys import generate
from ryu_pmipls.wire import LoadAdjust, LoadInfo, Timestamp
from tests.fakes.rms_domain import RmsDomain, profile_with, rms_domain, running

HOUR = 3600.0
BOTH_WAYS = pytest.mark.parametrize("step", [-HOUR, HOUR])
HOT = {"lma1": 0.95, "lma2": 0.1}
COLD = {"lma1": 0.1, "lma2": 0.1}
RATES = {("mag1", "lma1"): 1500, ("mag2", "lma1"): 1000, ("mag1", "lma2"): 0, ("mag2", "lma2"): 0}


def entry(domain: RmsDomain, lma: str) -> Any:
    """An LMA's entry of the load list."""
    return next(entry for entry in domain.get("/v1/load-list")["lmas"] if entry["lma"] == lma)


def texts(domain: RmsDomain) -> list[str]:
    return [reason["text"] for reason in domain.get("/v1/health")["reasons"]]


@BOTH_WAYS
def test_an_overload_after_a_step_is_seen_as_it_is_and_moved(domain: RmsDomain, step: float) -> None:
    loads = dict(COLD)
    domain.keep_reporting(loads, dict(RATES))
    domain.run(5)
    domain.clock.step(step)
    loads.update(HOT)
    (decision,) = domain.until(lambda: domain.get("/v1/decisions"), within=10)
    domain.until(lambda: domain.get("/v1/decisions")[0]["outcome"] == "acknowledged")
    full = entry(domain, "lma1")
    assert full["cpu"] > 0.9 and 0 <= full["cpu_age"] < 2 and 0 <= full["counts_age"] < 2
    assert abs(decision["time"] - domain.clock.wall()) < 15
    assert abs(domain.get("/v1/load-list")["time"] - domain.clock.wall()) < 0.1
    (adjust,) = [message for message in domain.agents["mag1"].heard if isinstance(message, LoadAdjust)]
    timestamp = adjust.option(Timestamp)
    assert timestamp is not None and abs(timestamp.seconds - domain.clock.elsewhere()) < 15


@BOTH_WAYS
def test_loads_that_nobody_reports_any_more_get_old_over_a_step(domain: RmsDomain, step: float) -> None:
    for lma, cpu in HOT.items():
        domain.load(lma, cpu, {"mag1": 10})
    domain.run(1)
    domain.clock.step(step)
    domain.run(5)
    assert entry(domain, "lma1")["state"] == "stale"
    assert 5 <= entry(domain, "lma1")["cpu_age"] < 8


@BOTH_WAYS
def test_handoffs_go_on(domain: RmsDomain, step: float) -> None:
    domain.attach(1, "mag1")
    domain.clock.step(step)
    domain.attach(1, "mag2", "mag1")
    domain.run(HOUR / 60)
    domain.attach(1, "mag1", "mag2")
    health = domain.get("/v1/health")
    assert health["refused"] == {} and abs(health["time"] - domain.clock.wall()) < 0.1
    (binding,) = domain.get("/v1/bindings")
    assert binding["mag"] == "mag1"


@BOTH_WAYS
def test_a_dead_lma_is_found_in_time_and_the_incident_bears_the_time_of_the_wall_clock(step: float) -> None:
    with running(profile_with({"failure": {"dead_when": [["agent"]]}})) as domain:
        loads = dict(COLD)
        domain.keep_reporting(loads, dict(RATES))
        domain.run(5)
        domain.clock.step(step)
        del loads["lma1"]
        domain.until(lambda: domain.incidents() == [("lma1", "died")], within=15)
        (incident,) = domain.get("/v1/incidents")
        assert abs(incident["time"] - domain.clock.wall()) < 1
        since = domain.get("/v1/lmas/lma1")["signs_of_death"]["agent"]
        assert 0 <= domain.clock.wall() - since < 15


@BOTH_WAYS
def test_what_load_sharing_remembers_is_as_old_as_before_a_step(domain: RmsDomain, step: float) -> None:
    domain.keep_reporting(dict(HOT), dict(RATES))
    domain.until(lambda: domain.get("/v1/decisions"))
    ages = []
    for seconds in (0.0, step):
        domain.clock.step(seconds)
        inputs = domain.rms.load_sharing.inputs()
        ages.append(inputs.time - inputs.memory.moves[0].time)
    assert ages[1] == pytest.approx(ages[0], abs=0.1)


def reporting(domain: RmsDomain) -> None:
    """LMAs report their time of day, as agents do."""

    def run() -> None:
        while True:
            for lma in ("lma1", "lma2"):
                domain.load(lma, 0.1, {"mag1": 1}, Timestamp.of(domain.clock.elsewhere()))
            hub.sleep(1.0)

    hub.spawn(run)


@pytest.mark.parametrize(("step", "where"), [(-HOUR, "3600.0 s ahead of"), (HOUR, "3600.0 s behind")])
def test_an_rms_that_starts_with_a_wrong_clock_says_so_and_follows_its_correction(step: float, where: str) -> None:
    with rms_domain(profile_with()) as domain:
        domain.clock.step(step)
        domain.start_agents()
        domain.start_rms()
        domain.connect()
        domain.until_ready()
        reporting(domain)
        for lma in ("lma1", "lma2"):
            domain.until(lambda lma=lma: f"the clock of {lma} is {where} the RMS's" in texts(domain))  # type: ignore[misc]
        domain.clock.step(-step)
        domain.until(lambda: not any("clock" in text for text in texts(domain)), within=10)
        domain.attach(1, "mag1")


def test_a_mag_that_reports_from_the_future_is_named(domain: RmsDomain) -> None:
    domain.report("mag1", 1, None, "mag1", when=domain.clock.elsewhere() + 100)
    domain.until(lambda: "the clock of mag1 is 100.0 s ahead of the RMS's" in texts(domain))
    assert domain.get("/v1/health")["refused"] == {"route_adjust: timestamp in the future": 1}
    domain.run(125)
    assert not any("clock" in text for text in texts(domain))


def test_jitter_makes_no_new_reason(domain: RmsDomain) -> None:
    for off in (100.0, 100.6, 99.4):
        info = LoadInfo(0.1, 0, (), (Timestamp.of(domain.clock.elsewhere() + off),))
        domain.agents["lma1"].say(info)
        domain.run(0.5)
        assert [text for text in texts(domain) if "clock" in text] == [
            "the clock of lma1 is 100.0 s ahead of the RMS's"
        ]


class Wrong:
    """The clocks of a host whose wall clock is 100 s ahead."""

    def __init__(self, domain: RmsDomain) -> None:
        self._right = domain.clock

    def time(self) -> float:
        return self._right.elsewhere() + 100

    def monotonic(self) -> float:
        return self._right.monotonic()


def test_with_keys_a_node_whose_messages_are_out_of_time_is_named_until_one_is_accepted(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.touch(mode=0o600)
    keys.write_text("\n".join(generate(profile_with())))
    with running(profile_with({"signalling": {"keys": str(keys)}})) as domain:
        agent = domain.agents["mag1"].endpoint
        right = agent._clock
        agent._clock = Clock(Wrong(domain))
        domain.report("mag1", 1, None, "mag1")
        domain.until(lambda: "the clock of mag1 is 100.0 s ahead of the RMS's" in texts(domain))
        assert domain.get("/v1/health")["refused"] == {"authentication: out of time": 1}
        agent._clock = right
        domain.attach(1, "mag1")
        assert not any("clock" in text for text in texts(domain))


@BOTH_WAYS
def test_with_keys_handoffs_go_on_over_a_step(tmp_path: Path, step: float) -> None:
    keys = tmp_path / "keys"
    keys.touch(mode=0o600)
    keys.write_text("\n".join(generate(profile_with())))
    with running(profile_with({"signalling": {"keys": str(keys)}})) as domain:
        domain.clock.step(step)
        domain.attach(1, "mag1")
        assert domain.get("/v1/health")["refused"] == {}
