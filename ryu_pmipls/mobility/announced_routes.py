"""The routes that the RMS announces to an LMA by Route_adjust (draft section 3.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv6Address, IPv6Network

from ryu_pmipls.mobility.effects import Effects
from ryu_pmipls.mobility.registration import UNSPECIFIED
from ryu_pmipls.wire import Attachment, MobileNodeIdentifier, RouteAdjust, RouteSnapshot, Timestamp

#: Seconds by which the RMS lets timestamps of reports be ahead.
MAX_SKEW = 5.0


@dataclass(frozen=True)
class Route:
    """The MAG (``::``: none any more) to which a node's prefix is routed since ``timestamp`` (1/65536 s).

    ``anchor`` is the LMA that has the session, None if it was not announced. ``snapshot`` is the number of the last one
    that had the route.
    """

    mag: IPv6Address
    timestamp: int
    identifier: MobileNodeIdentifier | None
    anchor: IPv6Address | None
    snapshot: int

    @property
    def attached(self) -> bool:
        return self.mag != UNSPECIFIED

    def holder(self) -> bytes | None:
        """The identifier of the prefix's holder, if known."""
        return None if not self.attached or self.identifier is None else self.identifier.identifier


class AnnouncedRoutes:
    """The newest announced route of each prefix.

    The RMS announces all of them in a *snapshot*, when this LMA asks, when either has started, and now and then. What a
    snapshot lacks when it ends was lost by the RMS, or never put into force, and is forgotten.
    """

    def __init__(self, effects: Effects) -> None:
        self._effects = effects
        self._routes: dict[IPv6Address, Route] = {}
        self._snapshot = 0  # the number of the one that is under way, or was the last

    def __len__(self) -> int:
        return len(self._routes)

    @property
    def mags(self) -> dict[IPv6Address, IPv6Address]:
        """Prefix -> MAG, of the prefixes that have one."""
        return {prefix: route.mag for prefix, route in self._routes.items() if route.attached}

    def get(self, prefix: IPv6Address) -> Route | None:
        return self._routes.get(prefix)

    def holder(self, prefix: IPv6Network) -> bytes | None:
        """The identifier of a prefix's holder, as announced; None if it was not."""
        route = self._routes.get(prefix.network_address)
        return None if route is None else route.holder()

    def holders(self) -> Iterator[MobileNodeIdentifier]:
        """Yield the identifiers of the nodes that have a route."""
        for route in self._routes.values():
            if route.attached and route.identifier is not None:
                yield route.identifier

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
        attachment = message.option(Attachment)
        anchor = None if attachment is None else attachment.anchor
        identifier = message.option(MobileNodeIdentifier)
        self._routes[message.prefix] = Route(message.new_mag, ticks, identifier, anchor, self._snapshot)
        return ticks

    def outlives(self, message: RouteAdjust) -> bool:
        """True when a newer route than that of a message is known; it outlives the snapshot that has the message."""
        timestamp, known = message.option(Timestamp), self._routes.get(message.prefix)
        if timestamp is None or known is None or known.timestamp <= timestamp.ticks:
            return False
        self._routes[message.prefix] = replace(known, snapshot=self._snapshot)
        return True

    def follow(self, snapshot: RouteSnapshot) -> bool:
        """Begin a snapshot, or end it and forget all routes that it lacks; true if it has ended.

        The end of one whose beginning was not the last to come tells nothing.
        """
        if not snapshot.complete:
            self._snapshot = snapshot.number
            return False
        if snapshot.number != self._snapshot:
            return False
        self._routes = {prefix: route for prefix, route in self._routes.items() if route.snapshot == snapshot.number}
        return True

    def forget(self) -> None:
        """Forget all routes, because nothing is heard of the RMS."""
        self._routes.clear()
