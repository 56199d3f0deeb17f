"""``pmipls pki``: what a person sees, and the exit status."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from ryu_pmipls.cli import main
from ryu_pmipls.cli.commands import pki_commands
from ryu_pmipls.domain.profile import SHIPPED_PROFILES
from ryu_pmipls.pki import files
from tests.unit.pki.authorities import verified

NODES = ("rms", "lma1", "lma2", "mag1", "mag2")


class Host:
    """A host with a profile that names its folder of certificates."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = files.Folder(path / "pki")
        self.profile = path / "profile.yaml"
        self._document = yaml.safe_load((SHIPPED_PROFILES / "two-lma.yaml").read_text(encoding="utf-8"))
        self.change(certificates={"folder": str(self.folder.path)})
        self._monkeypatch = monkeypatch

    def change(self, **sections: object) -> None:
        self._document |= sections
        self.profile.write_text(yaml.safe_dump(self._document), encoding="utf-8")

    def __call__(self, command: str, *words: str) -> Result:
        result = CliRunner().invoke(main, ["pki", command, *words, "--profile", str(self.profile)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def wait(self, days: float) -> None:
        """Let days pass."""
        later = datetime.now(timezone.utc) + timedelta(days=days)
        self._monkeypatch.setattr(pki_commands, "_now", lambda: later)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def refused(result: Result, status: int, told: str) -> None:
    assert (result.exit_code, result.stderr.count("Error: ")) == (status, 1), result.output
    assert told in result.stderr


def test_a_domain_is_certified_by_two_commands_and_shown_by_a_third(host: Host) -> None:
    made = host("init")
    assert made.stdout == (
        f"The authority of domain two-lma is in {host.folder.path}, and its key is {host.folder.authority_key}.\n"
    )
    issued = host("issue")
    assert [line.partition(":")[0] for line in issued.stdout.splitlines()] == [*NODES]
    for node in NODES:
        assert verified(host.folder, host.folder.certificate(node)) == "OK"
    shown = host("show")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert "lma1            lma1.two-lma, fd00:5213::11" in shown.stdout
    assert host("issue").stdout == "All nodes have certificates.\n"
    assert host("renew").stdout == ""


def test_show_is_bad_while_a_node_has_no_certificate(host: Host) -> None:
    host("init")
    host("issue", "rms", "lma1", "lma2", "mag1")
    refused(host("show"), 1, "Error: the certificate of mag2 is missing: 'pmipls pki issue mag2' makes a new one\n")


def test_the_document_has_all_that_the_table_has(host: Host) -> None:
    host("init", "--days", "400")
    host("issue", "lma1", "--days", "20")
    host("issue")
    host.wait(15)
    host("revoke", "mag2")
    result = host("show", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert (document["domain"], document["folder"]) == ("two-lma", str(host.folder.path))
    assert document["revocation_list"] == {"number": 2, "revoked": 1}
    assert document["authority"]["state"] == "valid"
    nodes = {node["name"]: node for node in document["nodes"]}
    assert {name: node["state"] for name, node in nodes.items()} == dict.fromkeys(NODES, "valid") | {
        "lma1": "due for renewal",
        "mag2": "revoked",
    }
    assert nodes["lma1"]["names"] == ["lma1.two-lma", "fd00:5213::11"]
    assert (host.folder.issued / f"{nodes['lma1']['serial']}.pem").exists()
    assert 0 < nodes["lma1"]["not_after"] - datetime.now(timezone.utc).timestamp() < 20 * 86400


def test_what_is_due_is_shown_in_time_and_renewed_at_once(host: Host) -> None:
    host("init")
    host("issue")
    host.wait(340)
    shown = host("show")
    assert (shown.exit_code, shown.stdout.count("due for renewal"), shown.stderr.count("expires on")) == (1, 5, 5)
    renewed = host("renew")
    assert (renewed.exit_code, len(renewed.stdout.splitlines())) == (0, 5)
    assert host("show").exit_code == 0
    assert host("renew").stdout == ""


def test_one_that_must_not_be_renewed_keeps_none_of_the_others_from_it(host: Host) -> None:
    host("init")
    host("issue")
    host.wait(340)
    document = yaml.safe_load(host.profile.read_text(encoding="utf-8"))
    document["lmas"][0]["address"] = "fd00:5213::77"
    host.change(lmas=document["lmas"])
    result = host("renew")
    refused(result, 1, "lma1 is also for fd00:5213::11, which the profile gives it no more: 'pmipls pki revoke lma1'")
    assert [line.partition(":")[0] for line in result.stdout.splitlines()] == ["rms", "lma2", "mag1", "mag2"]


def test_an_authority_that_is_due_is_renewed_with_its_nodes(host: Host) -> None:
    host("init", "--days", "100")
    host("issue")
    host.wait(80)
    result = host("renew")
    assert result.stdout.splitlines()[0].startswith("authority: renewed; all hosts need ")
    assert len(result.stdout.splitlines()) == 6
    assert host("show").exit_code == 0


def test_a_revoked_node_gets_a_new_certificate_only_by_its_name(host: Host) -> None:
    host("init")
    host("issue")
    revoked = host("revoke", "lma1")
    assert revoked.stdout.splitlines()[1] == f"All hosts need {host.folder.revocations}."
    assert host("issue").stdout == "All nodes have certificates.\n"
    assert host("renew").stdout == ""
    refused(host("show"), 1, "the certificate of lma1 is revoked: 'pmipls pki issue lma1' makes a new one")
    refused(host("revoke", "lma1"), 1, "lma1 has no certificate that is not revoked already")
    assert host("issue", "lma1").exit_code == host("show").exit_code == 0


def test_nothing_is_issued_when_one_of_the_nodes_is_wrong(host: Host) -> None:
    host("init")
    host("issue", "lma1")
    refused(host("issue", "lma2", "lma9"), 2, "no node is called 'lma9'; there are: rms, lma1, lma2, mag1, mag2")
    refused(host("issue", "lma2", "lma1"), 1, "lma1 has a certificate")
    refused(host("issue", "lma2", "mn1"), 2, "no node is called 'mn1'")
    assert host.folder.nodes() == ["lma1"]


def test_a_nodes_host_shows_what_it_has_and_needs_the_key(host: Host, tmp_path: Path) -> None:
    host("init")
    host("issue")
    there = files.Folder(tmp_path / "lma1")
    for path in (host.folder.authority, host.folder.revocations, host.folder.certificate("lma1")):
        copy = there.path / path.relative_to(host.folder.path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    refused(host("show", "--folder", str(there.path)), 1, "lma1 is without its key: key.pem belongs beside it")
    files.write_key(there.key("lma1"), files.read_key(host.folder.key("lma1")))
    shown = host("show", "--folder", str(there.path))
    assert (shown.exit_code, "lma1.two-lma" in shown.stdout, "mag1" in shown.stdout) == (0, True, False)
    refused(host("renew", "--folder", str(there.path)), 1, "ca-key.pem: there is no such file; the authority's key is")
    host.folder.key("lma1").unlink()
    assert host("show").exit_code == 0  # the key need not stay where the authority is


def test_a_certificate_of_a_node_that_has_left_is_shown_until_it_is_revoked(host: Host) -> None:
    host("init")
    host("issue")
    document = yaml.safe_load(host.profile.read_text(encoding="utf-8"))
    host.change(mags=document["mags"][:1])
    refused(host("show"), 1, "the certificate of mag2 is for no node of the profile: 'pmipls pki revoke mag2' ends it")
    assert host("revoke", "mag2").exit_code == 0
    assert host("show").exit_code == 0


@pytest.mark.parametrize(("command", "words"), [("issue", ()), ("renew", ()), ("revoke", ("lma1",)), ("show", ())])
def test_without_an_authority_one_message_says_how_to_make_it(host: Host, command: str, words: tuple[str, ...]) -> None:
    refused(host(command, *words), 1, "ca.pem: there is no such file; 'pmipls pki init' makes an authority")
    assert not host.folder.path.exists()


@pytest.mark.parametrize(("command", "words"), [("issue", ()), ("renew", ()), ("revoke", ("lma1",)), ("init", ())])
def test_days_folder_and_key_are_named_when_they_are_wrong(host: Host, command: str, words: tuple[str, ...]) -> None:
    if command != "revoke":
        refused(host(command, *words, "--days", "0"), 2, "'--days': 0 is not in the range 1<=x<=36500")
    refused(host(command, *words, "--folder", str(host.profile)), 2, "is a file")
    refused(host(command, *words, "--ca-key", str(host.profile.parent)), 2, "is a directory")


def test_another_domains_authority_is_wrong_input(host: Host) -> None:
    host("init")
    host.change(domain="other")
    refused(host("issue"), 2, "is the authority of the domain 'two-lma', and the profile's is 'other'")


@pytest.mark.parametrize(("command", "words"), [("init", ()), ("issue", ()), ("revoke", ("lma1",)), ("show", ())])
def test_a_missing_library_is_told_with_its_remedy(
    host: Host, command: str, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    told = "Python library cryptography, which is not installed; pip install 'ryu-pmipls[security]' installs it"
    refused(host(command, *words), 1, told)
    assert not host.folder.path.exists()


def test_a_library_that_is_too_old_is_told_with_its_release(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cryptography.__version__", "38.0.4")
    refused(host("init"), 1, "cryptography, which has release 38.0.4, and 42 or later is needed; pip install")
