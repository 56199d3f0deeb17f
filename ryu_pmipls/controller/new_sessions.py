"""Targets of new sessions, and LMAs that must have none: a Load_adjust informs their agents (RFC 6463)."""

from __future__ import annotations

import logging

from ryu_pmipls.clock import Clock
from ryu_pmipls.controller.retransmission import Retransmission
from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.loadsharing import Inputs, NewSessionTargets
from ryu_pmipls.wire import Drain, LoadAdjust, Option, Timestamp

LOG = logging.getLogger(__name__)


class NewSessions:
    """Sends the agents of LMAs their targets in every round, because an agent may have restarted.

    ``drained`` are the LMAs whose agents have confirmed that they give up their sessions.
    """

    def __init__(self, profile: Profile, retransmission: Retransmission, clock: Clock) -> None:
        self.placement = NewSessionTargets(lma.name for lma in profile.lmas)
        self.drained: set[str] = set()
        self._profile = profile
        self._retransmission = retransmission
        self._clock = clock
        self._drain: dict[str, bool] = {}  # LMAs that have yet to confirm an end of their draining, or that drain

    def set_draining(self, lma: str, draining: bool) -> None:
        """Order the LMA from the next round on to give up its sessions, or allow it to have them again."""
        self._drain[lma] = draining
        self.drained.discard(lma)

    def place(self, inputs: Inputs) -> None:
        """Carry out one round; return at once."""
        redirects = self._profile.load_sharing.redirect_new_sessions
        targets = dict(self.placement.decide(inputs)) if redirects else {}
        for lma in self._drain:
            targets.setdefault(lma, self.placement.targets[lma])
        for lma, target in targets.items():
            hub.spawn(self._send_target, lma, target, self._drain.get(lma), self._clock())

    def _send_target(self, lma: str, target: str, drain: bool | None, now: float) -> None:
        """Send an LMA the place of its new sessions: a Load_adjust about itself."""
        address, new = self._profile.lma(lma).address, self._profile.lma(target).address
        options: tuple[Option, ...] = (Timestamp.of(self._clock.time_of_day(now)),)
        if drain is not None:
            options += (Drain(int(drain)),)
        if not self._retransmission.deliver(LoadAdjust(address, new, options=options), address):
            return
        if self.placement.confirm(lma, target):
            LOG.info("new sessions of %s are at %s", lma, target)
        if drain is None or self._drain.get(lma) is not drain:
            return
        if drain:
            self.drained.add(lma)
        else:
            del self._drain[lma]
