"""Findings on paper: text, JSON, documentation; and the host part with the standard library alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from docs.generators.doctor import page
from ryu_pmipls.cli import main
from ryu_pmipls.doctor import host_gathering
from ryu_pmipls.doctor.check import Finding, Verdict, ok, unknown, warning, wrong
from ryu_pmipls.doctor.host_checks import HOST_CHECKS
from ryu_pmipls.doctor.node_checks import NODE_CHECKS
from ryu_pmipls.doctor.printing import document, exit_status, lines, summary
from ryu_pmipls.domain.profile import HOST_PROFILE, LAB_PROFILE, PROFILE_VARIABLE

ROOT = Path(__file__).resolve().parents[3]


def findings(*verdicts: Verdict) -> list[Finding]:
    return [Finding("lma1", f"check {number}", verdict) for number, verdict in enumerate(verdicts)]


def test_a_finding_is_a_line_and_what_to_do_is_below_it() -> None:
    shown = findings(ok("fine"), wrong("broken", "mend it"), unknown("who knows"))
    assert list(lines(shown)) == [
        "lma1:",
        "  ok       check 0  fine",
        "  wrong    check 1  broken",
        "      what to do: mend it",
        "  unknown  check 2  who knows",
    ]


def test_what_was_found_is_wrapped_at_80_columns_and_a_command_is_not() -> None:
    shown = list(lines(findings(wrong("word " * 60, "command " * 20)), 80))
    commands = [line for line in shown if "what to do" in line]
    assert len(commands) == 1
    assert max(len(line) for line in shown if line not in commands) <= 80
    assert len(shown) > 4


def test_colours_are_for_terminals() -> None:
    assert not any("\033" in line for line in lines(findings(wrong("a", "b"))))
    assert any("\033" in line for line in lines(findings(wrong("a", "b")), colours=True))


def test_the_end_counts_the_worst_first() -> None:
    shown = findings(ok(""), warning("", "x"), ok(""), wrong("", "x"))
    assert summary(shown) == "1 wrong, 1 warning, 2 ok."
    assert exit_status(shown) == 1
    assert exit_status(findings(ok(""), warning("", "x"), unknown(""))) == 0


def test_json_has_all_of_a_finding() -> None:
    assert json.loads(document(findings(ok("fine"), wrong("broken", "mend it")))) == [
        {"subject": "lma1", "check": "check 0", "level": "ok", "found": "fine", "what_to_do": None},
        {"subject": "lma1", "check": "check 1", "level": "wrong", "found": "broken", "what_to_do": "mend it"},
    ]


def test_the_page_is_current() -> None:
    text = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    assert text == page(), "run python -m docs.generators.doctor > docs/doctor.md"


def test_titles_are_unique() -> None:
    titles = [check.title for check in (*HOST_CHECKS, *NODE_CHECKS)]
    assert len({*titles}) == len(titles)


def test_what_the_host_part_knows_of_profiles_is_what_profiles_know() -> None:
    known = (host_gathering._PROFILE_VARIABLE, host_gathering._HOST_PROFILE, host_gathering._LAB_PROFILE)
    assert known == (PROFILE_VARIABLE, HOST_PROFILE, LAB_PROFILE)


def host_part(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    # -S: no site-packages, so nothing but the standard library.
    argv = [sys.executable, "-S", "-m", "ryu_pmipls.doctor", *arguments]
    return subprocess.run(
        argv, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


def test_the_host_part_needs_the_standard_library_alone() -> None:
    done = host_part("--json")
    assert done.returncode in (0, 1), done.stderr
    found = {entry["check"]: entry for entry in json.loads(done.stdout)}
    assert found["Python"]["level"] == "ok"
    assert found["Ryu"]["level"] == "unknown"


def test_a_path_without_sbin_does_not_hide_what_is_installed() -> None:
    found = {entry["check"]: entry for entry in json.loads(host_part("--json", PATH="/usr/bin:/bin").stdout)}
    assert found["PATH"]["level"] == "warning"
    assert "sysctl" in found["PATH"]["found"]
    assert "sysctl" not in found["programs"]["found"]


def pmipls(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["doctor", *arguments])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--profile", "nowhere"], "nowhere: there is no such file"),
        (
            ["--profile", "two-lma", "--node", "mag9"],
            "no node is called 'mag9'; there are: rms, mag1, mag2",
        ),
        (["--profile", "deployment-template"], "describes real hosts: name this one, --node NODE"),
        (["--prefix", "pm"], "goes with --lab"),
        (["--lab", "--profile", "two-lma"], "--profile does not go with it"),
    ],
)
def test_wrong_input_is_one_message_and_exit_code_2(arguments: list[str], told: str) -> None:
    result = pmipls(*arguments)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())
    assert result.stdout == ""


def test_a_profile_of_the_environment_that_is_not_there_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMIPLS_PROFILE", "/nowhere.yaml")
    result = pmipls("--json")
    assert result.exit_code == 1
    first = json.loads(result.stdout)[0]
    assert (first["check"], first["level"]) == ("profile", "wrong")
    assert first["found"].startswith("$PMIPLS_PROFILE: /nowhere.yaml: there is no such file")
