"""Certificates of a lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from ryu_pmipls.domain.profile import Certificates, load_profile
from ryu_pmipls.lab.lab_certificates import make_certificates
from ryu_pmipls.pki.folder import Folder

pytest.importorskip("cryptography")

PROFILE = load_profile("two-lma")


def test_a_lab_certifies_all_its_nodes_and_leaves_what_is_there(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "pki")
    profile = PROFILE.model_copy(update={"certificates": Certificates(folder=folder.path)})
    make_certificates(profile, tmp_path)
    assert folder.nodes() == ["lma1", "lma2", "mag1", "mag2", "rms"]
    before = folder.certificate("mag1").read_bytes()
    make_certificates(profile, tmp_path)
    assert folder.certificate("mag1").read_bytes() == before


def test_a_lab_certifies_nobody_elsewhere(tmp_path: Path) -> None:
    profile = PROFILE.model_copy(update={"certificates": Certificates(folder=tmp_path / "pki")})
    make_certificates(profile, tmp_path / "lab")
    make_certificates(PROFILE, tmp_path)
    assert not (tmp_path / "pki").exists()
