"""The files for TLS that a node's switch is to have, by the profile."""

from __future__ import annotations

from pathlib import Path

import pytest

from ovs_setup import OvsSetupError
from ovs_setup.tls import TlsFiles, readable_files, vsctl_step, wanted_files
from ryu_pmipls.domain.profile import Certificates, OpenFlowEndpoint, Profile, load_profile

PLAIN = load_profile("two-lma")


def secured(folder: Path | None) -> Profile:
    rms = PLAIN.rms.model_copy(update={"openflow": OpenFlowEndpoint(host="::", port=6653, tls=True)})
    return PLAIN.model_copy(update={"rms": rms, "certificates": Certificates(folder=folder)})


def test_they_are_those_of_the_node_and_none_without_tls(tmp_path: Path) -> None:
    own = tmp_path / "nodes" / "mag1"
    files = TlsFiles(str(own / "key.pem"), str(own / "certificate.pem"), str(tmp_path / "ca.pem"))
    assert wanted_files(secured(tmp_path), "mag1") == files
    assert wanted_files(PLAIN, "mag1") is None and readable_files(PLAIN, "mag1") is None


def test_a_profile_without_a_folder_and_a_file_that_is_missing_are_told(tmp_path: Path) -> None:
    with pytest.raises(OvsSetupError, match=r"needs certificates\.folder"):
        wanted_files(secured(None), "mag1")
    with pytest.raises(OvsSetupError, match=r"^mag1: .*/nodes/mag1/key\.pem cannot be read: No such file or dir"):
        readable_files(secured(tmp_path), "mag1")
    own = tmp_path / "nodes" / "mag1"
    own.mkdir(parents=True)
    for path in (own / "key.pem", own / "certificate.pem", tmp_path / "ca.pem"):
        path.write_text("?")
    assert readable_files(secured(tmp_path), "mag1") == wanted_files(secured(tmp_path), "mag1")


@pytest.mark.parametrize(
    ("setting", "step"),
    [
        ([], ["del-ssl"]),
        (["k", "c", "a"], ["set-ssl", "k", "c", "a"]),
        (["--bootstrap", "k", "c", "a"], ["--bootstrap", "set-ssl", "k", "c", "a"]),
    ],
)
def test_a_setting_is_made_again_or_removed(setting: list[str], step: list[str]) -> None:
    assert vsctl_step(setting) == step
