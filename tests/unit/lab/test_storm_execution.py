from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ovs_setup import OvsSetupError
from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.lab.clock_steps import ClockSteps
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.storm import supervision
from ryu_pmipls.lab.storm.blows import Attach, Blow, ClockStep, Detach, Handoff, Kill, Stranger
from ryu_pmipls.lab.storm.service import Service
from ryu_pmipls.lab.storm.strangers.kinds import StrangerKind
from ryu_pmipls.lab.storm.strikes import Strikes
from ryu_pmipls.lab.storm.supervision import Supervisor, victims
from tests.waiting import eventually


class FakeLab:
    """Daemons that are there or not, and one switch, whose start may fail."""

    def __init__(self) -> None:
        self.profile = load_profile("two-lma")
        self.daemons = ("rms", "mag1")
        self.plan = SimpleNamespace(switches=("mag1",))
        self.statuses: dict[str, int | None] = dict.fromkeys(self.daemons)
        self.switch: dict[str, int | None] = {"ovs-vswitchd": 1001, "ovsdb-server": 1002}
        self.failing_starts = 0
        self.done: list[tuple[str, ...]] = []

    def kill(self, name: str) -> bool:
        self.done.append(("kill", name))
        self.statuses[name] = -signal.SIGKILL
        return True

    def ended(self, name: str) -> int | None:
        return self.statuses[name]

    def start_daemon(self, name: str) -> None:
        self.done.append(("start", name))
        self.statuses[name] = None

    def openvswitch(self, _node: str) -> Any:
        return SimpleNamespace(
            vswitchd_process=lambda: self.switch["ovs-vswitchd"], database_process=lambda: self.switch["ovsdb-server"]
        )

    def start_switch(self, node: str) -> None:
        if self.failing_starts:
            self.failing_starts -= 1
            raise OvsSetupError("not yet")
        self.done.append(("start switch", node))
        self.switch = {"ovs-vswitchd": 2001, "ovsdb-server": 2002}

    def kill_process(self, pid: int, _number: int) -> None:
        self.switch = {daemon: None if there == pid else there for daemon, there in self.switch.items()}

    def attach(self, node: str, mag: str) -> None:
        self.done.append(("attach", node, mag))

    def detach(self, node: str) -> None:
        self.done.append(("detach", node))

    def handoff(self, node: str, mag: str) -> None:
        raise LabError(f"{node} is attached to {mag} already")


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> FakeLab:
    made = FakeLab()
    monkeypatch.setattr(supervision.os, "kill", made.kill_process)
    monkeypatch.setattr(supervision, "_PAUSE", 0.05)
    return made


@pytest.fixture
def supervisor(lab: FakeLab) -> Iterator[Supervisor]:
    made = Supervisor(cast(Lab, lab))
    made.start()
    yield made
    made.stop()


def test_victims_are_all_daemons_and_two_of_each_switch() -> None:
    assert victims(("rms", "mag1"), ("mag1",)) == ("rms", "mag1", "mag1/ovs-vswitchd", "mag1/ovsdb-server")


def test_a_killed_daemon_stays_down_for_its_time_and_is_started_again(lab: FakeLab, supervisor: Supervisor) -> None:
    assert supervisor.kill("rms", 0.5)
    assert not supervisor.kill("rms", 0.1)  # it is down
    eventually(supervisor.whole)
    assert lab.done == [("kill", "rms"), ("start", "rms")]
    (downtime,) = supervisor.downtimes
    assert (downtime.daemon, downtime.until - downtime.since >= 0.5) == ("rms", True)
    assert supervisor.deaths == []


def test_a_daemon_that_ends_by_itself_is_recorded_and_started_again(lab: FakeLab, supervisor: Supervisor) -> None:
    lab.statuses["mag1"] = 1
    eventually(lambda: lab.done == [("start", "mag1")])
    (death,) = supervisor.deaths
    assert (death.daemon, death.status, death.without_switch) == ("mag1", 1, False)


@pytest.mark.parametrize("daemon", ["ovs-vswitchd", "ovsdb-server"])
def test_a_switch_is_started_until_it_succeeds(lab: FakeLab, supervisor: Supervisor, daemon: str) -> None:
    lab.failing_starts = 2
    assert supervisor.kill(f"mag1/{daemon}", 0.2)
    lab.statuses["mag1"] = 1  # its agent cannot do without
    eventually(supervisor.whole)
    assert ("start switch", "mag1") in lab.done
    assert supervisor.failures == [(f"mag1/{daemon}", "not yet")] * 2
    assert [death.without_switch for death in supervisor.deaths] == [True]


def carried_out(
    lab: FakeLab, supervisor: Supervisor, clocks: Any, blows: list[Blow], **acts: Callable[..., None]
) -> Any:
    strangers = {name: StrangerKind(lambda _profile: ("rms",), act) for name, act in acts.items()}
    strikes = Strikes(cast(Lab, lab), supervisor, cast(ClockSteps, clocks), strangers)
    strikes.carry_out(blows, time.monotonic(), lambda _blow: None)
    return strikes.struck


def test_blows_are_struck_in_time_each_with_what_came_of_it(lab: FakeLab, supervisor: Supervisor) -> None:
    steps: list[tuple[str, float]] = []
    clocks = SimpleNamespace(step=lambda daemon, seconds: steps.append((daemon, seconds)))
    words: list[tuple[str, int]] = []
    blows: list[Blow] = [
        Kill(0.1, "rms", 0.3),
        Detach(0.2, "mn1"),
        Attach(0.3, "mn1", "mag2"),
        Handoff(0.4, "mn2", "mag1"),
        ClockStep(0.5, "lma1", -120.0),
        Stranger(0.6, "rms", "noise", 7),
    ]
    struck = carried_out(
        lab,
        supervisor,
        clocks,
        blows,
        noise=lambda _lab, target, random: words.append((target, random.getrandbits(32))),
    )
    assert [each.blow for each in struck] == blows
    assert all(each.begun >= each.blow.at for each in struck)
    assert [each.outcome for each in struck] == ["", "", "", "mn2 is attached to mag1 already", "", ""]
    assert lab.done[:3] == [("kill", "rms"), ("detach", "mn1"), ("attach", "mn1", "mag2")]
    assert steps == [("lma1", -120.0)]
    assert words == [("rms", Random(7).getrandbits(32))]


def test_a_slow_stranger_holds_nobody_up(lab: FakeLab, supervisor: Supervisor) -> None:
    blows: list[Blow] = [Stranger(0.0, "rms", "slow", 1), Kill(0.1, "mag1", 0.1)]
    struck = carried_out(lab, supervisor, None, blows, slow=lambda *_: time.sleep(1.5))
    slow, kill = struck
    assert kill.over < slow.over


def test_what_a_stranger_must_not_raise_ends_the_storm(lab: FakeLab, supervisor: Supervisor) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        carried_out(lab, supervisor, None, [Stranger(0.0, "rms", "faulty", 1)], faulty=fail)


def test_a_node_is_served_when_several_requests_in_a_row_are_answered() -> None:
    service = Service(cast(Lab, FakeLab()), [])
    service.asked["mn1"] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    service.answered["mn1"] = [1.0, 2.0, 4.0, 5.0, 6.0]
    assert service.served_since("mn1", 0.0, 3) == 4.0
    assert service.served_since("mn1", 0.0, 2) == 1.0
    assert service.served_since("mn1", 5.0, 3) is None
    assert service.served_since("mn2", 0.0, 1) is None


def test_a_node_that_gets_no_answers_any_more_is_not_served() -> None:
    service = Service(cast(Lab, FakeLab()), [])
    service.asked["mn1"] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    service.answered["mn1"] = [1.0, 2.0, 3.0]
    assert service.served_before("mn1", 6.0, 3)  # one of 3.0, 4.0, 5.0
    assert not service.served_before("mn1", 7.0, 3)
    assert not service.served_before("mn2", 7.0, 3)
