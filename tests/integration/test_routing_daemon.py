"""Whether bird takes the configurations that are made for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ovs_setup.bird import configuration
from ryu_pmipls.domain.profile import SHIPPED_PROFILES, load_profile


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED_PROFILES.glob("*.yaml")))
def test_bird_takes_it(name: str, tmp_path: Path) -> None:
    profile = load_profile(name)
    for whose in (*(lma.name for lma in profile.lmas), str(profile.lmas[0].core.gateway)):
        path = tmp_path / f"{whose}.conf"
        path.write_text(configuration(profile, whose))
        checked = subprocess.run(["bird", "-p", "-c", path], capture_output=True, text=True, check=False, timeout=30)
        assert checked.returncode == 0, f"{whose}: {checked.stderr}"
