"""``./run``: its parts in ``scripts/``, sourced one by one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import CHECKOUT


def bash(script: str, *parts: str, **variables: object) -> subprocess.CompletedProcess[str]:
    """Run a script that begins with these variables and parts of ``./run``, as that does."""
    lines = ["set -euo pipefail", f"checkout='{CHECKOUT}'"]
    lines += [f"{name}='{value}'" for name, value in variables.items()]
    lines += [f". '{CHECKOUT}/scripts/{part}.sh'" for part in parts]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = ["bash", "-c", "\n".join([*lines, script])]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"PATH": path})


def test_a_step_that_fails_shows_why_in_the_tools_words(tmp_path: Path) -> None:
    tool = (
        "diagnosis() { :; }; tool() { echo Collecting; echo 'ERROR: No matching distribution'; echo done; return 1; }"
    )
    done = bash(f"{tool}\nstep wheels 'pip could not.' tool", "steps", log=tmp_path / "log")
    assert done.returncode == 1
    assert "pip could not. It said:\n    ERROR: No matching distribution\n" in done.stderr
    assert "Collecting" not in done.stderr


def test_a_tool_that_names_no_error_is_shown_by_its_last_words(tmp_path: Path) -> None:
    done = bash("for i in {1..20}; do echo line $i; done | complaints", "steps")
    assert done.stdout.split("\n")[0] == "    line 13"
    assert done.stdout.endswith("line 20\n")


def test_all_checks_run_and_the_end_says_which_failed(tmp_path: Path) -> None:
    script = "verdicts=(); check style false; check types echo second; report_verdicts"
    done = bash(script, "checks", venv=tmp_path)
    assert done.returncode == 1
    assert "second" in done.stdout
    assert done.stdout.endswith("style        FAILED\ntypes        passed\n")


def test_the_end_has_the_counts_of_the_tests(tmp_path: Path) -> None:
    tests = tmp_path / "test_three.py"
    tests.write_text("import pytest\ndef test_a(): pass\ndef test_b(): assert 0\ndef test_c(): pytest.skip('no')\n")
    (tmp_path / "setup").mkdir()
    script = f"verdicts=(); check tests run_pytest -q -p no:cacheprovider {tests}; report_verdicts"
    done = bash(script, "checks", venv=tmp_path)
    assert done.returncode == 1
    assert done.stdout.endswith("tests        FAILED: 1 passed, 1 failed, 1 skipped\n")
    assert "1 failed, 1 passed, 1 skipped in" in done.stdout


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """A folder of systemd in which ``ssh`` is enabled."""
    folder = tmp_path / "units"
    (folder / "multi-user.target.wants").mkdir(parents=True)
    (folder / "multi-user.target.wants" / "ssh.service").symlink_to("/lib/systemd/system/ssh.service")
    return folder


def test_units_that_packages_enable_are_disabled_and_no_others(units: Path) -> None:
    script = f"""
    units='{units}'
    dpkg-query() {{ printf '/usr/lib/systemd/system/%s\\n' bird.service ssh.service; }}
    before=$(enabled_units)
    for unit in bird.service dbus.service; do ln -s /lib/systemd/system/$unit "$units/multi-user.target.wants"; done
    systemctl() {{ :; }}
    disable_units "$before" bird2
    enabled_units | xargs -n 1 basename
    """
    done = bash(script, "steps", "machine")
    assert done.stdout.split()[-2:] == ["dbus.service", "ssh.service"], done.stderr


def test_a_package_starts_no_service_that_does_not_run(tmp_path: Path) -> None:
    systemctl = tmp_path / "systemctl"
    systemctl.write_text('#!/bin/sh\n[ "$3" = ssh.service ]\n')
    systemctl.chmod(0o755)
    script = f"""
    policy='{tmp_path}/policy' PATH='{tmp_path}':$PATH
    (
        hold_services
        for service in bird ssh; do
            "$policy" $service.service restart && echo 0 || echo $?
        done
        trap - EXIT # as when it is killed
    )
    [ -e "$policy" ] && "$policy" bird.service start && echo $?
    [ -e "$policy" ] || echo gone
    """
    done = bash(script, "steps", "machine")
    assert done.stdout.split() == ["101", "0", "0", "gone"], done.stderr


@pytest.mark.parametrize("arguments", ["ubuntu demo", "debian13", "debian13 rm"])
def test_on_names_what_there_is(arguments: str) -> None:
    done = bash(f"on {arguments}", "steps", "machine", "on", cache="/nowhere")
    assert done.returncode == 1
    assert "there is" in done.stderr


def test_the_keeper_removes_the_groups_when_everything_inside_has_ended(tmp_path: Path) -> None:
    group = tmp_path / "group"
    (group / "pmipls" / "pm").mkdir(parents=True)
    (tmp_path / "control").mkdir()
    keeper = ["bash", CHECKOUT / "scripts" / "keeper.sh", tmp_path / "control", group]
    with subprocess.Popen(keeper, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        process.stdin.write("123\n")
    assert process.returncode == 0
    assert not group.exists()
    assert not (tmp_path / "control").exists()
