"""Settings that are allowed, and will surprise somebody."""

from __future__ import annotations

from collections.abc import Iterator

from ryu_pmipls.domain.profile.faults import Fault
from ryu_pmipls.domain.profile.profile import Profile

#: The part of a binding's lifetime that is left when a MAG extends it.
LEFT_AT_EXTENSION = 0.25
#: Seconds below which hosts such as Android's ignore a router lifetime (Linux: accept_ra_min_lft).
_SHORTEST_ROUTER_LIFETIME = 180


def warnings(profile: Profile) -> Iterator[Fault]:
    """Yield what an administrator should know of a valid profile, each with the place of its cause."""
    lifetime = profile.timers.binding_lifetime
    left = lifetime * LEFT_AT_EXTENSION
    if left < _SHORTEST_ROUTER_LIFETIME:
        yield Fault(
            ("timers", "binding_lifetime"),
            f"with {lifetime:g} s router advertisements have router lifetimes down to {left:g} s, and hosts such as "
            f"Android's ignore those below {_SHORTEST_ROUTER_LIFETIME} s: "
            f"{_SHORTEST_ROUTER_LIFETIME / LEFT_AT_EXTENSION:g} s are long enough",
        )
