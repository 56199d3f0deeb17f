"""The main job, as a user plays it: every effect that the demo is to show, by the figures that it leaves behind.

What a machine that is busy with other things does to them, the goodput, how long the RMS takes, tunnels that fail for a
moment, is not looked at: the demo itself judges that.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.lab.measuring.demo.overload import GOODPUT_RATIO
from tests.lab.tour import agrees, difference, shown

PREFIX = "ptd"
README = Path(__file__).resolve().parents[2] / "README.md"
EFFECTS = [
    "tunnels",
    "attachment",
    "overload",
    "uplink moved",
    "relief",
    "Load_adjust breaks nothing",
    "handoff keeps TCP",
    "routes on all LMAs",
    "valid Mobility Headers",
]
#: These are seen or not, depending on what else the machine has to do.
MEASURED = {"overload", "uplink moved", "relief", "Load_adjust breaks nothing"}


@pytest.fixture(scope="module")
def played(tmp_path_factory, derive_profile):
    """The report of one demo, in a lab that does not disturb a default one."""
    directory = tmp_path_factory.mktemp("demo")
    profile = derive_profile(PREFIX, 19)
    pmipls = [sys.executable, "-m", "ryu_pmipls.cli"]
    try:
        demo = subprocess.run(
            [*pmipls, "demo", "--profile", str(profile), "--output", str(directory / "report")],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    finally:
        subprocess.run([*pmipls, "lab", "down", "--prefix", PREFIX], capture_output=True, timeout=120, check=False)
    report = json.loads((directory / "report" / "report.json").read_text())
    return demo, report, directory / "report"


@pytest.mark.parametrize("effect", [effect for effect in EFFECTS if effect not in MEASURED])
def test_the_effect_is_seen(played, effect):
    demo, report, _ = played
    (found,) = [entry for entry in report["effects"] if entry["name"] == effect]
    assert found["seen"], f"{found}\n{demo.stdout}"


def test_the_demo_says_so_by_its_exit_status(played):
    demo, report, _ = played
    assert [entry["name"] for entry in report["effects"]] == EFFECTS
    assert demo.returncode == (0 if all(entry["seen"] for entry in report["effects"]) else 1), demo.stdout + demo.stderr


def as_if_all_seen(printed):
    """What a demo has printed, without what it adds for effects that a busy machine has spoilt."""
    printed = re.sub(r"^NO  (.*?)\n +wanted:.*?(?=^(?:yes|NO|$))", r"yes \1\n", printed, flags=re.M | re.S)
    return re.sub(r"^What may be the reason:\n.*?(?=^Left in)", "", printed, flags=re.M | re.S)


def test_the_demo_prints_what_the_front_page_shows(played):
    demo, _, directory = played
    (entry,) = [entry for entry in shown(README.read_text(encoding="utf-8")) if entry.command == "pmipls demo"]
    printed = as_if_all_seen(demo.stdout.replace(str(directory), "demo-report")).splitlines()
    assert agrees(entry.output, printed), difference(entry.output, printed)


def test_a_demo_that_has_not_shown_all_says_what_was_wanted_and_what_may_be_the_reason(played):
    demo, report, _ = played
    missed = [entry for entry in report["effects"] if not entry["seen"]]
    assert ("What may be the reason:" in demo.stdout) == bool(missed)
    assert demo.stdout.count(" wanted: ") == len(missed)


def test_the_figures_bear_it_out(played):
    _, report, _ = played
    figures, seen = report["figures"], {entry["name"]: entry["seen"] for entry in report["effects"]}
    assert figures["tunnels"]["pairs"] == 4
    before, after = (figures["goodput"]["mbit_s"][part] for part in ("before", "after"))
    assert seen["relief"] == (before > 0 and after / before >= GOODPUT_RATIO)
    decision, settings = figures["decision"], load_profile("two-lma").load_sharing
    assert decision["cpu"] >= settings.cpu_threshold
    assert decision["packets"] > settings.packet_threshold
    assert seen["overload"] == (decision["delay_s"] <= 2 * settings.evaluation_interval)
    if seen["uplink moved"]:
        assert figures["uplink_packets_after_adjustment"][decision["new_lma"]] > 1000
    assert {share["flow"] for share in figures["flows"]["after"]} == {"mn1 udp up", "mn2 udp up", "mn3 tcp up"}
    handoff = figures["handoff"]
    assert handoff["link_layer_ms"] > 0
    assert handoff["downlink_gap_ms"] > 0
    assert handoff["protocol_ms"]["route_adjust_acknowledged"] > handoff["protocol_ms"]["pba_received"] > 0


def test_report_picture_and_capture_are_there(played):
    _, _, directory = played
    assert (directory / "report.png").read_bytes().startswith(b"\x89PNG")
    assert (directory / "signalling.pcap").stat().st_size > 1000
    assert (directory / "log" / "rms.log").exists()


def test_nothing_is_left(played):
    spaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert f"{PREFIX}-" not in spaces
