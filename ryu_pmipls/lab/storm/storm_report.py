"""The report of a storm: ``report.json``, and a summary for people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from ryu_pmipls.lab.storm.footprint import Footprint
from ryu_pmipls.lab.storm.strikes import Struck
from ryu_pmipls.lab.storm.supervision import Downtime
from ryu_pmipls.lab.verdicts import Verdict, verdict_table

#: Lines of each demand that the summary shows.
_SHOWN = 12


@dataclass(frozen=True)
class StormDemand:
    """Something that must hold after a storm; ``faults`` are what speaks against it."""

    name: str
    measured: str
    faults: tuple[str, ...] = ()

    @property
    def met(self) -> bool:
        return not self.faults


@dataclass
class StormReport:
    """Everything about one storm. Times are seconds after its beginning.

    ``asked`` and ``answered``: mobile node -> times of its echo requests, and of those that were answered.
    """

    domain: str
    seed: int
    duration: float
    versions: Mapping[str, str]
    blows: Sequence[Struck] = ()
    downtimes: Sequence[Downtime] = ()
    asked: Mapping[str, Sequence[float]] = field(default_factory=dict)
    answered: Mapping[str, Sequence[float]] = field(default_factory=dict)
    served_after: Mapping[str, float | None] = field(default_factory=dict)
    before: Footprint | None = None
    after: Footprint | None = None
    demands: list[StormDemand] = field(default_factory=list)
    stopped: str | None = None  # the reason why it could not go on, if so

    @property
    def passed(self) -> bool:
        return self.stopped is None and bool(self.demands) and all(demand.met for demand in self.demands)

    def demand(self, name: str, measured: str, faults: Sequence[str]) -> None:
        """Add a demand, met if there are no faults."""
        self.demands.append(StormDemand(name, measured, tuple(faults)))

    def document(self) -> dict[str, Any]:
        """The report as a JSON document."""
        return {
            "domain": self.domain,
            "seed": self.seed,
            "duration": self.duration,
            "versions": dict(self.versions),
            "passed": self.passed,
            "stopped": self.stopped,
            "demands": [asdict(demand) | {"met": demand.met} for demand in self.demands],
            "served_after": dict(self.served_after),
            "blows": [struck.document() for struck in self.blows],
            "downtimes": [asdict(downtime) for downtime in self.downtimes],
            "requests": {
                node: {"asked": len(self.asked[node]), "answered": len(self.answered.get(node, ()))}
                for node in self.asked
            },
            "before": None if self.before is None else self.before.document(),
            "after": None if self.after is None else self.after.document(),
        }

    def write(self, directory: Path) -> Path:
        """Write the document; returns its path."""
        path = directory / "report.json"
        path.write_text(json.dumps(self.document(), indent=2) + "\n", encoding="utf-8")
        return path


def summary(report: StormReport) -> Table:
    """Table of the demands, met or not, each with what was measured, and what speaks against it."""
    return verdict_table("After the storm", (_verdict(demand) for demand in report.demands))


def _verdict(demand: StormDemand) -> Verdict:
    shown, more = demand.faults[:_SHOWN], len(demand.faults) - _SHOWN
    remarks = (*shown, f"and {more} more, in the report") if more > 0 else shown
    return Verdict(demand.met, demand.name, demand.measured, remarks)


def counted(blows: Sequence[Struck]) -> str:
    """The number of blows of each kind: ``kill 40, handoff 20``."""
    numbers = Counter(struck.blow.kind for struck in blows)
    return ", ".join(f"{kind} {number}" for kind, number in numbers.most_common())
