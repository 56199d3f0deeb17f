"""The shares of all uplinks, told to the MAGs' agents now and then: one that was restarted knows of no decision."""

from __future__ import annotations

from ryu_pmipls.controller.context import Context
from ryu_pmipls.controller.retransmission import Retransmission
from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.loadsharing import totals
from ryu_pmipls.wire import LoadAdjust, Timestamp, UplinkShare


class UplinkRestatement:
    """Sends each MAG a Load_adjust that moves nothing, with the present shares."""

    def __init__(self, context: Context, retransmission: Retransmission) -> None:
        self._profile = context.profile
        self._state = context.state
        self._clock = context.clock
        self._retransmission = retransmission

    def restate(self) -> None:
        """Tell all MAGs; return without waiting for them."""
        for mag in self._profile.mags:
            hub.spawn(self._tell, mag.name)

    def _tell(self, mag: str) -> None:
        shares = [
            UplinkShare(self._profile.lma(lma).address, slots)
            for lma, slots in totals(self._state.uplinks, mag).items()
        ]
        some, now = shares[0].lma, self._clock.time_of_day(self._clock())
        message = LoadAdjust(some, some, options=(Timestamp.of(now), *shares))
        self._retransmission.deliver(message, self._profile.mag(mag).address)
