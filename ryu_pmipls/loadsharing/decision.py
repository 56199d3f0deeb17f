"""Inputs and results of a round of load sharing: all of them values, so that any round can be replayed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import groupby
from typing import Any

from pydantic import TypeAdapter

from ryu_pmipls.loadsharing.load_list import OverloadRule
from ryu_pmipls.loadsharing.slot_rates import SlotRatesByUplink
from ryu_pmipls.loadsharing.slots import SLOTS, Slots, SpreadSlots, Uplinks, reassigned, slots_of, spread_slots, whole
from ryu_pmipls.loadsharing.snapshot import LoadSnapshot


@dataclass(frozen=True, slots=True)
class Settings:
    """A policy, by its name, and its settings; any round may use another value.

    ``cool_down`` is the seconds that a MAG rests after a move, and, up to a window, the LMAs of the move (erratum E25).
    ``own`` has the settings of single policies, those of all of them by name; a policy has defaults for what is
    missing. A round has at most ``max_moves`` moves that could have waited, except with ``draft``. With
    ``spread_uplinks`` idle uplinks are spread out over all LMAs, and do not lead to their anchors.
    """

    policy: str = "draft"
    rule: OverloadRule = field(default_factory=OverloadRule)
    cool_down: float = 300.0
    own: Mapping[str, Any] = field(default_factory=dict)
    max_moves: int = 10
    spread_uplinks: bool = False

    def to_document(self) -> dict[str, Any]:
        """The settings as a JSON document, with those of the policies among the others."""
        return {
            "policy": self.policy,
            "rule": asdict(self.rule),
            "cool_down": self.cool_down,
            **self.own,
            "max_moves": self.max_moves,
            "spread_uplinks": self.spread_uplinks,
        }

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> Settings:
        """Build from the result of ``to_document``; ``ValueError`` names the fault."""
        common = {name: value for name, value in document.items() if name in _COMMON}
        own = {name: value for name, value in document.items() if name not in _COMMON}
        return replace(_SETTINGS.validate_python(common), own=own)


@dataclass(frozen=True, slots=True)
class Decision:
    """A move of ``slots`` (anchor -> numbers), a ``share`` of what ``mag`` sends through ``old_lma``, to ``new_lma``.

    A share of 1 is all of it: the draft's Load_adjust (erratum E33). ``predicted_cpu`` is the fraction expected at the
    new LMA, ``rate`` the packets per second expected to move; None where too little is known. ``time`` is
    seconds since 1970, ``id`` unique, ``round`` the id of the round. An ``evacuation`` leaves an LMA that is dead or
    draining; the operator has decided what is ``by_hand``.
    """

    id: str
    round: str
    time: float
    mag: str
    old_lma: str
    new_lma: str
    slots: Mapping[str, tuple[int, ...]]
    share: float
    predicted_cpu: float | None
    rate: float | None
    reason: str
    evacuation: bool = False
    by_hand: bool = False

    def apply(self, uplinks: Uplinks) -> dict[str, Slots]:
        """Anchor -> desired slots at the MAG, of the anchors that change."""
        return {
            anchor: reassigned(slots_of(uplinks, self.mag, anchor), numbers, self.new_lma)
            for anchor, numbers in self.slots.items()
        }


@dataclass(frozen=True, slots=True)
class Alarm:
    """An LMA cannot be relieved as it should (erratum E23), seen in every round from ``since`` to the last."""

    lma: str
    since: float
    reason: str


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory from one round to the next: recent decisions, oldest first, and the uplinks that must go back one day.

    ``evacuated`` are (MAG, LMA) whose uplink, anchored at the LMA, had to leave it.
    """

    moves: tuple[Decision, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    evacuated: tuple[tuple[str, str], ...] = ()

    def shifted(self, seconds: float) -> Memory:
        """Convert the memory to a clock that is ``seconds`` ahead."""
        return replace(
            self,
            moves=tuple(replace(move, time=move.time + seconds) for move in self.moves),
            alarms=tuple(replace(alarm, since=alarm.since + seconds) for alarm in self.alarms),
        )


@dataclass(frozen=True, slots=True)
class Inputs:
    """All inputs of a round.

    ``sessions`` are the numbers of mobile nodes of each anchor at each MAG: they show which uplinks carry anything,
    where only the total packets of a MAG are counted. None when unknown; all anchors then count alike.
    ``slot_rates`` has what the slots of uplinks carry, of those where that has been measured.
    """

    settings: Settings
    snapshot: LoadSnapshot
    uplinks: Uplinks = field(default_factory=dict)
    memory: Memory = Memory()
    sessions: Mapping[str, Mapping[str, int]] | None = None
    slot_rates: SlotRatesByUplink = field(default_factory=dict)

    @property
    def time(self) -> float:
        return self.snapshot.time

    @property
    def id(self) -> str:
        """Name of the round: milliseconds since 1970."""
        return str(round(self.time * 1000))

    @property
    def spread(self) -> SpreadSlots | None:
        """The slots with which uplinks begin, where these are spread out; None where anchors carry them."""
        return _spread(self.settings, self.snapshot)

    def to_document(self) -> dict[str, Any]:
        """The inputs as a JSON document; slots as runs of LMAs, without those that are as they began."""
        spread = self.spread
        rows, columns = _places(load.lma for load in self.snapshot.lmas), _places(self.snapshot.mags)

        def begun(mag: str, anchor: str) -> Slots:
            return whole(anchor) if spread is None else spread[columns[mag], rows[anchor]]

        return {
            "settings": self.settings.to_document() | {"cool_down": float(self.settings.cool_down)},
            "snapshot": self.snapshot.to_document(),
            "uplinks": {
                mag: entries
                for mag, anchors in self.uplinks.items()
                if (
                    entries := {
                        anchor: _runs(slots) for anchor, slots in anchors.items() if slots != begun(mag, anchor)
                    }
                )
            },
            "memory": _MEMORY.dump_python(self.memory, mode="json"),
            "sessions": None if self.sessions is None else {mag: dict(self.sessions[mag]) for mag in self.sessions},
            "slot_rates": {
                mag: {anchor: list(slots) for anchor, slots in anchors.items()}
                for mag, anchors in self.slot_rates.items()
            },
        }

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> Inputs:
        """Build from the result of ``to_document``; ``ValueError`` names the fault."""
        try:
            settings = Settings.from_document(document["settings"])
            snapshot = LoadSnapshot.from_document(document["snapshot"])
            uplinks = _begun(_spread(settings, snapshot), snapshot)
            for mag, anchors in document["uplinks"].items():
                uplinks.setdefault(mag, {}).update({anchor: _slots(runs) for anchor, runs in anchors.items()})
            return Inputs(
                settings=settings,
                snapshot=snapshot,
                uplinks=uplinks,
                memory=_MEMORY.validate_python(document["memory"]),
                sessions=_SESSIONS.validate_python(document["sessions"]),
                slot_rates=_measured(document.get("slot_rates", {})),  # records before 0.2 have none
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not the record of a round of decisions: {error!r}") from error


@dataclass(frozen=True, slots=True)
class Outlook:
    """The highest CPU of the LMAs that took part: ``before`` the round, predicted ``after`` it, and at the ``optimum``.

    Fractions. The optimum is a lower bound: the level that traffic would allow if it could be divided at will.
    """

    before: float
    after: float
    optimum: float

    @property
    def gap(self) -> float:
        """Excess of the prediction over the optimum, as a fraction of the optimum."""
        return self.after / self.optimum - 1 if self.optimum > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Round:
    """Result of a round on ``inputs``; ``memory`` is for the next round, ``outlook`` None when no LMA took part."""

    inputs: Inputs
    decisions: tuple[Decision, ...]
    memory: Memory
    outlook: Outlook | None

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        return self.memory.alarms


_SETTINGS = TypeAdapter(Settings)
_COMMON = {field.name for field in fields(Settings)} - {"own"}
_MEMORY = TypeAdapter(Memory)
_SESSIONS: TypeAdapter[dict[str, dict[str, int]] | None] = TypeAdapter(dict[str, dict[str, int]] | None)

_SLOT_RATES: TypeAdapter[dict[str, dict[str, tuple[float, ...]]]] = TypeAdapter(dict[str, dict[str, tuple[float, ...]]])


def _measured(document: Any) -> SlotRatesByUplink:
    rates = _SLOT_RATES.validate_python(document)
    if any(len(slots) not in (1, SLOTS) for anchors in rates.values() for slots in anchors.values()):
        raise ValueError(f"the rates of an uplink are those of {SLOTS} slots, or one of all")
    return rates


def _places(names: Iterable[str]) -> dict[str, int]:
    return {name: place for place, name in enumerate(names)}


def _spread(settings: Settings, snapshot: LoadSnapshot) -> SpreadSlots | None:
    if not settings.spread_uplinks:
        return None
    return spread_slots(tuple(load.lma for load in snapshot.lmas), tuple(load.capacity for load in snapshot.lmas))


def _begun(spread: SpreadSlots | None, snapshot: LoadSnapshot) -> dict[str, dict[str, Slots]]:
    """The uplinks as they began; those that their anchors carry have no entry."""
    if spread is None:
        return {}
    anchors = [load.lma for load in snapshot.lmas]
    return {
        mag: {anchor: spread[column, row] for row, anchor in enumerate(anchors)}
        for column, mag in enumerate(snapshot.mags)
    }


def _runs(slots: Slots) -> list[tuple[str, int]]:
    return [(lma, len(list(run))) for lma, run in groupby(slots)]


def _slots(runs: list[tuple[str, int]]) -> Slots:
    slots = tuple(lma for lma, length in runs for _ in range(length))
    if len(slots) != SLOTS:
        raise ValueError(f"an uplink has {len(slots)} slots; it must have {SLOTS}")
    return slots
