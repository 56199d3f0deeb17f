"""The policies, one module each, and a round of load sharing by one of them.

To add a policy, add a module to this package that has it as ``POLICY``; profile, REST, command line and simulator then
know it, with its settings.

A round is a pure function from the known state to the uplinks that should move. So it can be replayed from its
recorded inputs, and can show what would be decided now without doing it.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from ryu_pmipls.loadsharing.decision import Inputs, Round, Settings
from ryu_pmipls.loadsharing.evacuation import evacuate
from ryu_pmipls.loadsharing.policies.policy import Policy
from ryu_pmipls.loadsharing.round_builder import RoundBuilder

#: Policies that come first in every list; the others follow by name.
_FIRST = ("draft", "balance", "static")


def _registered() -> dict[str, Policy[Any]]:
    modules = [import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    found = {module.POLICY.name: module.POLICY for module in modules if hasattr(module, "POLICY")}
    return {name: found[name] for name in (*_FIRST, *sorted(found.keys() - {*_FIRST}))}


#: All policies by name.
POLICIES = _registered()

if TYPE_CHECKING:
    PolicyName = str
else:
    #: The names of all policies, as a type that pydantic validates.
    PolicyName = Literal[tuple(POLICIES)]


def policy_of(settings: Settings) -> Policy[Any]:
    """The policy that the settings name; ``ValueError`` with the names there are."""
    try:
        return POLICIES[settings.policy]
    except KeyError:
        raise ValueError(f"no policy is called {settings.policy!r}; there are: {', '.join(POLICIES)}") from None


def decide(inputs: Inputs) -> Round:
    """One round: evacuate LMAs where necessary, then let the policy of the settings decide.

    The memory of the round belongs in the inputs of the next one, whatever policy that follows. ``KeyError`` if the
    uplinks name an LMA or MAG that the snapshot does not know, ``ValueError`` for settings that no policy has.
    """
    policy, plan = policy_of(inputs.settings), RoundBuilder(inputs)
    evacuate(plan)
    policy.move(plan, policy.own(inputs.settings))
    return plan.result()
