"""What a MAG tells the RMS about the routes of its mobile nodes: Route_adjust (draft section 3.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network

from ryu_pmipls.mobility.config import GatewayConfig
from ryu_pmipls.mobility.effects import Effects
from ryu_pmipls.mobility.registration import UNSPECIFIED
from ryu_pmipls.mobility.timers import Timers, delays
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


class RouteReports:
    """The Route_adjust that are under way, at most one for each prefix."""

    def __init__(self, config: GatewayConfig, effects: Effects, timers: Timers) -> None:
        self.config = config
        self._effects = effects
        self._timers = timers
        self._adjustments: dict[IPv6Address, Adjustment] = {}

    def attached(self, entry: BindingUpdateEntry, prefix: IPv6Network, now: float) -> None:
        """A mobile node holds ``prefix`` at this MAG."""
        # The old MAG is not known here; the RMS knows it (erratum E35).
        attachment = Attachment(entry.port, entry.anchor)
        message = self._message(entry, prefix, UNSPECIFIED, self.config.address, entry.registered, attachment)
        self._tell(message, now)

    def detached(self, entry: BindingUpdateEntry, prefix: IPv6Network, now: float) -> None:
        """A mobile node holds ``prefix`` here no longer; the RMS is told when the LMA lets the session go."""
        # One tick after the registration that ends: it replaces that one, and loses to any later one
        # of another MAG, however late this MAG notices that the node has gone.
        message = self._message(entry, prefix, self.config.address, UNSPECIFIED, entry.registered + 1)
        self._tell(message, now, self.config.min_delay_before_bce_delete)

    def route_adjust(self, message: RouteAdjust, source: IPv6Address, now: float) -> None:
        """The RMS answers a Route_adjust with the same message when the routes are in force (erratum E37)."""
        adjustment = self._adjustments.get(message.prefix)
        if source != self.config.rms:
            self._effects.report("not-from-rms", f"Route_adjust from {source} refused")
        elif adjustment is not None and _same_change(adjustment.message, message):
            del self._adjustments[message.prefix]
            self._timers.cancel(self._transmit, message.prefix)

    def _message(
        self,
        entry: BindingUpdateEntry,
        prefix: IPv6Network,
        old: IPv6Address,
        new: IPv6Address,
        ticks: int,
        *more: Option,
    ) -> RouteAdjust:
        options: tuple[Option, ...] = (
            Timestamp(ticks),
            MobileNodeIdentifier(entry.policy.identifier),
            MobileNodeLinkLayerIdentifier(entry.policy.link_layer_address),
            *more,
        )
        return RouteAdjust(prefix.network_address, old, new, options=options)

    def _tell(self, message: RouteAdjust, now: float, delay: float = 0.0) -> None:
        """Tell the RMS, after ``delay``, until it answers; what was told of the prefix before is void."""
        # Without end: an RMS that is away will come back, and messages get lost.
        schedule = delays(self.config.adjust_timeout, self.config.binding_lifetime * REFRESH_AFTER)
        self._adjustments[message.prefix] = Adjustment(message, schedule)
        if delay > 0:
            self._timers.set(self._transmit, message.prefix, now + delay)
        else:
            self._transmit(message.prefix, now)

    def _transmit(self, prefix: IPv6Address, now: float) -> None:
        adjustment = self._adjustments[prefix]
        if adjustment.sent == self.config.adjust_tries:
            text = f"the RMS does not confirm the route of {prefix}"
            self._effects.report("route-adjust-unanswered", text, prefix=prefix)
        adjustment.sent += 1
        self._effects.send(adjustment.message, self.config.rms)
        self._timers.set(self._transmit, prefix, now + next(adjustment.delays))


def _same_change(one: RouteAdjust, other: RouteAdjust) -> bool:
    return one.new_mag == other.new_mag and one.option(Timestamp) == other.option(Timestamp)
