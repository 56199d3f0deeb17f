"""Which LMA carries a MAG's uplink, as the RMS tells it by Load_adjust (draft section 3.2)."""

from __future__ import annotations

from ryu_pmipls.mobility.config import GatewayConfig
from ryu_pmipls.mobility.effects import Effects
from ryu_pmipls.mobility.load_adjusts import LoadAdjusts
from ryu_pmipls.mobility.tunnels import Tunnels
from ryu_pmipls.wire import LoadAdjust


class Uplinks:
    """``carriers``: anchor -> the LMA that carries the uplink of the mobile nodes anchored there."""

    def __init__(self, config: GatewayConfig, tunnels: Tunnels, effects: Effects) -> None:
        self.carriers = {lma: lma for lma in config.lmas}
        self._tunnels = tunnels
        self._effects = effects
        self.load_adjust = LoadAdjusts(config, effects, self._apply).receive

    def _apply(self, message: LoadAdjust) -> bool:
        """Note which LMA carries an uplink; the RMS itself changes the switch."""
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
