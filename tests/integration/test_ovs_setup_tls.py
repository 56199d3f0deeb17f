"""Open vSwitch's files for TLS: set-up names them, and gives back what was there. Needs root and Open vSwitch."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest
from ovs_places import MAG, PROFILE, Place

from ovs_setup import OvsSetupError
from ovs_setup.node import set_up, tear_down
from ryu_pmipls.domain.profile import Certificates, OpenFlowEndpoint, Profile
from ryu_pmipls.pki.authority import Authority, establish
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.pki.node_names import node_names

TARGET = "ssl:[fd00:5213::99]:6653"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """The certificates on the MAG's host."""
    folder, now = Folder(tmp_path / "pki"), datetime.now(timezone.utc)
    establish(folder, folder.authority_key, PROFILE.domain, now)
    Authority.open(folder, folder.authority_key, PROFILE.domain, node_names(PROFILE), now).issue(MAG.name)
    return folder


def secured(folder: Folder) -> Profile:
    endpoint = OpenFlowEndpoint(host="::", port=6653, tls=True)
    rms = PROFILE.rms.model_copy(update={"openflow": endpoint})
    return PROFILE.model_copy(update={"rms": rms, "certificates": Certificates(folder=folder.path)})


def setting(host: Place) -> list[str]:
    """The lines that tell of the files for TLS; none when none are set."""
    return host.ovs.vsctl("get-ssl").splitlines()


@pytest.mark.parametrize("former", [(), ("set-ssl",), ("--bootstrap", "set-ssl")], ids=["none", "own", "bootstrap"])
def test_set_up_names_the_files_of_the_node_and_tear_down_gives_back_what_was_there(
    host: Place, folder: Folder, former: tuple[str, ...]
) -> None:
    if former:
        host.ovs.vsctl(*former, "/former/key.pem", "/former/certificate.pem", "/former/ca.pem")
    before, state = setting(host), host.state()
    for _ in range(2):
        set_up(host.ovs, secured(folder), MAG, "netdev", "eth0")
        assert host.ovs.vsctl("get-controller", "br-pm") == TARGET
        files = "\n".join(setting(host))
        assert all(str(path) in files for path in (folder.key("mag1"), folder.certificate("mag1"), folder.authority))
        assert "Bootstrap: false" in files
    tear_down(host.ovs, secured(folder), MAG)
    assert setting(host) == before
    host.is_as(state)


def test_a_profile_that_wants_no_tls_any_more_gives_back_what_was_there_at_once(host: Place, folder: Folder) -> None:
    host.ovs.vsctl("set-ssl", "/former/key.pem", "/former/certificate.pem", "/former/ca.pem")
    before = setting(host)
    set_up(host.ovs, PROFILE, MAG, "netdev", "eth0")
    assert setting(host) == before
    set_up(host.ovs, secured(folder), MAG, "netdev", "eth0")
    assert setting(host) != before
    for _ in range(2):
        set_up(host.ovs, PROFILE, MAG, "netdev", "eth0")
        assert setting(host) == before
        assert host.ovs.vsctl("get-controller", "br-pm") == "tcp:[fd00:5213::99]:6653"
    host.ovs.vsctl("set-ssl", "/newer/key.pem", "/newer/certificate.pem", "/newer/ca.pem")
    newer = setting(host)
    tear_down(host.ovs, PROFILE, MAG)
    assert setting(host) == newer, "the set-up had nothing to do with it any more"


@pytest.mark.parametrize("file", ["key", "certificate", "authority"])
def test_a_missing_file_is_named_and_nothing_is_changed(host: Place, folder: Folder, file: str) -> None:
    state = host.state()
    place = {"key": folder.key("mag1"), "certificate": folder.certificate("mag1"), "authority": folder.authority}[file]
    place.unlink()
    with pytest.raises(OvsSetupError) as raised:
        set_up(host.ovs, secured(folder), MAG, "netdev", "eth0")
    assert str(raised.value).startswith(f"mag1: {place} cannot be read: No such file or directory; ")
    assert "'pmipls pki issue mag1'" in str(raised.value)
    host.is_as(state)
    assert setting(host) == []
