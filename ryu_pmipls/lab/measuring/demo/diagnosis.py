"""Possible reasons for a missing effect: ended processes, health, the doctor's findings, and the logs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ryu_pmipls.doctor.printing import lines
from ryu_pmipls.http.client import ClientError, fetch, rms_of
from ryu_pmipls.http.wording import reason_lines
from ryu_pmipls.lab.examination import examine_lab
from ryu_pmipls.lab.lab import Lab, LabStatus

#: Lines of a log that tell of trouble: Python's levels and exceptions, and bird's.
_COMPLAINT = re.compile(r"\b(WARNING|ERROR|CRITICAL)\b|<(ERR|FATAL|BUG)>|^\w+(\.\w+)*(Error|Exception)\b")
_LINES = 3  # of each log, the last ones
_BUSY = 2  # load average for each core, above which figures mean little; the demo by itself brings about 1


def diagnose(lab: Lab) -> Iterator[str]:
    """Yield lines for people; none when nothing is found."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > _BUSY * cores:
        yield f"the machine is busy: load average {load:.1f} on {cores} cores"
    yield from (f"not running: {name}" for name in stopped(lab.status()))
    try:
        yield from (f"health: {line}" for line in reason_lines(fetch(rms_of(lab.profile), "health")))
    except ClientError as error:
        yield f"health: {error}"
    yield from lines(finding for finding in examine_lab(lab.profile, lab.plan) if finding.fault)
    for log in sorted((lab.directory / "log").glob("*.log")):
        yield from (f"{log.name}: {line}" for line in complaints(log))


def stopped(status: LabStatus) -> Iterator[str]:
    """The processes of a lab that should run, and do not."""
    if status.rms is None:
        yield "the RMS"
    for node in status.switches:
        if node.agent is None:
            yield f"the agent of {node.name}"
        if not node.switch:
            yield f"the Open vSwitch of {node.name}"


def complaints(log: Path) -> list[str]:
    """The last lines of a log that tell of trouble."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line.strip() for line in lines if _COMPLAINT.search(line)][-_LINES:]
