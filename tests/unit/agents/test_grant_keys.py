"""The key by which an LMA makes its grants."""

from __future__ import annotations

from ipaddress import IPv6Address
from pathlib import Path

import pytest

from ryu_pmipls.agents.grant_keys import GrantKeys, own_key
from ryu_pmipls.wire.grants import derived_key

RMS = IPv6Address("fd00::99")


def test_an_own_key_is_kept_for_its_owner_only_and_told(tmp_path: Path) -> None:
    first = GrantKeys(lambda address: (), RMS, tmp_path)
    again = GrantKeys(lambda address: (), RMS, tmp_path)
    assert first.announced == again.announced == first.present() == again.present()
    assert (tmp_path / "grant-key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "zz", "00" * 31])
def test_a_file_without_a_key_gets_a_new_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "grant-key").write_text(text)
    assert own_key(tmp_path) == own_key(tmp_path)


def test_a_disk_that_refuses_it_stops_nothing(tmp_path: Path) -> None:
    assert len(own_key(tmp_path / "missing")) == 32


def test_with_shared_secrets_the_key_follows_from_the_one_in_use_and_is_not_told(tmp_path: Path) -> None:
    secrets = [b"a" * 16, b"b" * 16]
    keys = GrantKeys(lambda address: secrets, RMS, tmp_path)
    assert keys.announced is None
    assert keys.present() == derived_key(secrets[0])
    secrets.pop(0)
    assert keys.present() == derived_key(b"b" * 16)
    assert not (tmp_path / "grant-key").exists()
