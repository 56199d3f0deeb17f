"""Every benchmark runs, as ``./run bench --smoke`` does it; what one needs, and cannot get, is told. Needs root."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.__main__ import BENCHMARKS
from tests.bench.arena import Arena

ROOT = Path(__file__).resolve().parents[2]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "tests.bench", *arguments]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_it_runs(name: str) -> None:
    done = bench("--smoke", name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f" {name} " in done.stdout and "As JSON" not in done.stdout


def test_one_that_is_not_there_is_refused_with_those_that_are() -> None:
    done = bench("speed")
    assert done.returncode == 1 and done.stderr.startswith("There is no benchmark speed; there are: access_link, ")


@pytest.fixture
def arena() -> Iterator[Arena]:
    with Arena(1) as made:
        yield made


def test_a_process_of_the_arena_that_dies_is_told_with_its_last_words(arena: Arena) -> None:
    arena.start([sys.executable, "-c", "import sys; print('the sky is falling'); sys.exit(3)"], "sky.log")
    with pytest.raises(RuntimeError, match="switches: sky ended with status 3:\n    the sky is falling"):
        arena.expect(lambda: False, "switches")


def test_what_does_not_come_about_is_told_with_the_last_words_of_all(arena: Arena) -> None:
    arena.start([sys.executable, "-c", "print('waiting', flush=True); import time; time.sleep(600)"], "idle.log")
    arena.expect(lambda: (arena.directory / "idle.log").read_text(), "a word")
    with pytest.raises(TimeoutError, match=r"switches did not come about .*\nidle.log:\n    waiting"):
        arena.expect(lambda: False, "switches", timeout=0.1)


def test_processes_of_the_arena_import_our_tests_and_not_those_of_another_package(arena: Arena, tmp_path: Path) -> None:
    script = tmp_path / "script.py"  # whose own directory is what Python looks at first
    script.write_text("import tests.bench\nprint(tests.bench.__file__, flush=True)\nimport time\ntime.sleep(600)\n")
    arena.start([sys.executable, str(script)], "script.log")
    said = arena.expect(lambda: (arena.directory / "script.log").read_text(), "a word")
    assert said.strip() == str(ROOT / "tests" / "bench" / "__init__.py")
