"""Fixtures for the tests of whole domains."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import settings

from ryu_pmipls.domain.profile import SHIPPED_PROFILES

# What lands must not depend on chance; whoever works on the code lets chance find more.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

DeriveProfile = Callable[..., Path]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=2, help="how often tests/lab/test_crashes.py kills the RMS")


def free_port() -> int:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.bind(("::", 0))
        port: int = probe.getsockname()[1]
        return port


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

    ``prefix`` is that of the lab, ``number`` (10 to 99) goes into its subnets, and the ports are free ones: labs of
    such profiles run beside each other and beside the default lab.
    """

    def derive(prefix: str, number: int, changes: Mapping[str, Any] | None = None, shipped: str = "two-lma") -> Path:
        document = yaml.safe_load((SHIPPED_PROFILES / f"{shipped}.yaml").read_text(encoding="utf-8"))
        text = json.dumps(document)
        for old, new in (("fd00:5213:", f"fd00:52{number}:"), ("fd00:c0de:", f"fd00:c0{number}:")):
            text = text.replace(old, new)
        document = json.loads(text.replace("2001:db8:100:", f"2001:db8:{number}00:"))
        rms = {
            "openflow": {"host": "::", "port": free_port()},
            "rest": {"host": "127.0.0.1", "port": free_port()},
            "state_directory": f"/run/pmipls/{prefix}/rms",
        }
        merge(document, {"domain": f"{shipped}-{prefix}", "rms": rms, "lab": {"prefix": prefix}})
        merge(document, changes or {})
        path = tmp_path_factory.mktemp(prefix) / "profile.yaml"
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        return path

    return derive
