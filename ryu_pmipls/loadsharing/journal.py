"""Journal of decisions with their outcomes, and of incidents at LMAs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from pydantic import TypeAdapter

from ryu_pmipls.loadsharing.decision import Decision


class DecisionOutcome(str, Enum):
    PENDING = "pending"
    ACKNOWLEDGED = "acknowledged"  # in force
    REFUSED = "refused"
    TIMED_OUT = "timed out"


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer of a switch or an agent (``by``) to a decision, at ``time`` (seconds since 1970)."""

    by: str
    outcome: DecisionOutcome
    time: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A decision with the answers to it, in the order in which they came."""

    decision: Decision
    answers: tuple[Answer, ...] = ()

    @property
    def outcome(self) -> DecisionOutcome:
        """Outcome: acknowledged once any enforcer has done so (an agent that knows only the draft never answers)."""
        outcomes = [answer.outcome for answer in self.answers]
        if DecisionOutcome.ACKNOWLEDGED in outcomes:
            return DecisionOutcome.ACKNOWLEDGED
        return outcomes[-1] if outcomes else DecisionOutcome.PENDING

    def to_json(self) -> str:
        return _RECORD.dump_json(self).decode()

    @staticmethod
    def from_json(text: str) -> Record:
        """The record that ``to_json`` wrote; ``ValueError`` if it is none."""
        return _RECORD.validate_json(text)


_RECORD = TypeAdapter(Record)


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that happened to an LMA at ``time`` (seconds since 1970), and why: ``died``, ``returned``, ..."""

    time: float
    lma: str
    kind: str
    reason: str


class Journal:
    """The last ``capacity`` decisions, oldest first when iterated; starts with ``records``."""

    def __init__(self, records: Iterable[Record] = (), capacity: int = 1000) -> None:
        self._capacity = capacity
        self._records: OrderedDict[str, Record] = OrderedDict()
        for record in records:
            self._put(record)

    def add(self, decision: Decision) -> Record:
        """Record a decision as pending."""
        return self._put(Record(decision))

    def answer(self, decision_id: str, answer: Answer) -> Record:
        """Record an answer; ``KeyError`` if the decision is not among those kept."""
        record = self._records[decision_id]
        return self._put(replace(record, answers=(*record.answers, answer)))

    def __getitem__(self, decision_id: str) -> Record:
        return self._records[decision_id]

    def __contains__(self, decision_id: str) -> bool:
        return decision_id in self._records

    def __iter__(self) -> Iterator[Record]:
        return iter(tuple(self._records.values()))

    def __len__(self) -> int:
        return len(self._records)

    def _put(self, record: Record) -> Record:
        self._records[record.decision.id] = record
        while len(self._records) > self._capacity:
            self._records.popitem(last=False)
        return record
