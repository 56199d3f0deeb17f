"""Measurements of goodput: what they must show, their table and their picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ryu_pmipls.lab.measuring.sharing import goodput_report
from ryu_pmipls.lab.measuring.sharing.goodput import POLICIES, RATIOS, wanted

EVEN = 100.0


def run(policy: str, ratio: float, rate: float, moves: tuple[float, ...] = (), **lost: float) -> dict[str, Any]:
    offers = {"mag1": 50.0, "mag2": 10.0}
    return {
        "policy": policy,
        "ratio": ratio,
        "mbit_s": rate,
        "even_mbit_s": EVEN,
        "moves": list(moves),
        "seconds": 60.0,
        "broken": [],
        "tcp_mbit_s": 12.0,
        "lost_by_mag": {mag: {"offered_mbit_s": offers[mag], "lost": lost.get(mag, 0.0)} for mag in offers},
        "goodput": [(0.0, rate), (1.0, rate)],
    }


def shown(draft: dict[str, Any], balance: dict[str, Any]) -> list[str]:
    """What two runs at the same offer do not show."""
    return [name for name, is_so in wanted([draft, balance], EVEN).items() if not is_so]


def test_what_load_sharing_must_show() -> None:
    assert shown(run("draft", 1.0, 80.0), run("balance", 1.0, 97.0, (2.0, 12.0))) == []
    assert shown(run("draft", 1.0, 99.0), run("balance", 1.0, 98.0)) == ["at 1: as much as draft"]
    assert shown(run("draft", 1.5, 80.0), run("balance", 1.5, 96.0)) == [
        "at 1.5: 0.97 of the capacity",
        "at 1.5: 0.97 of evenly divided uplinks",
    ]
    assert shown(run("draft", 1.0, 80.0), run("balance", 1.0, 96.0) | {"even_mbit_s": 90.0}) == [
        "at 1: 0.97 of the capacity"
    ]
    assert shown(run("draft", 0.7, 60.0), run("balance", 0.7, 69.0)) == []  # nothing is full
    assert shown(run("draft", 1.0, 80.0), run("balance", 1.0, 97.0, (2.0,) * 13)) == ["at 1: at most 12 moves"]
    assert shown(run("draft", 1.0, 80.0) | {"broken": ["mn1: reset"]}, run("balance", 1.0, 97.0)) == [
        "at 1: no flow broke"
    ]
    assert shown(run("draft", 1.0, 80.0), run("balance", 1.0, 97.0, (31.0,))) == ["at 1: none in the last 30 s"]


def test_who_offers_little_must_lose_no_more_but_for_what_cannot_be_measured() -> None:
    name = "at 1: who offers little loses no more"
    assert shown(run("draft", 1.0, 80.0), run("balance", 1.0, 97.0, mag1=0.2, mag2=0.24)) == []
    assert shown(run("draft", 1.0, 80.0), run("balance", 1.0, 97.0, mag1=0.2, mag2=0.26)) == [name]
    assert shown(run("draft", 1.0, 80.0, mag2=0.9), run("balance", 1.0, 97.0, mag1=0.9)) == []


def measurement(rate: float) -> dict[str, Any]:
    runs = [run(policy, ratio, rate * min(1.0, ratio), (3.0, 45.0)) for ratio in RATIOS for policy in POLICIES]
    return {"capacity_mbit_s": EVEN, "runs": runs, "wanted": wanted(runs, EVEN)}


def test_the_table_has_the_median_of_several_measurements_and_their_spread() -> None:
    rows = goodput_report.rows([measurement(rate) for rate in (90.0, 99.0, 98.0)])
    assert [row[:2] for row in rows] == [[f"{ratio:g}", policy] for ratio in RATIOS for policy in POLICIES]
    assert rows[2][2:4] == ["0.98 (0.90 to 0.99)", "98 (90 to 99)"]
    assert rows[2][-2:] == ["2 (2 to 2)", "1 (1 to 1)"]
    assert all(len(row) == len(goodput_report.HEADINGS) for row in rows)
    assert goodput_report.rows([measurement(99.0)])[2][2:4] == ["0.99", "99"]


def test_the_summary_counts_the_measurements_that_show_it() -> None:
    summary = goodput_report.summary([measurement(rate) for rate in (90.0, 99.0, 98.0)])
    assert "2 of 3  at 1: 0.97 of the capacity" in summary
    assert "2 of 3  at 1: 0.97 of evenly divided uplinks" in summary
    assert "0 of 3  at 1: none in the last 30 s" in summary


def test_the_picture_is_drawn_also_of_a_run_that_was_too_short(tmp_path: Path) -> None:
    short = measurement(99.0)
    short["runs"][0]["goodput"] = []
    goodput_report.draw([short, measurement(90.0)], tmp_path / "goodput.png")
    assert (tmp_path / "goodput.png").read_bytes().startswith(b"\x89PNG")
