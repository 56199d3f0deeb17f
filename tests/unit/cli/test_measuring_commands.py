"""Commands of labs and measurements, with labs that only seem to be up."""

from __future__ import annotations

import json
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from ryu_pmipls.cli import main
from ryu_pmipls.cli.commands import lab_commands
from ryu_pmipls.cli.commands import measure as measuring
from ryu_pmipls.lab import traffic_generator
from ryu_pmipls.lab.lab import Lab, LabStatus, MobileNodeStatus, SwitchNodeStatus
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.lab_layout import AccessPort
from ryu_pmipls.lab.measuring import handoffs
from ryu_pmipls.lab.measuring.demo import performance
from ryu_pmipls.lab.measuring.demo.demo_report import DemoReport, Effect
from ryu_pmipls.lab.measuring.handoff_series import MeasuredHandoff
from ryu_pmipls.lab.measuring.sharing import goodput
from ryu_pmipls.lab.traffic_generator import FlowResult, Interval

HANDOFF = MeasuredHandoff("mag2", 1_700_000_000.0, 20.0, 30.0, 10.0, 18, 7, 0, 2)


def pmipls(*words: str) -> Result:
    result = CliRunner().invoke(main, words)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture(autouse=True)
def no_lab_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Lab, "up", lambda _: None)
    monkeypatch.setattr(Lab, "down", lambda _: None)
    monkeypatch.delenv("PMIPLS_PROFILE", raising=False)
    monkeypatch.chdir(tmp_path)


# handoffs


def test_handoffs_leaves_figures_and_picture_and_keeps_earlier_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handoffs, "measure", lambda *_: [HANDOFF, HANDOFF])
    result = pmipls("handoffs", "--way", "forwarding", "--output", "deep/report")
    assert result.exit_code == 0
    assert result.stdout.startswith("Median and worst of a handoff\n")
    assert result.stdout.endswith("Left in deep/report: handoffs.json, handoffs.png\n")
    result = pmipls("handoffs", "--way", "routes only", "--output", "deep/report", "--json")
    document = json.loads(result.stdout)
    assert [*document] == ["routes only", "forwarding"]
    assert document == json.loads(Path("deep/report/handoffs.json").read_text())
    assert result.stderr.endswith("Left in deep/report: handoffs.json, handoffs.png\n")


def test_handoffs_that_cannot_go_on_end_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise LabError("the TCP transfer broke: [reset]")

    monkeypatch.setattr(handoffs, "measure", broken)
    result = pmipls("handoffs")
    assert (result.exit_code, result.stderr) == (1, "Error: the TCP transfer broke: [reset]\n")


def test_an_earlier_report_that_is_none_is_wrong_input() -> None:
    Path("handoff-report").mkdir()
    Path("handoff-report/handoffs.json").write_text("[5]")
    result = pmipls("handoffs", "--way", "forwarding")
    assert (result.exit_code, result.stderr.startswith("Error: handoff-report/handoffs.json: is not an earl")) == (
        2,
        True,
    )


# measure


def test_every_measurement_can_be_named() -> None:
    (what,) = [argument for argument in measuring.measure.params if argument.name == "what"]
    assert isinstance(what.type, click.Choice) and [*what.type.choices] == [*measuring.measurements()]


def test_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "measurements", lambda: {"drain": lambda _: {"lost": 0}})
    result = pmipls("measure", "drain")
    assert (result.exit_code, result.stdout) == (0, "drain\nLeft in measure-report: measurements.json\n")
    assert json.loads(Path("measure-report/measurements.json").read_text()) == {"drain": {"lost": 0}}
    result = pmipls("measure", "drain", "--json", "--output", "other")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"drain": {"lost": 0}})


def test_goodput_is_measured_as_often_as_wanted_and_shown_with_its_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = iter((90.0, 99.0, 98.0))
    monkeypatch.setattr(measuring, "measurements", lambda: {"goodput": lambda _: goodput_of(next(rates))})
    result = pmipls("measure", "goodput", "--repeat", "3")
    assert result.exit_code == 0
    assert "0.98 (0.90 to 0.99)" in result.stdout and "3 of 3  at 1: as much as draft" in result.stdout
    assert result.stdout.endswith("Left in measure-report: measurements.json, goodput.png\n")
    left = json.loads(Path("measure-report/measurements.json").read_text())
    assert [each["runs"][1]["mbit_s"] for each in left["goodput"]] == [90.0, 99.0, 98.0]
    assert Path("measure-report/goodput.png").read_bytes().startswith(b"\x89PNG")


def goodput_of(rate: float) -> dict[str, Any]:
    run = {
        "ratio": 1.0,
        "moves": [3.0],
        "seconds": 60.0,
        "broken": [],
        "tcp_mbit_s": 12.0,
        "even_mbit_s": 100.0,
        "lost_by_mag": {"mag1": {"offered_mbit_s": 50.0, "lost": 0.0}},
        "goodput": [(0.0, 50.0), (1.0, rate)],
    }
    runs = [run | {"policy": "draft", "mbit_s": 80.0}, run | {"policy": "balance", "mbit_s": rate}]
    return {"capacity_mbit_s": 100.0, "runs": runs, "wanted": goodput.wanted(runs, 100.0)}


# demo


@pytest.mark.parametrize(("seen", "status"), [(True, 0), (False, 1)])
def test_the_demo_fails_when_an_effect_is_not_seen(seen: bool, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    report = DemoReport("two-lma", 0.0, {}, effects=[Effect("relief", seen, "none", "1.2 times")])
    monkeypatch.setattr(performance, "perform", lambda *_: report)
    assert pmipls("demo").exit_code == status
    result = pmipls("demo", "--json")
    assert (result.exit_code, json.loads(result.stdout)["effects"][0]["seen"]) == (status, seen)


def test_a_demo_that_could_not_go_on_is_not_complete() -> None:
    report = DemoReport("two-lma", 0.0, {}, effects=[Effect("tunnels", True, "4", "4")])
    assert report.complete
    report.stopped = "no decision within 60 s"
    assert not report.complete


# lab


class SeemingLab:
    """A lab with a MAG, a mobile node, and nothing behind it."""

    def status(self) -> LabStatus:
        return LabStatus(
            "pm",
            Path("/run/pmipls/pm"),
            None,
            (SwitchNodeStatus("mag1", "MAG", 17, True), SwitchNodeStatus("lma1", "LMA", None, False)),
            (
                MobileNodeStatus("mn1", AccessPort("mag1", "acc1", "1-1"), (IPv6Address("2001:db8::1"),)),
                MobileNodeStatus("mn2", None, ()),
            ),
        )


@pytest.fixture
def seeming_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_commands, "_find", lambda _: SeemingLab())


@pytest.mark.usefixtures("seeming_lab")
def test_the_status_of_a_lab() -> None:
    assert pmipls("lab", "status").stdout.splitlines() == [
        "Lab pm in /run/pmipls/pm; RMS: not started by the lab",
        "",
        "node  role  agent        Open vSwitch",
        "────  ────  ───────────  ────────────",
        "mag1  MAG   process 17   running",
        "lma1  LMA   not running  not running",
        "",
        "mobile node  MAG   access port  addresses",
        "───────────  ────  ───────────  ───────────",
        "mn1          mag1  acc1         2001:db8::1",
        "mn2          -     -            -",
    ]
    document = json.loads(pmipls("lab", "status", "--json").stdout)
    assert document["switches"][0] == {"name": "mag1", "role": "MAG", "agent": 17, "switch": True}
    assert document["mobile_nodes"][1] == {"name": "mn2", "mag": None, "access_port": None, "addresses": []}


@pytest.mark.usefixtures("seeming_lab")
def test_flows_in_a_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    intervals = (Interval(0.0, 1.0, 125_000, packets=100, lost=1, retransmits=3),)
    results: list[Any] = [
        FlowResult("mn1 tcp up", "tcp", "up", intervals, intervals, None),
        FlowResult("mn2 udp up", "udp", "up", intervals, (), None),
    ]
    monkeypatch.setattr(traffic_generator, "run", lambda _: results)
    assert pmipls("lab", "traffic", "mn1", "mn2").stdout.splitlines()[2:] == [
        "mn1 tcp up  1.0               -         3",
        "mn2 udp up  1.0               1.00      -",
    ]
    tcp, udp = json.loads(pmipls("lab", "traffic", "mn1", "mn2", "--json").stdout)
    assert (tcp["retransmitted_segments"], tcp["loss"]) == (3, None)
    assert (udp["retransmitted_segments"], udp["loss"], udp["goodput"]) == (None, 0.01, 1.0)
    results[0] = FlowResult("mn1 tcp up", "tcp", "up", (), (), "connection reset [by peer]")
    result = pmipls("lab", "traffic", "mn1", "mn2")
    assert (result.exit_code, result.stderr) == (1, "Error: mn1 tcp up: connection reset [by peer]\n")
