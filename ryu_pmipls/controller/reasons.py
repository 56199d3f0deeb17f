"""The reasons why a domain is not well: the findings of each check, and since when they last. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: Reasons that are shown at most; the others are only counted.
MOST = 100


@dataclass(frozen=True, slots=True)
class Symptom:
    """A fault that shows now at ``subject`` (the name of a node, or the domain's); ``text`` also names it.

    A symptom becomes a reason after ``patience`` seconds. ``since`` (seconds since 1970) is its beginning, if known;
    else the time at which it was found first.
    """

    subject: str
    text: str
    patience: float = 0.0
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """A symptom that has lasted; ``since`` is seconds since 1970."""

    subject: str
    since: float
    text: str


class Reasons:
    """The present reasons, in the order in which their symptoms were found."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, str], tuple[float, float]] = {}  # found first: seconds since 1970, monotonic clock

    def update(self, symptoms: Iterable[Symptom], now: float, monotonic: float) -> list[Reason]:
        """Compare with all symptoms present at ``now`` (seconds since 1970), which is ``monotonic`` on that clock."""
        found = {(symptom.subject, symptom.text): symptom for symptom in symptoms}
        self._since = {key: self._since.get(key, (now, monotonic)) for key in found}
        reasons = []
        for key, symptom in found.items():
            first, began = self._since[key]
            if monotonic - began >= symptom.patience:
                since = first if symptom.since is None else symptom.since
                reasons.append(Reason(symptom.subject, since, symptom.text))
        return reasons


def shown(reasons: list[Reason], domain: str) -> list[Reason]:
    """As many reasons as a person may want to see, and a last one that counts the others."""
    if len(reasons) <= MOST:
        return reasons
    others = reasons[MOST:]
    since = min(reason.since for reason in others)
    return [*reasons[:MOST], Reason(domain, since, f"{len(others)} other things are wrong")]
