"""What the agents of LMAs are told of their sessions, round by round."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest

from ryu_pmipls.controller.new_sessions import NewSessions
from ryu_pmipls.controller.retransmission import Retransmission
from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.domain.profile import TimerSettings, load_profile
from ryu_pmipls.loadsharing import Inputs, LoadList, LoadSnapshot
from ryu_pmipls.wire import Drain, LoadAdjust, Message, Option
from tests.fakes.clocks import FixedClock

PROFILE = load_profile("two-lma")
LMA1, LMA2 = (lma.address for lma in PROFILE.lmas)
DRAINING, TAKING = Drain(1), Drain(0)


class Agents:
    """They confirm at once, unless they are away."""

    def __init__(self) -> None:
        self.away: set[IPv6Address] = set()
        self.told: list[tuple[IPv6Address, IPv6Address, Option | None]] = []
        self.retransmission = Retransmission(self._hear, TimerSettings(adjust_timeout=0.2, adjust_tries=1))

    def _hear(self, message: Message, destination: IPv6Address) -> None:
        assert isinstance(message, LoadAdjust) and message.old_lma == destination
        self.told.append((destination, message.new_lma, message.option(Drain)))
        if destination not in self.away:
            hub.spawn(self.retransmission.acknowledge, message, destination)

    def round(self, sessions: NewSessions, snapshot: LoadSnapshot) -> list[tuple[IPv6Address, IPv6Address, object]]:
        """What they are told in one round, in the order of the LMAs."""
        self.told.clear()
        sessions.place(Inputs(PROFILE.load_sharing.settings, snapshot))
        hub.sleep(0)  # all are told
        while self.retransmission._awaited:
            hub.sleep(0.01)
        return sorted(self.told, key=lambda entry: entry[0])


@pytest.fixture
def loads() -> LoadList:
    """Both LMAs are light."""
    made = LoadList(["lma1", "lma2"], ["mag1", "mag2"])
    for lma in ("lma1", "lma2"):
        made.add_load_info(lma, 0.1, 10, {"mag1": 5, "mag2": 5}, 100.0)
    return made


def test_a_drained_lma_is_told_in_every_round_and_when_it_is_over(loads: LoadList) -> None:
    agents = Agents()
    sessions = NewSessions(PROFILE, agents.retransmission, FixedClock(100.0))
    assert agents.round(sessions, loads.snapshot(100.0)) == [(LMA1, LMA1, None), (LMA2, LMA2, None)]
    assert agents.round(sessions, loads.snapshot(100.5)) == []
    loads.set_draining("lma1", True)
    sessions.set_draining("lma1", True)
    for now in (101.0, 101.5):
        assert agents.round(sessions, loads.snapshot(now)) == [(LMA1, LMA2, DRAINING)]
        assert sessions.drained == {"lma1"}
    loads.set_draining("lma1", False)
    sessions.set_draining("lma1", False)
    agents.away = {LMA1}
    for now in (102.0, 102.5):
        assert agents.round(sessions, loads.snapshot(now)) == [(LMA1, LMA1, TAKING)]
    agents.away = set()
    assert agents.round(sessions, loads.snapshot(103.0)) == [(LMA1, LMA1, TAKING)]
    assert agents.round(sessions, loads.snapshot(103.5)) == []
    assert sessions.drained == set()


def test_an_agent_that_does_not_confirm_is_not_drained(loads: LoadList) -> None:
    agents = Agents()
    agents.away = {LMA1}
    sessions = NewSessions(PROFILE, agents.retransmission, FixedClock(100.0))
    sessions.set_draining("lma1", True)
    agents.round(sessions, loads.snapshot(100.0))
    assert sessions.drained == set()


def test_with_nowhere_to_send_new_sessions_it_drains_all_the_same(loads: LoadList) -> None:
    agents = Agents()
    sessions = NewSessions(PROFILE, agents.retransmission, FixedClock(100.0))
    for lma in ("lma1", "lma2"):
        loads.set_draining(lma, True)
        sessions.set_draining(lma, True)
    agents.round(sessions, loads.snapshot(100.0))
    assert agents.round(sessions, loads.snapshot(100.5)) == [(LMA1, LMA1, DRAINING), (LMA2, LMA2, DRAINING)]
