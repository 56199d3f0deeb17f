"""What the parts of the RMS have in common."""

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
    """A domain as it shall be and as it is: its profile, bindings and switches, what is kept of it, and the time.

    ``clock`` gives seconds since 1970.
    """

    profile: Profile
    bindings: BindingTable
    network: Switches
    store: Store
    incidents: Incidents
    clock: Callable[[], float]
