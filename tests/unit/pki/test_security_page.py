"""The commands of docs/security.md, run one after the other as they stand there, but for the folders and ssh."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from ryu_pmipls.cli import main
from ryu_pmipls.pki.folder import Folder
from tests.unit.pki.authorities import verified

PAGE = Path(__file__).resolve().parents[3] / "docs" / "security.md"


def commands(section: str) -> list[str]:
    """The indented lines of a section, without their comments."""
    text = PAGE.read_text(encoding="utf-8").partition(f"## {section}\n")[2].partition("\n## ")[0]
    return [line.partition("  #")[0].strip() for line in re.findall(r"(?m)^    (.*)", text)]


def sh(*lines: str) -> None:
    subprocess.run(["sh", "-ec", "\n".join(lines)], check=True, capture_output=True, timeout=60)


def test_ten_commands_certify_a_domain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, lma1 = Folder(tmp_path / "pki"), Folder(tmp_path / "lma1")
    monkeypatch.setenv("PMIPLS_PROFILE", "two-lma")
    lines = commands("Ten commands")
    ours = [line.split()[1:] for line in lines if line.startswith("pmipls pki ")]
    assert len(lines) == 10
    for words in ours:
        result = CliRunner().invoke(main, [*words, "--folder", str(authority.path)])
        assert result.exit_code == 0, (words, result.output)
    files, copy = (line for line in lines if not line.startswith("pmipls "))
    copy = copy.replace("/etc/pmipls/pki", str(authority.path), 1).replace("/etc/pmipls/pki", str(lma1.path))
    sh("umask 022", files, copy.replace("ssh lma1 ", "sh -ec "))
    result = CliRunner().invoke(main, ["pki", "show", "--folder", str(lma1.path)])
    assert result.exit_code == 0, result.output
    assert [path.stat().st_mode & 0o777 for path in (lma1.key("lma1"), lma1.key("lma1").parent)] == [0o600, 0o700]
    for copied, original in ((lma1.key("lma1"), authority.key("lma1")), (lma1.revocations, authority.revocations)):
        assert copied.read_bytes() == original.read_bytes()
    assert verified(lma1, lma1.certificate("lma1")) == "OK"


def test_openssl_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMIPLS_PROFILE", "two-lma")
    for command in ("init", "issue"):
        assert CliRunner().invoke(main, ["pki", command, "--folder", str(tmp_path / "pki")]).exit_code == 0
    (line,) = commands("Revocation")
    sh(f"cd {tmp_path}/pki", line)
