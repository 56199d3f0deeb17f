"""A round of load sharing: from what is known to the uplinks that shall move. A pure function.

So a round can be played again from its recorded inputs, and what would be decided now can be told without doing it.
"""

from __future__ import annotations

from collections.abc import Callable

from ryu_pmipls.loadsharing.balance import balance
from ryu_pmipls.loadsharing.decision import Inputs, PolicyName, Round
from ryu_pmipls.loadsharing.draft import draft
from ryu_pmipls.loadsharing.evacuation import bring_back, evacuate
from ryu_pmipls.loadsharing.plan import Plan


def static(plan: Plan) -> None:
    """Never moves what could stay: the baseline."""
    bring_back(plan)


def _draft(plan: Plan) -> None:
    bring_back(plan)
    draft(plan)


_POLICIES: dict[PolicyName, Callable[[Plan], None]] = {"static": static, "draft": _draft, "balance": balance}


def decide(inputs: Inputs) -> Round:
    """One round: what has to leave an LMA leaves it, then the policy of the settings decides.

    The memory of the round belongs into the inputs of the next one, whatever policy that follows. ``KeyError`` if the
    uplinks name an LMA or MAG that the snapshot does not know.
    """
    plan = Plan(inputs)
    evacuate(plan)
    _POLICIES[inputs.settings.policy](plan)
    return plan.result()
