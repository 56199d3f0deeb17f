"""Rounds of load sharing: a policy decides which uplinks to move, from the load list and the present uplinks."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ryu_pmipls.controller.context import Context
from ryu_pmipls.controller.new_sessions import NewSessions
from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.controller.uplink_enforcement import UplinkEnforcement
from ryu_pmipls.loadsharing import Inputs, Round, decide

LOG = logging.getLogger(__name__)


class LoadSharing:
    """Makes rounds of decisions, one at a time, and has them enforced."""

    def __init__(self, context: Context, enforcement: UplinkEnforcement, new_sessions: NewSessions) -> None:
        self._state = context.state
        self._load_list = context.load_list
        self._clock = context.clock
        self._enforcement = enforcement
        self._new_sessions = new_sessions
        self._lock = hub.Semaphore(1)  # green threads run while one waits for the store

    def evaluate(self) -> None:
        """Make one round by the policy, and place new sessions."""
        self._new_sessions.place(self.carry_out(decide).inputs)

    def carry_out(self, decide: Callable[[Inputs], Round]) -> Round:
        """Have a round decided from the present state, store it, and have it enforced."""
        with self._lock:
            outcome = decide(self.inputs())
            for decision in outcome.decisions:
                LOG.info("decision %s: %s", decision.id, decision.reason)
            try:
                self._state.move_uplinks(outcome)
            finally:
                self._enforcement.enforce(outcome.decisions)
        return outcome

    def inputs(self) -> Inputs:
        """The inputs of a round that is decided now."""
        state = self._state
        snapshot = self._load_list.snapshot(self._clock())
        return Inputs(state.settings, snapshot, dict(state.uplinks), state.memory, state.bindings.sessions())
