"""What is in the wheel, in the source distribution, and in the lock files."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROFILES = {str(path.relative_to(ROOT / "topologies")) for path in (ROOT / "topologies").rglob("*.yaml")}
BUILD = "import sys, setuptools.build_meta as backend; getattr(backend, 'build_' + sys.argv[1])(sys.argv[2])"

#: A package in a lock file.
ENTRY = r"([a-z0-9-]+)==(\S+)(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a build reads, so that nothing is left in the checkout."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("LICENSE", "README.md", "pyproject.toml", "setup.cfg", "setup.py"):
        shutil.copy(ROOT / name, tree)
    for name in ("ryu_pmipls", "ovs_setup", "topologies"):
        shutil.copytree(ROOT / name, tree / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    return tree


def build(kind: str, tree: Path, target: Path) -> Path:
    done = subprocess.run([sys.executable, "-c", BUILD, kind, target], cwd=tree, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    (built,) = target.iterdir()
    return built


def profiles(names: list[str], prefix: str) -> set[str]:
    return {name.removeprefix(prefix) for name in names if name.startswith(prefix) and name.endswith(".yaml")}


def test_wheel(tree: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(build("wheel", tree, tmp_path)) as wheel:
        names = wheel.namelist()
        assert b"import sys, ryu_pmipls.startup;" in wheel.read("ryu_pmipls.pth")
    assert profiles(names, "ryu_pmipls/topologies/") == PROFILES
    assert {"ryu_pmipls/py.typed", "ovs_setup/hostapd-pmipls.sh"} <= set(names)
    modules = [path for package in ("ryu_pmipls", "ovs_setup") for path in (ROOT / package).rglob("*.py")]
    assert {str(path.relative_to(ROOT)) for path in modules} == {name for name in names if name.endswith(".py")}


def test_wheel_of_the_source_distribution(tree: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(build("sdist", tree, tmp_path), tmp_path / "unpacked")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    (tmp_path / "wheel").mkdir()
    with zipfile.ZipFile(build("wheel", unpacked, tmp_path / "wheel")) as wheel:
        assert profiles(wheel.namelist(), "ryu_pmipls/topologies/") == PROFILES


def locked(name: str) -> dict[str, str]:
    """Version of each package in a lock file, which is nothing but packages with hashes."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    assert re.fullmatch(rf"#.*\n({ENTRY})+", text), f"{name} has more than packages and hashes in it"
    return {package: version for _, package, version in re.findall(f"({ENTRY})", text)}


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_locks_hold_all_that_the_package_asks_for_in_its_range(python: str) -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    runtime = locked(f"python{python}.txt")
    everything = runtime | locked(f"python{python}-test.txt")
    extras = config["options.extras_require"]
    for lines, lock in (
        (config["options"]["install_requires"] + extras["rms"] + extras["security"], runtime),
        (extras["test"], everything),
    ):
        for requirement in map(Requirement, filter(None, lines.splitlines())):
            assert lock[canonicalize_name(requirement.name)] in requirement.specifier, requirement
    assert locked("build.txt").items() <= runtime.items()
