"""``pmipls check`` and ``pmipls show``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ryu_pmipls import __version__
from ryu_pmipls.cli import main
from ryu_pmipls.domain.profile import SHIPPED_PROFILES
from ryu_pmipls.domain.profile.warnings import LEFT_AT_EXTENSION
from ryu_pmipls.mobility.update_list import REFRESH_AFTER


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
    result = pmipls("check", "--profile", "two-lma")
    assert result.exit_code == 0
    assert result.output.endswith("two-lma.yaml: valid. Domain two-lma: 2 LMAs, 2 MAGs, 3 mobile nodes.\n")


@pytest.mark.parametrize("command", ["check", "show"])
def test_a_fault_is_one_message_and_exit_code_2(command: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("domain: 7\n", encoding="utf-8")
    result = pmipls(command, "--profile", str(path))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"Error: {path}:1: domain: ")


def test_check_tells_the_same_as_a_document() -> None:
    document = json.loads(pmipls("check", "--profile", "two-lma", "--json").stdout)
    assert document.pop("profile").endswith("two-lma.yaml")
    assert document == {"domain": "two-lma", "lmas": 2, "mags": 2, "mobile_nodes": 3, "warnings": []}


@pytest.mark.parametrize(("lifetime", "warned"), [(719, True), (720, False), (60, True)])
def test_check_warns_of_router_lifetimes_that_hosts_ignore(tmp_path: Path, lifetime: int, warned: bool) -> None:
    path = tmp_path / "short.yaml"
    good = (SHIPPED_PROFILES / "two-lma.yaml").read_text(encoding="utf-8")
    path.write_text(f"{good}\ntimers:\n  adjust_tries: 3\n  binding_lifetime: {lifetime}\n", encoding="utf-8")
    line = len(path.read_text(encoding="utf-8").splitlines())
    result = pmipls("check", "--profile", str(path))
    assert result.exit_code == 0 and "valid" in result.stdout
    document = json.loads(pmipls("check", "--profile", str(path), "--json").stdout)
    if warned:
        assert result.stderr == f"Warning: {document['warnings'][0]}\n"
        assert result.stderr.startswith(f"Warning: {path}:{line}: timers.binding_lifetime: with {lifetime} s")
        assert f"down to {lifetime / 4:g} s" in result.stderr
    else:
        assert result.stderr == "" and document["warnings"] == []


def test_a_binding_is_extended_when_as_much_of_its_lifetime_is_left_as_the_warning_says() -> None:
    assert 1 - REFRESH_AFTER == LEFT_AT_EXTENSION


def test_check_tells_all_faults_with_line_and_name_of_the_item(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    good = (SHIPPED_PROFILES / "two-lma.yaml").read_text(encoding="utf-8")
    wrong = good.replace("name: lma2", "name: lma1").replace("identifier: mn3@example.net", "identifier: ''")
    path.write_text(wrong, encoding="utf-8")
    lines = wrong.splitlines()
    places = [number for number, line in enumerate(lines, 1) if "name: lma1" in line or "identifier: ''" in line]
    result = pmipls("check", "--profile", str(path))
    assert result.exit_code == 2
    told = result.stderr.removeprefix("Error: ").splitlines()
    assert {f"{path}:{place}:" for place in places[1:]} <= {line.partition(" ")[0] for line in told}
    assert any("(lma1)" in line for line in told)


def test_show_as_a_document_has_every_setting() -> None:
    document = json.loads(pmipls("show", "--profile", "two-lma", "--json").stdout)
    assert [lma["name"] for lma in document["lmas"]] == ["lma1", "lma2"]
    assert document["load_sharing"]["policy"] == "draft"


def test_show_shows_identifiers_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "brackets.yaml"
    good = (SHIPPED_PROFILES / "two-lma.yaml").read_text(encoding="utf-8")
    path.write_text(good.replace("mn1@example.net", "'[/b]@example.net'"), encoding="utf-8")
    result = pmipls("show", "--profile", str(path))
    assert (result.exit_code, "  [/b]@example.net  " in result.stdout) == (0, True)


def test_show_draws(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "pictures"
    result = pmipls("show", "--profile", "two-lma", "--output", str(folder))
    assert result.exit_code == 0
    assert "Local Mobility Anchors" in result.output
    assert f"Left in {folder}: domain.png, domain.svg\n" in result.output
    assert (folder / "domain.svg").stat().st_size > 10_000


def test_show_cannot_draw_into_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = pmipls("show", "--profile", "two-lma", "--output", str(tmp_path / "file"))
    assert (result.exit_code, "is a file" in result.stderr) == (2, True)
    result = pmipls("show", "--profile", "two-lma", "--output", str(tmp_path / "file" / "below"))
    assert (result.exit_code, result.stderr.endswith("file/below: Not a directory\n")) == (1, True)
