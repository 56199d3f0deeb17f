"""Policies register themselves; what they wrote down in earlier versions is read and written as it was."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter
from sharing_helpers import LIGHT, SETTINGS, load, snapshot

from ryu_pmipls.domain.profile import LoadSharingSettings
from ryu_pmipls.loadsharing import POLICIES, Inputs, PolicyName, Settings, decide
from ryu_pmipls.loadsharing.policies import policy_of

ROOT = Path(__file__).resolve().parents[3]
#: Rounds as version 0.1.0 has recorded them, and what it decided: ``inputs`` and ``decisions``, one to a line.
STORED = [json.loads(line) for line in (Path(__file__).parent / "rounds-0.1.jsonl").read_text().splitlines()]


def test_policies_are_listed_in_the_order_of_earlier_versions() -> None:
    assert (*POLICIES,) == get_args(PolicyName)
    assert [*POLICIES][:3] == ["draft", "balance", "static"]


def test_no_two_policies_have_a_setting_of_the_same_name_nor_one_that_all_have() -> None:
    own = [name for policy in POLICIES.values() for name in policy.settings.model_fields]
    assert len({*own}) == len(own)
    assert not {*own} & {*asdict(Settings()), *LoadSharingSettings.__base__.model_fields}


def test_the_profile_has_the_settings_of_every_policy_and_hands_them_on() -> None:
    given = {"predict": False, "tolerance": 0.2, "balance_above": 0.6}
    settings = LoadSharingSettings(**given).settings
    assert given.items() <= settings.own.items()
    assert policy_of(settings).own(settings).predict is False
    assert POLICIES["balance"].own(settings).model_dump() == {"tolerance": 0.2, "balance_above": 0.6}


def test_a_policy_that_the_operator_chooses_has_its_own_rest_and_uplinks_stay_as_they_began() -> None:
    chosen = LoadSharingSettings(policy="draft", window=10, report_interval=1).settings_with("balance")
    assert (chosen.policy, chosen.cool_down, chosen.spread_uplinks) == ("balance", 120.0, False)
    assert LoadSharingSettings(cool_down=7).settings_with("balance").cool_down == 7


def test_settings_as_a_document_are_those_of_earlier_versions() -> None:
    shown = (
        '{"policy": "draft", "rule": {"cpu_threshold": 0.8, "packet_threshold": 60000, "combine": "and", '
        '"hysteresis": 0.1}, "cool_down": 300, "predict": true, "tolerance": 0.05, "balance_above": 0.3, '
        '"max_moves": 10}'
    )
    settings = LoadSharingSettings().settings
    recorded = Inputs(settings, snapshot(load("lma1", LIGHT, 0.1, {}))).to_document()["settings"]
    for document, expected in ((settings.to_document(), shown), (recorded, shown.replace("300", "300.0"))):
        known = {name: value for name, value in document.items() if name in json.loads(shown)}
        assert json.dumps(known) == expected


@pytest.mark.parametrize("stored", STORED, ids=lambda stored: f"{stored['inputs']['settings']['policy']}")
def test_a_round_that_an_earlier_version_recorded_is_decided_again_alike(stored: Any) -> None:
    inputs = Inputs.from_document(stored["inputs"])
    document = inputs.to_document()
    assert document["settings"].pop("spread_uplinks") is False  # later versions have this as well,
    assert document.pop("slot_rates") == {}  # and this,
    for name in ("rise", "full_for", "forwarded"):
        assert {load.pop(name) for load in document["snapshot"]["lmas"]} == {None}  # and this
    assert json.dumps(document) == json.dumps(stored["inputs"])
    if inputs.settings.policy == "balance":
        return  # later versions move less
    decisions = TypeAdapter(tuple[Any, ...]).dump_python(decide(inputs).decisions, mode="json")
    assert not any(decision.pop("by_hand") for decision in decisions)
    assert json.dumps(decisions) == json.dumps(stored["decisions"])


def test_what_a_record_does_not_say_is_the_default() -> None:
    document = STORED[0]["inputs"]
    settings = {name: value for name, value in document["settings"].items() if name in ("policy", "rule")}
    inputs = Inputs.from_document(document | {"settings": settings | {"of_another_version": 7}})
    assert inputs.settings.cool_down == Settings().cool_down
    decide(inputs)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"policy": "best"}, "no policy is called 'best'; there are: draft, balance, static"),
        ({"predict": "x"}, "predict"),
    ],
)
def test_a_record_with_wrong_settings_is_a_value_error(changes: dict[str, Any], told: str) -> None:
    inputs = Inputs(SETTINGS, snapshot(load("lma1", LIGHT, 0.1, {}))).to_document()
    with pytest.raises(ValueError, match=told):
        decide(Inputs.from_document(inputs | {"settings": inputs["settings"] | changes}))


NEW_POLICY = '''
from pydantic import Field

from ryu_pmipls.loadsharing.policies.policy import Policy, PolicySettings


class PatientSettings(PolicySettings):
    """Settings of ``patient``."""

    patience: int = Field(default=3, ge=1)


def patient(plan, own):
    """Alarm, and wait."""
    plan.alarm("lma1", f"patience: {own.patience}")


POLICY = Policy("patient", PatientSettings, patient, rest_windows=2)
'''
#: What such a policy is seen by: profile, decisions and their record, REST's choice of a policy, a scenario.
USE = """
from pydantic import ValidationError
from ryu_pmipls.domain.profile import LoadSharingSettings
from ryu_pmipls.loadsharing import POLICIES, Inputs, LmaLoad, LmaState, LoadSnapshot, PolicyName, Source, decide
from ryu_pmipls.controller.api.resources import ChoosePolicy
from ryu_pmipls.simulator.scenario import Contender

assert [*POLICIES][:3] == ["draft", "balance", "static"] and "patient" in POLICIES
sharing = LoadSharingSettings(policy="patient", patience=5, window=60)
assert sharing.rest_after_move == 120
assert sharing.settings.to_document()["patience"] == 5
try:
    LoadSharingSettings(patience=0)
except ValidationError as error:
    assert "greater than or equal to 1" in str(error)
entry = LmaLoad("lma1", LmaState.LIGHT, 0.1, 0.0, 0, 0, Source.OPENFLOW, 0.0, 60.0, None)
inputs = Inputs(sharing.settings, LoadSnapshot.of(1.0, 60.0, 10.0, ["mag1"], [(entry, [])]))
again = decide(Inputs.from_document(inputs.to_document()))
assert again.alarms[0].reason == "patience: 5"
assert ChoosePolicy(policy="patient").policy == "patient"
contender = Contender(name="one", load_sharing={"policy": "patient", "patience": 2})
assert contender.load_sharing.settings.own["patience"] == 2
"""


def test_a_new_policy_is_one_file(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "ryu_pmipls", tmp_path / "ryu_pmipls", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "ryu_pmipls" / "loadsharing" / "policies" / "patient.py").write_text(NEW_POLICY, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    argv = [sys.executable, "-c", USE]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
