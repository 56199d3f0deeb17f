"""The checks of a host, by facts that are made up."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from ryu_pmipls.doctor.check import HOSTS, HostRole, Level, examine
from ryu_pmipls.doctor.host_checks import HOST_CHECKS
from ryu_pmipls.doctor.host_facts import (
    Directory,
    HostClock,
    ListeningPort,
    ProfileFacts,
    Program,
    Purpose,
    Service,
    TakenPort,
)
from tests.unit.doctor.made_up_facts import HOST, host_verdict

OK, UNKNOWN, WARNING, WRONG = Level.OK, Level.UNKNOWN, Level.WARNING, Level.WRONG
REST = ListeningPort("rms.rest", "127.0.0.1", 8080)
WITHOUT = {"ovs-vswitchd": Program(), "bird": Program(), "ip": Program(path="/bin/ip")}
HIDDEN = {"ovs-vswitchd": Program(elsewhere="/usr/sbin"), "bird": Program(elsewhere="/usr/sbin")}


def service(*faults: str, there: bool = True) -> Purpose:
    return Purpose(HostRole.MAG, service=Service("mag1", "pmipls-mag", there, faults))


#: Check, what differs from a host with which nothing is wrong, level, found, what to do.
CASES: list[tuple[str, dict[str, Any], Level, str, str]] = [
    (
        "profile",
        {"profile": ProfileFacts("x", "$PMIPLS_PROFILE", "x: no file")},
        WRONG,
        "x: no file",
        "check --profile x",
    ),
    ("distribution", {"distribution": "arch "}, WARNING, "arch  is not supported; Debian 12", "./run tests"),
    ("distribution", {"distribution": "debian 13"}, OK, "Debian 13", ""),
    ("kernel", {"kernel": "5.4.0-1-generic"}, WARNING, "older than 5.6", "linux-image"),
    ("kernel", {"kernel": "5.10.0"}, OK, "Linux 5.10.0", ""),
    ("Python", {"python": (3, 9, 2)}, WRONG, "3.9.2 .*3.10 to 3.13", "PYTHON="),
    ("Python", {"python": (3, 14, 0)}, WRONG, "3.14.0", "PYTHON="),
    ("Python", {"ensurepip": False}, WARNING, "virtual environments", "python3-venv"),
    ("Ryu", {"ryu": None}, UNKNOWN, "not installed in /usr/bin/python3", "./run setup"),
    ("Ryu", {"ryu": ""}, WRONG, "Ryu is not installed", "./run setup"),
    ("Ryu", {"ryu": "4.30"}, WARNING, "4.30 is not tested", "./run setup"),
    ("Ryu", {"eventlet": ""}, WRONG, "eventlet", "./run setup"),
    ("Ryu", {"ryu": "", "purpose": Purpose(listening_ports=())}, OK, "not needed", ""),
    ("privileges", {"root": False}, WRONG, "not root", "sudo -s"),
    ("privileges", {"root": False, "purpose": Purpose(HostRole.RMS)}, OK, "ordinary user", ""),
    ("programs", {"programs": WITHOUT}, WRONG, "ovs-vswitchd, bird", "openvswitch-switch bird2"),
    ("programs", {"programs": {"tshark": Program()}}, WARNING, "tshark", "install .* tshark"),
    ("programs", {"programs": HIDDEN}, OK, "all 2", ""),
    ("PATH", {"programs": HIDDEN}, WARNING, "lacks /usr/sbin: .* ovs-vswitchd, bird", "export PATH=.*:/usr/sbin$"),
    ("Open vSwitch", {"openvswitch": None}, UNKNOWN, "no version", "ovs-vswitchd"),
    ("Open vSwitch", {"openvswitch": (2, 13, 8)}, WRONG, "2.13.8; .*2.17 is needed", "openvswitch-switch"),
    ("Open vSwitch", {"openvswitch": (2, 17, 9)}, WARNING, "2.17.9; tunnels: gre.*; 3.1 to 3.5", "./run tests"),
    ("Open vSwitch", {"openvswitch": (3, 5, 0)}, OK, "3.5.0; tunnels: srv6.* and ", ""),
    ("Open vSwitch", {"openvswitch": (4, 0, 0)}, WARNING, "4.0.0", "./run tests"),
    ("bird", {"bird": None}, UNKNOWN, "no version", "bird --version"),
    ("bird", {"bird": (3, 0, 1)}, WARNING, "3.0.1 is not tested", "bird2"),
    ("IPv6", {"ipv6": False}, WRONG, "disabled", "sysctl"),
    ("kernel parts", {"kernel_faults": None, "root": False}, UNKNOWN, "only root", "sudo"),
    ("kernel parts", {"kernel_faults": None}, UNKNOWN, "program ip is missing", "iproute2"),
    ("kernel parts", {"kernel_faults": {"a": "x", "a b": "y"}}, WRONG, "a: x; a b: y", "modprobe -a a$"),
    ("namespaces of the lab", {"purpose": Purpose()}, UNKNOWN, "without a profile", "pmipls doctor"),
    ("subnet of the lab", {"purpose": Purpose()}, UNKNOWN, "without a profile", "pmipls doctor"),
    ("subnet of the lab", {"purpose": Purpose(rms_may_run=True)}, OK, "the lab is up", ""),
    ("kernel parts", {"kernel_faults": {"veth": "", "tun": "no device"}}, WRONG, "^tun: no device$", "modprobe -a tun"),
    ("control groups", {"cpu_groups": None}, UNKNOWN, "only root", "sudo"),
    ("control groups", {"cpu_groups": "no cpu controller"}, WRONG, "no cpu controller", "cgroup"),
    ("control groups", {"cpu_groups": "none", "purpose": Purpose(cpu_quotas=False)}, OK, "not needed", ""),
    ("raw sockets", {"raw_socket": "not permitted"}, WRONG, "135 .* not permitted", "transport: udp"),
    ("raw sockets", {"raw_socket": "no", "purpose": Purpose(raw_signalling=False)}, OK, "not needed", ""),
    ("clock", {"clock": None}, UNKNOWN, "does not tell", "timedatectl"),
    ("clock", {"clock": HostClock(False)}, WARNING, "no time service", "chrony"),
    ("clock", {"clock": HostClock(False, ("chronyd",))}, WARNING, "though chronyd runs", "chronyc"),
    (
        "TCP ports",
        {"taken_ports": (TakenPort(REST, "in use", "nginx", 7),)},
        WRONG,
        r"8080 .*nginx \(process 7\)",
        "8080",
    ),
    (
        "TCP ports",
        {"taken_ports": (TakenPort(REST, "in use"),)},
        WRONG,
        "127.0.0.1.:8080 cannot .*: in use$",
        "ss -ltnp",
    ),
    ("TCP ports", {"taken_ports": (TakenPort(REST, "in use", "ryu-manager", 7),)}, WRONG, "ryu-manager", "ss -ltnp"),
    ("state directory", {"state_directory": Directory("/var", False, 2**40)}, WRONG, "/var cannot be written", "sudo"),
    ("state directory", {"state_directory": Directory("/var", True, 2**20)}, WRONG, "only 1 MB", "df -h /var"),
    ("open files", {"open_files": 256, "purpose": Purpose(nodes=10)}, WARNING, "256 files; 296", "ulimit -n 296"),
    ("keys", {"purpose": Purpose(keys="/k", keys_fault="/k: no key of lma1")}, WRONG, "no key of lma1", "keys > /k"),
    ("keys", {"purpose": Purpose(keys="/k")}, OK, "/k: a key for each peer", ""),
    ("IPsec", {}, OK, "not used", ""),
    ("IPsec", {"purpose": Purpose(ipsec_node="mag1")}, OK, "and no other way", ""),
    (
        "IPsec",
        {"purpose": Purpose(ipsec_node="mag1", ipsec_fault="no rules")},
        WRONG,
        "no rules",
        "ovs_setup.ipsec mag1",
    ),
    ("IPsec", {"root": False, "purpose": Purpose(ipsec_fault="no rules")}, UNKNOWN, "only root", "sudo"),
    ("service", {"purpose": service(there=False)}, WARNING, "no user pmipls-mag: mag1 has", "ovs_setup.service mag1"),
    ("service", {"purpose": service(), "root": False}, UNKNOWN, "only root", "sudo"),
    ("service", {"purpose": service("/k: has the mode 0644, not 0640", "b")}, WRONG, "/k: .*0640; b", "service mag1"),
    ("service", {"purpose": service()}, OK, "mag1 runs as pmipls-mag", ""),
    ("firewall", {"firewall": None}, UNKNOWN, "cannot be listed", "sudo"),
    ("firewall", {"firewall": ("inet filter input",)}, WARNING, "inet filter input", "protocol 135"),
    (
        "namespaces of the lab",
        {"foreign_namespaces": ("pm-mag1",)},
        WRONG,
        "pm-mag1 that is not this lab's",
        "delete pm-mag1",
    ),
    (
        "subnet of the lab",
        {"foreign_addresses": ("interface a has fd00::1",)},
        WRONG,
        "fd00::/64 is in use",
        "lab down",
    ),
]


@pytest.mark.parametrize(("title", "changes", "level", "found", "what_to_do"), CASES, ids=lambda value: str(value)[:40])
def test_a_check_finds_it_and_says_what_to_do(
    title: str, changes: dict[str, Any], level: Level, found: str, what_to_do: str
) -> None:
    verdict = host_verdict(title, replace(HOST, **changes))
    assert verdict.level is level
    assert re.search(found, verdict.found)
    assert re.search(what_to_do, verdict.what_to_do)
    assert bool(verdict.what_to_do) == (level is not OK)


def test_a_host_with_which_nothing_is_wrong_passes_every_check() -> None:
    assert {check.verdict(HOST).level for check in HOST_CHECKS} == {OK}


def test_every_check_can_find_something() -> None:
    assert {title for title, _, level, *_ in CASES if level is not OK} == {check.title for check in HOST_CHECKS}


def test_an_rms_that_runs_already_may_have_its_ports() -> None:
    taken = (TakenPort(REST, "in use", "ryu-manager", 7),)
    running = replace(HOST, taken_ports=taken, purpose=Purpose(rms_may_run=True))
    assert host_verdict("TCP ports", running).found == "an RMS listens: process 7"
    assert host_verdict("TCP ports", replace(running, taken_ports=(*taken, TakenPort(REST, "in use")))).level is WRONG


def test_a_role_gets_the_checks_that_are_for_it() -> None:
    of = {role: [finding.check for finding in examine("h", HOST_CHECKS, role, HOST)] for role in HOSTS}
    assert "clock" not in of[HostRole.LAB]  # one host, one clock
    assert "bird" in of[HostRole.LMA]
    assert "bird" not in of[HostRole.MAG]
    assert {"TCP ports", "Ryu"} <= {*of[HostRole.RMS]} - {*of[HostRole.LMA]}
