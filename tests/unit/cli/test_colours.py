"""Colours: for terminals only, and not where ``$NO_COLOR`` is set."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

PROGRAM = """
from ryu_pmipls.cli.progress import progress_console
progress_console(document=False).print("[red]alarm[/red]")
"""
RED = b"\x1b[31m"


def printed_on_a_terminal(**environment: str) -> bytes:
    """What the program prints when standard output is a terminal."""
    ours, its = pty.openpty()
    bare = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLORTERM")}
    argv = [sys.executable, "-c", PROGRAM]
    subprocess.run(argv, stdout=its, env=bare | {"TERM": "xterm"} | environment, check=True)
    os.close(its)
    try:
        return os.read(ours, 1000)
    finally:
        os.close(ours)


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)], ids=str
)
def test_a_terminal_is_coloured_unless_it_must_not(environment: dict[str, str], coloured: bool) -> None:
    text = printed_on_a_terminal(**environment)
    assert b"alarm" in text
    assert (RED in text) == coloured


def test_a_pipe_gets_no_colours() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    assert done.stdout == b"alarm\n"
