"""The operator's commands: kept over restarts of the RMS, refused with a reason, or carried out at once.

They are carried out one after the other: each waits for the store, and what it has checked must hold until it is done.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace
from functools import partial

from ryu_pmipls.controller.context import Context
from ryu_pmipls.controller.load_sharing import LoadSharing
from ryu_pmipls.controller.new_sessions import NewSessions
from ryu_pmipls.controller.periodic import attempt
from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.controller.store import StoreError
from ryu_pmipls.controller.switches.ports import tunnel_port
from ryu_pmipls.loadsharing import (
    Decision,
    Incident,
    Inputs,
    LmaState,
    PolicyName,
    Round,
    adjust,
    decide,
    if_drained,
)

LOG = logging.getLogger(__name__)

#: Seconds for which an LMA must have forwarded nothing. A switch counts with a delay of up to a second.
QUIET = 3.0


class RefusedError(Exception):
    """A command that cannot be carried out now; its text says why."""


class OperatorCommands:
    """Drains and undrains LMAs, moves uplinks, and chooses the policy. Wrong names raise ``KeyError``."""

    def __init__(self, context: Context, load_sharing: LoadSharing, new_sessions: NewSessions) -> None:
        self._profile = context.profile
        self._state = context.state
        self._load_list = context.load_list
        self._switches = context.switches
        self._clock = context.clock
        self._load_sharing = load_sharing
        self._new_sessions = new_sessions
        self._turn = hub.Semaphore(1)  # green threads run while a command waits for the store
        self._forwarded: dict[str, tuple[int, float]] = {}  # packets, and since when
        for lma in self._profile.lmas:
            # An agent must also learn of the end of its draining that an earlier RMS did not live to announce.
            drained = lma.name in self._state.drained
            self._load_list.set_draining(lma.name, drained)
            new_sessions.set_draining(lma.name, drained)

    # Draining.

    def drain(self, lma: str) -> None:
        """Move new sessions, uplinks and sessions to other LMAs, and withdraw the downlink; no packet is lost."""
        name = self._profile.lma(lma).name
        with self._turn:
            if name in self._state.drained:
                return
            states = {load.lma: load.state for load in self._load_list.snapshot(self._clock()).lmas if load.lma != name}
            if all(state.to_be_left for state in states.values()):
                others = ", ".join(f"{other} is {state.value}" for other, state in states.items()) or "there is none"
                raise RefusedError(f"{name} cannot be drained: no other LMA could take over ({others})")
            self._set_drained(name, True)

    def undrain(self, lma: str) -> None:
        """Let the LMA take part again: new sessions at once, uplinks as the load requires."""
        name = self._profile.lma(lma).name
        with self._turn:
            if name not in self._state.drained:
                raise RefusedError(f"{name} is not drained; drained are: {', '.join(self._state.drained) or 'none'}")
            self._set_drained(name, False)

    def is_drained(self, lma: str) -> bool:
        return lma in self._state.drained

    def waits_for(self, lma: str) -> list[str]:
        """List what a drained LMA still has, in words; the LMA can be stopped when the list is empty."""
        if self._load_list.snapshot(self._clock()).lma(lma).state is LmaState.DEAD:
            return []
        waits = []
        if lma not in self._new_sessions.drained:
            waits.append("its agent, which has not confirmed yet")
        mags = sum(lma in slots for anchors in self._state.uplinks.values() for slots in anchors.values())
        if mags:
            waits.append(f"{mags} uplinks that it carries")
        anchored = sum(binding.anchor == lma and binding.mag is not None for binding in self._state.bindings)
        if anchored:
            waits.append(f"{anchored} sessions that it anchors")
        quiet = self.quiet_for(lma)
        if quiet is None or quiet < QUIET:
            last = "unknown" if quiet is None else f"{quiet:.1f} s ago"
            waits.append(f"{QUIET:g} s without a packet to forward (the last: {last})")
        return waits

    def quiet_for(self, lma: str) -> float | None:
        """Seconds for which a drained LMA has forwarded nothing; None while unknown."""
        known = self._forwarded.get(lma)
        return None if known is None else self._clock() - known[1]

    def check_drained(self) -> None:
        """Check whether drained LMAs still forward anything; call this every second or so."""
        for lma in self._state.drained:
            attempt(f"checking what {lma} forwards", partial(self._check, lma))

    def _check(self, lma: str) -> None:
        packets = self._switches.forwarded(lma)
        if packets is None:
            self._forwarded.pop(lma, None)
        elif lma not in self._forwarded or self._forwarded[lma][0] != packets:
            self._forwarded[lma] = packets, self._clock()

    def _set_drained(self, lma: str, drained: bool) -> None:
        self._state.set_drained(lma, drained)
        self._forwarded.pop(lma, None)
        self._load_list.set_draining(lma, drained)
        self._new_sessions.set_draining(lma, drained)
        kind = "drained" if drained else "undrained"
        self._state.incidents.record(Incident(self._clock.wall(self._clock()), lma, kind, "by the operator"))
        try:
            self._load_sharing.evaluate()
        except StoreError as error:
            LOG.error("%s", error)  # the command itself is stored; the next round does the rest

    # Uplinks.

    def adjust(self, mag: str, lma: str) -> tuple[Decision, ...]:
        """Move all uplinks of a MAG to an LMA; return the decisions that do so."""
        mag, lma = self._profile.mag(mag).name, self._profile.lma(lma).name

        def moves(inputs: Inputs) -> Round:
            state = inputs.snapshot.lma(lma).state
            if state.to_be_left:
                raise RefusedError(f"{lma} is {state.value}: nothing can be moved there")
            if tunnel_port(lma) not in self._switches.mags[mag].live:
                raise RefusedError(f"{mag} has no live tunnel to {lma}")
            return adjust(inputs, mag, lma)

        with self._turn:
            decisions = self._load_sharing.carry_out(moves).decisions
        if not decisions:
            raise RefusedError(f"all uplinks of {mag} go to {lma} already")
        return decisions

    def dry_run(self, policy: PolicyName | None = None, drained: Collection[str] = ()) -> Round:
        """The round of decisions that would be made now; if given, by another policy, or with those LMAs drained."""
        names = frozenset(self._profile.lma(lma).name for lma in drained)
        inputs = self._load_sharing.inputs()
        if policy is not None:
            inputs = replace(inputs, settings=self._profile.load_sharing.settings_with(policy))
        return decide(if_drained(inputs, names))

    def choose_policy(self, policy: PolicyName | None) -> None:
        """Decide by another policy from now on; None: by the profile's."""
        with self._turn:
            self._state.choose_policy(policy)
        LOG.warning("policy %s, by the operator", self._state.settings.policy)
