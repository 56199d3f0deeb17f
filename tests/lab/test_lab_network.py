"""The lab without RMS and agents: its links, its life, its measurements. Needs root and Open vSwitch."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from domain_helpers import octets_received

from ovs_setup.cgroup import CpuGroup
from ovs_setup.tunnel import add_tunnel, encapsulation, warm_up
from ryu_pmipls.cli import main
from ryu_pmipls.domain.profile import SHIPPED_PROFILES, load_profile
from ryu_pmipls.lab import namespaces, processes
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.probe import Probe
from ryu_pmipls.lab.traffic_generator import Flow, run
from tests.conftest import lab_ports
from tests.waiting import PATIENCE, eventually

PREFIX = "plb"
CONTROL_GROUPS = Path("/sys/fs/cgroup")


def make_lab(directory: Path, prefix: str = PREFIX, number: int = 1) -> Lab:
    """The lab of the default profile with a prefix, subnet and ports of its own; ``number`` is below 10."""
    text = (SHIPPED_PROFILES / "two-lma.yaml").read_text()
    text = text.replace("fd00:5213:", f"fd00:520{number}:").replace("prefix: pm ", f"prefix: {prefix} ")
    text = text.replace("/run/pmipls/pm/", f"/run/pmipls/{prefix}/")
    openflow, rest = lab_ports(number)
    ports = f'  openflow: {{host: "::", port: {openflow}}}\n  rest: {{host: "::1", port: {rest}}}\n'
    text = text.replace("rms:\n", f"rms:\n{ports}", 1)
    path = directory / f"{prefix}.yaml"
    path.write_text(text)
    return Lab(load_profile(path), path)


def traces(prefix: str) -> dict[str, list[str]]:
    """All that a lab with this prefix has in the machine, by kind."""
    own = {os.getpid(), os.getppid()}
    commands = [
        process.info["cmdline"]
        for process in psutil.process_iter(["cmdline"])
        if process.pid not in own and f"/run/pmipls/{prefix}/" in " ".join(process.info["cmdline"] or [])
    ]
    return {
        "namespaces": [path.name for path in Path("/run/netns").glob(f"{prefix}-*")],
        "links": [path.name for path in Path("/sys/class/net").glob(f"{prefix}-*")],
        "control groups": [str(path) for path in CONTROL_GROUPS.glob(f"**/pmipls/{prefix}")],
        "processes": [" ".join(command) for command in commands],
        "marked processes": [str(process) for process in processes.of_lab(prefix, set())],
        "files": [str(path) for path in Path("/run/pmipls").glob(prefix)],
    }


def nothing(prefix: str) -> bool:
    return not any(traces(prefix).values())


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = make_lab(tmp_path_factory.mktemp("lab"))
    made.up(rms=False, agents=False)
    try:
        yield made
    finally:
        made.down()


@pytest.fixture
def detached(lab: Lab) -> Lab:
    for mobile_node in lab.network.attachments():
        lab.detach(mobile_node)
    return lab


# --- the network ------------------------------------------------------------------------------------------------------


def test_switches_of_all_nodes_reach_each_other_and_the_host_over_the_underlay(lab: Lab) -> None:
    nodes = (*lab.profile.mags, *lab.profile.lmas)
    for node in nodes:
        others = [other.address for other in nodes if other is not node]
        for address in (*others, lab.profile.rms.address):
            result = lab.execute(node.name, ["ping", "-c1", "-W2", str(address)])
            assert result.returncode == 0, f"{node.name} to {address}: {result.stdout}"
        assert subprocess.run(["ping", "-c1", "-W2", str(node.address)], capture_output=True).returncode == 0


def test_every_switch_has_its_ports_and_only_lmas_have_a_cpu_quota(lab: Lab) -> None:
    for mag in lab.profile.mags:
        ports = lab.openvswitch(mag.name).vsctl("list-ports", "br-pm").split()
        assert set(mag.access_ports) <= set(ports)
    for lma in lab.profile.lmas:
        assert lma.core.port in lab.openvswitch(lma.name).vsctl("list-ports", "br-pm").split()
        group = CpuGroup(f"pmipls/{PREFIX}/{lma.name}")
        quota = group.quota()
        assert quota is not None
        assert lab.profile.lab is not None
        assert abs(quota - lab.profile.lab.lma_cpu[lma.name]) < 0.001
        used = group.usage()
        lab.openvswitch(lma.name).appctl("version")
        assert group.usage() > used


def test_the_core_has_no_route_to_mobile_nodes_while_no_lma_announces_them(lab: Lab) -> None:
    assert all(lab.process(f"bird-{node}") is not None for node in ("lma1", "lma2", "cn"))
    assert lab.execute("cn", ["ip", "-6", "route", "show", str(lab.profile.home_prefix_pool)]).stdout == ""
    assert lab.execute("cn", ["sysctl", "-n", "net.ipv6.fib_multipath_hash_policy"]).stdout.strip() == "1"


def test_mobile_nodes_have_the_link_layer_addresses_of_the_profile_and_no_address_of_ours(lab: Lab) -> None:
    for node in lab.profile.mobile_nodes:
        shown = lab.execute(node.name, ["ip", "-br", "link", "show", "eth0"]).stdout
        assert node.link_layer_address.hex(":") in shown
        assert lab.network.addresses(node.name) == ()


# --- attachment -------------------------------------------------------------------------------------------------------


def port_is_down(lab: Lab, mag: str, port: str) -> bool:
    lines = lab.openvswitch(mag).ofctl("dump-ports-desc", "br-pm").splitlines()
    number = next(index for index, line in enumerate(lines) if f"({port})" in line)
    return "LINK_DOWN" in lines[number + 2]


def solicitations(lab: Lab, mag: str) -> int:
    flows = lab.openvswitch(mag).ofctl("dump-flows", "br-pm", "cookie=0x133/-1")
    return int(flows.partition("n_packets=")[2].partition(",")[0])


def link_local(lab: Lab, mobile_node: str) -> bool:
    shown = lab.execute(mobile_node, ["ip", "-6", "address", "show", "dev", "eth0", "scope", "link"]).stdout
    return "fe80::" in shown and "tentative" not in shown


def test_attachment_decides_the_link_state_of_the_access_port(detached: Lab) -> None:
    lab = detached
    eventually(lambda: port_is_down(lab, "mag1", "acc1"))
    change = lab.attach("mn1", "mag1")
    assert (change.mobile_node, change.old, change.new.mag, change.new.port) == ("mn1", None, "mag1", "acc1")
    eventually(lambda: not port_is_down(lab, "mag1", "acc1"))
    assert port_is_down(lab, "mag1", "acc2")
    change = lab.handoff("mn1", "mag2")
    assert change.old is not None
    assert (change.old.mag, change.new.mag) == ("mag1", "mag2")
    eventually(lambda: port_is_down(lab, "mag1", "acc1") and not port_is_down(lab, "mag2", "acc1"))
    assert lab.detach("mn1").mag == "mag2"
    eventually(lambda: port_is_down(lab, "mag2", "acc1"))


def test_router_solicitations_reach_the_switch_at_first_attachment_and_right_after_a_handoff(detached: Lab) -> None:
    lab = detached
    for mag in ("mag1", "mag2"):
        lab.openvswitch(mag).ofctl("add-flow", "br-pm", "cookie=0x133,priority=9,icmp6,icmp_type=133,actions=drop")
    lab.attach("mn2", "mag1")
    eventually(lambda: solicitations(lab, "mag1") > 0)  # the kernel's own, after duplicate address detection
    eventually(lambda: link_local(lab, "mn2"))
    before = solicitations(lab, "mag2")
    change = lab.handoff("mn2", "mag2")
    assert change.solicited
    assert change.started < change.joined < time.time()
    assert abs((change.joined - change.started) * 1000 - change.link_layer_ms) < 0.01
    eventually(lambda: solicitations(lab, "mag2") == before + 1)


def test_each_mobile_node_gets_a_port_of_its_own_until_there_are_none(detached: Lab) -> None:
    lab = detached
    ports = {lab.attach(node, "mag1").new.port for node in lab.plan.mobile_nodes}
    assert ports == {"acc1", "acc2", "acc3"}
    assert {node for node, access in lab.network.attachments().items() if access.mag == "mag1"} == {"mn1", "mn2", "mn3"}
    lab.detach("mn2")
    assert lab.attach("mn2", "mag1").new.port == "acc2"


def test_what_cannot_be_done_to_a_mobile_node_is_refused(detached: Lab) -> None:
    lab = detached
    with pytest.raises(LabError, match="no mobile node is called 'mn9'; there are: mn1, mn2, mn3"):
        lab.attach("mn9", "mag1")
    with pytest.raises(LabError, match="no MAG is called 'lma1'; there are: mag1, mag2"):
        lab.attach("mn1", "lma1")
    with pytest.raises(LabError, match="mn1 is not attached; 'pmipls lab attach mn1 MAG'"):
        lab.handoff("mn1", "mag1")
    with pytest.raises(LabError, match="mn1 is not attached"):
        lab.detach("mn1")
    lab.attach("mn1", "mag1")
    with pytest.raises(LabError, match="mn1 is attached to mag1; 'pmipls lab handoff'"):
        lab.attach("mn1", "mag2")
    with pytest.raises(LabError, match="mn1 is attached to mag1 already"):
        lab.handoff("mn1", "mag1")
    with pytest.raises(LabError, match="mn1 has no global address"):
        Flow(lab, "mn1").start()
    assert lab.network.attachments()["mn1"].mag == "mag1"


# --- traffic through hand-made rules ----------------------------------------------------------------------------------

HOME = "2001:db8:100:7::7"
ROUTER = "fe80::1"
ROUTER_MAC = "00:00:5e:00:52:13"


@pytest.fixture
def path(detached: Lab) -> Iterator[Lab]:
    """mn1 at mag1 with an address and a path over lma1, the work of agents and RMS done by hand at both MAGs."""
    lab = detached
    lma = lab.profile.lma("lma1")
    mac = lab.profile.mobile_node("mn1").link_layer_address.hex(":")
    anchor = lab.openvswitch("lma1")
    core_mac = namespaces.run_in(lab.namespace("cn"), lambda: mac_of("core"))
    for mag in lab.profile.mags:
        switch = lab.openvswitch(mag.name)
        kind = encapsulation(switch, "auto")
        add_tunnel(switch, "lma1", mag.address, lma.address, kind)
        add_tunnel(anchor, mag.name, lma.address, mag.address, kind)
        assert warm_up(switch, lma.address, PATIENCE)
        assert warm_up(anchor, mag.address, PATIENCE)
        switch.ofctl("add-flow", "br-pm", f"in_port=acc1,ipv6,ipv6_src={HOME},actions=t-lma1")
        down = f"set_field:{ROUTER_MAC}->eth_src,set_field:{mac}->eth_dst,output:acc1"
        switch.ofctl("add-flow", "br-pm", f"in_port=t-lma1,ipv6,actions={down}")
        up = f"set_field:02:00:00:00:c0:01->eth_src,set_field:{core_mac}->eth_dst,output:{lma.core.port}"
        anchor.ofctl("add-flow", "br-pm", f"in_port=t-{mag.name},ipv6,actions={up}")
    route_to(lab, "mag1")
    for argv in (
        ["ip", "-6", "address", "add", f"{HOME}/64", "dev", "eth0", "nodad"],
        ["ip", "-6", "neighbour", "replace", ROUTER, "lladdr", ROUTER_MAC, "dev", "eth0", "nud", "permanent"],
        ["ip", "-6", "route", "replace", "default", "via", ROUTER, "dev", "eth0", "mtu", "1400"],
    ):
        assert lab.execute("mn1", argv).returncode == 0
    for other in lab.profile.lmas:
        argv = ["ip", "-6", "neighbour", "replace", str(other.core.address.ip), "lladdr", "02:00:00:00:c0:01"]
        assert lab.execute("cn", [*argv, "dev", "core", "nud", "permanent"]).returncode == 0
    only = ["ip", "-6", "route", "replace", f"{HOME}/128", "via", str(lma.core.address.ip), "dev", "core"]
    assert lab.execute("cn", only).returncode == 0
    lab.attach("mn1", "mag1")
    eventually(lambda: lab.execute("mn1", ["ping", "-c1", "-W1", "fd00:c0de::1"]).returncode == 0)
    yield lab
    lab.execute("mn1", ["ip", "-6", "address", "del", f"{HOME}/64", "dev", "eth0"])


def mac_of(port: str) -> str:
    return psutil.net_if_addrs()[port][-1].address


def route_to(lab: Lab, mag: str) -> None:
    lab.openvswitch("lma1").ofctl("add-flow", "br-pm", f"in_port=core,ipv6,ipv6_dst={HOME},actions=t-{mag}")


def test_flows_of_both_protocols_and_directions_run_at_once_and_are_measured(path: Lab) -> None:
    flows = [
        Flow(path, "mn1", "tcp", "up", rate=4, seconds=3),
        Flow(path, "mn1", "tcp", "down", rate=4, seconds=3),
        Flow(path, "mn1", "udp", "up", rate=2, seconds=3),
        Flow(path, "mn1", "udp", "down", rate=2, seconds=3),
    ]
    results = run(flows)
    assert [result.name for result in results] == ["mn1 tcp up", "mn1 tcp down", "mn1 udp up", "mn1 udp down"]
    for result in results:
        assert result.error is None
        assert len(result.received) >= 3
        assert result.goodput() > 0
    for result in results[2:]:
        packets, lost = (sum(getattr(interval, what) for interval in result.received) for what in ("packets", "lost"))
        assert packets > 0
        assert result.loss() == lost / packets


def test_tcp_connection_and_address_survive_a_handoff_and_the_gap_is_measured(path: Lab) -> None:
    flow = Flow(path, "mn1", "tcp", "down", rate=4)
    probe = Probe(path, "cn", "mn1")
    flow.start()
    probe.start()
    await_octets(path, "mn1", 500_000)
    before = path.network.addresses("mn1")
    change = path.handoff("mn1", "mag2")
    route_to(path, "mag2")
    await_octets(path, "mn1", 500_000)  # five times what the probe brings in a second
    assert flow.running()
    seen, transferred = probe.stop(), flow.stop()
    assert path.network.addresses("mn1") == before
    assert transferred.error is None
    gap = seen.gap_at(change.joined)
    assert gap.start <= change.joined < gap.start + gap.milliseconds / 1000
    assert 0 < gap.lost <= seen.lost < seen.sent


def await_octets(lab: Lab, mobile_node: str, number: int) -> None:
    """Return when so many octets more have come to a mobile node."""
    before = octets_received(lab, mobile_node, "eth0")
    eventually(lambda: octets_received(lab, mobile_node, "eth0") - before > number, f"{number} octets")


def test_a_flow_whose_path_is_gone_says_so(path: Lab) -> None:
    path.detach("mn1")
    flow = Flow(path, "mn1", "tcp", "up", rate=1)
    flow.start()
    result = flow.stop()
    assert result.error is not None
    assert result.goodput() == 0


# --- life -------------------------------------------------------------------------------------------------------------


def test_status_and_commands(detached: Lab) -> None:
    lab = detached
    status = lab.status()
    assert status.rms is None
    assert [(node.name, node.role, node.agent, node.switch) for node in status.switches] == [
        ("mag1", "MAG", None, True),
        ("mag2", "MAG", None, True),
        ("lma1", "LMA", None, True),
        ("lma2", "LMA", None, True),
    ]
    assert [(node.name, node.access_port) for node in status.mobile_nodes] == [(f"mn{n}", None) for n in (1, 2, 3)]
    runner = CliRunner()
    chosen = ["--prefix", PREFIX]
    shown = runner.invoke(main, ["lab", "attach", "mn3", "mag2", *chosen])
    assert shown.exit_code == 0
    assert shown.output.startswith("mn3 is attached to mag2 port acc1: link moved in ")
    assert shown.output.endswith("mag2 has no agent that could give it an address.\n")
    shown = runner.invoke(main, ["lab", "status", *chosen])
    assert shown.exit_code == 0
    assert any("mn3" in line and "mag2" in line and "acc1" in line for line in shown.output.splitlines())
    shown = runner.invoke(main, ["lab", "handoff", "mn3", "mag7", *chosen])
    assert shown.exit_code == 2
    assert shown.output == "Error: no MAG is called 'mag7'; there are: mag1, mag2\n"
    shown = runner.invoke(main, ["lab", "detach", "mn3", *chosen])
    assert shown.output == "mn3 is detached from mag2 port acc1.\n"
    done = subprocess.run(
        [sys.executable, "-m", "ryu_pmipls.cli", "lab", "exec", *chosen, "cn", "ip", "-br", "address", "show", "core"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "fd00:c0de::1/64" in done.stdout


def test_up_on_a_running_lab_is_refused_and_disturbs_nothing(lab: Lab) -> None:
    before = traces(PREFIX)
    with pytest.raises(LabError, match=r"up already.*'pmipls lab down --prefix plb' removes it"):
        lab.up(rms=False, agents=False)
    assert traces(PREFIX) == before
    assert all(node.switch for node in lab.status().switches)


def test_another_lab_may_not_use_the_same_underlay(lab: Lab, tmp_path: Path) -> None:
    other = make_lab(tmp_path, "plbo")
    with pytest.raises(LabError, match=r"rms.address: fd00:5201::/64 is in use on this host.*plb-rms"):
        other.up(rms=False, agents=False)
    assert nothing("plbo")


def test_two_labs_coexist_and_one_goes_without_the_other(lab: Lab, tmp_path: Path) -> None:
    assert nothing("plbo")
    other = make_lab(tmp_path, "plbo", 2)
    try:
        other.up(rms=False, agents=False)
        assert all(traces("plbo")[kind] for kind in ("namespaces", "links", "control groups", "processes", "files"))
        before = traces(PREFIX)
        assert other.execute("mag1", ["ping", "-c1", "-W2", str(other.profile.lmas[0].address)]).returncode == 0
    finally:
        other.down()
    assert nothing("plbo")
    assert traces(PREFIX) == before
    assert all(node.switch for node in lab.status().switches)
    other.down()


def test_ports_of_the_rms_that_are_taken_are_named(tmp_path: Path) -> None:
    other = make_lab(tmp_path, "plbp", 3)
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as listener:
        listener.bind(("::1", other.profile.rms.rest.port))
        listener.listen()
        with pytest.raises(LabError, match=rf"rms.rest: \[::1\]:{other.profile.rms.rest.port} cannot be listened on"):
            other.up(agents=False)
    assert nothing("plbp")


@pytest.mark.parametrize("what", ["agents", "rms"])
def test_a_process_that_ends_at_once_fails_up_with_its_last_words_and_leaves_nothing(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_lab(tmp_path, "plbd", 4)
    for name in ("python", "ryu-manager"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho the sky is falling\nexit 3\n")
        program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(LabError, match="ended with status 3; its last words:\n    the sky is falling"):
        other.up(rms=what == "rms", agents=what == "agents")
    assert nothing("plbd")


def test_agents_and_rms_are_started_ended_and_found_again(lab: Lab) -> None:
    try:
        lab.start_agents()
        lab.start_rms()
        status = lab.status()
        assert status.rms is not None
        assert all(node.agent is not None for node in status.switches)
        with pytest.raises(LabError, match="running already"):
            lab.start_rms()
        lab.stop_rms()
        lab.stop_agent("mag1")
        status = lab.status()
        assert status.rms is None
        assert [node.name for node in status.switches if node.agent is None] == ["mag1"]
        lab.start_agent("mag1")
        assert all(node.agent is not None for node in lab.status().switches)
    finally:
        for name in lab.plan.switches:
            lab.stop_agent(name)
        lab.stop_rms()


UP = """
import sys
from pathlib import Path
from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.lab.lab import Lab
path = Path(sys.argv[1])
Lab(load_profile(path), path).up(rms=False, agents=False, progress=lambda text: print(text, flush=True))
"""


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.3, 0.7, 1.0, 1.2, 1.5, 2.0])
def test_down_leaves_nothing_after_up_was_killed(delay: float, tmp_path: Path) -> None:
    other = make_lab(tmp_path, "plbk", 5)
    child = subprocess.Popen(
        [sys.executable, "-c", UP, str(tmp_path / "plbk.yaml")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert child.stdout is not None
    assert child.stdout.readline().strip() == b"namespaces and links"
    time.sleep(delay)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert traces("plbk")["files"]
    other.down()
    assert nothing("plbk")
    other.down()


def test_down_ends_what_was_started_inside(tmp_path: Path) -> None:
    other = make_lab(tmp_path, "plbs", 6)
    try:
        other.up(rms=False, agents=False)
        stranger = subprocess.Popen(namespaces.command(other.namespace("mn1"), ["sleep", "60"]))
        marked = other.launch("mn2", ["sleep", "60"], tmp_path / "log")
    finally:
        other.down()
    assert not psutil.pid_exists(stranger.pid)
    assert not psutil.pid_exists(marked.pid)
    assert nothing("plbs")


def test_a_process_of_another_pid_namespace_belongs_to_no_lab_here(tmp_path: Path) -> None:
    ready = tmp_path / "log"
    argv = ["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", "echo ready; exec sleep 600"]
    outside = processes.start(f"{PREFIX}x:rms", argv, ready)
    try:
        eventually(lambda: ready.read_text(), "its first word")
        assert [process.pid for process in processes.of_lab(f"{PREFIX}x", set())] == [outside.pid]
    finally:
        outside.kill()
        outside.wait()
