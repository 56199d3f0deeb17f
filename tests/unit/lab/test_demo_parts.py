"""What the demo makes of its measurements: no lab is needed for that."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ryu_pmipls.lab.lab import LabStatus, SwitchNodeStatus
from ryu_pmipls.lab.measuring.demo.demo_report import DemoReport, Effect, Sample
from ryu_pmipls.lab.measuring.demo.diagnosis import complaints, stopped
from ryu_pmipls.lab.measuring.demo.flow_shares import FlowShare, continuity, measure
from ryu_pmipls.lab.measuring.demo.performance import summary
from ryu_pmipls.lab.measuring.demo.signalling_capture import judge_headers, judge_protected
from ryu_pmipls.lab.traffic_generator import FlowResult, Interval

REPORT = DemoReport(domain="two-lma", start=100.0, versions={})


def share(flow: str, goodput: float) -> FlowShare:
    return FlowShare(flow, goodput, None, 0)


def shares(before: float, after: float, alone: float) -> dict[str, list[FlowShare]]:
    """Those of a UDP flow that does well, and of a TCP flow."""
    return {
        "before": [share("mn1 udp up", 100.0), share("mn3 tcp up", before)],
        "after": [share("mn1 udp up", 130.0), share("mn3 tcp up", after)],
        "alone": [share("mn3 tcp up", alone)],
    }


class Seen:
    """A stage on which only effects are seen."""

    def __init__(self) -> None:
        self.report = replace(REPORT, figures={}, effects=[])

    def saw(self, name: str, seen: bool, measured: str, wanted: str) -> None:
        self.report.effects.append(Effect(name, seen, measured, wanted))


@pytest.mark.parametrize(
    ("frames", "seen"),
    [
        (["udp:udpencap:esp", "esp", "udp:isakmp", "udp:udpencap:isakmp", "udp:udpencap"], True),
        (["udp:udpencap:esp", "mipv6"], False),
        (["udp:udpencap:esp", "udp:data"], False),
        (["udp:isakmp"], False),
        ([], False),
    ],
)
def test_with_ipsec_no_frame_may_be_in_the_clear(frames: list[str], seen: bool) -> None:
    stage: Any = Seen()
    judge_protected(stage, [[f"eth:ethertype:ipv6:{frame}"] for frame in frames])
    (effect,) = stage.report.effects
    assert effect.seen is seen


def test_without_ipsec_all_frames_have_to_be_mobility_headers_without_a_fault() -> None:
    for last, seen in ((["11", "", ""], True), (["11", "1", ""], False), (["", "", ""], False)):
        stage: Any = Seen()
        judge_headers(stage, [["5", "", ""], ["6", "", ""], ["11", "", ""], last])
        assert stage.report.effects[0].seen is seen


def test_flows_that_carry_something_in_each_part_went_on() -> None:
    told = "2 of 2 flows went on; mn3 tcp up: 20.0 before, 30.0 after, 90.0 alone (Mbit/s)"
    assert continuity(shares(20.0, 30.0, 90.0), {}) == (True, told)


def test_a_starved_connection_that_lives_went_on_and_its_rate_is_told() -> None:
    told = "2 of 2 flows went on; mn3 tcp up: 20.0 before, 0.0 after, 90.0 alone (Mbit/s)"
    assert continuity(shares(20.0, 0.0, 90.0), {}) == (True, told)


def test_a_flow_that_carries_nothing_any_more_did_not_go_on() -> None:
    told = "1 of 2 flows went on; mn3 tcp up: 20.0 before, 0.0 after, 0.0 alone (Mbit/s)"
    assert continuity(shares(20.0, 0.0, 0.0), {}) == (False, told)


def test_a_flow_that_broke_is_named_with_the_reason() -> None:
    told = "1 of 2 flows went on; mn3 tcp up: connection reset by peer"
    assert continuity(shares(20.0, 30.0, 0.0), {"mn3 tcp up": "connection reset by peer"}) == (False, told)


def test_the_share_of_a_flow_is_that_of_its_intervals_in_the_part() -> None:
    intervals = tuple(Interval(float(n), 1.0, 125_000 * n, packets=10, lost=n, retransmits=n) for n in range(4))
    udp = FlowResult("mn1 udp up", "udp", "up", intervals, (), None)
    tcp = FlowResult("mn3 tcp up", "tcp", "up", intervals, intervals, None)
    found = measure([udp, tcp], {"before": (0, 2), "after": (2, 4), "alone": (3, 4)})
    assert [str(one) for one in found["before"]] == [
        "mn1 udp up 0.5 Mbit/s, 5.0% lost",
        "mn3 tcp up 0.5 Mbit/s, 1 segments retransmitted",
    ]
    assert [one.goodput_mbit_s for one in found["after"]] == [2.5, 2.5]
    assert [one.flow for one in found["alone"]] == ["mn3 tcp up"]


def test_the_summary_fits_into_80_columns_and_says_what_was_wanted_only_of_what_was_not_seen() -> None:
    report = replace(
        REPORT,
        effects=[
            Effect("Load_adjust breaks nothing", True, "3 of 3 flows went on; " * 4, "every flow goes on"),
            Effect("relief", False, "goodput 1.0 -> 1.0 Mbit/s", "at least [1.6] times"),
        ],
    )
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(summary(report))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("NO   relief ") for line in lines)
    assert "wanted: at least [1.6] times" in "\n".join(lines)
    assert "every flow goes on" not in "\n".join(lines)


def test_without_anything_to_draw_there_is_no_picture_not_even_an_old_one(tmp_path: Path) -> None:
    (tmp_path / "report.png").write_bytes(b"of another demo")
    assert REPORT.write(tmp_path) == [tmp_path / "report.json"]
    assert not (tmp_path / "report.png").exists()
    assert json.loads((tmp_path / "report.json").read_text())["domain"] == "two-lma"


@pytest.mark.parametrize(
    "report",
    [
        replace(REPORT, samples=[Sample(101.0, {"lma1": 0.5}, {"lma1": 10})]),
        replace(REPORT, samples=[Sample(101.0, {"lma1": None}, {"lma1": None})]),
        replace(REPORT, goodput={"mn1 udp up": [(101.0, 20.0)]}),
    ],
)
def test_a_picture_of_which_half_is_missing_is_drawn_without_a_warning(report: DemoReport, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (tmp_path / "report.png") in report.write(tmp_path)


def test_complaints_are_the_last_lines_of_a_log_that_tell_of_trouble(tmp_path: Path) -> None:
    log = tmp_path / "mag1.log"
    log.write_text(
        "2026-11-30 22:18:18.288 INFO tunnel to fd00:5213::12: up\n"
        "2026-11-30 22:18:19.288 WARNING one\n"
        "2026-11-30 22:18:12.200 <TRACE> core: State changed to start\n"
        "2026-11-30 22:18:12.200 <ERR> two\n"
        "Traceback (most recent call last):\n"
        "ValueError: three\n"
        "2026-11-30 22:18:20.288 ERROR four\n"
    )
    assert [line.split()[-1] for line in complaints(log)] == ["two", "three", "four"]


def test_what_has_ended_is_named() -> None:
    nodes = (SwitchNodeStatus("mag1", "MAG", None, True), SwitchNodeStatus("lma1", "LMA", 17, False))
    assert [*stopped(LabStatus("pm", Path("/run/pmipls/pm"), None, nodes, ()))] == [
        "the RMS",
        "the agent of mag1",
        "the Open vSwitch of lma1",
    ]
