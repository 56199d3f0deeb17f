"""Router advertisements of a MAG to its mobile nodes (RFC 4861, section 6.2; RFC 5213, section 6.9.2)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Network
from itertools import chain, repeat

from ryu_pmipls.mobility.effects import Advertise, Effects
from ryu_pmipls.mobility.timer_queue import TimerQueue
from ryu_pmipls.mobility.update_list import BindingUpdateEntry

#: Number of initial advertisements, and the seconds between them: one may be lost, or the node not be ready for it.
MAX_INITIAL_RTR_ADVERTISEMENTS, MAX_INITIAL_RTR_ADVERT_INTERVAL = 3, 16.0
#: Solicitations in a row that are answered at once, as many as a host sends; then the seconds between answers.
MAX_RTR_SOLICITATIONS, MIN_DELAY_BETWEEN_RAS = 3, 3.0


class Advertising:
    """Router advertisements to the mobile nodes that hold prefixes, each on its own.

    ``interval`` is the time in seconds from one unsolicited advertisement to the next (MaxRtrAdvInterval); without it
    there are none. It is not random, as it must be where routers share a link: no other router shares a MAG's links.
    """

    def __init__(self, interval: float | None, effects: Effects, timers: TimerQueue) -> None:
        self._interval = interval
        self._effects = effects
        self._timers = timers
        self._schedules: dict[BindingUpdateEntry, Iterator[float]] = {}
        # The times up to which solicitations have been answered, and foreign prefixes withdrawn.
        self._allowance: dict[BindingUpdateEntry, float] = {}
        self._refused: dict[BindingUpdateEntry, float] = {}

    def announce(self, entry: BindingUpdateEntry, now: float, withdrawn: tuple[IPv6Network, ...] = ()) -> None:
        """Advertise at once the prefixes that a node holds, and those that it no longer holds."""
        if self._interval is not None:
            first = repeat(min(MAX_INITIAL_RTR_ADVERT_INTERVAL, self._interval), MAX_INITIAL_RTR_ADVERTISEMENTS - 1)
            self._schedules[entry] = chain(first, repeat(self._interval))
        self._advertise(entry, now, withdrawn)

    def resume(self, entry: BindingUpdateEntry, now: float) -> None:
        """Go on with a node that has had advertisements from an earlier process; its registration comes first."""
        if self._interval is not None:
            self._schedules[entry] = repeat(self._interval)
            self._timers.set(self._advertise, entry, now + self._interval)

    def solicited(self, entry: BindingUpdateEntry, now: float) -> bool:
        """Answer a solicitation with the node's prefixes, at once or later: no node can take all of the MAG's time.

        Returns true if the answer went out at once.
        """
        turn = self._allowance.get(entry, now) - (MAX_RTR_SOLICITATIONS - 1) * MIN_DELAY_BETWEEN_RAS
        if turn > now:
            self._timers.set(self._answer, entry, turn)
        else:
            self._answer(entry, now)
        return turn <= now

    def withdraw_foreign(self, entry: BindingUpdateEntry, prefix: IPv6Network, now: float) -> None:
        """Withdraw a prefix that a node uses and does not hold, at the rate of answers to solicitations.

        What comes too early has no effect: the node's next packet does as well.
        """
        turn = self._refused.get(entry, now)
        if turn - (MAX_RTR_SOLICITATIONS - 1) * MIN_DELAY_BETWEEN_RAS <= now:
            self._refused[entry] = max(turn, now) + MIN_DELAY_BETWEEN_RAS
            self._advertise(entry, now, (prefix,))

    def withdraw(self, entry: BindingUpdateEntry, link_is_up: bool) -> None:
        """Withdraw all prefixes, and the router, from a node that is reachable."""
        for handler in (self._advertise, self._answer):
            self._timers.cancel(handler, entry)
        self._schedules.pop(entry, None)
        self._allowance.pop(entry, None)
        self._refused.pop(entry, None)
        if entry.prefixes and link_is_up:
            self._effects.append(Advertise(entry.port, entry.link_layer_address, entry.prefixes, 0))

    def _answer(self, entry: BindingUpdateEntry, now: float) -> None:
        self._allowance[entry] = max(self._allowance.get(entry, now), now) + MIN_DELAY_BETWEEN_RAS
        self._advertise(entry, now)

    def _advertise(self, entry: BindingUpdateEntry, now: float, withdrawn: tuple[IPv6Network, ...] = ()) -> None:
        address, lifetime = entry.link_layer_address, int(entry.expires - now)
        if entry.prefixes and lifetime > 0:  # 0 would withdraw prefixes that still hold, if not for long
            self._effects.append(Advertise(entry.port, address, entry.prefixes, lifetime, withdrawn))
        if entry in self._schedules:
            self._timers.set(self._advertise, entry, now + next(self._schedules[entry]))
