"""``pmipls check`` and ``pmipls show``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ryu_pmipls import __version__
from ryu_pmipls.cli import main


def pmipls(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_version() -> None:
    assert pmipls("--version").output == f"pmipls, version {__version__}\n"


def test_help_lists_the_commands() -> None:
    output = pmipls("--help").output
    assert all(f"\n  {name} " in output for name in ("check", "show", "lab", "demo", "mag", "lma"))


def test_unknown_command() -> None:
    result = pmipls("nonsense")
    assert (result.exit_code, "No such command 'nonsense'" in result.stderr) == (2, True)


def test_check_a_valid_profile() -> None:
    result = pmipls("check", "two-lma")
    assert result.exit_code == 0
    assert result.output.endswith("two-lma.yaml: valid. Domain two-lma: 2 LMAs, 2 MAGs, 3 mobile nodes.\n")


@pytest.mark.parametrize("command", ["check", "show"])
def test_a_fault_is_one_message_and_exit_code_2(command: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("domain: 7\n", encoding="utf-8")
    result = pmipls(command, str(path))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"Error: {path}:1: domain: ")


def test_show_draws(tmp_path: Path) -> None:
    picture = tmp_path / "domain.svg"
    result = pmipls("show", "two-lma", "--draw", str(picture))
    assert result.exit_code == 0
    assert "Local Mobility Anchors" in result.output
    assert picture.stat().st_size > 10_000


@pytest.mark.parametrize(("name", "told"), [("domain.doc", "must end in .png or .svg"), ("no/where.png", "no/where")])
def test_show_cannot_draw_there(name: str, told: str, tmp_path: Path) -> None:
    result = pmipls("show", "two-lma", "--draw", str(tmp_path / name))
    assert result.exit_code != 0
    assert told in result.stderr
    assert result.exception is None or isinstance(result.exception, SystemExit)
