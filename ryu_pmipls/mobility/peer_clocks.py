"""Peers whose time of day disagrees with this node's: their timestamps, or ours, are refused."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address

from ryu_pmipls.mobility.effects import Effects, SynchroniseClock
from ryu_pmipls.wire import Timestamp

#: Seconds for which a clock that disagrees is shown: at least two tries, which are 32 s apart in the end.
_SKEW_SHOWN = 70.0


class PeerClocks:
    """The peers that disagree, and by how much; ``time_of_day`` as in the node's configuration."""

    def __init__(self, time_of_day: Callable[[float], float], effects: Effects) -> None:
        self._time_of_day = time_of_day
        self._effects = effects
        self._skews: dict[IPv6Address, tuple[float, float]] = {}

    def current(self, now: float) -> dict[IPv6Address, float]:
        """The peers with which registrations fail for the time of day, and the seconds that theirs is ahead."""
        return {peer: ahead for peer, (ahead, when) in self._skews.items() if now - when <= _SKEW_SHOWN}

    def disagree(self, peer: IPv6Address, timestamp: Timestamp | None, now: float) -> None:
        """Have the time of day checked, because ``peer``'s ``timestamp`` differs; its clock is no time source."""
        if timestamp is None:
            self._effects.append(SynchroniseClock(None))
            return
        self._effects.append(SynchroniseClock(timestamp.seconds))
        ahead = timestamp.seconds - self._time_of_day(now)
        self._skews[peer] = ahead, now
        text = f"the clock of {peer} is {ahead:+.3f} s off this one"
        self._effects.report("clock-skew", text, peer=peer, seconds=ahead)

    def agree(self, peer: IPv6Address) -> None:
        """Forget that the time of day of ``peer`` differed."""
        self._skews.pop(peer, None)
