"""The objects that all parts of the RMS share."""

from __future__ import annotations

from dataclasses import dataclass

from ryu_pmipls.clock import Clock
from ryu_pmipls.controller.clock_skews import ClockSkews
from ryu_pmipls.controller.state import DomainState
from ryu_pmipls.controller.switches.domain_switches import Switches
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.loadsharing import LoadList


@dataclass(frozen=True)
class Context:
    """A domain: its profile, the state that the RMS keeps, the measured load, the switches, and the clocks."""

    profile: Profile
    state: DomainState
    load_list: LoadList
    switches: Switches
    clock: Clock
    clock_skews: ClockSkews
