from __future__ import annotations

from pathlib import Path

import pytest

from ovs_setup import OvsSetupError, vswitch
from ovs_setup.vswitch import OpenVSwitch


def test_who_finds_the_hosts_open_vswitch_stopped_learns_how_to_start_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vswitch, "SYSTEM_RUN_DIRECTORY", tmp_path)
    with pytest.raises(OvsSetupError) as raised:
        OpenVSwitch().require_running()
    for text in (
        "does not run",
        f"{tmp_path}/ovsdb-server.pid",
        "systemctl enable --now openvswitch-switch",
        "ovs-ctl",
    ):
        assert text in str(raised.value)


def test_a_private_open_vswitch_is_not_started_by_the_service_manager(tmp_path: Path) -> None:
    with pytest.raises(OvsSetupError, match=r"does not run: .*/ovsdb-server.pid names no ovsdb-server that lives$"):
        OpenVSwitch(tmp_path).require_running()
