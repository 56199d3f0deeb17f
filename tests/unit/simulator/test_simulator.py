from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from ryu_pmipls.cli import main
from ryu_pmipls.domain.profile import ProfileError
from ryu_pmipls.loadsharing import Decision
from ryu_pmipls.simulator.engine import Run, simulate
from ryu_pmipls.simulator.results import figures, moved_twice, oscillations
from ryu_pmipls.simulator.scenario import SHIPPED_SCENARIOS, Scenario, load_scenario
from ryu_pmipls.simulator.traffic import TrafficSource, traffic_of
from tests.waiting import PATIENCE, eventually

PACE = {"window": 60, "report_interval": 10, "evaluation_interval": 10, "redirect_new_sessions": False}
LETTER = PACE | {"policy": "draft", "predict": False, "hysteresis": 0, "cool_down": 0}
SMALL: dict[str, Any] = {
    "hours": 0.25,
    "lmas": {"count": 3, "packets_per_second": 10000},
    "mags": {"count": 5},
    "nodes": {"count": 1500, "packets_per_second": 8, "spread": 0.5, "anchors": "region"},
    "contenders": [
        {"name": "static", "load_sharing": PACE | {"policy": "static"}},
        {"name": "ecmp", "uplinks": "hash", "load_sharing": PACE | {"policy": "static"}},
        {"name": "draft", "load_sharing": PACE | {"policy": "draft"}},
        {"name": "balance", "load_sharing": PACE | {"policy": "balance"}},
    ],
}


def scenario(**changes: Any) -> Scenario:
    return Scenario.model_validate(SMALL | changes)


def played(given: Scenario, traffic: TrafficSource | None = None) -> dict[str, Run]:
    found = traffic or traffic_of(given, Path("here"))
    return {contender.name: simulate(given, contender, found) for contender in given.contenders}


def test_the_traffic_is_the_same_for_every_contender_and_every_time() -> None:
    given = scenario()
    runs = played(given)
    for run in runs.values():
        assert run.offered == pytest.approx(runs["static"].offered)
        assert (run.utilisation.sum(axis=1) * 10000) == pytest.approx(run.offered)
    again = played(given)["balance"]
    assert (again.utilisation == runs["balance"].utilisation).all()
    assert again.decisions == runs["balance"].decisions
    assert not np.array_equal(played(scenario(seed=2))["static"].utilisation, runs["static"].utilisation)


def test_contenders_do_what_they_should() -> None:
    given = scenario(nodes=SMALL["nodes"] | {"packets_per_second": 13})
    summed = {name: figures(given, run) for name, run in played(given).items()}
    # Two of five MAGs have their anchor at each of two LMAs, which leaves one for the third.
    assert summed["static"].ratio_mean == pytest.approx(1.2, abs=0.1)
    assert summed["static"].moves == summed["ecmp"].moves == 0
    assert summed["ecmp"].ratio_mean < 1.16
    assert summed["balance"].ratio_mean < 1.08
    # What it costs: MAGs have 0.23 more to do for each packet of an uplink that is divided.
    assert (summed["static"].split, summed["ecmp"].split) == (0, pytest.approx(0.23))
    assert summed["balance"].split == pytest.approx(0.23)
    assert summed["balance"].even == pytest.approx(1.0, abs=0.05)
    assert summed["balance"].oscillations == 0
    assert summed["balance"].ratio_bound == pytest.approx(1.0)


def test_an_lma_that_is_offered_too_much_drops_and_its_counters_tell_what_it_forwards() -> None:
    given = scenario(nodes=SMALL["nodes"] | {"packets_per_second": 20}, contenders=SMALL["contenders"][:1])
    run = played(given)["static"]
    assert run.utilisation.max() > 1.0
    expected = ((run.utilisation - 1).clip(min=0) * 10000).sum(axis=1)
    assert run.lost == pytest.approx(expected)
    summed = figures(given, run)
    assert summed.loss_seconds == (run.utilisation > 1).sum() * 10
    assert summed.overload_seconds == (run.utilisation >= 0.8).sum() * 10


def test_by_the_letter_of_the_draft_a_big_mag_wanders_and_with_balance_it_is_divided() -> None:
    nodes = {"count": 900, "packets_per_second": 11, "spread": 0.5, "anchors": "region"}
    given = scenario(
        mags={"count": 2, "zipf": 3},
        nodes=nodes,
        contenders=[
            {"name": "letter", "load_sharing": LETTER},
            {"name": "balance", "load_sharing": PACE | {"policy": "balance", "spread_uplinks": False}},
        ],
    )
    summed = {name: figures(given, run) for name, run in played(given).items()}
    assert summed["letter"].oscillations > 20
    assert summed["letter"].moved_twice > 20
    assert (summed["balance"].oscillations, summed["balance"].overload_seconds) == (0, pytest.approx(0, abs=60))
    assert summed["balance"].even > 0.9
    assert 0.1 < summed["balance"].split < 0.23
    assert 0 < summed["balance"].disturbed < summed["letter"].disturbed


def test_a_dead_lma_loses_everything_until_it_is_evacuated_and_a_drained_one_nothing() -> None:
    events = [
        {"at": 0.05, "lma": 1, "state": "dead"},
        {"at": 0.1, "lma": 1, "state": "back"},
        {"at": 0.15, "lma": 2, "state": "draining"},
        {"at": 0.2, "lma": 2, "state": "back"},
    ]
    for name, run in played(scenario(events=events, hours=0.3)).items():
        step = {moment: round(moment * 360) for moment in (0.05, 0.1, 0.15, 0.2)}
        assert run.lost[step[0.05]] > 0 and run.lost[step[0.05] + 1 :].sum() == 0, name
        for begin, end, lma in ((0.05, 0.1, 0), (0.15, 0.2, 1)):
            assert run.utilisation[step[begin] + 1 : step[end], lma].max() == 0, name
            assert not run.in_use[step[begin] : step[end], lma].any()
        assert run.utilisation[-1].min() > 0.2, name


def test_new_sessions_are_placed_where_there_is_less_to_do() -> None:
    """Sessions of two minutes, and a tolerance that lets no uplink move: placement keeps to half of it."""
    sharing = PACE | {"policy": "balance", "redirect_new_sessions": True, "tolerance": 0.9, "spread_uplinks": False}
    given = scenario(
        hours=0.5,
        mags={"count": 3, "zipf": 1.5},
        nodes=SMALL["nodes"] | {"session": 120, "packets_per_second": 7},
        contenders=[{"name": "placed", "load_sharing": sharing}],
    )
    run = played(given)["placed"]
    ratio = run.utilisation.max(axis=1) / run.utilisation.mean(axis=1)
    assert ratio[0] > 1.6
    assert np.median(ratio[-60:]) < 1.5
    assert run.decisions == []


def test_the_day_the_crowd_and_the_handoffs() -> None:
    nodes = SMALL["nodes"] | {
        "session": 600,
        "handoffs_per_hour": 60,
        "diurnal": {"low": 0.2, "peak_hour": 12},
        "flash_crowds": [{"at": 6, "minutes": 60, "mags": 2, "factor": 10}],
    }
    pace = PACE | {"report_interval": 60, "evaluation_interval": 60, "policy": "static"}
    given = scenario(hours=24, nodes=nodes, contenders=[{"name": "static", "load_sharing": pace}])
    steps = list(traffic_of(given, Path("here")).steps())
    assert len(steps) == 24 * 60
    offered = [step.rate.sum() for step in steps]
    assert offered[0] == pytest.approx(0.2 * 12000, rel=0.1)
    assert offered[720] == pytest.approx(12000, rel=0.1)
    assert offered[360] > 2 * offered[359] and offered[420] < offered[419] / 2
    assert steps[0].new.all() and 0 < steps[1].new.mean() < 0.3
    moved = (steps[1].mag != steps[0].mag) & ~steps[1].new
    assert moved[~steps[1].new].all()


# CSV.


def recorded(tmp_path: Path, text: str) -> Scenario:
    (tmp_path / "trace.csv").write_text(text)
    changes: Mapping[str, Any] = {"mags": None, "nodes": None, "recorded": {"csv": "trace.csv"}}
    return scenario(**changes)


def test_traffic_from_a_csv_file(tmp_path: Path) -> None:
    given = recorded(tmp_path, "time,mag,packets_per_second\n0,west,1000\n100,west,3000\n50,east,500\n")
    traffic = traffic_of(given, tmp_path / "scenario.yaml")
    assert traffic.mags == ("west", "east")
    offered = [step.rate.sum() for step in traffic.steps()]
    assert [offered[step] for step in (0, 4, 5, 9, 10, 89)] == pytest.approx([1000, 1000, 1500, 1500, 3500, 3500])
    assert played(given, traffic)["balance"].offered == pytest.approx(offered)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,mag\n0,west\n", r"trace\.csv:2: .*needed are the columns time, mag and packets_per_second"),
        ("time,mag,packets_per_second\n0,west,much\n", r"trace\.csv:2: .*much"),
        ("time,mag,packets_per_second\n-1,west,5\n", r"trace\.csv:2: time and rate must not be negative"),
        ("time,mag,packets_per_second\n", r"trace\.csv: has no rows"),
    ],
)
def test_a_faulty_csv_file_gets_one_clear_message(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ProfileError, match=message):
        traffic_of(recorded(tmp_path, text), tmp_path / "scenario.yaml")
    with pytest.raises(ProfileError, match=r"nowhere/trace\.csv: cannot be read"):
        traffic_of(recorded(tmp_path, text), tmp_path / "nowhere" / "scenario.yaml")


# Scenarios as files, and the command.


@pytest.mark.parametrize("path", sorted(SHIPPED_SCENARIOS.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_scenarios_are_valid(path: Path) -> None:
    found, where = load_scenario(path.stem)
    assert where == path
    assert found.description


def faults(tmp_path: Path, **changes: Any) -> list[str]:
    path = tmp_path / "faulty.yaml"
    path.write_text(yaml.safe_dump(SMALL | changes))
    with pytest.raises(ProfileError) as error:
        load_scenario(path)
    lines = str(error.value).splitlines()
    assert all(re.match(rf"{re.escape(str(path))}:\d+: ", line) for line in lines), lines
    return [line.removeprefix(f"{path}:").partition(": ")[2] for line in lines]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hour": 3}, "hour: unknown key; allowed: description, seed, hours,"),
        ({"hours": 0}, "hours: Input should be greater than 0"),
        ({"nodes": SMALL["nodes"] | {"node": 1}}, "nodes.node: unknown key; allowed: count, packets_per_second,"),
        ({"nodes": None}, "nodes: either this or recorded must be given"),
        ({"mags": None}, "mags: must be given with nodes, and with nothing else"),
        ({"events": [{"at": 1, "lma": 4, "state": "dead"}]}, "events[0]: lma: must be from 1 to 3"),
        (
            {"contenders": SMALL["contenders"][:1] * 2},
            "contenders[1] (static): name: must be unique; static is already contenders[0].name",
        ),
        (
            {"contenders": [{"name": "one", "load_sharing": PACE | {"evaluation_interval": 15}}]},
            "contenders[0] (one): load_sharing.evaluation_interval: must be a multiple of report_interval",
        ),
        (
            {"contenders": [{"name": "one", "load_sharing": PACE | {"policy": "fair"}}]},
            "contenders[0] (one): load_sharing.policy: Input should be 'draft', 'balance'",
        ),
    ],
)
def test_a_faulty_scenario_is_told_line_by_line(tmp_path: Path, changes: Any, message: str) -> None:
    assert any(line.startswith(message) for line in faults(tmp_path, **changes))


def test_the_command_prints_a_table_and_writes_figures_and_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(SMALL))
    arguments = ["simulate", str(path), "--hours", "0.1", "--only", "draft", "--only", "balance"]
    result = CliRunner().invoke(main, [*arguments, "--output", str(tmp_path / "report")])
    assert result.exit_code == 0, result.output
    assert "overloaded LMA-seconds" in result.output and "small: 3 LMAs, 5 MAGs, 0.1 hours" in result.output
    document = json.loads((tmp_path / "report" / "simulation.json").read_text())
    assert [one["contender"] for one in document["results"]] == ["draft", "balance"]
    assert len(document["runs"][1]["utilisation"]) == 36
    assert (tmp_path / "report" / "simulation.png").read_bytes().startswith(b"\x89PNG")
    result = CliRunner().invoke(main, [*arguments, "--json"])
    assert json.loads(result.stdout) == document


def test_the_command_refuses_what_is_not_there(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["simulate", "nowhere"])
    assert result.exit_code == 2
    assert "no shipped scenario of that name; shipped: day, failures" in result.output
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(SMALL))
    result = CliRunner().invoke(main, ["simulate", str(path), "--only", "fair"])
    assert result.exit_code == 2
    assert "fair is no contender; there are: static, ecmp, draft, balance" in result.output


@pytest.mark.parametrize("between", [("1", "1"), ("2", "1"), ("0", "25"), ("-1", "2")])
def test_what_is_drawn_lies_within_the_scenario(between: tuple[str, str], tmp_path: Path) -> None:
    report = tmp_path / "report"
    result = CliRunner().invoke(main, ["simulate", "ping-pong", "--output", str(report), "--between", *between])
    assert (result.exit_code, report.exists()) == (2, False)
    assert "--between: must be two hours from 0 to 24, in order" in result.stderr


def test_control_c_ends_it_with_all_its_processes_and_without_a_traceback() -> None:
    argv = [sys.executable, "-m", "ryu_pmipls.cli", "simulate", "day"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    eventually(lambda: multiprocessing_children(process.pid) >= 2, "processes of the contenders")
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, "Traceback" in errors) == (130, False), errors


def multiprocessing_children(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes() for child in children)


def test_a_simulation_takes_a_step_at_least(tmp_path: Path) -> None:
    pace = {"policy": "static", "window": 600, "report_interval": 120, "evaluation_interval": 120}
    slow = {**SMALL, "contenders": [{"name": "static", "load_sharing": pace}]}
    (tmp_path / "slow.yaml").write_text(yaml.safe_dump(slow))
    result = CliRunner().invoke(main, ["simulate", str(tmp_path / "slow.yaml"), "--hours", "0.01"])
    assert result.exit_code == 2
    assert "must be at least a step of 120 s" in result.stderr, result.output


# What is counted.


def move(time: float, mag: str, old: str, new: str, slots: tuple[int, ...] = (0, 1)) -> Decision:
    return Decision(f"{time}-{mag}", "0", time, mag, old, new, {"lma1": slots}, 1.0, 0.5, 1.0, "")


def test_moved_twice_within_a_window() -> None:
    once = [move(0, "mag1", "lma1", "lma2"), move(0, "mag1", "lma1", "lma3"), move(10, "mag2", "lma1", "lma2")]
    assert moved_twice(once, 300) == 0
    assert moved_twice([*once, move(299, "mag1", "lma2", "lma1")], 300) == 1
    assert moved_twice([*once, move(300, "mag1", "lma2", "lma1")], 300) == 0


def test_oscillations() -> None:
    away = move(0, "mag1", "lma1", "lma2")
    assert oscillations([away, move(3599, "mag1", "lma2", "lma1", (1, 2))]) == 1
    assert oscillations([away, move(3600, "mag1", "lma2", "lma1")]) == 0
    assert oscillations([away, move(10, "mag1", "lma2", "lma1", (2, 3))]) == 0  # other slots
    assert oscillations([away, move(10, "mag1", "lma2", "lma3")]) == 0
    assert oscillations([away, move(10, "mag1", "lma2", "lma3"), move(20, "mag1", "lma3", "lma1")]) == 1
    assert oscillations([away, replace(move(10, "mag1", "lma2", "lma1"), slots={"lma2": (0, 1)})]) == 0
