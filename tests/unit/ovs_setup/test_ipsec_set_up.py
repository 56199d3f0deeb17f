"""Texts and commands of the set-up of IPsec."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ovs_setup import OvsSetupError
from ovs_setup.ipsec import daemon, set_up, steering
from ovs_setup.ipsec.connections import configuration
from ovs_setup.ipsec.files import DaemonFiles
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.domain.profile import Certificates, load_profile
from ryu_pmipls.ipsec.clear_filter import Esp
from ryu_pmipls.ipsec.pairs import associations
from ryu_pmipls.pki.folder import Folder

PROFILE = load_profile("two-lma")
MAG = associations(PROFILE, "mag1")
KEYS = {peer.name: bytes([number]) * 16 for number, peer in enumerate(MAG.peers)}


def test_a_connection_for_each_peer_by_certificates() -> None:
    text = configuration(MAG, Esp.USER, None)
    assert [
        line.split()[0] for line in text.splitlines() if line.startswith("    ") and line[4] != " " and "{" in line
    ] == [
        "rms",
        "lma1",
        "lma2",
    ]
    assert text.count("            certs = pmipls.pem\n") == 3
    assert text.count("revocation = strict") == text.count("cacerts = pmipls.pem") == 3
    assert "id = lma2.two-lma" in text and "secret" not in text


def test_a_connection_for_each_peer_by_keys() -> None:
    text = configuration(MAG, Esp.USER, KEYS)
    assert text.count("auth = psk") == 6 and "certs" not in text
    for peer in MAG.peers:
        assert f"id-2 = {peer.identity}\n        secret = 0x{KEYS[peer.name].hex()}" in text


def test_the_kernel_protects_signalling_alone_in_transport_mode() -> None:
    text = configuration(MAG, Esp.KERNEL, None)
    assert text.count("mode = transport") == 3
    assert "remote_ts = fd00:5213::11/128[135], fd00:5213::11/128[udp/5436]" in text
    assert text.count("start_action = trap|start") == 3


def test_user_space_tunnels_between_two_hosts() -> None:
    text = configuration(MAG, Esp.USER, None)
    assert text.count("mode = tunnel") == 3
    assert "local_ts = fd00:5213::21/128\n" in text and "remote_ts = fd00:5213::11/128\n" in text


def test_braces_of_all_texts_match() -> None:
    files = DaemonFiles.private(Path("/run/x"))
    for esp in Esp:
        for text in (
            configuration(MAG, esp, None),
            configuration(MAG, esp, KEYS),
            daemon.private(esp, files.socket, files.start),
            daemon.of_a_host(esp, files.start),
        ):
            assert text.count("{") == text.count("}") > 0
            assert ("kernel-libipsec" in text) <= (esp is Esp.USER)


def test_signalling_and_nothing_else_is_steered_to_a_table_where_peers_are_unreachable_at_last() -> None:
    commands = [" ".join(command) for command in steering.commands(MAG)]
    assert len(commands) == 9
    assert "ip -6 route replace unreachable fd00:5213::11 table 220 metric 4000" in commands
    rule = "ip -6 rule add pref 5213 from fd00:5213::21 to fd00:5213::11"
    assert f"{rule} ipproto 135 lookup 220" in commands
    assert f"{rule} ipproto udp sport 5436 lookup 220" in commands
    for peer in MAG.peers:  # nothing may be steered before the last resort is there
        places = [number for number, command in enumerate(commands) if f" {peer.address} " in f"{command} "]
        assert "unreachable" in commands[places[0]]


def test_undoing_takes_our_own_rules_only() -> None:
    rules = [
        {"priority": 0, "src": "all", "table": "local"},
        {"priority": 5213, "src": "fd00:5213::21", "dst": "fd00:5213::11", "table": "220"},
        {"priority": 5213, "src": "fd00:5213::21", "dst": "fd00:5213::11", "table": "220"},
        {"priority": 5213, "src": "fd00:5299::21", "dst": "fd00:5299::11", "table": "220"},
    ]
    commands = [" ".join(command) for command in steering.undoing(MAG.own.address, rules)]
    assert commands == [
        "ip -6 rule delete pref 5213 from fd00:5213::21 to fd00:5213::11",
        "ip -6 rule delete pref 5213 from fd00:5213::21 to fd00:5213::11",
        "ip -6 route delete unreachable fd00:5213::11 table 220 metric 4000",
    ]


def test_files_are_written_for_their_readers_only_and_removed(tmp_path: Path) -> None:
    files, folder = DaemonFiles.private(tmp_path / "mag1"), Folder(tmp_path / "pki")
    files.prepare()
    for path in (folder.key("mag1"), folder.certificate("mag1"), folder.authority, folder.revocations):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    files.copy(folder, "mag1")
    assert files.write("daemon", "secret", "#!/bin/sh")
    assert not files.write("daemon", "secret 2", "#!/bin/sh")
    assert files.write("daemon 2", "secret 2", "#!/bin/sh")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (files.connections, files.start, files.daemon)]
    assert modes == [0o600, 0o644, 0o644]
    copied = [files.swanctl / kind / "pmipls.pem" for kind in ("private", "x509", "x509ca", "x509crl")]
    assert [path.read_text() for path in copied] == ["key.pem", "certificate.pem", "ca.pem", "crl.pem"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in copied] == [0o600, 0o644, 0o644, 0o644]
    files.remove()
    left = [path.name for path in (tmp_path / "mag1").rglob("*") if not path.is_dir()]
    assert left == ["swanctl.conf"]


class NoPlace(OpenVSwitch):
    """A host on which nothing may be changed."""

    def execute(self, *argv: str) -> str:
        raise AssertionError(argv)


def test_nothing_is_changed_when_a_certificate_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(set_up.shutil, "which", lambda program: program)
    profile = PROFILE.model_copy(update={"certificates": Certificates(folder=tmp_path)})
    with pytest.raises(
        OvsSetupError, match=r"ca.pem: cannot be read: No such file or directory; 'pmipls pki' makes it"
    ):
        set_up.set_up(NoPlace(), profile, "mag1", DaemonFiles.private(tmp_path / "x"))
    assert not (tmp_path / "x").exists()


def test_nothing_is_changed_when_strongswan_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(set_up.shutil, "which", lambda program: None if program == "swanctl" else program)
    with pytest.raises(OvsSetupError, match=r"swanctl is not installed; apt-get install .*strongswan-swanctl"):
        set_up.set_up(NoPlace(), PROFILE, "mag1", DaemonFiles.private(tmp_path))
