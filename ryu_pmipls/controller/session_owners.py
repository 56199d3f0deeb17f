"""The end of sessions for which nobody answers any more: their anchor and their MAG are silent.

A session is the anchor's: its LMA ends it when no MAG extends it, and an LMA that was restarted ends those that the RMS
announces as its own and no MAG registers again. So the RMS has to see only to the sessions of LMAs whose agents have
been silent for the lifetime of a binding. By then a MAG that is alive has other anchors for its nodes, or has ended
their sessions, unless only the RMS does not hear the LMA. So the RMS asks each MAG to repeat its reports, and ends what
the MAG does not report.
"""

from __future__ import annotations

import logging

from ryu_pmipls.controller.announcements import Announcements
from ryu_pmipls.controller.bindings import Binding, RouteChange
from ryu_pmipls.controller.bindings.binding_table import MAX_SKEW, TICKS_PER_SECOND
from ryu_pmipls.controller.context import Context
from ryu_pmipls.controller.report_requests import request_reports
from ryu_pmipls.controller.retransmission import Retransmission
from ryu_pmipls.controller.route_reports import RouteReport
from ryu_pmipls.controller.routes import Routes
from ryu_pmipls.controller.ryu import hub
from ryu_pmipls.signalling import Peer
from ryu_pmipls.wire import LoadInfo

LOG = logging.getLogger(__name__)

#: Seconds that a MAG has for its reports after it has answered the request for them, and reports for each more.
_REPORTING, _REPORTS = 15.0, 500
#: Sessions ended in one turn, before other work.
_TURN = 128


class SessionOwners:
    """Watches the anchors of all sessions; ``own`` is the RMS as a sender of reports."""

    def __init__(
        self, context: Context, routes: Routes, retransmission: Retransmission, announcements: Announcements, own: Peer
    ) -> None:
        profile, now = context.profile, context.clock()
        timers = profile.timers
        self._mags = {mag.name: mag for mag in profile.mags}
        self._bindings = context.state.bindings
        self._clock = context.clock
        self._routes = routes
        self._retransmission = retransmission
        self._announcements = announcements
        self._own = own
        #: Seconds of silence after which a session of a MAG that is alive has ended there.
        self._patience = timers.binding_lifetime + 2 * timers.min_delay_before_bce_delete
        self._started = now
        self._heard = {lma.name: now for lma in profile.lmas}
        self._asked: dict[tuple[str, str | None], float] = {}  # (MAG, anchor)

    def add_load_info(self, lma: str, message: LoadInfo, now: float) -> None:
        """Count a Load_info as a sign of life of an LMA's agent."""
        self._heard[lma] = now

    def check(self) -> None:
        """Look after the sessions of anchors that are silent, or unknown; call this every second or so."""
        now = self._clock()
        for place in self._bindings.places():
            _, anchor = place
            silent_since = self._started if anchor is None else self._heard.get(anchor, self._started)
            if now - max(silent_since, self._asked.get(place, silent_since)) > self._patience:
                self._asked[place] = now
                hub.spawn(self._examine, *place)

    def _examine(self, mag: str, anchor: str | None) -> None:
        with self._routes.unheard({*self._bindings.at_place(mag, anchor)}) as prefixes:
            known = self._mags.get(mag)
            if known is not None and request_reports(known, self._retransmission, self._today()):
                hub.sleep(_REPORTING + len(prefixes) / _REPORTS)
            if anchor is not None and self._clock() - self._heard.get(anchor, self._started) < self._patience:
                return  # it is back
            unheard = [*prefixes]
        if unheard:
            text = "%s: %d sessions end, for neither their MAG nor their anchor (%s) answers for them"
            LOG.warning(text, mag, len(unheard), anchor or "unknown")
        for start in range(0, len(unheard), _TURN):
            found = (self._bindings.get(prefix) for prefix in unheard[start : start + _TURN])
            ends = [self._end(each) for each in found if each is not None and (each.mag, each.anchor) == (mag, anchor)]
            self._routes.update(ends, self._clock())
            hub.sleep(0)

    def _end(self, binding: Binding) -> RouteReport:
        latest = int((self._today() + MAX_SKEW) * TICKS_PER_SECOND)
        ticks = binding.timestamp + 1 if binding.timestamp < latest else latest
        announcement = self._announcements.end(binding, ticks)
        change = RouteChange(binding.prefix, binding.mag, None, ticks)
        return RouteReport(change, announcement, announcement, self._own, answerable=False, granted=True)

    def _today(self) -> float:
        """The time of day, in seconds since 1970."""
        return self._clock.time_of_day(self._clock())
