"""All switches of a domain by TLS: out of the box, through crashes of both ends, and no impostor among them.

``--kills N`` kills the RMS and all switches N times instead of twice.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from domain_helpers import await_tunnels, kill, ping, place, rest

from ovs_setup.node import SERVICE_BRIDGE
from ryu_pmipls.lab.examination import examine_lab
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.pki.authority import Authority
from ryu_pmipls.pki.files import locked
from ryu_pmipls.pki.folder import Folder
from ryu_pmipls.pki.node_names import node_names
from tests.labs import lab_of
from tests.waiting import eventually

#: The switches are to be killed as often as one likes, and to be quick about it.
CHANGES = {
    "rms": {"openflow": {"tls": True}},
    "lab": {"lma_cpu": {f"lma{number}": 0.5 for number in range(1, 5)}},
    "load_sharing": {"policy": "static"},
}


@pytest.fixture(scope="module")
def lab(derive_profile: Callable[..., Path]) -> Iterator[Lab]:
    with lab_of(derive_profile("ptls", 83, CHANGES, "four-lma")) as made:
        await_tunnels(made)
        place(made, "mn1", "mag1")
        yield made


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    number = request.config.getoption("--kills")
    assert isinstance(number, int)
    return number


def ready(lab: Lab) -> bool:
    """All switches are connected, and in line."""
    try:
        switches = rest(lab, "health")["switches"]
    except OSError:
        return False
    return {*switches} == {*lab.plan.switches} and {*switches.values()} == {"ready"}


def refused(lab: Lab, reason: str) -> int:
    counted: int = rest(lab, "health")["refused"].get(f"openflow: {reason}", 0)
    return counted


def targets(lab: Lab) -> set[str]:
    """The controllers of all switches."""
    return {lab.openvswitch(name).vsctl("get-controller", SERVICE_BRIDGE) for name in lab.plan.switches}


def by_authority(lab: Lab, change: Callable[[Authority], object]) -> None:
    """Have the lab's authority do something."""
    assert lab.profile.certificates.folder is not None
    folder = Folder(lab.profile.certificates.folder)
    with locked(folder):
        names, now = node_names(lab.profile), datetime.now(timezone.utc)
        change(Authority.open(folder, folder.authority_key, lab.profile.domain, names, now))


def test_a_lab_whose_profile_wants_tls_makes_its_certificates_and_works(lab: Lab) -> None:
    assert lab.profile.certificates.folder == lab.directory / "pki"
    assert targets(lab) == {f"ssl:[{lab.profile.rms.address}]:{lab.profile.rms.openflow.port}"}
    eventually(lambda: ready(lab), "switches that are ready")
    found = [finding for finding in examine_lab(lab.profile, lab.plan) if finding.check in ("TLS", "controller")]
    assert len(found) == 2 * len(lab.plan.switches) and [finding for finding in found if finding.fault] == []
    assert ping(lab, "mn1") > 0
    place(lab, "mn1", "mag2")
    assert ping(lab, "mn1") > 0


def test_switches_and_rms_find_each_other_again_whoever_dies(lab: Lab, kills: int) -> None:
    eventually(lambda: ready(lab))
    took: dict[str, list[float]] = {"RMS": [], "switches": []}
    for _ in range(kills):
        kill(lab, "rms")
        begin = time.monotonic()
        lab.start_rms()
        eventually(lambda: ready(lab), "switches that are ready after the death of the RMS")
        took["RMS"].append(time.monotonic() - begin)
        for name in lab.plan.switches:
            os.kill(lab.openvswitch(name).vswitchd_pid(), signal.SIGKILL)
        begin = time.monotonic()
        for name in lab.plan.switches:
            eventually(lambda: not lab.openvswitch(name).running())  # noqa: B023
            lab.start_switch(name)
        eventually(lambda: ready(lab), "switches that are ready after their death")
        took["switches"].append(time.monotonic() - begin)
    for what, seconds in took.items():
        print(f"{what}: {len(seconds)} times, all ready again after {min(seconds):.1f} to {max(seconds):.1f} s")
    await_tunnels(lab)
    eventually(lambda: ping(lab, "mn1") > 0, "an answer to the mobile node")


def test_a_switch_with_the_certificate_of_another_node_is_refused_and_displaces_nobody(lab: Lab) -> None:
    eventually(lambda: ready(lab))
    mag1, other = lab.profile.mag("mag1"), lab.openvswitch("mag2")
    (target,) = targets(lab)
    other.vsctl(
        *("--", "add-br", "foreign", "--", "set", "bridge", "foreign", "datapath_type=netdev", "protocols=OpenFlow13"),
        *("--", "set", "bridge", "foreign", f"other_config:datapath-id={mag1.datapath_id:016x}"),
        *("--", "set-controller", "foreign", target),
    )
    try:
        eventually(lambda: refused(lab, "another node's certificate") >= 2, "refusals")
        assert ready(lab)
        lab.stop_switch("mag1")  # nor does it take the place of the real one while that is away
        eventually(lambda: rest(lab, "health")["switches"]["mag1"] == "disconnected")
        before = refused(lab, "another node's certificate")
        eventually(lambda: refused(lab, "another node's certificate") >= before + 2, "refusals")
        assert rest(lab, "health")["switches"]["mag1"] == "disconnected"
    finally:
        other.vsctl("del-br", "foreign")
        lab.start_switch("mag1")
    eventually(lambda: ready(lab))


def test_a_switch_without_tls_is_refused(lab: Lab) -> None:
    eventually(lambda: ready(lab))
    (target,) = targets(lab)
    other = lab.openvswitch("mag2")
    other.vsctl("--", "add-br", "plain", "--", "set", "bridge", "plain", "datapath_type=netdev", "protocols=OpenFlow13")
    other.vsctl("set-controller", "plain", target.replace("ssl:", "tcp:"))
    try:
        eventually(lambda: refused(lab, "no TLS") >= 2, "refusals")
        assert ready(lab)
    finally:
        other.vsctl("del-br", "plain")


def test_renewal_disconnects_nobody_and_revocation_one(lab: Lab) -> None:
    eventually(lambda: ready(lab))
    by_authority(lab, lambda authority: [authority.renew(node) for node in ("rms", "mag3", "lma3")])
    by_authority(lab, lambda authority: authority.revoke("mag4"))
    eventually(lambda: rest(lab, "health")["switches"]["mag4"] == "disconnected", "the end of its connection")
    eventually(lambda: refused(lab, "revoked certificate") >= 2, "refusals")
    switches = rest(lab, "health")["switches"]
    assert {name for name, state in switches.items() if state != "ready"} == {"mag4"}
    by_authority(lab, lambda authority: authority.issue("mag4"))
    eventually(lambda: ready(lab), "a switch with a new certificate")
