"""State that all parts of the RMS share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ryu_pmipls.controller.bindings import BindingTable
from ryu_pmipls.controller.incidents import Incidents
from ryu_pmipls.controller.store import Store
from ryu_pmipls.controller.switches.domain_switches import Switches
from ryu_pmipls.domain.profile import Profile


@dataclass(frozen=True)
class Context:
    """A domain's desired and actual state: its profile, bindings and switches, its store, and the time.

    ``clock`` gives seconds since 1970.
    """

    profile: Profile
    bindings: BindingTable
    network: Switches
    store: Store
    incidents: Incidents
    clock: Callable[[], float]
