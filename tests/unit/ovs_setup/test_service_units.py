"""The units that run RMS and agents: their rights, and how much systemd says they are exposed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ovs_setup import OvsSetupError
from ovs_setup.service import receive_buffers
from ovs_setup.service.set_up import require_reachable
from ovs_setup.service.units import find_node, strongswan_addition, unit, unit_name, unit_path
from ovs_setup.vswitch import OpenVSwitch, OvsError
from ryu_pmipls.capabilities import missing
from ryu_pmipls.domain.privileges import capabilities_of
from ryu_pmipls.domain.profile import SHIPPED_PROFILES, Profile
from tests.conftest import merge

NODES = ("rms", "lma1", "mag1")
PROFILE = Path("/etc/pmipls/domain.yaml")
IPSEC = {"signalling": {"protection": "ipsec"}, "certificates": {"folder": "/etc/pmipls/pki"}}


def profile(changes: Mapping[str, Any] | None = None) -> Profile:
    document = yaml.safe_load((SHIPPED_PROFILES / "two-lma.yaml").read_text(encoding="utf-8"))
    merge(document, changes or {})
    return Profile.model_validate(document)


def text(name: str, domain: Profile) -> str:
    return unit(domain, find_node(domain, name), Path("/usr/bin"), PROFILE)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("changes", [{}, IPSEC], ids=["default", "ipsec"])
@pytest.mark.parametrize("name", NODES)
def test_no_unit_is_exposed_beyond_3(name: str, changes: dict[str, Any], tmp_path: Path) -> None:
    domain = profile(changes)
    for program in ("pmipls", "ryu-manager"):
        (tmp_path / program).touch(0o755)
    node = find_node(domain, name)
    path = tmp_path / unit_path(node).name
    path.write_text(unit(domain, node, tmp_path, PROFILE), encoding="utf-8")
    instance = path.name.replace("@.", "@node.")
    argv = ["systemd-analyze", "verify", "--man=no", str(tmp_path / instance)]
    verified = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert instance not in verified.stderr, verified.stderr  # it names no setting or value that it does not know
    argv = ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(path)]
    said = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    found = re.search(r"exposure level for \S+: (\d+\.\d+)", said)
    assert found is not None, said
    assert float(found[1]) <= 3.0


@pytest.mark.parametrize(
    ("name", "changes", "wanted"),
    [
        ("rms", {}, "CAP_NET_RAW"),
        ("rms", {"signalling": {"transport": "udp"}}, ""),
        (
            "rms",
            {"signalling": {"transport": "udp", "protection": "ipsec"}, "certificates": {"folder": "/p"}},
            "CAP_NET_ADMIN",
        ),
        ("rms", {"rms": {"rest": {"host": "127.0.0.1", "port": 443}}}, "CAP_NET_BIND_SERVICE CAP_NET_RAW"),
        ("lma1", {"signalling": {"transport": "udp"}}, "CAP_NET_ADMIN CAP_NET_RAW"),
        ("mag1", {}, "CAP_NET_ADMIN CAP_NET_RAW"),
    ],
)
def test_a_unit_has_the_capabilities_that_its_node_needs(name: str, changes: dict[str, Any], wanted: str) -> None:
    lines = text(name, profile(changes)).splitlines()
    assert f"AmbientCapabilities={wanted}" in lines
    assert f"CapabilityBoundingSet={wanted}" in lines


def test_each_role_has_a_user_and_a_unit_of_its_own() -> None:
    domain = profile()
    assert [unit_name(find_node(domain, name)) for name in NODES] == [
        "pmipls-rms",
        "pmipls-lma@lma1",
        "pmipls-mag@mag1",
    ]
    assert "User=pmipls-lma\n" in text("lma1", domain)
    assert "ExecStart=/usr/bin/pmipls lma %i\n" in text("lma1", domain)
    with pytest.raises(KeyError, match="no node is called 'mag9'; there are: rms, lma1, lma2, mag1, mag2"):
        find_node(domain, "mag9")


def test_only_missing_capabilities_are_named(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nCapPrm:\tffff\nCapEff:\t0000000000002000\n")
    assert missing(capabilities_of(profile(), profile().mags[0]), status) == ["CAP_NET_ADMIN"]
    assert missing(["CAP_NET_RAW"], status) == []


def test_what_other_users_cannot_read_is_refused_with_the_place(tmp_path: Path) -> None:
    with pytest.raises(OvsSetupError, match=r"sees nothing below /tmp; install below /opt"):
        require_reachable(Path("/tmp/pmipls"))
    with pytest.raises(OvsSetupError, match="/etc/pmipls-none: No such file"):
        require_reachable(Path("/etc/pmipls-none"))
    require_reachable(Path("/etc/passwd"))
    with pytest.raises(OvsSetupError, match="/etc/shadow: other users than root cannot read it: chmod o"):
        require_reachable(Path("/etc/shadow"))


class Kernel(OpenVSwitch):
    """Settings that sysctl(8) would show and change."""

    def __init__(self, **settings: str) -> None:
        super().__init__()
        self.settings = {name.replace("__", "."): value for name, value in settings.items()}

    def execute(self, *argv: str) -> str:
        if argv[1] == "-n":
            if argv[2] not in self.settings:
                raise OvsError(" ".join(argv), "cannot stat")
            return self.settings[argv[2]]
        self.settings |= dict(setting.split("=") for setting in argv[2:])
        return ""


def test_sockets_of_the_rms_get_room_without_a_capability_and_the_kernel_its_limit_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receive_buffers, "LIMITS_FILE", tmp_path / "60-pmipls.conf")
    kernel = Kernel(net__core__rmem_max="212992", net__core__wmem_max="8388608")
    assert receive_buffers.raise_limits(kernel)
    assert kernel.settings == {"net.core.rmem_max": "4194304", "net.core.wmem_max": "8388608"}
    assert not receive_buffers.raise_limits(kernel)
    assert receive_buffers.restore_limits(kernel)
    assert kernel.settings["net.core.rmem_max"] == "212992"
    assert not receive_buffers.restore_limits(kernel)


def test_a_container_without_these_limits_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive_buffers, "LIMITS_FILE", tmp_path / "60-pmipls.conf")
    assert not receive_buffers.raise_limits(Kernel())


def test_strongswan_lets_a_service_ask_at_each_start() -> None:
    addition = strongswan_addition(profile().rms)
    assert "ExecStartPost=/usr/bin/setfacl --modify user:pmipls-rms:rw /run/charon.vici\n" in addition
