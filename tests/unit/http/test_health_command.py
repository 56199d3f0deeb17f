"""``pmipls health``: what it prints, and its exit status."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ryu_pmipls.cli import main
from ryu_pmipls.http import client

REASON = {"subject": "lma1", "since": 1_700_000_000.0, "text": "lma1 gets no downlink: its BGP session is down"}
WELL: dict[str, Any] = {
    "status": "ok",
    "reasons": [],
    "domain": "two-lma",
    "bindings": 2,
    "switches": {"mag1": "ready", "lma1": "ready"},
    "downlink": {"lma1": "announced"},
    "refused": {},
}


@pytest.fixture
def health(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    document = dict(WELL)
    monkeypatch.setattr(client, "fetch", lambda base, resource: document)
    return document


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["health", *arguments])


def test_a_domain_that_is_well_exits_with_0(health: dict[str, Any]) -> None:
    result = run()
    assert result.exit_code == 0
    assert "downlink by lma1  announced" in result.output


def test_a_degraded_one_exits_with_1_after_a_line_for_each_reason(health: dict[str, Any]) -> None:
    health |= {"status": "degraded", "reasons": [REASON]}
    result = run()
    assert result.exit_code == 1
    (line,) = [line for line in result.output.splitlines() if line.startswith("lma1")]
    assert line.startswith(f"{REASON['text']} (since ")


def test_the_document_has_the_same_exit_status(health: dict[str, Any]) -> None:
    health |= {"status": "degraded", "reasons": [REASON]}
    result = run("--json")
    assert result.exit_code == 1
    assert json.loads(result.output) == health


def test_an_rms_that_does_not_answer_exits_with_1() -> None:
    result = run("--url", "http://127.0.0.1:1")
    assert result.exit_code == 1
    assert "is the RMS running?" in result.output


@pytest.mark.parametrize("arguments", [("--profile", "no-such-profile"), ("--nonsense",)])
def test_wrong_input_exits_with_2(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2
