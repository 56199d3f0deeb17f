from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

from ryu_pmipls.cli import main
from ryu_pmipls.domain.profile import find_profile, load_profile
from ryu_pmipls.lab import cleanup
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_error import LabError


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "state"
    monkeypatch.setattr(cleanup, "STATE", directory)
    return directory


def test_of_several_who_claim_a_prefix_only_one_succeeds(state: Path) -> None:
    def claim(_number: int) -> bool:
        try:
            cleanup.record("zz", cleanup.LabObjects())
        except LabError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(8))) == 1
    assert cleanup.prefixes() == ["zz"]
    assert cleanup.recorded("zz")


@pytest.mark.parametrize("content", ["", '{"namespaces": ["zz-a"], "host_ports": ["zz-rms"], "cpu_groups": []}'])
def test_removal_takes_whatever_an_interrupted_set_up_left(state: Path, content: str) -> None:
    directory = state / "zz"
    (directory / "mag1").mkdir(parents=True)
    (directory / "mag1" / "conf.db").write_text("x")
    (directory / "profile.yaml").write_text("x")
    (directory / "lab.json").write_text(content)
    cleanup.remove("zz")
    assert not state.exists()
    cleanup.remove("zz")


def test_without_a_record_nothing_is_removed_but_an_empty_directory(state: Path) -> None:
    (state / "zy" / "rms").mkdir(parents=True)
    (state / "zz").mkdir()
    cleanup.remove("zy")
    cleanup.remove("zz")
    assert [path.name for path in state.iterdir()] == ["zy"]
    assert (state / "zy" / "rms").exists()


def test_other_labs_stay(state: Path) -> None:
    cleanup.record("zy", cleanup.LabObjects())
    cleanup.record("zz", cleanup.LabObjects())
    cleanup.remove("zz")
    assert cleanup.prefixes() == ["zy"]


def test_a_lab_is_found_by_its_prefix_or_when_it_is_the_only_one(state: Path) -> None:
    with pytest.raises(LabError, match="no lab is up; 'pmipls lab up'"):
        Lab.find()
    cleanup.record("pm", cleanup.LabObjects())
    with pytest.raises(LabError, match="interrupted"):
        Lab.find()
    (state / "pm" / "profile.yaml").write_text(find_profile("two-lma").read_text())
    assert Lab.find().profile == load_profile("two-lma")
    cleanup.record("zz", cleanup.LabObjects())
    with pytest.raises(LabError, match="--prefix; allowed: pm, zz"):
        Lab.find()
    with pytest.raises(LabError, match="no lab has the prefix 'pn'; allowed: pm, zz"):
        Lab.find("pn")
    assert Lab.find("pm").plan.prefix == "pm"


def test_commands_on_no_lab_say_so(state: Path) -> None:
    for command in (["status"], ["attach", "mn1", "mag1"], ["detach", "mn1"], ["exec", "mn1", "true"], ["rms", "stop"]):
        result = CliRunner().invoke(main, ["lab", *command])
        assert result.exit_code == 1
        assert result.output == "Error: no lab is up; 'pmipls lab up' starts one\n"


def test_down_without_a_lab_is_no_error(state: Path) -> None:
    assert CliRunner().invoke(main, ["lab", "down"]).exit_code == 0


def test_down_of_one_of_several_labs_needs_its_prefix(state: Path) -> None:
    cleanup.record("zy", cleanup.LabObjects())
    cleanup.record("zz", cleanup.LabObjects())
    result = CliRunner().invoke(main, ["lab", "down"])
    assert result.exit_code == 2
    assert "--prefix; allowed: zy, zz" in result.output
    assert CliRunner().invoke(main, ["lab", "down", "--prefix", "zy"]).exit_code == 0
    assert cleanup.prefixes() == ["zz"]
