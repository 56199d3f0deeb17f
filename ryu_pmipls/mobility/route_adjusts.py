"""Reports of mobile nodes' routes to the RMS, by a MAG or an LMA in its place: Route_adjust (draft section 3.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network

from ryu_pmipls.mobility.announced_routes import Route
from ryu_pmipls.mobility.binding_cache import BindingCacheEntry
from ryu_pmipls.mobility.config import AnchorConfig, GatewayConfig
from ryu_pmipls.mobility.effects import Effects
from ryu_pmipls.mobility.registration import UNSPECIFIED
from ryu_pmipls.mobility.timer_queue import TimerQueue, delays
from ryu_pmipls.mobility.update_list import REFRESH_AFTER, BindingUpdateEntry
from ryu_pmipls.wire import (
    Attachment,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    Option,
    RouteAdjust,
    Timestamp,
)


@dataclass(eq=False)
class Adjustment:
    """A Route_adjust that the RMS has not acknowledged yet."""

    message: RouteAdjust
    delays: Iterator[float]
    sent: int = 0


class RouteAdjusts:
    """The Route_adjust messages under way, at most one for each prefix."""

    def __init__(self, config: GatewayConfig | AnchorConfig, effects: Effects, timers: TimerQueue) -> None:
        self.config = config
        self._effects = effects
        self._timers = timers
        self._adjustments: dict[IPv6Address, Adjustment] = {}

    def attached(self, entry: BindingUpdateEntry, prefix: IPv6Network, now: float) -> None:
        """Report that a mobile node holds ``prefix`` at this MAG."""
        # The old MAG is unknown here; the RMS knows it (erratum E35).
        attachment = Attachment(entry.port, entry.anchor)
        options = (Timestamp(entry.registered), *_naming(entry), attachment, *_grant(entry, prefix))
        self._report(RouteAdjust(prefix.network_address, UNSPECIFIED, self.config.address, options=options), now)

    def detached(self, entry: BindingUpdateEntry, prefix: IPv6Network, now: float) -> None:
        """Report that a mobile node no longer holds ``prefix`` here, once the LMA lets the session go."""
        # One tick after the registration that ends: it replaces that one, and loses to any later one of another MAG,
        # however late this MAG notices that the node has gone.
        options = (Timestamp(entry.registered + 1), *_naming(entry), *_grant(entry, prefix))
        message = RouteAdjust(prefix.network_address, self.config.address, UNSPECIFIED, options=options)
        self._report(message, now, self.config.min_delay_before_bce_delete)

    def ended(self, session: BindingCacheEntry, prefix: IPv6Network, now: float) -> None:
        """Report the end of a session at this LMA, unless its MAG turns out in time to have done so.

        A MAG that has died or was restarted does not. ``Attachment`` distinguishes this from an acknowledgement by the
        LMA.
        """
        options = (Timestamp(session.registered + 1), session.identifier, Attachment(0, self.config.address))
        message = RouteAdjust(prefix.network_address, session.care_of_address, UNSPECIFIED, options=options)
        self._report(message, now, self.config.min_delay_before_bce_delete)

    def orphaned(self, prefix: IPv6Address, route: Route, now: float) -> None:
        """Report the end of a session that this LMA anchors, as the RMS has announced, and does not have."""
        naming = () if route.identifier is None else (route.identifier,)
        options = (Timestamp(route.timestamp + 1), *naming, Attachment(0, self.config.address))
        self._report(RouteAdjust(prefix, route.mag, UNSPECIFIED, options=options), now)

    def ask(self, options: tuple[Option, ...], now: float) -> None:
        """Ask the RMS for all routes, because this LMA has started and knows none."""
        options = (Timestamp.of(self.config.time_of_day(now)), *options)
        self._report(RouteAdjust(UNSPECIFIED, UNSPECIFIED, UNSPECIFIED, options=options), now)

    def awaits(self, prefix: IPv6Network) -> bool:
        """True while the RMS has not acknowledged a report about a prefix."""
        return prefix.network_address in self._adjustments

    def drop_outdated(self, prefix: IPv6Address, ticks: int) -> None:
        """Drop a report that is outdated, because the RMS knows the state of the prefix at ``ticks`` (1/65536 s)."""
        adjustment = self._adjustments.get(prefix)
        timestamp = adjustment.message.option(Timestamp) if adjustment is not None else None
        if timestamp is not None and timestamp.ticks <= ticks:
            self._end(prefix)

    def route_adjust(self, message: RouteAdjust, source: IPv6Address, now: float) -> None:
        """Process the RMS's answer, the same message, sent when the routes are in force (erratum E37)."""
        adjustment = self._adjustments.get(message.prefix)
        if source != self.config.rms:
            self._effects.report("not-from-rms", f"Route_adjust from {source} refused")
        elif adjustment is not None and _same_change(adjustment.message, message):
            self._end(message.prefix)

    def _end(self, prefix: IPv6Address) -> None:
        del self._adjustments[prefix]
        self._timers.cancel(self._transmit, prefix)

    def _report(self, message: RouteAdjust, now: float, delay: float = 0.0) -> None:
        """Send the RMS a report, after ``delay``, until it answers; this replaces earlier reports about the prefix."""
        # Retransmissions never end: an RMS that is away will come back, and messages get lost.
        schedule = delays(self.config.adjust_timeout, self.config.binding_lifetime * REFRESH_AFTER)
        self._adjustments[message.prefix] = Adjustment(message, schedule)
        if delay > 0:
            self._timers.set(self._transmit, message.prefix, now + delay)
        else:
            self._transmit(message.prefix, now)

    def _transmit(self, prefix: IPv6Address, now: float) -> None:
        adjustment = self._adjustments[prefix]
        if adjustment.sent == self.config.adjust_tries:
            about = "the route of " + str(prefix) if prefix != UNSPECIFIED else "that it will send all routes"
            text = f"the RMS does not confirm {about}"
            self._effects.report("route-adjust-unanswered", text, prefix=prefix)
        adjustment.sent += 1
        self._effects.send(adjustment.message, self.config.rms)
        self._timers.set(self._transmit, prefix, now + next(adjustment.delays))


def _grant(entry: BindingUpdateEntry, prefix: IPv6Network) -> tuple[Option, ...]:
    grant = entry.grants.get(prefix)
    return () if grant is None else (grant,)


def _naming(entry: BindingUpdateEntry) -> tuple[Option, ...]:
    # The address on the link: by it the MAG's switch knows the mobile node.
    return MobileNodeIdentifier(entry.policy.identifier), MobileNodeLinkLayerIdentifier(entry.link_layer_address)


def _same_change(one: RouteAdjust, other: RouteAdjust) -> bool:
    return one.new_mag == other.new_mag and one.option(Timestamp) == other.option(Timestamp)
