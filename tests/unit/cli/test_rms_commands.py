"""Commands that ask the RMS, or have it do something, before a server that answers as it does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ryu_pmipls.cli import main
from ryu_pmipls.cli.commands import operator
from tests.fakes.answering_server import AnsweringServer, answering_server
from tests.unit.cli.rms_documents import BINDING, DECISION, DEGRADED, INCIDENT, LOAD, NAI, NODE

VIEWS: dict[str, tuple[Any, str]] = {
    "load-list": ({"lmas": [LOAD]}, "mag1 12 345, mag2 12 345"),
    "lmas": ([NODE], "0000000000000021"),
    "mags": ([NODE], "lma1 by lma1 (20/32) and lma2 (12/32), lma2 by lma2"),
    "tunnels": (
        [{"mag": "mag1", "lma": "lma1", "up": True, "uplink_packets": 1234567, "downlink_packets": None}],
        "mag1  lma1  yes  1 234 567       unknown",
    ),
    "bindings": ([BINDING], f"2001:db8:114:dc02::/64  {NAI}  mag1"),
    "decisions": ([DECISION], "lma1 -> lma2  acknowledged  lma1 is overloaded"),
    "incidents": ([INCIDENT], "lma1  died  its switch"),
}


@pytest.fixture
def rms() -> Iterator[AnsweringServer]:
    with answering_server() as server:
        yield server


def ask(rms: AnsweringServer, *words: str) -> Result:
    result = CliRunner().invoke(main, [*words, "--url", rms.url])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


@pytest.mark.parametrize(("name", "document", "told"), [(name, *view) for name, view in VIEWS.items()], ids=VIEWS)
def test_a_view_is_a_table_or_the_document(name: str, document: Any, told: str, rms: AnsweringServer) -> None:
    rms.answer(f"/v1/{name}", document)
    result = ask(rms, name)
    assert (result.exit_code, told in result.stdout, result.stderr) == (0, True, "")
    result = ask(rms, name, "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, document)


@pytest.mark.parametrize("prefix", ["2001:db8:100:3::", "2001:db8:100:3::/64"])
def test_traffic_is_asked_for_by_prefix(prefix: str, rms: AnsweringServer) -> None:
    ways = {"uplink_packets": 5, "uplink_octets": 500, "downlink_packets": 6, "downlink_octets": None}
    rms.answer("/v1/bindings/2001:db8:100:3::", ways)
    assert "downlink  6        unknown" in ask(rms, "traffic", prefix).stdout


def test_a_degraded_domain_is_shown_and_ends_with_1(rms: AnsweringServer) -> None:
    rms.answer("/v1/health", DEGRADED | {"reasons": [{"text": f"{NAI} gets nothing", "since": 1_700_000_000.0}]})
    result = ask(rms, "health")
    assert (result.exit_code, result.stderr) == (1, "")
    assert f"\n{NAI} gets nothing (since " in result.stdout
    result = ask(rms, "health", "--json")
    assert (result.exit_code, json.loads(result.stdout)["domain"]) == (1, "two-lma")


@pytest.mark.parametrize(
    "url", ["127.0.0.1:{port}", "http://127.0.0.1:{port}/", "HTTP://127.0.0.1:{port}", "localhost:{port}"]
)
def test_an_address_is_as_good_as_a_url(url: str, rms: AnsweringServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    rms.answer("/v1/bindings", [])
    result = CliRunner().invoke(main, ["bindings", "--json", "--url", url.format(port=rms.server_port)])
    assert (result.exit_code, result.stdout) == (0, "[]\n"), result.stderr


def test_a_name_is_a_part_of_a_path_whatever_is_in_it(rms: AnsweringServer) -> None:
    assert ask(rms, "undrain", "lma 1/../x?y#zü").exit_code == 2
    assert rms.posted == [("/v1/lmas/lma%201%2F..%2Fx%3Fy%23z%C3%BC/undrain", {})]


# Operator's commands


def drain(safe: bool) -> dict[str, Any]:
    return {"name": "lma1", "drain": {"safe_to_stop": safe, "waits_for": [] if safe else ["2 sessions", "uplinks"]}}


def test_drain_tells_what_it_waits_for_and_when_it_is_safe(
    rms: AnsweringServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator, "_INTERVAL", 0.01)
    rms.answer("/v1/lmas/lma1/drain", drain(False))
    rms.answer("/v1/lmas/lma1", drain(True))
    result = ask(rms, "drain", "lma1")
    assert (result.exit_code, result.stdout) == (0, "lma1 is being drained, and waits for: 2 sessions; uplinks.\n")
    result = ask(rms, "drain", "lma1", "--wait", "5")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "lma1 is drained: safe to stop.")
    result = ask(rms, "drain", "lma1", "--wait", "5", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, drain(True))


def test_a_drain_that_takes_too_long_ends_with_1(rms: AnsweringServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "_INTERVAL", 0.01)
    rms.answer("/v1/lmas/lma1/drain", drain(False))
    rms.answer("/v1/lmas/lma1", drain(False))
    result = ask(rms, "drain", "lma1", "--wait", "0.05")
    assert result.exit_code == 1
    assert result.stderr == "Error: lma1 was not safe to stop within 0.05 s; it goes on being drained\n"


def test_undrain_and_adjust(rms: AnsweringServer) -> None:
    rms.answer("/v1/lmas/lma1/undrain", {"name": "lma1"})
    rms.answer("/v1/mags/mag1/adjust", [DECISION])
    assert ask(rms, "undrain", "lma1").stdout == "lma1 takes part again.\n"
    assert json.loads(ask(rms, "undrain", "lma1", "--json").stdout) == {"name": "lma1"}
    assert "1796070241814-mag1" in ask(rms, "adjust", "mag1", "lma2").stdout
    assert json.loads(ask(rms, "adjust", "mag1", "lma2", "--json").stdout) == [DECISION]
    assert rms.posted[-1] == ("/v1/mags/mag1/adjust", {"lma": "lma2"})


def test_dry_run(rms: AnsweringServer) -> None:
    outlook = {"before": 1.0, "after": 0.6, "optimum": 0.55}
    alarm = {"lma": "lma1", "reason": "no LMA is light"}
    outcome = {"policy": "balance", "decisions": [], "alarms": [alarm], "outlook": outlook}
    rms.answer("/v1/dry-run", outcome)
    result = ask(rms, "dry-run", "--policy", "balance", "--drain", "lma1", "--drain", "lma2")
    assert rms.posted == [("/v1/dry-run", {"policy": "balance", "drain": ["lma1", "lma2"]})]
    assert result.stdout.splitlines() == [
        "By policy balance nothing would be moved.",
        "alarm at lma1: no LMA is light",
        "highest CPU 100%, afterwards 60%, at the optimum 55%",
    ]
    assert json.loads(ask(rms, "dry-run", "--json").stdout) == outcome


def test_policy(rms: AnsweringServer) -> None:
    document = {"policy": "balance", "of_the_profile": "draft", "allowed": ["draft", "balance", "static"]}
    rms.answer("/v1/policy", document)
    told = "balance (of the profile: draft; there are: draft, balance, static)\n"
    assert ask(rms, "policy").stdout == told
    assert rms.posted == []
    assert ask(rms, "policy", "balance").stdout == told
    assert json.loads(ask(rms, "policy", "--of-the-profile", "--json").stdout) == document
    assert rms.posted == [("/v1/policy", {"policy": "balance"}), ("/v1/policy", {"policy": None})]
