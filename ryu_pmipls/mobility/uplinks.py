"""Which LMA carries a MAG's uplink, as the RMS tells it by Load_adjust (draft section 3.2)."""

from __future__ import annotations

from ipaddress import IPv6Address

from ryu_pmipls.mobility.config import GatewayConfig
from ryu_pmipls.mobility.effects import Effects
from ryu_pmipls.mobility.timers import delays
from ryu_pmipls.mobility.tunnels import Tunnels
from ryu_pmipls.wire import LoadAdjust, Timestamp


class Uplinks:
    """``carriers``: anchor -> the LMA that carries the uplink of the mobile nodes anchored there."""

    def __init__(self, config: GatewayConfig, tunnels: Tunnels, effects: Effects) -> None:
        self.config = config
        self.carriers = {lma: lma for lma in config.lmas}
        self._tunnels = tunnels
        self._effects = effects
        self._last: LoadAdjust | None = None

    def load_adjust(self, message: LoadAdjust, source: IPv6Address, now: float) -> None:
        """Note which LMA carries an uplink; the RMS itself changes the switch."""
        if source != self.config.rms:
            self._effects.report("not-from-rms", f"Load_adjust from {source} refused")
            return
        timestamp = message.option(Timestamp)
        if timestamp is None:
            self._apply(message)
        elif message == self._last:
            self._effects.send(message, source)
        elif self._is_stale(timestamp, now):
            self._effects.report("stale-load-adjust", f"Load_adjust of {timestamp.seconds:.3f} ignored")
        elif self._apply(message):
            self._last = message
            self._effects.send(message, source)

    def _is_stale(self, timestamp: Timestamp, now: float) -> bool:
        """Whether it was overtaken, or is no retransmission of the RMS any more but a replay (erratum E45)."""
        if self._last is not None:
            last = self._last.option(Timestamp)
            if last is not None and timestamp.ticks <= last.ticks:
                return True
        window = self.config.timestamp_validity_window
        patience = sum(delays(self.config.adjust_timeout, tries=self.config.adjust_tries))
        return not now - patience - window <= timestamp.seconds <= now + window

    def _apply(self, message: LoadAdjust) -> bool:
        old, new = message.old_lma, message.new_lma
        anchors = [anchor for anchor, carrier in self.carriers.items() if carrier == old]
        if new not in self._tunnels:
            fault = f"{new} is no LMA of this MAG"
        elif not self._tunnels.is_up(new):
            fault = f"there is no tunnel to {new}"
        elif not anchors:
            fault = f"no uplink goes to {old}"  # errata E33 and E34
        else:
            self.carriers.update(dict.fromkeys(anchors, new))
            self._effects.report("uplink-moved", f"from {old} to {new}", old=old, new=new)
            return True
        self._effects.report("load-adjust-refused", f"Load_adjust from {old} to {new}: {fault}", old=old, new=new)
        return False
