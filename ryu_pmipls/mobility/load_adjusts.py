"""The Load_adjust messages of the RMS, at whoever receives them: each once, the newest wins, each answered."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address

from ryu_pmipls.mobility.config import AnchorConfig, GatewayConfig
from ryu_pmipls.mobility.effects import Effects
from ryu_pmipls.mobility.timer_queue import delays
from ryu_pmipls.wire import LoadAdjust, Timestamp


class LoadAdjusts:
    """Gives each Load_adjust that is in order to ``apply``, with the time, and answers it when that puts it into force.

    The answer is the same message (erratum E37). One without Timestamp is obeyed, but not answered.
    """

    def __init__(
        self, config: GatewayConfig | AnchorConfig, effects: Effects, apply: Callable[[LoadAdjust, float], bool]
    ) -> None:
        self._config = config
        self._effects = effects
        self._apply = apply
        self._last: LoadAdjust | None = None

    def receive(self, message: LoadAdjust, source: IPv6Address, now: float) -> None:
        """Take a Load_adjust from ``source``, which has to be the RMS."""
        if source != self._config.rms:
            self._effects.report("not-from-rms", f"Load_adjust from {source} refused")
            return
        timestamp = message.option(Timestamp)
        if timestamp is None:
            self._apply(message, now)
        elif message == self._last:
            self._effects.send(message, source)
        elif self._is_stale(timestamp, now):
            self._effects.report("stale-load-adjust", f"Load_adjust of {timestamp.seconds:.3f} ignored")
        elif self._apply(message, now):
            self._last = message
            self._effects.send(message, source)

    def _is_stale(self, timestamp: Timestamp, now: float) -> bool:
        """Whether it was overtaken, or is no retransmission of the RMS any more but a replay (erratum E45)."""
        if self._last is not None:
            last = self._last.option(Timestamp)
            if last is not None and timestamp.ticks <= last.ticks:
                return True
        window = self._config.timestamp_validity_window
        patience = sum(delays(self._config.adjust_timeout, tries=self._config.adjust_tries))
        return not now - patience - window <= timestamp.seconds <= now + window
