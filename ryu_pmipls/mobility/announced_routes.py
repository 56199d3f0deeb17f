"""The routes that the RMS announces to an LMA by Route_adjust (draft section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network

from ryu_pmipls.mobility.effects import Effects
from ryu_pmipls.mobility.registration import UNSPECIFIED
from ryu_pmipls.wire import MobileNodeIdentifier, RouteAdjust, Timestamp

#: Seconds by which the RMS lets timestamps of reports be ahead.
MAX_SKEW = 5.0


@dataclass(frozen=True)
class Route:
    """The MAG (``::``: none any more) to which a node's prefix is routed since ``timestamp`` (1/65536 s)."""

    mag: IPv6Address
    timestamp: int
    identifier: MobileNodeIdentifier | None

    def holder(self) -> bytes | None:
        """The identifier of the prefix's holder, if known."""
        return None if self.mag == UNSPECIFIED or self.identifier is None else self.identifier.identifier


class AnnouncedRoutes:
    """The newest announced route of each prefix."""

    def __init__(self, effects: Effects) -> None:
        self._effects = effects
        self._routes: dict[IPv6Address, Route] = {}

    def __len__(self) -> int:
        return len(self._routes)

    @property
    def mags(self) -> dict[IPv6Address, IPv6Address]:
        """Prefix -> MAG, of the prefixes that have one."""
        return {prefix: route.mag for prefix, route in self._routes.items() if route.mag != UNSPECIFIED}

    def holder(self, prefix: IPv6Network) -> bytes | None:
        """The identifier of a prefix's holder, as announced; None if it was not."""
        route = self._routes.get(prefix.network_address)
        return None if route is None else route.holder()

    def update(self, message: RouteAdjust, today: float) -> int | None:
        """Store the route of a message, and return its time (1/65536 s); None for one that is outdated.

        ``today`` is the time of day, which a message without a Timestamp gets. A known route that is ahead of it comes
        from before a clock was set back, and orders nothing any more.
        """
        timestamp = message.option(Timestamp)
        known = self._routes.get(message.prefix)
        if timestamp is not None and known is not None and known.timestamp <= Timestamp.of(today + MAX_SKEW).ticks:
            if timestamp.ticks < known.timestamp:
                self._effects.report("stale-route-adjust", f"a newer route for {message.prefix} is known")
                return None
            if timestamp.ticks == known.timestamp and message.new_mag != known.mag:
                self._effects.report("conflicting-route-adjust", f"two routes of one time for {message.prefix}")
                return None
        ticks = timestamp.ticks if timestamp is not None else Timestamp.of(today).ticks
        self._routes[message.prefix] = Route(message.new_mag, ticks, message.option(MobileNodeIdentifier))
        return ticks
