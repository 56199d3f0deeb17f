from __future__ import annotations

import pytest

from ryu_pmipls import clock
from ryu_pmipls.clock import SteadyClock


class Host:
    """The clocks of a host, as the module ``time`` has them."""

    def __init__(self) -> None:
        self.wall, self.uptime = 1_700_000_000.0, 500.0

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.uptime

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.uptime += seconds


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host()
    monkeypatch.setattr(clock, "time", made)
    return made


def test_it_does_not_follow_small_deviations_of_the_wall_clock(host: Host) -> None:
    steady = SteadyClock()
    host.pass_(10)
    host.wall += 0.04
    assert steady.now() == 1_700_000_010.0


def test_it_follows_a_step_of_the_wall_clock_but_not_back(host: Host) -> None:
    steady = SteadyClock()
    host.wall += 5
    assert steady.now() == 1_700_000_005.0
    host.wall -= 5
    assert steady.now() == 1_700_000_005.0
    host.pass_(6)
    assert steady.now() == 1_700_000_006.0


def test_it_is_synchronised_to_the_wall_clock_on_demand(host: Host) -> None:
    steady = SteadyClock()
    host.wall += 0.04
    steady.synchronise()
    assert steady.now() == 1_700_000_000.04
