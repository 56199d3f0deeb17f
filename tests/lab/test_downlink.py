"""Which LMAs the core network sends downlink traffic to, and what a change of that does to the traffic."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from domain_helpers import BRIDGE, await_tunnels, in_the_core, place, routing_sessions, same_sessions

from ovs_setup.cgroup import CpuGroup
from ovs_setup.node import ANNOUNCEMENT_TABLE
from ryu_pmipls.cli import main
from ryu_pmipls.lab import traffic_generator as traffic
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_layout import cpu_group
from ryu_pmipls.lab.probe import Probe, ProbeResult
from ryu_pmipls.lab.traffic_generator import Flow
from tests.labs import lab_of
from tests.waiting import eventually

PREFIX = "pdl"
BOTH = {"lma1", "lma2"}
NODES = ("mn1", "mn2", "mn3")
#: Datagrams per second.
FAST, EACH = 2000, 200
#: Seconds, before and after an event, in which a datagram may be lost by it.
BEFORE, AFTER = 0.5, 0.5
#: The machine loses datagrams whenever it lets a switch wait; what the event itself does, it does every time.
TRIES = 6


@pytest.fixture(scope="module")
def lab(derive_profile: Callable[..., Path]) -> Iterator[Lab]:
    prefixes = {f"mn{number}": f"2001:db8:7200:{number}::/64" for number in (1, 2, 3)}
    anchors = {"mn1": "lma1", "mn2": "lma2", "mn3": "lma2"}
    mobile_nodes = [
        {
            "name": name,
            "identifier": f"{name}@example.net",
            "link_layer_address": f"02:00:00:00:72:0{name[-1]}",
            "prefix": prefixes[name],
            "anchor": anchors[name],
        }
        for name in NODES
    ]
    changes = {
        "mobile_nodes": mobile_nodes,
        "load_sharing": {"policy": "static"},
        "lab": {"lma_cpu": {"lma1": 1.0, "lma2": 1.0}},
    }
    path = derive_profile(PREFIX, 72, changes)
    with lab_of(path) as made:
        await_tunnels(made)
        for name, mag in zip(NODES, ("mag1", "mag2", "mag1"), strict=True):
            made.attach(name, mag)
        for name, mag in zip(NODES, ("mag1", "mag2", "mag1"), strict=True):
            place(made, name, mag)
        yield made


@pytest.fixture
def domain(lab: Lab) -> Lab:
    """The lab with both LMAs in use."""
    eventually(lambda: in_the_core(lab) == BOTH, "a core that knows both LMAs")
    eventually(lambda: len(routing_sessions(lab)) == 4, "BGP and BFD with both LMAs")
    return lab


def say(lab: Lab, lma: str, word: str) -> None:
    """``pmipls tell LMA WORD``."""
    result = CliRunner().invoke(main, ["tell", lma, word, "--run-directory", str(lab.directory / lma)])
    assert result.exit_code == 0, result.output


def received(lab: Lab, lma: str) -> int:
    """Packets that came from the core to an LMA."""
    port = lab.profile.lma(lma).core.port
    found = re.search(r"rx pkts=(\d+)", lab.openvswitch(lma).ofctl("--names", "dump-ports", BRIDGE, port))
    assert found is not None
    return int(found[1])


def carrier(lab: Lab) -> str:
    """The LMA that gets more downlink than the others just now."""
    before = {name: received(lab, name) for name in BOTH}
    time.sleep(0.3)
    return max(BOTH, key=lambda name: received(lab, name) - before[name])


def prefer(lab: Lab) -> None:
    """Let probes and switches run before all else: it is not the scheduler that is tested."""
    vswitchds = {lab.openvswitch(name).vswitchd_process() for name in lab.plan.switches}
    for process in psutil.process_iter(["pid", "cmdline"]):
        if process.pid in vswitchds or "ryu_pmipls.lab.probe_ends" in (process.info["cmdline"] or []):
            for thread in process.threads():
                os.setpriority(os.PRIO_PROCESS, thread.id, -15)


@contextmanager
def probing(lab: Lab, lma: str) -> Iterator[Probe]:
    """A fast probe whose path goes through an LMA, to a mobile node that is anchored at the other one."""
    node = next(name for name in NODES if lab.profile.mobile_node(name).anchor != lma)
    for _ in range(20):  # the core chooses by ports, which are others each time
        probe = Probe(lab, lab.plan.correspondent, node, FAST)
        probe.start()
        prefer(lab)
        if carrier(lab) == lma:
            break
        probe.stop()
    else:
        raise AssertionError(f"no flow takes {lma}")
    yield probe


def lost(result: ProbeResult, event: float) -> int:
    """Datagrams sent round an event that never came."""
    return result.lost_between(event - BEFORE, event + AFTER)


def change(lab: Lab, act: Callable[[], None], wanted: set[str]) -> float:
    """The time (seconds since 1970) at which the core sends to the right LMAs after an act."""
    act()
    eventually(lambda: in_the_core(lab) == wanted, f"a core that sends to {', '.join(sorted(wanted))}")
    now = time.time()
    time.sleep(AFTER + 0.1)
    return now


def test_the_core_shares_the_downlink_out_among_the_lmas(domain: Lab) -> None:
    argv = ["ip", "-6", "route", "show", str(domain.profile.home_prefix_pool)]
    shown = domain.execute(domain.plan.correspondent, argv).stdout
    assert "proto bird" in shown
    for lma in domain.profile.lmas:
        assert f"nexthop via {lma.core.address.ip} dev core weight 1" in shown


def test_the_announcement_is_no_part_of_the_lmas_own_routing(domain: Lab) -> None:
    pool = domain.profile.home_prefix_pool
    announced = domain.execute("lma1", ["ip", "-6", "route", "show", "table", str(ANNOUNCEMENT_TABLE)]).stdout
    assert announced.startswith(f"unreachable {pool} dev lo proto 213")
    for table in ("main", "local"):
        assert str(pool) not in domain.execute("lma1", ["ip", "-6", "route", "show", "table", table]).stdout
    rules = domain.execute("lma1", ["ip", "-6", "rule", "show"]).stdout
    assert [line.split()[-1] for line in rules.splitlines()] == ["local", "main"]
    assert str(pool) not in domain.openvswitch("lma1").appctl("ovs/route/show")


def test_a_drained_lma_gets_no_more_downlink_and_loses_none(domain: Lab) -> None:
    losses: list[tuple[int, int]] = []
    for _ in range(TRIES):
        with probing(domain, "lma1") as probe:
            away = change(domain, lambda: say(domain, "lma1", "drain"), {"lma2"})
            moved = carrier(domain)
            back = change(domain, lambda: say(domain, "lma1", "undrain"), BOTH)
            returned = carrier(domain)
            result = probe.stop()
        assert (moved, returned) == ("lma2", "lma1")
        assert result.duplicated == 0
        losses.append((lost(result, away), lost(result, back)))
        if min(first for first, _ in losses) == 0 == min(second for _, second in losses):
            return
    pytest.fail(f"lost at {FAST} datagrams/s when drained and undrained, in {TRIES} tries: {losses}")


def test_traffic_goes_on_while_the_agent_is_away(domain: Lab) -> None:
    sessions = routing_sessions(domain)
    probe = Probe(domain, domain.plan.correspondent, "mn2", EACH)
    probe.start()
    domain.stop_agent("lma1")
    time.sleep(1)
    assert in_the_core(domain) == BOTH
    domain.start_agent("lma1")
    time.sleep(2)
    result = probe.stop()
    assert in_the_core(domain) == BOTH
    assert routing_sessions(domain) == same_sessions(sessions)
    assert result.received > 0 and result.lost == 0


def test_a_killed_switch_is_left_out_and_taken_in_again_without_loss(domain: Lab) -> None:
    losses = []
    for _ in range(TRIES):
        probes = [Probe(domain, domain.plan.correspondent, name, EACH) for name in NODES]
        for probe in probes:
            probe.start()
        prefer(domain)
        dead = carrier(domain)  # two of the three at least
        other = next(iter(BOTH - {dead}))
        killed = time.time()
        os.kill(domain.openvswitch(dead).vswitchd_pid(), signal.SIGKILL)
        left = change(domain, lambda: None, {other})
        result = CliRunner().invoke(main, ["lab", "switch", "start", dead, "--prefix", PREFIX])
        assert result.exit_code == 0, result.output
        prefer(domain)
        taken = change(domain, lambda: None, BOTH)
        results = [probe.stop() for probe in probes]
        assert sum(result.lost_between(killed - BEFORE, left) for result in results) > 0
        # Nothing else is lost, neither when the switch is back nor when it gets traffic again.
        losses.append(sum(lost(result, taken) for result in results))
        if losses[-1] == 0:
            return
    pytest.fail(f"lost when the LMA came back, in {TRIES} tries: {losses}")


def test_an_lma_without_rules_gets_no_downlink(domain: Lab, tmp_path: Path) -> None:
    switch = domain.openvswitch("lma1")
    rules = tmp_path / "rules"
    rules.write_text(switch.ofctl("--no-stats", "dump-flows", BRIDGE))
    switch.ofctl("del-flows", BRIDGE)
    try:
        eventually(lambda: in_the_core(domain) == {"lma2"}, "a core without lma1")
        announced = domain.execute("lma1", ["ip", "-6", "route", "show", "table", str(ANNOUNCEMENT_TABLE)]).stdout
        assert announced.startswith("unreachable")
    finally:
        switch.ofctl("add-flows", BRIDGE, str(rules))
    eventually(lambda: in_the_core(domain) == BOTH, "a core that knows both LMAs")


def test_an_overloaded_lma_is_not_taken_for_a_dead_one(domain: Lab) -> None:
    sessions = routing_sessions(domain)
    groups = [CpuGroup(cpu_group(PREFIX, name)) for name in BOTH]
    overload = [Flow(domain, name, "udp", direction, 60.0) for name in NODES[:2] for direction in ("up", "down")]
    try:
        for group in groups:
            group.create(0.05)
        traffic.start(overload)
        throttled = [group.throttled() for group in groups]
        time.sleep(12)  # more than twice what BFD needs to find somebody dead
        assert all(group.throttled() > before for group, before in zip(groups, throttled, strict=True))
    finally:
        results = [flow.stop() for flow in overload]
        for group in groups:
            group.create(1.0)
    assert max(result.loss() for result in results) > 0
    assert routing_sessions(domain) == same_sessions(sessions)
    assert in_the_core(domain) == BOTH
