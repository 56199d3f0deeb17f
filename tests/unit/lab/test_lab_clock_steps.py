from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ryu_pmipls.lab.clock_steps import ClockSteps
from ryu_pmipls.lab.processes import MARK

#: Says, for each line that comes in, what the clocks show.
DAEMON = """
import sys
from ryu_pmipls.clock import Clock
clock = Clock()
for _ in sys.stdin:
    now = clock()
    print(now, clock.wall(now), clock.time_of_day(now), flush=True)
"""


class Daemon:
    def __init__(self, steps: ClockSteps, name: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", DAEMON],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | dict(steps.environment) | {MARK: f"pm:{name}"},
        )

    def look(self) -> tuple[float, float, float]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        now, wall, today = map(float, self.process.stdout.readline().split())
        return now, wall, today

    def stop(self) -> None:
        self.process.communicate()


def test_the_wall_clock_of_one_daemon_is_stepped_and_no_other(tmp_path: Path) -> None:
    steps = ClockSteps(tmp_path)
    daemons = [Daemon(steps, name) for name in ("mag1", "mag2")]
    before = [daemon.look() for daemon in daemons]
    steps.step("mag1", -3600)
    steps.step("mag1", 60)
    after = [daemon.look() for daemon in daemons]
    passed = [late[0] - early[0] for early, late in zip(before, after, strict=True)]
    walls = [late[1] - early[1] for early, late in zip(before, after, strict=True)]
    times = [late[2] - early[2] for early, late in zip(before, after, strict=True)]
    for daemon in daemons:
        daemon.stop()
    assert all(0 < seconds < 60 for seconds in passed)
    assert [round(wall - seconds) for wall, seconds in zip(walls, passed, strict=True)] == [-3540, 0]
    assert [round(today - seconds) for today, seconds in zip(times, passed, strict=True)] == [0, 0]
