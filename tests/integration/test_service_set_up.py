"""Set-up of services: real files, and accounts and access control lists that are fakes. Needs root."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ovs_setup import OvsSetupError
from ovs_setup.service import accounts, receive_buffers, sockets, units
from ovs_setup.service import set_up as service
from ovs_setup.service.access import Place, fault, grant, withdraw
from ovs_setup.service.accounts import Ids
from ovs_setup.service.units import find_node
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.capabilities import CAPABILITIES
from ryu_pmipls.domain.profile import SHIPPED_PROFILES, Profile
from tests.conftest import merge
from tests.service_rights import service_section, with_rights

FIRST = 64001
USER = Ids(FIRST, FIRST)
#: Opens what RMS and agents open, and shows what the process has.
USE = """
import socket, sys
from ipaddress import IPv6Address
from ryu_pmipls.signalling.sockets import open_raw
open_raw(IPv6Address("::1")).close()
if "packets" in sys.argv:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
print(open("/proc/self/status").read())
"""
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
SWITCH = ("br-pm.mgmt", "db.sock", "ovs-vswitchd.7.ctl")


class Host(OpenVSwitch):
    """A host whose accounts and access control lists are here; ``commands`` are all that it was given."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.commands: list[list[str]] = []
        self.users: dict[str, int] = {}
        self.groups: dict[str, list[str]] = {"bird": []}
        self.allowed: dict[str, set[str]] = {}

    def execute(self, *argv: str) -> str:
        self.commands.append([*argv])
        program, last = argv[0], argv[-1]
        if program == "useradd":
            self.users[last] = FIRST + len(self.users)
            self.groups[last] = []
        elif program == "userdel":
            del self.users[last], self.groups[last]
        elif program == "usermod":
            self.groups[argv[-2]].append(last)
        elif program == "getfacl":
            return "\n".join(f"user:{user}:rw-" for user in self.allowed.get(last, ()))
        elif program == "setfacl":
            _, option, entry, *paths = argv
            for path in paths:
                users = self.allowed.setdefault(path, set())
                (users.add if option == "--modify" else users.discard)(entry.split(":")[1])
        elif program == "sysctl":
            return "8388608"
        return ""

    def user(self, name: str) -> Any:
        return SimpleNamespace(pw_uid=self.users[name], pw_gid=self.users[name])

    def group(self, name: str) -> Any:
        return SimpleNamespace(gr_mem=self.groups[name])


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path / "openvswitch")
    made.run_directory.mkdir()
    for name in SWITCH:
        (made.run_directory / name).touch()
    monkeypatch.setattr(accounts.pwd, "getpwnam", made.user)
    monkeypatch.setattr(accounts.grp, "getgrnam", made.group)
    monkeypatch.setattr(units, "FOLDER", tmp_path / "units")
    monkeypatch.setattr(units, "STRONGSWAN_ADDITION", tmp_path / "units" / "strongswan.service.d" / "pmipls.conf")
    monkeypatch.setattr(units, "VICI_SOCKET", tmp_path / "charon.vici")
    monkeypatch.setattr(units, "STATE_DIRECTORY", tmp_path / "state")
    monkeypatch.setattr(receive_buffers, "LIMITS_FILE", tmp_path / "60-pmipls.conf")
    monkeypatch.setattr(service, "require_reachable", lambda _: None)  # these are where services see nothing
    return made


def profile(tmp_path: Path, changes: Mapping[str, Any] | None = None) -> Profile:
    document = yaml.safe_load((SHIPPED_PROFILES / "two-lma.yaml").read_text(encoding="utf-8"))
    merge(
        document, {"rms": {"state_directory": str(tmp_path / "state")}, "signalling": {"keys": str(tmp_path / "keys")}}
    )
    merge(document, {"certificates": {"folder": str(tmp_path / "pki")}})
    merge(document, changes or {})
    return Profile.model_validate(document)


def set_up(host: Host, domain: Profile, name: str) -> list[str]:
    said: list[str] = []
    service.set_up(host, domain, find_node(domain, name), Path("/etc/pmipls/domain.yaml"), said.append)
    return said


def tear_down(host: Host, domain: Profile, name: str) -> list[str]:
    said: list[str] = []
    service.tear_down(host, domain, find_node(domain, name), said.append)
    return said


def secrets(tmp_path: Path, node: str) -> list[Path]:
    """A node's key file, and the folder and key of its certificate, as root has made them."""
    (tmp_path / "keys").touch(0o600)
    folder = tmp_path / "pki" / "nodes" / node
    folder.mkdir(parents=True)
    folder.chmod(0o700)
    (folder / "key.pem").touch(0o600)
    return [tmp_path / "keys", folder, folder / "key.pem"]


def owner(path: Path) -> tuple[int, int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid, status.st_mode & 0o7777


@pytest.mark.parametrize("name", ["rms", "lma1", "mag1"])
def test_a_service_gets_what_it_needs_once_and_root_has_it_back(name: str, host: Host, tmp_path: Path) -> None:
    domain = profile(tmp_path)
    private = secrets(tmp_path, name)
    before = [owner(path) for path in private]
    node = find_node(domain, name)
    state = units.state_directory(node)
    state.mkdir(parents=True)
    (state / "of-root").touch(0o600)
    said = set_up(host, domain, name)
    user = f"pmipls-{name.rstrip('1')}"
    assert said[0] == f"user {user}: made"
    assert units.unit_path(node).stat().st_mode & 0o777 == 0o644
    assert owner(state) == (*USER, 0o700)
    assert owner(state / "of-root") == (*USER, 0o600)
    assert [owner(path) for path in private] == [(0, FIRST, 0o640), (0, FIRST, 0o750), (0, FIRST, 0o640)]
    allowed = set() if name == "rms" else {str(host.run_directory / each) for each in SWITCH}
    assert {path for path, users in host.allowed.items() if users == {user}} == allowed
    assert host.groups["bird"] == (["pmipls-lma"] if name == "lma1" else [])
    assert [*service.faults(host, domain, node)] == []
    assert set_up(host, domain, name) == []
    assert tear_down(host, domain, name)[-1] == f"user {user}: removed"
    assert host.users == {}
    assert not units.unit_path(node).exists()
    assert [owner(path) for path in private] == before
    assert {owner(path)[:2] for path in (state, state / "of-root")} == {(0, 0)}
    assert not any(host.allowed.values())
    assert tear_down(host, domain, name) == []


def test_what_has_changed_behind_a_service_is_named_and_mended(host: Host, tmp_path: Path) -> None:
    domain = profile(tmp_path)
    mag = find_node(domain, "mag1")
    set_up(host, domain, "mag1")
    keys, _, key = secrets(tmp_path, "mag1")  # which come later
    host.allowed.clear()  # Open vSwitch was started again
    units.unit_path(mag).unlink()
    found = "\n".join(service.faults(host, domain, mag))
    for path in (units.unit_path(mag), keys, key, *(host.run_directory / name for name in SWITCH)):
        assert str(path) in found
    assert f"{key}: mode 0640, for pmipls-mag" in set_up(host, domain, "mag1")
    assert [*service.faults(host, domain, mag)] == []


def test_a_protected_service_may_ask_strongswan_at_each_start_of_that(host: Host, tmp_path: Path) -> None:
    domain = profile(tmp_path, {"signalling": {"protection": ["ipsec", "keys"]}})
    units.VICI_SOCKET.touch()
    set_up(host, domain, "rms")
    assert "user:pmipls-rms:rw" in units.STRONGSWAN_ADDITION.read_text()
    assert host.allowed == {str(units.VICI_SOCKET): {"pmipls-rms"}}
    tear_down(host, domain, "rms")
    assert not units.STRONGSWAN_ADDITION.exists()
    assert host.allowed == {str(units.VICI_SOCKET): set()}


@pytest.mark.parametrize(("first", "second"), [("rms", "mag1"), ("mag1", "rms")])
def test_state_within_another_services_state_is_refused(first: str, second: str, host: Host, tmp_path: Path) -> None:
    domain = profile(tmp_path)
    set_up(host, domain, first)
    with pytest.raises(OvsSetupError, match=r"cannot be a state directory beside .*another rms\.state_directory"):
        set_up(host, domain, second)
    assert [*host.users] == [f"pmipls-{first.rstrip('1')}"]


def test_nothing_is_undone_while_a_process_of_the_user_runs(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = profile(tmp_path)
    set_up(host, domain, "mag1")
    monkeypatch.setattr(accounts, "processes", lambda _: [17, 18])
    with pytest.raises(OvsSetupError, match="pmipls-mag runs process 17, 18; end it first"):
        tear_down(host, domain, "mag1")
    assert [*service.faults(host, domain, find_node(domain, "mag1"))] == []


def test_a_users_processes_are_found() -> None:
    assert os.getpid() in accounts.processes(Ids(os.getuid(), os.getgid()))
    assert accounts.processes(Ids(4_000_000, 0)) == []


def test_a_directory_goes_to_a_service_and_back_with_all_that_is_its_own(tmp_path: Path) -> None:
    elsewhere, state = tmp_path / "elsewhere", tmp_path / "state"
    elsewhere.write_text("root's")
    (state / "below").mkdir(parents=True)
    (state / "below" / "file").touch(0o600)
    (state / "link").symlink_to(elsewhere)
    (state / "second-name").hardlink_to(elsewhere)
    place = Place(state, 0o700, 0o700, owned=True)
    assert fault(place, USER)
    assert grant(place, USER)
    assert fault(place, USER) == ""
    assert {owner(path)[:2] for path in (state, state / "below", state / "below" / "file")} == {USER}
    assert owner(elsewhere)[:2] == (0, 0)
    assert not grant(place, USER)
    (state / "new").touch()
    os.chown(state / "new", *USER)
    assert withdraw(place)
    assert {owner(path)[:2] for path in (state, *state.rglob("*"))} == {(0, 0)}
    assert not withdraw(place)


def test_a_key_can_be_read_by_its_service_and_written_by_root_alone(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    place = Place(key, 0o640, 0o600)
    assert not grant(place, USER)  # it may come later
    assert fault(place, USER) == ""
    key.touch(0o600)
    assert grant(place, USER)
    assert owner(key) == (0, USER.group, 0o640)
    key.chmod(0o644)
    assert fault(place, USER) == f"{key}: has the mode 0644, not 0640"
    assert withdraw(place)
    assert owner(key) == (0, 0, 0o600)


@pytest.mark.parametrize("name", ["rms", "lma1", "mag1"])
def test_a_process_with_a_units_rights_has_these_and_no_other(name: str, tmp_path: Path) -> None:
    domain = profile(tmp_path)
    text = units.unit(domain, find_node(domain, name), Path("/usr/bin"), tmp_path)
    section = service_section(text) | {"User": "nobody", "Group": "nogroup"}
    argv = [sys.executable, "-P", "-c", USE, *(() if name == "rms" else ("packets",))]
    done = subprocess.run(with_rights(section, *argv), capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    status = dict(line.split(":\t", 1) for line in done.stdout.splitlines() if ":\t" in line)
    wanted = ["CAP_NET_RAW"] if name == "rms" else ["CAP_NET_ADMIN", "CAP_NET_RAW"]
    mask = sum(1 << CAPABILITIES[capability] for capability in wanted)
    assert {each: int(status[each], 16) for each in SETS} == dict.fromkeys(SETS, mask)
    assert status["NoNewPrivs"] == "1"
    assert status["Umask"] == "0077"
    assert "0" not in {*status["Uid"].split(), *status["Gid"].split(), *status["Groups"].split()}


def test_an_rms_that_speaks_udp_has_no_capability(tmp_path: Path) -> None:
    domain = profile(tmp_path, {"signalling": {"transport": "udp"}})
    section = service_section(units.unit(domain, domain.rms, Path("/usr/bin"), tmp_path))
    section |= {"User": "nobody", "Group": "nogroup"}
    done = subprocess.run(with_rights(section, "cat", "/proc/self/status"), capture_output=True, text=True, check=True)
    status = dict(line.split(":\t", 1) for line in done.stdout.splitlines() if ":\t" in line)
    assert {int(status[each], 16) for each in SETS} == {0}


def test_a_socket_of_root_lets_one_more_user_in(tmp_path: Path) -> None:
    path = tmp_path / "db.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o750)
        listener.listen()
        opened = OpenVSwitch()
        assert sockets.closed_to(opened, "nobody", [path]) == [path]
        sockets.open_to(opened, "nobody", [path])
        assert sockets.closed_to(opened, "nobody", [path]) == []
        sockets.close_to(opened, "nobody", [path])
        assert sockets.closed_to(opened, "nobody", [path]) == [path]
        sockets.open_to(opened, "pmipls-none", [path])  # no service here
        assert stat.S_IMODE(path.stat().st_mode) == 0o750
