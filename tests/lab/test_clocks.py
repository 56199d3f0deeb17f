"""Real processes whose wall clocks are set: nobody loses service, and who is refused for its clock says so."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from domain_helpers import await_tunnels, located, ping, place, rest

from ryu_pmipls.lab.agent_resources import ask
from ryu_pmipls.lab.clock_steps import ClockSteps
from ryu_pmipls.lab.lab import Lab
from tests.conftest import DeriveProfile
from tests.labs import lab_of
from tests.waiting import eventually

#: Seconds of a binding; clocks are watched for longer than that.
LIFETIME = 12
HOUR = 3600.0


class Domain:
    def __init__(self, lab: Lab, clocks: ClockSteps) -> None:
        self.lab = lab
        self.clocks = clocks

    def ask(self, node: str, resource: str) -> Any:
        """What an agent answers."""
        return ask(self.lab, node, resource)

    def reasons(self, node: str) -> list[str]:
        try:
            found: list[str] = self.ask(node, "health")["reasons"]
        except OSError as error:  # it does not listen yet
            return [str(error)]
        return found


@pytest.fixture
def domain(derive_profile: DeriveProfile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Domain]:
    clocks = ClockSteps(tmp_path_factory.mktemp("clocks"))
    path = derive_profile("pck", 49, {"timers": {"binding_lifetime": LIFETIME}})
    with lab_of(path, environment=clocks.environment) as lab:
        await_tunnels(lab)
        yield Domain(lab, clocks)


def test_steps_of_single_daemons_cost_no_node_its_service_and_a_wrong_start_is_named(domain: Domain) -> None:
    lab = domain.lab
    place(lab, "mn1", "mag1")
    ((before, *_),) = [entry["prefixes"] for entry in domain.ask("mag1", "bindings")]
    for daemon, seconds in {"mag1": -120.0, "lma1": HOUR, "lma2": -HOUR, "rms": -HOUR}.items():
        domain.clocks.step(daemon, seconds)
    ends = time.monotonic() + 2 * LIFETIME
    while time.monotonic() < ends:
        assert ping(lab, "mn1", 2) > 0
        (entry,) = domain.ask("mag1", "bindings")
        assert entry["prefixes"] == [before]
    assert abs(domain.ask("mag1", "health")["time"] - time.time() + 120) < 60
    assert abs(rest(lab, "health")["time"] - time.time() + HOUR) < 60
    for load in rest(lab, "load-list")["lmas"]:
        assert 0 <= load["cpu_age"] < 60
    place(lab, "mn1", "mag2")  # a handoff

    for daemon, seconds in {"lma1": -HOUR, "lma2": HOUR, "rms": HOUR}.items():
        domain.clocks.step(daemon, seconds)
    lab.stop_agent("mag1")
    lab.start_agent("mag1")  # with its wrong clock
    eventually(lambda: domain.reasons("mag1") == [], "the tunnels of mag1")
    lab.handoff("mn1", "mag1")
    refused = "timestamps are refused: the clock of lma1 is 120"
    eventually(lambda: any(reason.startswith(refused) for reason in domain.reasons("mag1")), refused)
    behind = "timestamps are refused: the clock of mag1 is 120"
    eventually(lambda: any(reason.startswith(behind) for reason in domain.reasons("lma1")), behind)
    domain.clocks.step("mag1", 120.0)
    eventually(lambda: located(lab, "mn1") == "mag1" and ping(lab, "mn1", 1) == 1, "service at mag1")
    eventually(lambda: domain.reasons("mag1") == domain.reasons("lma1") == [], "nothing to complain of")
