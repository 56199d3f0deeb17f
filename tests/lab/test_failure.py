"""An LMA dies and comes back, or is drained: traffic goes around it, and comes back. Needs root and Open vSwitch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from domain_helpers import await_tunnels, place, rest

from ovs_setup.cgroup import CpuGroup
from ovs_setup.node import SERVICE_BRIDGE
from ryu_pmipls.controller.switches.mag_groups import tunnel_group
from ryu_pmipls.http.client import base_url
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_layout import cpu_group
from ryu_pmipls.lab.probe import Probe
from ryu_pmipls.loadsharing.load_list import SATURATED
from tests.labs import lab_of
from tests.waiting import PATIENCE, eventually

RATE = 200  # packets per second
#: Seconds, before and after an event, in which a packet may be lost by it.
BEFORE, AFTER = 0.2, 1.0


@pytest.fixture(scope="module")
def lab(derive_profile: Callable[..., Path]) -> Iterator[Lab]:
    load_sharing = {"policy": "static", "window": 3, "report_interval": 1, "evaluation_interval": 1}
    lma_cpu = {"lma1": 1.0, "lma2": 1.0}
    path = derive_profile("pfo", 31, {"load_sharing": load_sharing, "lab": {"lma_cpu": lma_cpu}})
    with lab_of(path) as made:
        await_tunnels(made)
        place(made, "mn1", "mag1")
        place(made, "mn2", "mag2")
        yield made


def carriers(lab: Lab, anchor: str = "lma1") -> set[str]:
    """The LMAs that carry the uplinks of an anchor's mobile nodes."""
    return {lma for mag in rest(lab, "mags") for lma in mag["uplinks"][anchor]}


def load(lab: Lab, lma: str) -> dict[str, Any]:
    return next(load for load in rest(lab, "load-list")["lmas"] if load["lma"] == lma)


def state(lab: Lab, lma: str) -> str:
    return str(load(lab, lma)["state"])


def incident(lab: Lab, kind: str, since: float) -> dict[str, Any] | None:
    found: list[dict[str, Any]] = [entry for entry in rest(lab, "incidents") if entry["kind"] == kind]
    return found[-1] if found and found[-1]["time"] >= since else None


def test_a_dead_lma_is_left(lab: Lab) -> None:
    eventually(lambda: {state(lab, lma) for lma in ("lma1", "lma2")} == {"light"}, "a load list")
    assert carriers(lab) == {"lma1"}
    probes = [Probe(lab, node, lab.plan.correspondent, RATE) for node in ("mn1", "mn2")]
    for probe in probes:
        probe.start()
    time.sleep(1)
    killed = time.time()
    os.kill(lab.openvswitch("lma1").vswitchd_pid(), signal.SIGKILL)
    death = eventually(lambda: incident(lab, "died", killed), "the death of lma1")
    eventually(lambda: carriers(lab) == {"lma2"}, "the evacuation of lma1")
    decisions = [decision for decision in rest(lab, "decisions") if decision["time"] >= killed]
    eventually(lambda: all(decision["answers"] for decision in rest(lab, "decisions")), "the switches' answers")
    left = time.time()
    time.sleep(1)
    results = [probe.stop() for probe in probes]

    assert death["lma"] == "lma1"
    assert death["reason"].startswith("its switch does not answer and no MAG has a live tunnel to it")
    assert {(decision["mag"], decision["old_lma"], decision["new_lma"]) for decision in decisions} == {
        ("mag1", "lma1", "lma2"),
        ("mag2", "lma1", "lma2"),
    }
    assert len({decision["round"] for decision in decisions}) == 1
    assert all(decision["reason"].startswith("lma1 is dead (its switch does not answer and") for decision in decisions)
    for result in results:
        assert result.lost_between(killed - BEFORE, left) > 0
        assert [arrival for arrival in result.arrivals if arrival.sent > left]


def test_it_is_dead_still_for_an_rms_that_is_restarted(lab: Lab) -> None:
    lab.stop_rms()
    lab.start_rms()
    assert state(lab, "lma1") == "dead"
    assert carriers(lab) == {"lma2"}


def test_it_comes_back_without_a_packet_lost(lab: Lab) -> None:
    probes = [Probe(lab, node, lab.plan.correspondent, RATE) for node in ("mn1", "mn2")]
    for probe in probes:
        probe.start()
    began = time.time()
    lab.start_switch("lma1")
    eventually(lambda: incident(lab, "returned", began), "the return of lma1")
    assert rest(lab, "health")["switches"]["lma1"] == "ready"
    eventually(lambda: carriers(lab) == {"lma1"}, "the uplinks at lma1 again")
    time.sleep(1)
    results = [probe.stop() for probe in probes]
    assert [result.lost for result in results] == [0, 0]
    assert "Traceback" not in lab.log("rms").read_text()


def tunnel_group_kind(lab: Lab, mag: str, lma: str) -> str:
    """The type of the group that leads into a MAG's tunnel."""
    lines = lab.openvswitch(mag).ofctl("dump-groups", SERVICE_BRIDGE).splitlines()
    (line,) = (line for line in lines if f"group_id={tunnel_group(lab.profile, lma)}," in line)
    return line.partition("type=")[2].partition(",")[0]


def test_a_full_lma_is_used_though_bfd_gives_it_up(lab: Lab) -> None:
    """Its switch has too little of a core; and BFD's packets to mag1 come no more."""
    capacity, switch = CpuGroup(cpu_group(lab.plan.prefix, "lma1")), lab.openvswitch("lma1")
    assert {tunnel_group_kind(lab, mag, "lma1") for mag in ("mag1", "mag2")} == {"ff"}
    probes = [Probe(lab, node, lab.plan.correspondent, 5000) for node in ("mn1", "mn2")]
    for probe in probes:
        probe.start()
    try:
        fill(lab, capacity)
        switch.vsctl("set", "interface", "t-mag1", "bfd:enable=false")
        eventually(lambda: tunnel_group_kind(lab, "mag1", "lma1") == "indirect", "a tunnel that is used all the same")
        before = arrived(lab, "lma1", "mag1")
        eventually(lambda: arrived(lab, "lma1", "mag1") > before, "packets of mag1")
        assert state(lab, "lma1") not in ("dead", "stale")
        assert carriers(lab) == {"lma1"}
    finally:
        capacity.create(1.0)
        switch.vsctl("set", "interface", "t-mag1", "bfd:enable=true")
        for probe in probes:
            probe.stop()
    eventually(lambda: tunnel_group_kind(lab, "mag1", "lma1") == "ff", "BFD in charge again")


def fill(lab: Lab, capacity: CpuGroup) -> None:
    """Give lma1 as little as makes it full, and no less: with next to nothing its switch would not answer the RMS."""
    for percent in (6, 4, 3, 2):
        capacity.create(percent / 100)
        with suppress(TimeoutError):
            eventually(lambda: load(lab, "lma1")["cpu"] >= SATURATED, "a full LMA", 10.0)
            return
    pytest.fail("lma1 does not become full")


def arrived(lab: Lab, lma: str, mag: str) -> int:
    """Packets of a MAG's mobile nodes that have come out of its tunnel at an LMA."""
    return next(
        int(traffic["uplink_packets"] or 0)
        for traffic in rest(lab, "tunnels")
        if (traffic["lma"], traffic["mag"]) == (lma, mag)
    )


def pmipls(lab: Lab, *argv: str) -> str:
    command = [sys.executable, "-m", "ryu_pmipls.cli", *argv, "--url", base_url(lab.profile)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def drain_stop_and_take_back(lab: Lab, lma: str, other: str) -> list[int]:
    """Datagrams lost by the drain of the LMA that has all sessions, and by its end thereafter, of each probe."""
    probes = [Probe(lab, node, lab.plan.correspondent, RATE) for node in ("mn1", "mn2")]
    probes += [Probe(lab, lab.plan.correspondent, node, RATE) for node in ("mn1", "mn2")]
    for probe in probes:
        probe.start()
    time.sleep(1)
    began = time.time()
    assert f"{lma} is drained: safe to stop." in pmipls(lab, "drain", lma, "--wait", f"{PATIENCE:.0f}")
    drained = incident(lab, "drained", began)
    assert drained is not None
    assert carriers(lab, lma) == {other}
    assert {entry["anchor"] for entry in rest(lab, "bindings")} == {other}
    killed = time.time()
    os.kill(lab.openvswitch(lma).vswitchd_pid(), signal.SIGKILL)
    time.sleep(2)
    results = [probe.stop() for probe in probes]
    # What is drained is so still when it is back.
    began = time.time()
    lab.start_switch(lma)
    eventually(lambda: incident(lab, "returned", began), f"the return of {lma}")
    assert state(lab, lma) == "draining"
    assert carriers(lab, lma) == {other}
    assert "takes part again" in pmipls(lab, "undrain", lma)
    eventually(lambda: carriers(lab, lma) == {lma}, f"the uplinks at {lma} again")
    events = drained["time"], killed
    return [sum(result.lost_between(event - BEFORE, event + AFTER) for event in events) for result in results]


def test_a_drained_lma_is_safe_to_stop_and_nobody_has_noticed(lab: Lab) -> None:
    """Sessions go to and fro; what is lost by a drain is lost by each, other than what a busy machine loses."""
    addresses = {node: lab.address(node) for node in ("mn1", "mn2")}
    assert {entry["anchor"] for entry in rest(lab, "bindings")} == {"lma1"}
    assert "lma1 is draining" in pmipls(lab, "dry-run", "--drain", "lma1")
    losses = []
    for lma, other in (("lma1", "lma2"), ("lma2", "lma1"), ("lma1", "lma2")):
        losses.append(drain_stop_and_take_back(lab, lma, other))
        if not any(losses[-1]):
            break
    else:
        pytest.fail(f"lost: {losses}")
    assert {node: lab.address(node) for node in addresses} == addresses
    for name in ("rms", "lma1", "mag1"):
        assert "Traceback" not in lab.log(name).read_text(), name
