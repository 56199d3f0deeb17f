"""Which profile a process reads: one order for all, and only a lab has a profile of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from ovs_setup.__main__ import main as ovs_setup
from ovs_setup.bird import main as bird
from ryu_pmipls.cli import main
from ryu_pmipls.domain.profile import (
    LAB_PROFILE,
    PROFILE_VARIABLE,
    NoProfileError,
    ProfileError,
    find_profile,
    loading,
)

NOBODY = 65534


@pytest.fixture(autouse=True)
def host_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of this host's profile, which is not there yet; and the environment names none."""
    path = tmp_path / "etc" / "domain.yaml"
    monkeypatch.setattr(loading, "HOST_PROFILE", path)
    monkeypatch.delenv(PROFILE_VARIABLE, raising=False)
    return path


def some_file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}", encoding="utf-8")
    return path


def test_the_name_goes_before_the_environment_and_that_before_the_file_of_the_host(
    host_profile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_file(host_profile)
    assert find_profile() == find_profile(fallback=LAB_PROFILE) == host_profile
    mine = some_file(tmp_path / "mine.yaml")
    monkeypatch.setenv(PROFILE_VARIABLE, str(mine))
    assert find_profile() == find_profile(fallback=LAB_PROFILE) == mine
    assert find_profile("two-lma").name == "two-lma.yaml"
    monkeypatch.setenv(PROFILE_VARIABLE, "deployment-template")
    assert find_profile().name == "deployment-template.yaml"


def test_only_a_lab_does_without_any_profile(host_profile: Path) -> None:
    assert find_profile(fallback=LAB_PROFILE).name == "two-lma.yaml"
    with pytest.raises(NoProfileError) as error:
        find_profile()
    assert "\n" not in str(error.value)
    assert all(place in str(error.value) for place in ("none is named", "$PMIPLS_PROFILE", str(host_profile)))


def test_a_wrong_name_in_the_environment_is_said_to_come_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROFILE_VARIABLE, "nowhere")
    with pytest.raises(ProfileError, match=r"^\$PMIPLS_PROFILE: nowhere: there is no such file.*shipped: .*two-lma"):
        find_profile(fallback=LAB_PROFILE)


def test_a_profile_that_is_not_there_tells_what_is_shipped() -> None:
    with pytest.raises(ProfileError, match=r"nowhere: there is no such file.*shipped: .*two-lma"):
        find_profile("nowhere")


def test_a_directory_is_no_profile_but_hides_none_that_is_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two-lma").mkdir()
    (tmp_path / "mine").mkdir()
    assert find_profile("two-lma").name == "two-lma.yaml"
    with pytest.raises(ProfileError, match=r"^mine: is a directory, not a profile$"):
        find_profile("mine")


@contextmanager
def as_nobody() -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("hidden", ["file", "directory"])
def test_a_profile_without_permission_is_one_message(hidden: str, host_profile: Path) -> None:
    some_file(host_profile)
    for folder in (host_profile.parents[1], host_profile.parents[2], host_profile.parents[3]):
        folder.chmod(0o755)
    (host_profile if hidden == "file" else host_profile.parent).chmod(0)
    with as_nobody():
        result = CliRunner().invoke(main, ["check"])
    host_profile.parent.chmod(0o755)
    assert (result.exit_code, result.stderr) == (2, f"Error: {host_profile}: cannot be read: Permission denied\n")


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_what_is_no_name_of_a_file_is_one_message(name: str) -> None:
    with pytest.raises(ProfileError, match=r"^[^\n]*$"):
        find_profile(name)


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (main, ["mag", "mag1"]),
        (main, ["lma", "lma1"]),
        (main, ["keys"]),
        (main, ["check"]),
        (main, ["show"]),
        (bird, ["lma1"]),
        (ovs_setup, ["mag", "mag1"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_who_serves_or_describes_a_domain_ends_with_status_2_without_a_profile(
    command: object, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    result = CliRunner().invoke(command, arguments)  # type: ignore[arg-type]
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: no profile: ") and result.stderr.count("\n") == 1


def test_a_client_without_a_profile_asks_at_the_default_address() -> None:
    result = CliRunner().invoke(main, ["bindings", "--url", "http://127.0.0.1:1"])
    assert "http://127.0.0.1:1/v1/bindings" in result.stderr
    result = CliRunner().invoke(main, ["bindings"])
    assert result.exit_code == 0 or "http://127.0.0.1:8080/v1/bindings" in result.stderr


@pytest.mark.parametrize(
    ("named", "told"), [("", "no profile: none is named"), ("nowhere", "$PMIPLS_PROFILE: nowhere: there is no such")]
)
def test_the_rms_ends_with_status_2_without_a_profile(named: str, told: str) -> None:
    if Path("/etc/pmipls/domain.yaml").exists():
        pytest.skip("this host has a profile")
    environment = os.environ | {PROFILE_VARIABLE: named}
    argv = [sys.executable, "-c", "import ryu_pmipls.rms"]
    result = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 2
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("ryu_pmipls.rms: ")]
    assert line.startswith(f"ryu_pmipls.rms: {told}")
