"""Rounds of load sharing: a policy decides which uplinks to move, from the load list and the present uplinks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

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
            ahead = self._clock.wall(0.0)
            outcome = decide(self._inputs(ahead))
            outcome = replace(outcome, memory=outcome.memory.shifted(-ahead))
            for decision in outcome.decisions:
                LOG.info("decision %s: %s", decision.id, decision.reason)
            try:
                self._state.move_uplinks(outcome)
            finally:
                self._enforcement.enforce(outcome.decisions)
        return outcome

    def inputs(self) -> Inputs:
        """The inputs of a round that is decided now."""
        return self._inputs(self._clock.wall(0.0))

    def _inputs(self, ahead: float) -> Inputs:
        """The inputs, dated by the wall clock, which is so many seconds ``ahead`` of the one that dates the memory."""
        state, now = self._state, self._clock()
        snapshot = replace(self._load_list.snapshot(now), time=now + ahead)
        memory = state.memory.shifted(ahead)
        rates = self._load_list.slot_rates(now)
        return Inputs(state.settings, snapshot, dict(state.uplinks), memory, state.bindings.sessions(), rates)
