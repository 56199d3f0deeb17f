"""The LMAs that carry a MAG's uplink, as the RMS says by Load_adjust (draft section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from ipaddress import IPv6Address

from ryu_pmipls.mobility.config import GatewayConfig
from ryu_pmipls.mobility.effects import Effects
from ryu_pmipls.mobility.load_adjusts import LoadAdjusts
from ryu_pmipls.mobility.tunnels import Tunnels
from ryu_pmipls.wire import LoadAdjust, UplinkShare


class Uplinks:
    """Shares of the uplink by LMA; only a record, because the RMS itself changes the switch.

    At first all shares are equal: each LMA carries the uplink of the mobile nodes that it anchors. A Load_adjust with
    the new shares (``UplinkShare``) replaces the record; from an LMA to itself it moves nothing, and only tells them.
    One without them is the draft's, and moves all of the old LMA's share to the new LMA (errata E33, E34).
    """

    def __init__(self, config: GatewayConfig, tunnels: Tunnels, effects: Effects) -> None:
        self._slots = dict.fromkeys(config.lmas, 1)
        self._tunnels = tunnels
        self._effects = effects
        self.load_adjust = LoadAdjusts(config, effects, self._apply).receive

    @property
    def shares(self) -> dict[IPv6Address, Fraction]:
        """LMA -> the part of the uplink that it carries, of those that carry any; together they make 1."""
        total = sum(self._slots.values())
        return {lma: Fraction(slots, total) for lma, slots in self._slots.items()}

    def _apply(self, message: LoadAdjust, _now: float) -> bool:
        """Record the new shares, if they are possible; return true if they are."""
        old, new = message.old_lma, message.new_lma
        told = {share.lma: share.slots for share in message.all(UplinkShare) if share.slots}
        slots = told or self._moved(old, new)
        unknown = next((lma for lma in (new, *slots) if lma not in self._tunnels), None)
        if unknown is not None:
            fault = f"{unknown} is no LMA of this MAG"
        elif old != new and not self._tunnels.is_up(new):
            fault = f"there is no tunnel to {new}"
        elif not told and old not in self._slots:
            fault = f"no uplink goes to {old}"
        else:
            before, self._slots = self._slots, dict(slots)
            if self._slots != before:
                self._effects.report("uplink-moved", f"from {old} to {new}", old=old, new=new)
            return True
        self._effects.report("load-adjust-refused", f"Load_adjust from {old} to {new}: {fault}", old=old, new=new)
        return False

    def _moved(self, old: IPv6Address, new: IPv6Address) -> Mapping[IPv6Address, int]:
        """The slots after all of the old LMA's have become the new one's."""
        kept = {lma: slots for lma, slots in self._slots.items() if lma != old}
        return {**kept, new: kept.get(new, 0) + self._slots.get(old, 0)}
