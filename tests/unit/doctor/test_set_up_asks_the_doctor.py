"""A step of set-up that fails is followed by what the doctor finds wrong with the machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def failing_step(tmp_path: Path, python: str) -> str:
    script = (
        f'set -euo pipefail; checkout={ROOT}; log={tmp_path}/log; . "$checkout/scripts/steps.sh"; step T "No." false'
    )
    environment = {**os.environ, "PYTHON": python, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    return done.stderr


def test_a_step_that_fails_is_followed_by_the_doctors_findings(tmp_path: Path) -> None:
    said = failing_step(tmp_path, "/usr/bin/python3")
    assert "run: No. It said:" in said
    assert f"All of it is in {tmp_path}/log.\nThe doctor finds:\nthis host:\n" in said
    assert "what to do: export PATH=" in said


def test_without_a_python_there_are_no_findings(tmp_path: Path) -> None:
    assert failing_step(tmp_path, "/nowhere/python3").endswith(f"All of it is in {tmp_path}/log.\n")
