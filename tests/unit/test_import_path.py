"""What dependencies install under a name of ours never takes the place of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tests
from tests import CHECKOUT, checkout_first

ASK = "import tests.bench.comparison as ours; print(ours.__file__)"


@pytest.fixture
def stray(tmp_path: Path) -> Path:
    """A folder of packages, one of which is called ``tests`` but is not ours."""
    (tmp_path / "packages" / "tests").mkdir(parents=True)
    (tmp_path / "packages" / "tests" / "__init__.py").touch()
    return tmp_path / "packages"


def run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False)


def test_these_tests_are_the_checkouts() -> None:
    assert tests.__file__ == str(Path(__file__).parents[1] / "__init__.py")


def test_a_program_elsewhere_imports_the_checkout_that_comes_first(
    stray: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    program.write_text(ASK)
    monkeypatch.setenv("PYTHONPATH", str(stray))
    assert "No module named 'tests.bench'" in run(str(program), folder=tmp_path).stderr
    for name, value in checkout_first().items():
        monkeypatch.setenv(name, value)
    assert run(str(program), folder=tmp_path).stdout.strip() == str(CHECKOUT / "tests" / "bench" / "comparison.py")


def test_the_import_path_keeps_what_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/opt/somewhere")
    assert checkout_first()["PYTHONPATH"] == f"{CHECKOUT}{os.pathsep}/opt/somewhere"


@pytest.mark.parametrize("package", ["ryu_pmipls", "ovs_setup", "tests"])
def test_what_runs_in_the_checkout_imports_the_checkout(package: str) -> None:
    answer = run("-c", f"import {package}; print({package}.__file__)", folder=CHECKOUT)
    assert answer.stdout.strip() == str(CHECKOUT / package / "__init__.py"), answer.stderr


@pytest.mark.parametrize("package", ["bench", "fuzz"])
def test_packages_run_as_modules_are_the_checkouts(package: str, stray: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(stray))
    answer = run("-m", f"tests.{package}", "no such thing", folder=CHECKOUT)
    assert "No module named" not in answer.stderr
    assert any(word in answer.stderr for word in ("There is no benchmark", "Targets:"))
