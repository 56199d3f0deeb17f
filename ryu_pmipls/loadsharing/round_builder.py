"""A round in the making: the decisions so far, and their predicted effect on the LMAs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from ryu_pmipls.loadsharing.decision import Alarm, Decision, Inputs, Memory, Outlook, Round
from ryu_pmipls.loadsharing.slots import SLOTS, Slots, carried, whole
from ryu_pmipls.loadsharing.snapshot import LmaState
from ryu_pmipls.loadsharing.window import UNKNOWN, Flags, Floats

#: States in which an LMA may be given uplinks at all.
TAKING = (LmaState.LIGHT, LmaState.NEUTRAL)


class RoundBuilder:
    """Round that a policy reads and adds to. LMAs and MAGs go by their place in the profile (``row`` and ``column``).

    ``cpu`` is the predicted CPU fraction of each LMA (NaN unknown), ``packets`` the predicted packets in a window; both
    follow the decisions that are added. Work is CPU fraction times capacity, so that it is the same at every LMA.
    """

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.settings = inputs.settings
        self.snapshot = snapshot = inputs.snapshot
        self.now = snapshot.time
        self.names = [load.lma for load in snapshot.lmas]
        self.row = {lma: row for row, lma in enumerate(self.names)}
        self.column = {mag: column for column, mag in enumerate(snapshot.mags)}
        self.rates = snapshot.rates()
        self.cpu: Floats = np.array([np.nan if load.cpu is None else load.cpu for load in snapshot.lmas])
        self.packets: Floats = np.array([load.packets or 0 for load in snapshot.lmas], dtype=np.float64)
        self.capacity: Floats = np.array([load.capacity for load in snapshot.lmas])
        self.may_take: Flags = np.array([load.state in TAKING for load in snapshot.lmas], dtype=np.bool_)
        self.decisions: list[Decision] = []
        self.outlook: Outlook | None = None
        self.evacuated = dict.fromkeys(inputs.memory.evacuated)
        self._alarms: dict[str, Alarm] = {}
        self._changed: dict[str, dict[str, Slots]] = {}
        self._spread = inputs.spread

    def recent(self, seconds: float) -> list[Decision]:
        """The decisions of earlier rounds that are younger than that, oldest first."""
        return [move for move in self.inputs.memory.moves if self.now - move.time < seconds]

    def uplinks(self, mag: str) -> Mapping[str, Slots]:
        """Anchor -> slots of a MAG after the decisions so far."""
        return {**self.inputs.uplinks.get(mag, {}), **self._changed.get(mag, {})}

    def home(self, mag: str, anchor: str) -> Slots | None:
        """The slots with which an uplink begins; None if the snapshot does not know the MAG or the anchor."""
        if anchor not in self.row or mag not in self.column:
            return None
        return whole(anchor) if self._spread is None else self._spread[self.column[mag], self.row[anchor]]

    def carried(self, mag: str, lma: str) -> dict[str, tuple[int, ...]]:
        """Anchor -> slots of a MAG that an LMA carries after the decisions so far, in the order of the snapshot.

        The order of the uplinks may differ in a record, which leaves out anchors that carry all of their own.
        """
        found = carried({mag: self.uplinks(mag)}, mag, lma)
        order = sorted(found, key=lambda anchor: self.row.get(anchor, len(self.row)))
        return {anchor: found[anchor] for anchor in order}

    def weights(self, mag: str, slots: Mapping[str, tuple[int, ...]]) -> dict[str, Floats]:
        """Anchor -> weights of its slots, by number: packets per second where these are measured.

        Else a slot counts for its part of the anchor's sessions at the MAG; all alike where no session is known.
        """
        base, measured = self._sessions(mag, slots), self.inputs.slot_rates.get(mag, {})
        known = [anchor for anchor in slots if anchor in measured and base[anchor] > 0]
        rate = sum(sum(measured[anchor]) for anchor in known)
        if rate <= 0:
            return {anchor: np.full(SLOTS, weight) for anchor, weight in base.items()}
        # What is not measured sends as much for a session.
        unit = rate / sum(base[anchor] for anchor in known) / SLOTS
        return {
            anchor: of_slots(measured[anchor]) if anchor in known else np.full(SLOTS, base[anchor] * unit)
            for anchor in slots
        }

    def part(self, mag: str, slots: Mapping[str, tuple[int, ...]], whole: Mapping[str, tuple[int, ...]]) -> float:
        """The fraction of the traffic of ``whole`` that belongs to ``slots``, a part of it."""
        weights = self.weights(mag, whole)
        total = sum(float(weights[anchor][list(numbers)].sum()) for anchor, numbers in whole.items())
        part = sum(
            float(weights[anchor][list(numbers)].sum()) for anchor, numbers in slots.items() if anchor in weights
        )
        return part / total if total else 0.0

    def measured(self) -> Floats:
        """Packets per second (LMAs, MAGs) of slots after the decisions so far; NaN where some are not measured."""
        rates = np.full((len(self.names), len(self.snapshot.mags)), np.nan)
        for mag, anchors in self.inputs.slot_rates.items():
            if mag in self.column:
                rates[:, self.column[mag]] = self._measured(mag, anchors)
        return rates

    def _measured(self, mag: str, measured: Mapping[str, tuple[float, ...]]) -> Floats:
        uplinks, rates = self.uplinks(mag), np.zeros(len(self.names) + 1)  # the last is that of LMAs unknown here
        for anchor, sessions in self._sessions(mag, dict.fromkeys([*self.names, *uplinks])).items():
            if sessions > 0:
                carriers = [self.row.get(lma, -1) for lma in uplinks.get(anchor) or whole(anchor)]
                np.add.at(rates, carriers, of_slots(measured[anchor]) if anchor in measured else np.nan)
        return rates[:-1]

    def awaited(self) -> Flags:
        """The LMAs to which slots of uplinks lead that were divided, but have been measured only as a whole."""
        found = np.zeros(len(self.names), dtype=np.bool_)
        for mag, anchors in self.inputs.slot_rates.items():
            for anchor, rates in anchors.items():
                carriers = {*(self.inputs.uplinks.get(mag, {}).get(anchor) or whole(anchor))}
                if len(carriers) > 1 and len(rates) == 1:
                    found[[self.row[lma] for lma in carriers if lma in self.row]] = True
        return found

    def _sessions(self, mag: str, anchors: Iterable[str]) -> dict[str, float]:
        """Anchor -> its sessions at a MAG; 1 for all where no session is known."""
        if self.inputs.sessions is not None:
            sessions = self.inputs.sessions.get(mag, {})
            found = {anchor: float(sessions.get(anchor, 0)) for anchor in anchors}
            if any(found.values()):
                return found
        return dict.fromkeys(anchors, 1.0)

    def share(self, mag: str, row: int, slots: Mapping[str, tuple[int, ...]]) -> float:
        """The fraction that ``slots`` made up of the traffic an LMA carried for a MAG before the round."""
        return min(1.0, self.part(mag, slots, carried(self.inputs.uplinks, mag, self.names[row])))

    def move(
        self,
        mag: str,
        old: int,
        new: int,
        slots: Mapping[str, tuple[int, ...]],
        *,
        work: float,
        rate: float,
        reason: str,
        evacuation: bool = False,
        by_hand: bool = False,
    ) -> None:
        """Decide a move from LMA ``old`` to LMA ``new`` (rows), of ``work`` and ``rate`` packets per second."""
        self.cpu[old] = max(0.0, self.cpu[old] - work / self.capacity[old])
        self.cpu[new] += work / self.capacity[new]
        self.packets[old] -= rate * self.snapshot.window
        self.packets[new] += rate * self.snapshot.window
        before = sum(decision.mag == mag for decision in self.decisions)
        decision = Decision(
            id=f"{self.inputs.id}-{mag}" + (f"-{before + 1}" if before else ""),
            round=self.inputs.id,
            time=self.now,
            mag=mag,
            old_lma=self.names[old],
            new_lma=self.names[new],
            slots=slots,
            share=self.share(mag, old, slots),
            predicted_cpu=float(self.cpu[new]),
            rate=float(rate),
            reason=reason,
            evacuation=evacuation,
            by_hand=by_hand,
        )
        self.decisions.append(decision)
        self._changed.setdefault(mag, {}).update(decision.apply({mag: self.uplinks(mag)}))

    def alarm(self, lma: str, reason: str) -> None:
        """Raise an alarm: an LMA should be relieved and cannot."""
        since = next((alarm.since for alarm in self.inputs.memory.alarms if alarm.lma == lma), self.now)
        self._alarms[lma] = Alarm(lma, since, reason)

    def traffic(self, row: int) -> list[tuple[int, int]]:
        """(column, packets in the window) of the MAGs that are known to send through an LMA, the biggest first."""
        counts = self.snapshot.packets[row]
        columns = np.flatnonzero((counts != UNKNOWN) & (counts != 0))
        order = columns[np.argsort(-counts[columns], kind="stable")]
        return [(int(column), int(counts[column])) for column in order]

    def work_per_rate(self) -> float:
        """Work that a packet per second makes, over all LMAs together; 0 while none has any traffic."""
        rate = np.nansum(self.rates, axis=1)
        known = (rate > 0) & np.isfinite(self.cpu)
        return float((self.cpu * self.capacity)[known].sum() / rate[known].sum()) if known.any() else 0.0

    def result(self) -> Round:
        """The finished round; its memory forgets events too old to matter."""
        remembered = self.recent(max(self.settings.cool_down, self.snapshot.window))
        memory = Memory(
            moves=(*remembered, *self.decisions),
            alarms=tuple(self._alarms.values()),
            evacuated=tuple(self.evacuated),
        )
        return Round(self.inputs, tuple(self.decisions), memory, self.outlook)


def of_slots(rates: tuple[float, ...]) -> Floats:
    """The rate of each slot; an even part where one of all is known."""
    return np.array(rates) if len(rates) == SLOTS else np.full(SLOTS, sum(rates) / SLOTS)
