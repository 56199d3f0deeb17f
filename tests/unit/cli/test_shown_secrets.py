"""Commands that show a domain show none of its secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from ryu_pmipls.cli import main
from ryu_pmipls.domain.profile import SHIPPED_PROFILES, load_profile
from ryu_pmipls.signalling.keys import generate, load_keys
from tests.conftest import merge


def run(*words: str) -> str:
    result = CliRunner().invoke(main, [*words])
    assert result.exit_code in (0, 1), result.output
    return str(result.output)


def test_no_secret_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, folder, path = tmp_path / "keys", tmp_path / "pki", tmp_path / "profile.yaml"
    document = yaml.safe_load((SHIPPED_PROFILES / "two-lma.yaml").read_text(encoding="utf-8"))
    merge(
        document,
        {
            "signalling": {"keys": str(keys), "ipsec_keys": str(keys)},
            "certificates": {"folder": str(folder)},
            "rms": {"state_directory": str(tmp_path / "state")},
        },
    )
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    monkeypatch.setenv("PMIPLS_PROFILE", str(path))
    profile = load_profile(path)
    keys.touch(0o600)
    keys.write_text("\n".join(generate(profile)), encoding="utf-8")
    run("pki", "init")
    run("pki", "issue")
    token = run("token", "create", "somebody").split()[-1]
    secrets = [line.split()[-1] for line in keys.read_text(encoding="utf-8").splitlines()]
    for file in folder.glob("**/*key.pem"):
        secrets += [line for line in file.read_text(encoding="ascii").splitlines() if "-----" not in line]
    shown = [
        *(run("show"), run("show", "--json"), run("check"), run("check", "--json")),
        *(run("pki", "show"), run("pki", "show", "--json"), run("token", "list"), run("token", "list", "--json")),
        repr(profile),
        repr(load_keys(keys, profile, profile.rms.address)),
    ]
    assert len(secrets) > 20
    assert [text for text in shown for secret in (token, *secrets) if secret in text] == []
    assert token not in (tmp_path / "state" / "tokens.json").read_text(encoding="utf-8")
