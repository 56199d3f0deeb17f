"""What ``pmipls mag`` and ``pmipls lma`` say to those who call them wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from ryu_pmipls import capabilities
from ryu_pmipls.cli import main


@pytest.mark.parametrize(
    ("role", "name", "text"),
    [
        ("mag", "lma1", "no MAG is called 'lma1'; there are: mag1, mag2"),
        ("lma", "mag1", "no LMA is called 'mag1'; there are: lma1, lma2"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_ones(role: str, name: str, text: str) -> None:
    result = CliRunner().invoke(main, [role, name, "--profile", "two-lma"])
    assert result.exit_code == 2
    assert text in result.output


@pytest.mark.parametrize(("role", "name"), [("mag", "mag1"), ("lma", "lma1")])
def test_without_a_switch_there_is_one_clear_message(
    role: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capabilities, "missing", lambda _: [])
    result = CliRunner().invoke(main, [role, name, "--profile", "two-lma", "--run-directory", str(tmp_path)])
    assert result.exit_code == 1
    assert result.output.startswith("Error: ovs-vsctl")
    assert "Traceback" not in result.output


@pytest.mark.parametrize(("role", "name"), [("mag", "mag1"), ("lma", "lma1")])
def test_an_agent_without_a_capability_says_which_and_what_gives_it(
    role: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capabilities, "missing", lambda wanted: [*wanted][:1])
    result = CliRunner().invoke(main, [role, name, "--profile", "two-lma", "--run-directory", str(tmp_path)])
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {name}: the agent lacks CAP_NET_ADMIN; run it as root, or as a service")
    assert result.output.endswith(f"python -m ovs_setup.service {name}\n")


def test_an_unknown_control_group_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capabilities, "missing", lambda _: [])
    argv = ["lma", "lma1", "--profile", "two-lma", "--run-directory", str(tmp_path), "--cpu-group", "pag/none"]
    result = CliRunner().invoke(main, argv)
    assert result.exit_code == 1
    assert "pag/none" in result.output
