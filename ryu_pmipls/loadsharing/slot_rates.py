"""Rates of the slots of uplinks, as the MAGs' switches count them: flows are not alike, and do not hash evenly."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from ryu_pmipls.loadsharing.slots import SLOTS, Slots
from ryu_pmipls.loadsharing.window import IMPLAUSIBLE, UNKNOWN_COUNTER, Counters, Floats

#: MAG -> anchor -> packets per second of each slot, or of all together where one LMA carries the uplink.
SlotRatesByUplink = Mapping[str, Mapping[str, tuple[float, ...]]]

#: Parts of a span after which rates begin with a later sample.
_PARTS = 5
#: Least part of a span that makes a rate: switches update their counters in jerks.
_LEAST = 0.6
#: Spans for which a rate is known after its last sample.
_KEPT_SPANS = 2

#: Uplinks of a MAG that are looked at together: a switch's answer has half a kilobyte for each.
_MOST_WATCHED = 32


def watched_uplinks(uplinks: Mapping[str, Slots], sessions: Mapping[str, int], hot: Collection[str]) -> list[str]:
    """The anchors of a MAG (anchor -> slots) whose uplinks lead to a hot LMA; those with the most sessions.

    ``sessions`` are those of the MAG by anchor; an uplink without any carries nothing, if any session is known.
    """
    if not hot:
        return []
    known = any(sessions.values())
    found = [
        anchor
        for anchor, slots in uplinks.items()
        if (sessions.get(anchor, 0) > 0 or not known) and not {*slots}.isdisjoint(hot)
    ]
    return sorted(found, key=lambda anchor: -sessions.get(anchor, 0))[:_MOST_WATCHED]


class SlotRates:
    """Packets per second of slots in the last ``span`` seconds, or six tenths of it at least; at most ``most`` uplinks.

    A slot's flows are the same wherever it is carried; so its rate stays known when the counters begin anew, for two
    spans without a new one.
    """

    def __init__(self, span: float, most: int = 4096) -> None:
        self._span = span
        self._most = most
        self._uplinks: OrderedDict[tuple[str, str], _Uplink] = OrderedDict()

    def add(self, mag: str, anchor: str, packets: Sequence[int], now: float) -> None:
        """Add the cumulative 64-bit counters of an uplink's slots, or the one of an uplink that one LMA carries.

        Another number of counters, a counter that fell, one that rose by too much and one that is all ones (unknown)
        make all of the uplink's begin anew, and so does a pause of more than a span. A sample that is no later than the
        last one is passed over. ``ValueError`` for any other number of counters.
        """
        if len(packets) not in (1, SLOTS):
            raise ValueError(f"an uplink has 1 or {SLOTS} counters, not {len(packets)}")
        uplink = self._uplinks.setdefault((mag, anchor), _Uplink())
        self._uplinks.move_to_end((mag, anchor))
        uplink.add(np.array(packets, dtype=np.uint64), now, self._span)
        while len(self._uplinks) > self._most:
            self._uplinks.popitem(last=False)

    def begin_anew(self, mag: str, anchor: str) -> None:
        """Have an uplink's counters begin anew, because its slots are carried by others; what is known stays."""
        uplink = self._uplinks.get((mag, anchor))
        if uplink is not None:
            uplink.samples.clear()

    def rates(self, now: float) -> SlotRatesByUplink:
        """The rates that are known at ``now``, in tenths of packets per second."""
        found: dict[str, dict[str, tuple[float, ...]]] = {}
        for mag, anchor in sorted(self._uplinks):
            uplink = self._uplinks[mag, anchor]
            if uplink.rates is not None and now - uplink.time <= _KEPT_SPANS * self._span:
                found.setdefault(mag, {})[anchor] = tuple(np.round(uplink.rates, 1).tolist())
        return found


class _Uplink:
    """Counters of one uplink; ``rates`` are as of ``time``."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, Counters]] = []
        self.rates: Floats | None = None
        self.time = 0.0

    def add(self, packets: Counters, now: float, span: float) -> None:
        samples = self.samples
        if samples and now <= samples[-1][0]:
            return
        if (packets == UNKNOWN_COUNTER).any():
            samples.clear()
            return
        if samples and not self._goes_on(packets, now, span):
            samples.clear()
        if len(samples) > 1 and samples[-1][0] - samples[-2][0] < span / _PARTS:
            samples.pop()
        samples.append((now, packets))
        while len(samples) > 2 and samples[1][0] <= now - span:
            del samples[0]
        began, first = samples[0]
        if now - began >= _LEAST * span:
            self.rates, self.time = (packets - first) / (now - began), now

    def _goes_on(self, packets: Counters, now: float, span: float) -> bool:
        last, before = self.samples[-1]
        if len(packets) != len(before) or now - last > span:
            return False
        return bool(((packets - before) < IMPLAUSIBLE).all())  # modulo 2**64, so that a wrap needs no care
