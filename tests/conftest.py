"""Fixtures for the tests of whole domains, and what a failed one leaves behind."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from hypothesis import HealthCheck, settings

from ryu_pmipls.domain.profile import SHIPPED_PROFILES
from ryu_pmipls.lab.lab import Lab
from tests.labs import last_words, take_left

# How long an example takes says more about the machine than about the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# What lands must not depend on chance; whoever works on the code lets chance find more.
settings.register_profile("ci", settings.get_profile("patient"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "patient")

DeriveProfile = Callable[..., Path]

#: A node that a busy machine keeps waiting for some seconds is not to be taken for a dead one.
_PATIENT = {
    "downlink": {"bfd_multiplier": 25},
    "tunnel": {"bfd_interval": 0.5},
    "failure": {"missing_echoes_allowed": 8},
}
#: Percent of the processors' time; a machine that has less to do is idle.
_IDLE = 20.0
#: Ports of labs' RMSs: below those that Linux gives to connections, some for each number of a lab.
_FIRST_PORT, _PORTS_EACH = 20_000, 10


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=2, help="how often test_crashes.py and test_tls.py kill the RMS")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two workers on two cores or more, which have a lab each; a third where nothing else runs, as tests mostly wait.

    None for a single file, which would stay with one.
    """
    single = len(config.args) == 1 and Path(config.args[0].partition("::")[0]).is_file()
    if single or len(os.sched_getaffinity(0)) < 2:
        return 0
    return 3 if psutil.cpu_percent(interval=1.0) < _IDLE else 2


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the last words of a failed test's labs to its report."""
    report = yield
    if report.failed:
        for lab in _labs(item):
            report.sections.extend(last_words(lab))
        report.sections.extend(take_left())
    return report


def _labs(item: pytest.Item) -> Iterator[Lab]:
    """The labs among a test's fixtures, and within them."""
    for fixture in getattr(item, "funcargs", {}).values():
        for candidate in (fixture, getattr(fixture, "lab", None)):
            if isinstance(candidate, Lab):
                yield candidate


def lab_ports(number: int) -> tuple[int, int]:
    """The ports for OpenFlow and REST of a lab's RMS: no two numbers share any, so that labs run beside each other."""
    first = _FIRST_PORT + _PORTS_EACH * number
    return first, first + 1


def merge(document: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Write ``changes`` into a document; mappings are merged, all else is replaced."""
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(document.get(key), dict):
            merge(document[key], value)
        else:
            document[key] = value


@pytest.fixture(scope="session")
def derive_profile(tmp_path_factory: pytest.TempPathFactory) -> DeriveProfile:
    """``derive_profile(prefix, number, changes={}, shipped="two-lma")``: the file of a profile that shares nothing.

    ``prefix`` is that of the lab, ``number`` (10 to 99) goes into its subnets and ports: labs of such profiles run
    beside each other and beside the default lab.
    """

    def derive(prefix: str, number: int, changes: Mapping[str, Any] | None = None, shipped: str = "two-lma") -> Path:
        document = yaml.safe_load((SHIPPED_PROFILES / f"{shipped}.yaml").read_text(encoding="utf-8"))
        text = json.dumps(document)
        for old, new in (
            (r"fd00:521[0-9]:", f"fd00:52{number}:"),
            (r"fd00:c0de:", f"fd00:c0{number}:"),
            (r"2001:db8:[1-9]00:", f"2001:db8:{number}00:"),
        ):
            text = re.sub(old, new, text)
        document = json.loads(text)
        openflow, rest = lab_ports(number)
        rms = {
            "openflow": {"host": "::", "port": openflow},
            "rest": {"host": "127.0.0.1", "port": rest},
            "state_directory": f"/run/pmipls/{prefix}/rms",
        }
        merge(document, {"domain": f"{shipped}-{prefix}", "rms": rms, "lab": {"prefix": prefix}})
        merge(document, _PATIENT)
        merge(document, changes or {})
        path = tmp_path_factory.mktemp(prefix) / "profile.yaml"
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        return path

    return derive
