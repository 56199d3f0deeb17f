"""Load_adjust messages of the RMS at their receiver: each applied once, the newest wins, each answered."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address

from ryu_pmipls.mobility.config import AnchorConfig, GatewayConfig
from ryu_pmipls.mobility.effects import Effects, SynchroniseClock
from ryu_pmipls.mobility.timer_queue import delays
from ryu_pmipls.wire import LoadAdjust, Timestamp


class LoadAdjusts:
    """Passes each valid Load_adjust, with the time, to ``apply``; answers it when that puts it into force.

    The answer is the same message (erratum E37). A message without Timestamp is applied, but not answered.
    """

    def __init__(
        self, config: GatewayConfig | AnchorConfig, effects: Effects, apply: Callable[[LoadAdjust, float], bool]
    ) -> None:
        self._config = config
        self._effects = effects
        self._apply = apply
        self._last: LoadAdjust | None = None

    def receive(self, message: LoadAdjust, source: IPv6Address, now: float) -> None:
        """Process a Load_adjust from ``source``, which must be the RMS."""
        if source != self._config.rms:
            self._effects.report("not-from-rms", f"Load_adjust from {source} refused")
            return
        timestamp = message.option(Timestamp)
        if timestamp is None:
            self._apply(message, now)
        elif message == self._last:
            self._effects.send(message, source)
        elif self._is_stale(timestamp, self._config.time_of_day(now)):
            self._effects.report("stale-load-adjust", f"Load_adjust of {timestamp.seconds:.3f} ignored")
        elif self._apply(message, now):
            self._last = message
            self._effects.send(message, source)

    def _is_stale(self, timestamp: Timestamp, today: float) -> bool:
        """True for an overtaken message, or a replay: too old for a retransmission of the RMS (erratum E45).

        ``today`` is this node's time of day, which the RMS's must be near. A last message that is ahead of it comes
        from before one of them was set back, and orders nothing any more.
        """
        window = self._config.timestamp_validity_window
        patience = sum(delays(self._config.adjust_timeout, tries=self._config.adjust_tries))
        if not today - patience - window <= timestamp.seconds <= today + window:
            self._effects.append(SynchroniseClock(timestamp.seconds))
            return True
        last = None if self._last is None else self._last.option(Timestamp)
        return last is not None and timestamp.ticks <= last.ticks and last.seconds <= today + window
