"""Crashes under 2000 handoffs per second: nothing that was acknowledged is lost, and everything ends as it should be.

``--kills N`` kills the RMS N times instead of twice, and half as often switches, and connections.
"""

from __future__ import annotations

import json
import os
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv6Network
from pathlib import Path

import pytest
from domain_helpers import await_tunnels, kill, place, rest

from ovs_setup.node import set_up
from ryu_pmipls.controller.store import SqliteStore
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_layout import UNDERLAY_PORT
from ryu_pmipls.lab.probe import Probe
from tests.labs import lab_of
from tests.waiting import PATIENCE, eventually

CHECKOUT = Path(__file__).resolve().parents[2]

BRIDGE = "br-pm"
NODES, RATE = 1000, 2000
CHANGES = {
    "signalling": {"rate_limit": 100000},
    "load_sharing": {"policy": "static"},
    # What an LMA that may not run loses of the probes is not lost to crashes.
    "lab": {"lma_cpu": {"lma1": 1.0, "lma2": 1.0}},
}


@dataclass(frozen=True)
class State:
    """``nodes``: prefix -> MAG, timestamp of the latest handoff, and of the latest that was acknowledged.

    ``handoffs`` and ``answered`` are how many there were in all.
    """

    handoffs: int
    answered: int
    nodes: dict[bytes, tuple[str, int, int]]


@pytest.fixture(scope="module")
def lab(derive_profile: Callable[..., Path]) -> Iterator[Lab]:
    path = derive_profile("pkz", 37, CHANGES)
    with lab_of(path) as made:
        await_tunnels(made)
        place(made, "mn1", "mag1")
        yield made


class Handoffs:
    """The process that plays the MAGs."""

    def __init__(self, lab: Lab) -> None:
        argv = [sys.executable, "-m", "tests.lab.handoffs", str(lab.directory / "profile.yaml"), str(NODES), str(RATE)]
        self._process = subprocess.Popen(argv, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._began = time.monotonic()

    def ask(self, command: str) -> State:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(command, file=self._process.stdin, flush=True)
        assert select.select([self._process.stdout], [], [], PATIENCE)[0], f"no answer to {command!r}"
        told = json.loads(self._process.stdout.readline())
        nodes = {
            bytes.fromhex(prefix): (mag, latest, answered) for prefix, (mag, latest, answered) in told["nodes"].items()
        }
        return State(told["handoffs"], told["answered"], nodes)

    def finish(self) -> State:
        """The end, when the last handoff of every node has been acknowledged."""
        seconds = time.monotonic() - self._began
        told = self.ask("finish")
        print(f"{told.handoffs / seconds:.0f} handoffs/s, {told.answered} acknowledged in {seconds:.0f} s")
        return told

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def handoffs(lab: Lab) -> Iterator[Handoffs]:
    begun = Handoffs(lab)
    try:
        eventually(lambda: begun.ask("report").answered > 0, "a first answer")
        yield begun
    finally:
        begun.end()


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    number = request.config.getoption("--kills")
    assert isinstance(number, int)
    return number


def crash_at_random(handoffs: Handoffs, acknowledged: int = 0) -> None:
    """Wait until something is at work that has acknowledged more than so many handoffs, and a moment longer."""
    eventually(lambda: handoffs.ask("report").answered > acknowledged, "another acknowledgement")
    time.sleep(random.uniform(0.3, 1.5))


def routes(lab: Lab, lma: str) -> dict[bytes, str]:
    """Home network prefix -> tunnel port, of all routes that a switch has, by its own account."""
    lines = lab.openvswitch(lma).ofctl("--names", "--no-stats", "dump-flows", BRIDGE, "table=2").splitlines()
    found = (re.search(r'ipv6_dst=([0-9a-f:]+)/64 actions=.*output:"?([^",\n]+)', line) for line in lines)
    return {IPv6Network(f"{each[1]}/64").network_address.packed[:8]: each[2] for each in found if each}


def guarded(lab: Lab, mag: str) -> set[bytes]:
    """Home network prefixes with which nodes at a MAG may send."""
    lines = lab.openvswitch(mag).ofctl("--no-stats", "dump-flows", BRIDGE, "table=1").splitlines()
    found = (re.search(r"dl_src=[0-9a-f:]+,ipv6_src=([0-9a-f:]+)/64", line) for line in lines)
    return {IPv6Network(f"{each[1]}/64").network_address.packed[:8] for each in found if each}


def assert_nothing_lost(lab: Lab, directory: Path, told: State) -> None:
    """What the store of a dead RMS has is at least as new as what was acknowledged."""
    copy = directory / "state"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(lab.profile.rms.state_directory, copy)
    store = SqliteStore(copy)
    kept = {binding.prefix: binding for binding in store.load_bindings()}
    store.close()
    for prefix, (mag, latest, answered) in told.nodes.items():
        if answered:
            assert kept[prefix].timestamp >= answered
        if answered == latest:
            assert kept[prefix].mag == mag


def assert_all_in_force(lab: Lab, told: State) -> None:
    """Every switch has exactly the entries that the last handoffs, and the binding of the lab's own node, ask for."""
    assert all(latest == answered for _, latest, answered in told.nodes.values())
    assert len(told.nodes) == NODES
    (own,) = [binding for binding in rest(lab, "bindings") if binding["identifier"].startswith("mn1@")]
    expected = {prefix: mag for prefix, (mag, _, _) in told.nodes.items()}
    expected[IPv6Network(own["prefix"]).network_address.packed[:8]] = own["mag"]
    wanted = {prefix: f"t-{mag}" for prefix, mag in expected.items()}
    for lma in lab.profile.lmas:
        eventually(lambda lma=lma: routes(lab, lma.name) == wanted, f"the routes of {lma.name}")  # type: ignore[misc]
    for mag in lab.profile.mags:
        here = {prefix for prefix, name in expected.items() if name == mag.name}
        eventually(
            lambda mag=mag, here=here: guarded(lab, mag.name) == here,  # type: ignore[misc]
            f"the entries of {mag.name}",
        )
    # What comes of overload: datagrams that were sent again, and agents that answer when nobody waits any more.
    assert set(rest(lab, "health")["refused"]) <= {"dropped by the kernel", "nothing to answer"}
    assert "Traceback" not in lab.log("rms").read_text()


def connected(lab: Lab, node: str) -> bool:
    return bool(rest(lab, "health")["switches"][node] != "disconnected")


def ready(lab: Lab) -> bool:
    return set(rest(lab, "health")["switches"].values()) == {"ready"}


def test_a_killed_rms_loses_no_acknowledged_handoff(lab: Lab, handoffs: Handoffs, kills: int, tmp_path: Path) -> None:
    probes = [Probe(lab, "mn1", lab.plan.correspondent, 200), Probe(lab, lab.plan.correspondent, "mn1", 200)]
    for probe in probes:
        probe.start()
    acknowledged = 0
    for _ in range(kills):
        crash_at_random(handoffs, acknowledged)
        kill(lab, "rms")
        told = handoffs.ask("report")
        assert_nothing_lost(lab, tmp_path, told)
        acknowledged = told.answered
        lab.start_rms()
        eventually(lambda: ready(lab), "readiness")
    assert_all_in_force(lab, handoffs.finish())
    results = [probe.stop() for probe in probes]
    assert [result.lost for result in results] == [0, 0]
    assert min(result.received for result in results) > 0


def test_killed_switches_get_everything_back(lab: Lab, handoffs: Handoffs, kills: int) -> None:
    uplink = Probe(lab, "mn1", lab.plan.correspondent, 200)  # by way of mag1 and lma1, which live on
    uplink.start()
    nodes = [lab.profile.lma("lma2"), lab.profile.mag("mag2")]
    for number in range((kills + 1) // 2):
        node = nodes[number % 2]
        crash_at_random(handoffs)
        switch = lab.openvswitch(node.name)
        os.kill(switch.vswitchd_pid(), signal.SIGKILL)
        eventually(lambda node=node: not connected(lab, node.name), "the loss of the switch")  # type: ignore[misc]
        switch.start()
        set_up(switch, lab.profile, node, "netdev", UNDERLAY_PORT)
        eventually(lambda: ready(lab), "readiness")
    assert_all_in_force(lab, handoffs.finish())
    assert uplink.stop().lost == 0


def test_a_cut_connection_is_made_up_for(lab: Lab, handoffs: Handoffs, kills: int) -> None:
    uplink = Probe(lab, "mn1", lab.plan.correspondent, 200)
    uplink.start()
    route = ["ip", "-6", "route", "{}", "blackhole", f"{lab.profile.rms.address}/128"]
    for _ in range((kills + 1) // 2):
        crash_at_random(handoffs)
        for change in ("add", "del"):
            done = lab.execute("lma2", [part.format(change) for part in route])
            assert done.returncode == 0, done.stderr
            eventually(
                lambda change=change: connected(lab, "lma2") == (change == "del"),  # type: ignore[misc]
                f"the connection after {change} of the route",
            )
        eventually(lambda: ready(lab), "readiness")
    assert_all_in_force(lab, handoffs.finish())
    assert uplink.stop().lost == 0
