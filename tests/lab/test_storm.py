"""A short storm: RMS, agents, switches, databases and routing daemons die, strangers come, and all recovers."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.lab.storm.storm_run import StormSettings, storm
from tests.conftest import DeriveProfile
from tests.waiting import PATIENCE

#: Seconds, with 33 blows of all kinds.
DURATION = 45.0
SEED = 1000
#: Seconds of a binding: the calm is as long, at least.
LIFETIME = 20


def test_a_domain_recovers_from_a_storm_by_itself(derive_profile: DeriveProfile, tmp_path: Path) -> None:
    path = derive_profile("pst", 58, {"timers": {"binding_lifetime": LIFETIME}}, shipped="three-lma")
    settings = StormSettings(SEED, DURATION, patience=3 * PATIENCE)
    report = storm(load_profile(path), path, settings, keep=False, directory=tmp_path, console=Console())
    assert report.stopped is None
    assert [(demand.name, demand.faults) for demand in report.demands if not demand.met] == []
    assert len(report.demands) == 5
    assert {struck.blow.kind for struck in report.blows} >= {"kill", "handoff", "stranger", "clock step"}
    assert (tmp_path / "report.json").exists()
    assert (tmp_path / "timeline.png").exists()
