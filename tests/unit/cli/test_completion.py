"""What shells complete."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.shell_completion import CompletionItem, ShellComplete
from click.testing import CliRunner

from ryu_pmipls.cli import main
from ryu_pmipls.domain.profile import PROFILE_VARIABLE, find_profile, loading
from ryu_pmipls.lab import cleanup


@pytest.fixture(autouse=True)
def bare_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "HOST_PROFILE", tmp_path / "etc" / "domain.yaml")
    monkeypatch.setattr(cleanup, "STATE", tmp_path / "labs")
    monkeypatch.delenv(PROFILE_VARIABLE, raising=False)


def completed(words: str, incomplete: str = "") -> list[CompletionItem]:
    return ShellComplete(main, {}, "pmipls", "_PMIPLS_COMPLETE").get_completions(words.split(), incomplete)


def values(words: str, incomplete: str = "") -> list[str]:
    return [item.value for item in completed(words, incomplete)]


@pytest.mark.parametrize(
    ("words", "incomplete", "expected"),
    [
        ("", "lo", ["load-list"]),
        ("lab switch", "", ["start", "stop"]),
        ("check --profile", "", ["deployment-template", "four-lma", "three-lma", "two-lma"]),
        ("check --profile", "t", ["three-lma", "two-lma"]),
        ("simulate", "p", ["ping-pong"]),
        ("drain", "", ["lma1", "lma2"]),
        ("drain --profile four-lma", "", ["lma1", "lma2", "lma3", "lma4"]),
        ("adjust", "", ["mag1", "mag2"]),
        ("adjust mag1", "", ["lma1", "lma2"]),
        ("dry-run --drain", "lma2", ["lma2"]),
        ("mag", "", ["mag1", "mag2"]),
        ("tell", "", ["mag1", "mag2", "lma1", "lma2"]),
        ("doctor --node", "", ["mag1", "mag2", "lma1", "lma2", "rms"]),
        ("completion", "", ["bash", "zsh", "fish"]),
        ("lab attach", "", []),
        ("drain --profile nowhere", "", []),
    ],
)
def test_completions(words: str, incomplete: str, expected: list[str]) -> None:
    assert values(words, incomplete) == expected


def test_the_profile_that_applies_names_the_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROFILE_VARIABLE, "four-lma")
    assert values("mag") == ["mag1", "mag2", "mag3", "mag4"]


def test_the_running_lab_names_its_nodes(tmp_path: Path) -> None:
    for prefix, name in (("pm", "two-lma"), ("pl", "four-lma")):
        cleanup.record(prefix, cleanup.LabObjects())
        (tmp_path / "labs" / prefix / "profile.yaml").write_text(find_profile(name).read_text())
    assert values("lab attach") == []
    assert values("lab attach --prefix pm") == ["mn1", "mn2", "mn3"]
    assert values("lab attach --prefix pl mn1") == ["mag1", "mag2", "mag3", "mag4"]
    assert values("lab traffic --prefix pm mn1") == ["mn1", "mn2", "mn3"]
    assert values("lab switch stop --prefix pm", "l") == ["lma1", "lma2"]
    assert values("lab down --prefix") == ["pl", "pm"]


def test_what_is_no_shipped_name_is_a_file() -> None:
    (item,) = completed("check --profile", "./my")
    assert (item.type, item.value) == ("file", "./my")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert f"_PMIPLS_COMPLETE={shell}_complete" in result.output
