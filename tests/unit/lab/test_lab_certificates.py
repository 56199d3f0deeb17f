"""Certificates of a lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from ryu_pmipls.domain.profile import SHIPPED_PROFILES, Certificates, Profile, load_profile
from ryu_pmipls.lab.lab_certificates import make_certificates, with_folder, write_profile
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


def test_a_lab_whose_switches_need_certificates_has_them_in_its_directory_unless_the_profile_has_a_folder(
    tmp_path: Path,
) -> None:
    source, copy, own = tmp_path / "source.yaml", tmp_path / "copy.yaml", tmp_path / "own"
    shipped = (SHIPPED_PROFILES / "two-lma.yaml").read_text(encoding="utf-8")
    wanting = shipped.replace("\nrms:\n", '\nrms:\n  openflow: {host: "::", port: 6653, tls: true}\n')
    assert with_folder(PROFILE, tmp_path) is PROFILE
    write_profile(PROFILE, SHIPPED_PROFILES / "two-lma.yaml", copy)
    assert copy.read_text(encoding="utf-8") == shipped
    for section in ("", f"certificates: {{folder: {own}}}\n"):
        source.write_text(wanting + section, encoding="utf-8")
        profile = with_folder(load_profile(source), tmp_path)
        write_profile(profile, source, copy)
        assert load_profile(copy) == profile
        assert profile.certificates.folder == tmp_path / "pki"
    own.mkdir()
    source.write_text(f"{wanting}certificates: {{folder: {own}}}\n", encoding="utf-8")
    profile = with_folder(load_profile(source), tmp_path)
    write_profile(profile, source, copy)
    assert profile.certificates.folder == own
    assert copy.read_text(encoding="utf-8") == source.read_text(encoding="utf-8")


def test_a_lab_with_ipsec_needs_certificates_unless_it_has_keys(tmp_path: Path) -> None:
    def protected(**settings: object) -> Profile:
        signalling = PROFILE.signalling.model_copy(update={"protection": ("ipsec",), **settings})
        return PROFILE.model_copy(update={"signalling": signalling})

    assert with_folder(protected(), tmp_path).certificates.folder == tmp_path / "pki"
    by_keys = protected(ipsec_keys=Path("/k"))
    assert with_folder(by_keys, tmp_path) is by_keys
