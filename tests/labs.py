"""Labs of tests: up for a while, gone in any case, and what is left of those that failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.processes import last_lines

#: Lines of each log of a lab that a failure report has.
_LINES = 15
#: Of labs that came to nothing: they are gone when their failure is reported.
_left: list[tuple[str, str]] = []


@contextmanager
def lab_of(path: Path, *, agents: bool = True, environment: Mapping[str, str] | None = None) -> Iterator[Lab]:
    """The lab of a profile, which is up, and goes down in the end; its daemons have this environment besides ours."""
    lab = Lab(load_profile(path), path, environment)
    try:
        lab.up(agents=agents)
        yield lab
    except BaseException:
        _left.extend(last_words(lab))
        raise
    finally:
        lab.down()


def last_words(lab: Lab) -> list[tuple[str, str]]:
    """Titles and last lines of the logs of a lab's RMS, agents, routing daemons and switches."""
    logs = [*sorted((lab.directory / "log").glob("*.log")), *sorted(lab.directory.glob("*/ovs-vswitchd.log"))]
    return [(f"end of {log}", last_lines(log, _LINES)) for log in logs]


def take_left() -> list[tuple[str, str]]:
    """The same of labs that came to nothing since this was asked last."""
    left = _left.copy()
    _left.clear()
    return left
