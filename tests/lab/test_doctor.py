"""The doctor on a running lab and on its host: faults are made, found, and mended by what it says to do."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ovs_setup import offloads
from ryu_pmipls.doctor.check import Finding, Level
from ryu_pmipls.doctor.host_facts import HostFacts
from ryu_pmipls.domain.profile import SHIPPED_PROFILES, load_profile
from ryu_pmipls.lab import examination
from ryu_pmipls.lab.examination import examine_lab
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.lab_links import kernel_settings
from tests.conftest import DeriveProfile
from tests.labs import lab_of
from tests.waiting import eventually

_PROGRAMS = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "PATH": f"{_PROGRAMS}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def lab(derive_profile: DeriveProfile) -> Iterator[Lab]:
    path = derive_profile("pdr", 41)
    with lab_of(path) as made:
        yield made


def faults(lab: Lab, *nodes: str) -> list[Finding]:
    return [finding for finding in examine_lab(lab.profile, lab.plan, nodes) if finding.wrong]


def pmipls(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "ryu_pmipls.cli", *arguments]
    return subprocess.run(argv, env={**ENVIRONMENT, **environment}, capture_output=True, text=True, check=False)


def test_a_lab_that_is_up_has_no_fault(lab: Lab) -> None:
    eventually(lambda: not faults(lab), "a lab without faults")
    done = pmipls("doctor", "--lab", "--prefix", "pdr")
    assert done.returncode == 0, done.stdout
    for node in ("this host", *lab.plan.nodes):
        assert f"\n{node}:\n" in f"\n{done.stdout}"


@pytest.mark.parametrize(
    ("node", "check", "fault"),
    [
        ("mag1", "MTU", "ip link set acc1 mtu 1400"),
        ("lma1", "MTU", "ip link set u0 mtu 1300"),
        ("mag1", "links", "ip link set acc2 down"),
        ("mag1", "offloads", "ethtool -K acc1 gro on"),
        ("lma1", "offloads", "ethtool -K core tx on"),
        ("mn1", "offloads", "ethtool -K eth0 tx on"),
        ("mag1", "isolation", "ip address add 192.0.2.9/24 dev acc2"),
        ("lma1", "isolation", "nft delete table netdev ryu_pmipls"),
        ("lma1", "kernel settings", "sysctl -w net.ipv6.conf.all.forwarding=1"),
        ("lma1", "kernel settings", "sysctl -w net.ipv6.conf.br-pm.accept_ra=1"),
        ("mag2", "kernel settings", "sysctl -w net.ipv4.conf.br-u.rp_filter=0"),
        ("lma2", "addresses", "ip -6 address flush dev br-pm scope global"),
        ("mag2", "bridges", "OVS set-fail-mode br-pm standalone"),
        ("mag2", "bridges", "OVS del-port br-pm acc3"),
        ("mag2", "controller", "OVS del-controller br-pm"),
    ],
)
def test_a_fault_is_found_and_mended_by_what_the_doctor_says(lab: Lab, node: str, check: str, fault: str) -> None:
    eventually(lambda: not faults(lab, node), f"{node} without faults")
    if fault.startswith("OVS "):
        lab.openvswitch(node).vsctl(*fault.split()[1:])
    else:
        done = lab.execute(node, fault.split())
        assert done.returncode == 0, done.stderr
    found = next(finding for finding in faults(lab, node) if finding.check == check)
    subprocess.run(found.verdict.what_to_do, shell=True, env=ENVIRONMENT, check=True, capture_output=True, timeout=120)
    eventually(lambda: not faults(lab, node), f"{node} mended")


def test_every_setting_of_the_core_is_looked_at(lab: Lab) -> None:
    core = lab.plan.correspondent
    for path, value in kernel_settings(lab.plan, core):
        lab.execute(core, ["sysctl", "-w", f"net/ipv6/{path}={1 - value}"])
        (found,) = faults(lab, core)
        assert f"net/ipv6/{path} is {1 - value}, must be {value}" in found.verdict.found
        subprocess.run(found.verdict.what_to_do, shell=True, env=ENVIRONMENT, check=True, capture_output=True)
    assert not faults(lab, core)


def test_unfinished_checksums_of_a_bridge_are_found_where_open_vswitch_offers_them(lab: Lab) -> None:
    switch = lab.openvswitch("lma1")
    lab.execute("lma1", ["ethtool", "-K", "br-pm", "tx", "on"])
    if not offloads.active(switch, "br-pm", offloads.SENDING):
        pytest.skip("this Open vSwitch does not offer to complete checksums")
    (found,) = faults(lab, "lma1")
    assert (found.check, found.verdict.found) == ("offloads", "br-pm has tx-checksumming on")
    subprocess.run(found.verdict.what_to_do, shell=True, env=ENVIRONMENT, check=True, capture_output=True)
    assert not faults(lab, "lma1")


def test_an_rms_that_is_away_is_found_at_every_switch(lab: Lab) -> None:
    switches = lab.plan.switches
    eventually(lambda: not faults(lab, *switches), "switches without faults")
    wanted = {(node, "controller") for node in switches}
    lab.stop_rms()
    try:
        eventually(lambda: {(fault.subject, fault.check) for fault in faults(lab, *switches)} == wanted, "faults")
    finally:
        lab.start_rms()
    eventually(lambda: not faults(lab, *switches), "switches without faults")


# --- the host ---------------------------------------------------------------------------------------------------------


def host_findings(profile: Path, argv: tuple[str, ...] = (), **environment: str) -> dict[str, dict[str, str]]:
    """The doctor's findings about this host, by check, as `pmipls doctor` prints them."""
    command = [*argv, sys.executable, "-m", "ryu_pmipls.cli", "doctor", "--profile", str(profile), "--json"]
    done = subprocess.run(command, env={**ENVIRONMENT, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    found = {entry["check"]: entry for entry in json.loads(done.stdout)}
    assert done.returncode == any(entry["level"] == "wrong" for entry in found.values())
    return found


def test_a_taken_port_is_told_with_the_process_that_has_it(derive_profile: DeriveProfile) -> None:
    path = derive_profile("pdh", 42)
    endpoint = load_profile(path).rms.rest
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind((endpoint.host, endpoint.port))
        listener.listen()
        found = host_findings(path)["TCP ports"]
    assert found["level"] == "wrong"
    assert f"(process {os.getpid()}) listens" in found["found"]
    assert host_findings(path)["TCP ports"]["level"] == "ok"


def test_a_path_without_the_directories_for_administrators_is_told(derive_profile: DeriveProfile) -> None:
    path = derive_profile("pdh", 42)
    found = host_findings(path, PATH="/usr/bin:/bin")
    assert found["PATH"]["level"] == "warning"
    assert "ovs-vswitchd" in found["PATH"]["found"]
    assert found["programs"]["level"] == found["Open vSwitch"]["level"] == "ok"
    mended = found["PATH"]["what_to_do"].replace("export PATH=$PATH", "/usr/bin:/bin")
    assert host_findings(path, PATH=mended)["PATH"]["level"] == "ok"


def test_missing_control_groups_are_told(derive_profile: DeriveProfile) -> None:
    script = "grep -E ' cgroup2? ' /proc/mounts | cut -d' ' -f2 | tac | xargs -n1 umount -l; exec \"$@\""
    found = host_findings(derive_profile("pdh", 42), ("unshare", "--mount", "sh", "-c", script, "sh"))
    assert found["control groups"]["level"] == "wrong"
    assert "cgroup" in found["control groups"]["what_to_do"]


def test_without_privilege_it_says_what_it_could_not_look_at() -> None:
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs")
    if subprocess.run([*nobody, sys.executable, "-c", "import ryu_pmipls"], capture_output=True).returncode:
        pytest.skip("others may not use this installation")
    found = host_findings(SHIPPED_PROFILES / "two-lma.yaml", nobody)
    assert found["privileges"]["level"] == "wrong"
    assert found["raw sockets"]["level"] == "wrong"
    assert found["kernel parts"]["level"] == found["control groups"]["level"] == "unknown"


def test_a_lab_that_fails_tells_what_the_doctor_finds(
    derive_profile: DeriveProfile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gather = examination.host_facts
    monkeypatch.setattr(examination, "host_facts", lambda *args: _elsewhere(gather(*args)))
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    path = derive_profile("pdh", 42)
    with pytest.raises(LabError, match=r"ended with status 3(.|\n)*the doctor's findings:(.|\n)*arch is not supported"):
        Lab(load_profile(path), path).up(rms=False)


def test_a_lab_is_refused_on_a_host_that_is_not_fit_and_all_reasons_are_told(
    derive_profile: DeriveProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    gather = examination.host_facts
    monkeypatch.setattr(examination, "host_facts", lambda *args: replace(gather(*args), root=False, ipv6=False))
    path = derive_profile("pdh", 42)
    with pytest.raises(LabError) as caught:
        Lab(load_profile(path), path).up()
    assert "not root" in str(caught.value)
    assert "IPv6 is disabled" in str(caught.value)
    assert str(caught.value).count("what to do:") == 2


def _elsewhere(facts: HostFacts) -> HostFacts:
    return replace(facts, distribution="arch")


def test_the_levels_of_a_lab_are_those_of_its_findings(lab: Lab) -> None:
    (subject,) = {finding.subject for finding in examine_lab(lab.profile, lab.plan, ["mag1"])}
    assert subject == "mag1"
    assert {finding.verdict.level for finding in examine_lab(lab.profile, lab.plan, ["radio"])} == {Level.OK}
    with pytest.raises(LabError, match="no node is called 'mag9'"):
        examine_lab(lab.profile, lab.plan, ["mag9"])
