from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Network
from pathlib import Path

import pytest
import yaml

from ryu_pmipls.domain.profile import SHIPPED_PROFILES, load_profile
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.storm.agreement import NodePlace, lma_entries, mag_entries, summaries
from ryu_pmipls.lab.storm.blows import Handoff, Kill
from ryu_pmipls.lab.storm.flow_tables import parse_flows
from ryu_pmipls.lab.storm.footprint import Footprint, ProcessFootprint, grown
from ryu_pmipls.lab.storm.storm_report import StormReport, counted
from ryu_pmipls.lab.storm.storm_run import initial_places, storm_domain
from ryu_pmipls.lab.storm.strangers import stranger_kinds
from ryu_pmipls.lab.storm.strangers.at_networks import ReplayAttack
from ryu_pmipls.lab.storm.strikes import Struck
from ryu_pmipls.lab.storm.supervision import Downtime
from ryu_pmipls.lab.storm.timeline import draw

MIB = 1 << 20
BEFORE = Footprint(
    processes={"rms": ProcessFootprint(80 * MIB, 40, 6)},
    process_count=30,
    files={"log/rms.log": 1000, "rms/rms.sqlite": 8192},
    entries={"mag1": 40, "lma1": 30},
)


def with_rms(**changes: int) -> Footprint:
    return replace(BEFORE, processes={"rms": replace(BEFORE.processes["rms"], **changes)})


def test_a_domain_that_is_as_it_was_has_not_grown() -> None:
    assert grown(BEFORE, BEFORE, 60) == []
    assert grown(BEFORE, with_rms(memory=90 * MIB, descriptors=44, threads=8), 60) == []
    assert grown(BEFORE, replace(BEFORE, files=BEFORE.files | {"log/rms.log": 100_000}), 60) == []


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (with_rms(memory=200 * MIB), "memory of rms: 80 -> 200 MiB"),
        (with_rms(descriptors=400), "descriptors of rms: 40 -> 400"),
        (with_rms(threads=50), "threads of rms: 6 -> 50"),
        (replace(BEFORE, processes={}), "rms does not run"),
        (replace(BEFORE, process_count=31), "processes: 30 -> 31"),
        (replace(BEFORE, entries={"mag1": 40, "lma1": 31}), "flow entries: 70 -> 71"),
        (replace(BEFORE, files=BEFORE.files | {"log/rms.log": 9 * MIB}), "log/rms.log: 0.0 -> 9.0 MiB"),
        (replace(BEFORE, files=BEFORE.files | {"core.17": 1}), "new files: core.17"),
    ],
)
def test_whatever_has_grown_is_named(after: Footprint, told: str) -> None:
    assert grown(BEFORE, after, 60) == [told]


def test_a_report_names_what_was_not_met_and_has_a_picture(tmp_path: Path) -> None:
    report = StormReport("example", 7, 60.0, {})
    assert not report.passed
    report.demand("every node is served", "2 of 2", [])
    assert report.passed
    report.blows = [
        Struck(Kill(1.0, "rms", 2.0), 1.0, 1.1, ""),
        Struck(Kill(5.0, "lma1", 2.0), 5.0, 5.1, ""),
        Struck(Handoff(6.0, "mn1", "mag2"), 6.0, 6.1, ""),
    ]
    report.downtimes = [Downtime("rms", 1.0, 3.0)]
    report.asked = {"mn1": [0.0, 1.0, 2.0]}
    report.answered = {"mn1": [0.0]}
    report.demand("all agree", "not within 60 s", ["RMS: no binding of mn1"])
    assert not report.passed
    assert counted(report.blows) == "kill 2, handoff 1"
    report.write(tmp_path)
    draw(report, tmp_path / "timeline.png")
    assert all(path.stat().st_size > 0 for path in tmp_path.iterdir())
    document = report.document()
    assert document["blows"][0] == {"kind": "kill", "at": 1.0, "target": "rms", "down": 2.0} | {
        "begun": 1.0,
        "over": 1.1,
        "outcome": "",
    }
    assert [demand["met"] for demand in document["demands"]] == [True, False]


POOL = IPv6Network("2001:db8:300::/40")
PLACES = {"mn1": NodePlace("mag1", "acc1", "2001:db8:316:d4e5::/64", "lma1", "02:00:00:00:03:01")}
MAG = """
 cookie=0x504d000000000001, priority=10,ipv6,in_port=acc1 actions=goto_table:1
 cookie=0x504d010000250001, table=1, priority=20,ipv6,in_port=acc1,dl_src=02:00:00:00:03:01,ipv6_src=2001:db8:316:d4e5::/64 actions=goto_table:2
 cookie=0x504d010000250001, table=3, priority=10,ipv6,ipv6_src=2001:db8:316:d4e5::/64 actions=dec_ttl,group:1
 cookie=0x504d010000250001, table=4, priority=10,ipv6,ipv6_dst=2001:db8:316:d4e5::/64 actions=set_field:00:00:5e:00:52:13->eth_src,set_field:02:00:00:00:03:01->eth_dst,dec_ttl,group:257
"""  # noqa: E501
LMA = """
 cookie=0x504d000000000001, table=2, priority=5,ipv6,ipv6_dst=2001:db8:300::/40 actions=output:"e-lma1"
 cookie=0x504d010000250001, table=2, priority=10,ipv6,ipv6_dst=2001:db8:316:d4e5::/64 actions=dec_ttl,output:"t-mag1"
"""


def test_flow_tables_are_compared_by_what_they_say_of_mobile_nodes() -> None:
    mag, lma = parse_flows(MAG.splitlines(), POOL), parse_flows(LMA.splitlines(), POOL)
    assert (len(mag.base), len(lma.base)) == (1, 1)
    assert summaries(mag) == mag_entries("mag1", PLACES)
    assert summaries(lma) == lma_entries(PLACES)
    elsewhere = {"mn1": replace(PLACES["mn1"], mag="mag2")}
    assert summaries(mag) != mag_entries("mag1", elsewhere)
    assert summaries(lma) != lma_entries(elsewhere)


def test_a_generation_of_cookies_makes_no_difference() -> None:
    later = MAG.replace("0001,", "0002,")
    assert parse_flows(later.splitlines(), POOL) == parse_flows(MAG.splitlines(), POOL)


@pytest.mark.parametrize("name", ["two-lma", "three-lma", "four-lma"])
def test_every_stranger_has_somebody_to_come_to(name: str) -> None:
    profile = load_profile(name)
    lab = Lab(profile, Path(name))
    kinds = stranger_kinds(ReplayAttack(lab))
    domain = storm_domain(lab, initial_places(profile), kinds)
    assert {*domain.strangers} == {*kinds}
    assert {*domain.attached} == {node.name for node in profile.mobile_nodes}
    assert {target for targets in domain.strangers.values() for target in targets} >= {
        "rms",
        "mag1",
        "lma1",
        "mn1",
        "cn",
    }
    assert len(domain.daemons) == 2 + 4 * len(profile.lmas) + 3 * len(profile.mags)


def test_nobody_comes_to_nodes_that_there_are_not(tmp_path: Path) -> None:
    document = yaml.safe_load((SHIPPED_PROFILES / "two-lma.yaml").read_text(encoding="utf-8"))
    document["mobile_nodes"] = document["mobile_nodes"][:1]
    path = tmp_path / "profile.yaml"
    path.write_text(yaml.safe_dump(document))
    profile = load_profile(path)
    lab = Lab(profile, path)
    domain = storm_domain(lab, initial_places(profile), stranger_kinds(ReplayAttack(lab)))
    assert "forged solicitation" not in domain.strangers
    assert all(domain.strangers.values())
