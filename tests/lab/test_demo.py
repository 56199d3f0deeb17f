"""The main job, as a user plays it: every effect that the demo is to show, by the figures that it leaves behind."""

import json
import subprocess
import sys

import pytest

PREFIX = "ptd"


@pytest.fixture(scope="module")
def played(tmp_path_factory, derive_profile):
    """The report of one demo, in a lab that does not disturb a default one."""
    directory = tmp_path_factory.mktemp("demo")
    profile = derive_profile(PREFIX, 19)
    pmipls = [sys.executable, "-m", "ryu_pmipls.cli"]
    try:
        demo = subprocess.run(
            [*pmipls, "demo", str(profile), "--report", str(directory / "report")],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    finally:
        subprocess.run([*pmipls, "lab", "down", "--prefix", PREFIX], capture_output=True, timeout=60, check=False)
    report = json.loads((directory / "report" / "report.json").read_text())
    return demo, report, directory / "report"


@pytest.mark.parametrize(
    "effect",
    [
        "tunnels",
        "attachment",
        "overload",
        "uplink moved",
        "relief",
        "Load_adjust breaks nothing",
        "handoff keeps TCP",
        "routes on all LMAs",
        "valid Mobility Headers",
    ],
)
def test_the_effect_is_seen(played, effect):
    demo, report, _ = played
    (found,) = [entry for entry in report["effects"] if entry["name"] == effect]
    assert found["seen"], f"{found}\n{demo.stdout}"


def test_the_demo_says_so_by_its_exit_status(played):
    demo, report, _ = played
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert len(report["effects"]) == 9


def test_the_figures_bear_it_out(played):
    _, report, _ = played
    figures = report["figures"]
    assert figures["tunnels"]["pairs"] == 4
    assert figures["goodput"]["ratio"] >= 1.6
    decision = figures["decision"]
    assert decision["cpu"] >= 0.8
    assert figures["uplink_packets_after_adjustment"][decision["old_lma"]] == 0
    assert figures["uplink_packets_after_adjustment"][decision["new_lma"]] > 1000
    handoff = figures["handoff"]
    assert handoff["link_layer_ms"] > 0
    # The gap is the receiver's: it can hardly be shorter than what the link alone took.
    assert handoff["downlink_gap_ms"] >= handoff["link_layer_ms"] / 2
    assert handoff["protocol_ms"]["route_adjust_acknowledged"] > handoff["protocol_ms"]["pba_received"] > 0


def test_report_picture_and_capture_are_there(played):
    _, _, directory = played
    assert (directory / "report.png").read_bytes().startswith(b"\x89PNG")
    assert (directory / "signalling.pcap").stat().st_size > 1000
    assert (directory / "log" / "rms.log").exists()


def test_nothing_is_left(played):
    spaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert f"{PREFIX}-" not in spaces
