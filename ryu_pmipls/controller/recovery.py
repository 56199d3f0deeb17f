"""Bindings that the store lacks, because it is new or was lost: recovered from the switches and the MAGs.

The RMS reads a switch that the store has never met before it writes to it, so that the loss of the store cuts nobody's
traffic. Then each MAG repeats its reports, which hold details that no flow entry has.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.report_requests import request_reports
from ryu_pmipls.controller.retransmission import Retransmission
from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.controller.state import DomainState
from ryu_pmipls.controller.store import StoreError
from ryu_pmipls.controller.switches.flow import FlowEntry
from ryu_pmipls.controller.switches.switch import Switch
from ryu_pmipls.domain.profile import Mag, Profile

LOG = logging.getLogger(__name__)


class Recovery:
    """Brings back the bindings and core gateways of a ``state``."""

    def __init__(self, profile: Profile, state: DomainState) -> None:
        self._profile = profile
        self._state = state
        # By the name of a switch: bindings recovered so far, and those of them that other switches must follow.
        self._recovered: Counter[str] = Counter()
        self._moved: Counter[str] = Counter()

    def recover(self, switch: Switch, entries: Iterable[list[FlowEntry]]) -> int | None:
        """Recover bindings from the flow entries of a switch, which come in pieces, unless the store has met it.

        All entries of a prefix are in one piece. Return the number of prefixes for which other switches must follow,
        or None when the store could not save them.
        """
        if switch.name in self._state.met_switches:
            return 0
        try:
            return self._recover(switch, entries)
        except StoreError as error:
            LOG.error("%s: bindings are not recovered, tried again: %s", switch.name, error)
            return None

    def _recover(self, switch: Switch, entries: Iterable[list[FlowEntry]]) -> int:
        name = switch.name
        for piece in entries:
            changed = self._state.recover_bindings(self._found(switch, piece))
            self._recovered[name] += len(changed)
            self._moved[name] += sum(update.moved for update in changed)
            self._state.save()
        self._state.meet_switch(name)
        if self._recovered[name]:
            LOG.warning("%s: %d bindings recovered from its flow entries", name, self._recovered[name])
        return self._moved[name]

    def _found(self, switch: Switch, entries: list[FlowEntry]) -> Iterable[Binding]:
        bindings, gateway = switch.pipeline.recover(switch.ports, entries)
        if gateway is not None and switch.name not in self._state.core_gateways:
            self._state.learn_core_gateway(switch.name, gateway)
        return bindings

    def request_reports(self, retransmission: Retransmission, today: float) -> None:
        """Have all MAGs repeat their reports if the store has met no switch yet."""
        if self._state.met_switches:
            return
        for mag in self._profile.mags:
            hub.spawn(self._request, mag, retransmission, today)

    def _request(self, mag: Mag, retransmission: Retransmission, today: float) -> None:
        if not request_reports(mag, retransmission, today):
            LOG.warning("%s: does not repeat its reports of mobile nodes", mag.name)
