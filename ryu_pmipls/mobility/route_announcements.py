"""An LMA's handling of Route_adjust: what the RMS announces, and the sessions that it takes this LMA to have."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

from ryu_pmipls.mobility.announced_routes import AnnouncedRoutes
from ryu_pmipls.mobility.binding_cache import BindingCache
from ryu_pmipls.mobility.config import AnchorConfig
from ryu_pmipls.mobility.effects import Effects
from ryu_pmipls.mobility.redirection import Redirection
from ryu_pmipls.mobility.registration import UNSPECIFIED
from ryu_pmipls.mobility.route_adjusts import RouteAdjusts
from ryu_pmipls.mobility.timer_queue import TimerQueue
from ryu_pmipls.wire import ROUTE_PREFIX_LENGTH, Attachment, RouteAdjust, RouteSnapshot, Timestamp

#: Lifetimes of a binding for which announced routes are kept when the RMS says nothing. It sends a snapshot in each.
ROUTES_KEPT = 3


class RouteAnnouncements:
    """Keeps ``routes`` as the RMS announces them, and reports the end of sessions that nobody has."""

    def __init__(
        self,
        config: AnchorConfig,
        effects: Effects,
        timers: TimerQueue,
        cache: BindingCache,
        routes: AnnouncedRoutes,
        reports: RouteAdjusts,
        redirection: Redirection,
    ) -> None:
        self._config = config
        self._effects = effects
        self._timers = timers
        self._cache = cache
        self._routes = routes
        self._reports = reports
        self._redirection = redirection
        self._unowned: set[IPv6Address] = set()  # prefixes announced as anchored here, of which there is no session

    def route_adjust(self, message: RouteAdjust, source: IPv6Address, now: float) -> None:
        """Process a Route_adjust, which must be of the RMS (draft section 3.3)."""
        if source != self._config.rms:
            self._effects.report("not-from-rms", f"Route_adjust from {source} refused")
            return
        if message.new_mag not in (UNSPECIFIED, *self._config.mags):
            text = f"Route_adjust to {message.new_mag} refused"
            self._effects.report("unknown-mag", text, mag=message.new_mag)
            return
        self._timers.set(self._forget, None, now + ROUTES_KEPT * self._config.binding_lifetime)
        if message.prefix == UNSPECIFIED:
            self._follow_snapshot(message, source, now)
            return
        attachment = message.option(Attachment)
        if message.new_mag == UNSPECIFIED and attachment is not None and attachment.anchor == self._config.address:
            self._reports.route_adjust(message, source, now)  # the answer to this LMA's own report
            return
        ticks = self._routes.update(message, self._config.time_of_day(now))
        if ticks is None:
            if self._routes.outlives(message):
                self._effects.send(message, source)  # so that the RMS does not repeat it
            return
        self._redirection.learn_anchor(message)
        self._reports.drop_outdated(message.prefix, ticks)
        self._watch_owner(message.prefix, now)
        if message.option(Timestamp) is not None:
            self._effects.send(message, source)

    def _follow_snapshot(self, message: RouteAdjust, source: IPv6Address, now: float) -> None:
        snapshot = message.option(RouteSnapshot)
        if snapshot is None:
            self._reports.route_adjust(message, source, now)  # the answer to this LMA's own request
            return
        if self._routes.follow(snapshot):
            self._redirection.keep_anchors_of({*self._routes.holders()})
        self._effects.send(message, source)

    def _forget(self, _: None, now: float) -> None:
        """Forget what the RMS has announced: it has been silent for so long that it may not be so any more."""
        self._routes.forget()
        self._redirection.keep_anchors_of(frozenset())

    # Owners

    def _watch_owner(self, prefix: IPv6Address, now: float) -> None:
        """Find out whether a session that is anchored here, as announced, has an owner.

        A MAG that has it extends it within a binding's lifetime, or registers it when this LMA was restarted.
        """
        if prefix not in self._unowned and self._is_unowned(prefix):
            self._unowned.add(prefix)
            patience = self._config.binding_lifetime + self._config.min_delay_before_bce_delete
            self._timers.set(self._end_unowned, prefix, now + patience)

    def _is_unowned(self, prefix: IPv6Address) -> bool:
        route = self._routes.get(prefix)
        here = route is not None and route.attached and route.anchor == self._config.address
        return here and not self._cache.holds(IPv6Network((prefix, ROUTE_PREFIX_LENGTH)))

    def _end_unowned(self, prefix: IPv6Address, now: float) -> None:
        self._unowned.discard(prefix)
        route = self._routes.get(prefix)
        if route is not None and self._is_unowned(prefix):
            text = f"{prefix} at {route.mag}: no MAG has registered it"
            self._effects.report("session-without-owner", text, prefix=prefix)
            self._reports.orphaned(prefix, route, now)
