"""Do the unit tests notice small faults in the RMS? A seeded sample of mutants, each in a process of its own.

    python -m tests.mutation --seed 1 --count 100 [--from 0 --to 30] [--jobs 2]

A process is forked with all foreign packages loaded, imports the project with one module mutated, and runs the tests
that have to do with that module until one fails. It has limits of processor time and memory; to exceed
them counts as noticed.
(mutmut leaves decorated functions alone, which are all handlers of Ryu's events; cosmic-ray starts an interpreter for
each mutant, which here takes longer than the tests; neither takes a seeded sample.)
"""

from __future__ import annotations

import argparse
import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import resource
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import CodeType
from typing import Any

import eventlet
import hypothesis
import numpy
import pydantic
import pytest
import ryu.base.app_manager
import ryu.controller.ofp_handler
import ryu.ofproto.ofproto_v1_3_parser
import webob
import yaml

from tests.mutation.mutants import Mutant, mutants, mutated

ROOT = Path(__file__).resolve().parents[2]
LOADED = (eventlet, hypothesis, numpy, pydantic, ryu, webob, yaml)
#: Seconds of processor time, and octets of memory, for the tests of one mutant.
_TIME, _MEMORY = 90, 3 * 2**30
#: What is mutated, with the tests that have to notice, the nearest first. Of a folder in another the innermost counts.
SCOPE: dict[str, tuple[str, ...]] = {
    "ryu_pmipls/rms.py": ("rms",),
    "ryu_pmipls/controller": ("controller", "rms"),
    "ryu_pmipls/controller/switches": ("switches", "rms"),
    "ryu_pmipls/controller/fast": ("switches", "rms/test_route_adjusts.py"),
    "ryu_pmipls/controller/bindings": ("bindings", "rms/test_route_adjusts.py"),
    "ryu_pmipls/controller/store": ("store",),
    "ryu_pmipls/controller/ryu": ("ryu", "rms/test_switches_in_line.py"),
    "ryu_pmipls/controller/api": (
        "rms/test_rest_resources.py",
        "rms/test_rest_limits.py",
        "rms/test_operator_commands.py",
    ),
}
#: Of some modules the tests that are nearest.
NEAREST: dict[str, str] = {
    "ryu_pmipls/controller/operator_commands.py": "rms/test_operator_commands.py",
    "ryu_pmipls/controller/failure_detection.py": "rms/test_lma_deaths.py",
    "ryu_pmipls/controller/load_sharing.py": "rms/test_sharing_enforcement.py",
    "ryu_pmipls/controller/load_measurement.py": "rms/test_sharing_enforcement.py",
    "ryu_pmipls/controller/uplink_enforcement.py": "rms/test_sharing_enforcement.py",
    "ryu_pmipls/controller/inbox.py": "controller/test_inbox.py",
    "ryu_pmipls/controller/switch_events.py": "rms/test_switches_in_line.py",
    "ryu_pmipls/controller/recovery.py": "rms/test_bindings_recovery.py",
    "ryu_pmipls/controller/health.py": "controller/test_health_reasons.py",
    "ryu_pmipls/controller/data_path.py": "controller/test_data_path.py",
    "ryu_pmipls/controller/node_sweep.py": "controller/test_node_sweep.py",
    "ryu_pmipls/controller/state.py": "controller/test_domain_state.py",
    "ryu_pmipls/controller/unsaved.py": "controller/test_domain_state.py",
    "ryu_pmipls/controller/ryu/described_state.py": "switches/test_downlink_entries.py",
    "ryu_pmipls/controller/store/memory.py": "store/test_store_contract.py",
    "ryu_pmipls/controller/switches/session.py": "switches/test_session.py",
    "ryu_pmipls/controller/switches/mag.py": "switches/test_node_pipelines.py",
    "ryu_pmipls/controller/switches/mag_rules.py": "switches/test_node_pipelines.py",
    "ryu_pmipls/controller/switches/actions.py": "switches/test_actions.py",
    "ryu_pmipls/controller/switches/match.py": "switches/test_actions.py",
    "ryu_pmipls/controller/switches/lma.py": "switches/test_node_pipelines.py",
    "ryu_pmipls/controller/fast/flow_mod_template.py": "switches/test_template.py",
    "ryu_pmipls/controller/switches/reconciler.py": "rms/test_switches_in_line.py",
    "ryu_pmipls/controller/switches/switch_writer.py": "rms/test_switches_in_line.py",
}


class _Mutated(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, mutant: Mutant) -> None:
        super().__init__(name, str(mutant.path))
        self._mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        return compile(mutated(self._mutant), self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        parts = mutant.path.relative_to(ROOT).with_suffix("").parts
        self._name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        self._mutant = mutant

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        package = [str(self._mutant.path.parent)] if self._mutant.path.stem == "__init__" else None
        loader = _Mutated(fullname, self._mutant)
        return importlib.util.spec_from_file_location(
            fullname, self._mutant.path, loader=loader, submodule_search_locations=package
        )


def tests_of(path: Path) -> list[str]:
    """The tests for a module, the nearest first."""
    name = str(path.relative_to(ROOT))
    scope = max((scope for scope in SCOPE if name.startswith(scope)), key=len)
    wanted = [NEAREST[name]] if name in NEAREST else []
    files: dict[str, None] = {}
    for part in (*wanted, *SCOPE[scope]):
        found = ROOT / "tests" / "unit" / part
        for file in sorted(found.glob("test_*.py")) if found.is_dir() else [found]:
            files[str(file)] = None
    return [*files]


def sample(seed: int, count: int) -> list[Mutant]:
    """The same for the same sources."""
    paths = {path for scope in SCOPE for path in (ROOT / scope).rglob("*.py")} | {
        ROOT / scope for scope in SCOPE if scope.endswith(".py")
    }
    everything = [mutant for path in sorted(paths) for mutant in mutants(path)]
    print(f"{len(everything)} mutants in {len(paths)} modules; {count} of them by the seed {seed}", flush=True)
    return random.Random(seed).sample(everything, count)


def start(mutant: Mutant | None, tests: Sequence[str]) -> int:
    """Run tests in a child; its process id."""
    child = os.fork()
    if child:
        return child
    resource.setrlimit(resource.RLIMIT_CPU, (_TIME, _TIME))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    if mutant is not None:
        sys.meta_path.insert(0, _Finder(mutant))
    code = 1
    try:
        options = ("-x", "-q", "-p", "no:cacheprovider", "-n", "0", "-W", "ignore", "--rootdir", str(ROOT))
        code = int(pytest.main([*options, *tests]))
    finally:
        os._exit(code)


def run(sampled: Iterable[tuple[int, Mutant]], jobs: int) -> list[Mutant]:
    """Those that nobody has noticed."""
    unnoticed, waiting, running = [], [*sampled], dict[int, tuple[int, Mutant, float]]()
    while waiting or running:
        while waiting and len(running) < jobs:
            number, mutant = waiting.pop(0)
            running[start(mutant, tests_of(mutant.path))] = number, mutant, time.monotonic()
        child, status = os.wait()
        number, mutant, begin = running.pop(child)
        verdict = "NOT NOTICED" if status == 0 else "out of time" if os.WIFSIGNALED(status) else "noticed"
        place = f"{mutant.path.relative_to(ROOT)}:{mutant.line}"
        print(f"{number:3} {verdict} after {time.monotonic() - begin:.0f} s: {place}: {mutant.text}", flush=True)
        if status == 0:
            unnoticed.append(mutant)
    return unnoticed


def main() -> None:
    """The exit status is 1 when more than a tenth is not noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    for name, default in (("seed", 1), ("count", 100), ("from", 0), ("to", None), ("jobs", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--only", type=int, nargs="*", help="numbers in the sample")
    options = vars(parser.parse_args())
    sampled = [*enumerate(sample(options["seed"], options["count"]))][options["from"] : options["to"]]
    if options["only"]:
        sampled = [(number, mutant) for number, mutant in sampled if number in options["only"]]
    unnoticed = run(sampled, options["jobs"])
    print(f"{len(sampled) - len(unnoticed)} of {len(sampled)} noticed")
    sys.exit(10 * len(unnoticed) > len(sampled))


if __name__ == "__main__":
    main()
