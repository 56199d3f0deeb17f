"""In processes of their own: what is taken cannot be given back."""

from __future__ import annotations

import subprocess
import sys
from ast import literal_eval
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NICE = -10
PRELUDE = """
import os
from pathlib import Path
from ryu_pmipls.precedence import take_precedence

def values():
    group = Path("/proc/self/autogroup")
    return os.getpriority(os.PRIO_PROCESS, 0), int(group.read_text().split()[-1]) if group.exists() else None
"""


def run(program: str, *, leader: bool = True) -> list[tuple[int, int | None]]:
    """What a program prints, a pair a line: its nice value, and that of its session if there is one."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + program],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        start_new_session=leader,
    )
    assert done.stderr == ""
    return [literal_eval(line) for line in done.stdout.splitlines()]


def permitted(nice: int) -> bool:
    """Whether such a nice value can be had here: not in every container."""
    try:
        run(f"os.setpriority(os.PRIO_PROCESS, 0, {nice})")
    except subprocess.CalledProcessError:
        return False
    return True


def test_a_process_of_its_own_session() -> None:
    before, after = run("print(values()); take_precedence(); print(values())")
    if permitted(NICE):
        assert after == (min(NICE, before[0]), None if before[1] is None else NICE)
    else:
        assert after == before


def test_the_session_of_others_is_left_alone() -> None:
    before, after, parent = run(
        """
if os.fork():
    os.wait()
    print((os.getpriority(os.PRIO_PROCESS, 0), values()[1]))
else:
    print(values(), flush=True)
    take_precedence()
    print(values(), flush=True)
    os._exit(0)
"""
    )
    assert after == (min(NICE, before[0]) if permitted(NICE) else before[0], before[1])
    assert parent == before


@pytest.mark.parametrize("nice", [-15, 5])
def test_more_than_that_is_kept(nice: int) -> None:
    before, after = run(
        f"""
try:
    os.setpriority(os.PRIO_PROCESS, 0, {nice})
except OSError:
    pass
print(values())
take_precedence()
print(values())
"""
    )
    assert after[0] == (min(NICE, before[0]) if permitted(NICE) else before[0])


def test_who_may_not_takes_nothing() -> None:
    before, after = run(
        """
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
print(values())
take_precedence()
print(values())
"""
    )
    assert after == before
