"""A whole domain: RMS, agents, real switches, and what happens to it when things go wrong."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest
from domain_helpers import kill, routing_sessions, same_sessions

from ryu_pmipls.http.client import fetch, rms_of
from ryu_pmipls.lab import namespaces
from ryu_pmipls.lab import traffic_generator as traffic
from ryu_pmipls.lab.probe import Probe
from ryu_pmipls.lab.traffic_generator import Flow
from tests.labs import lab_of
from tests.waiting import PATIENCE, eventually

CORRESPONDENT = "cn"
OURS = 0x504D


class Domain:
    """A lab that is up, and how to look at it."""

    def __init__(self, lab):
        self.profile = lab.profile
        self.lab = lab
        self.rms = rms_of(self.profile)

    def get(self, resource):
        return fetch(self.rms, resource)

    def bindings(self):
        """In the order of their prefixes; a restarted RMS has another than before."""
        return sorted(self.get("bindings"), key=lambda binding: binding["prefix"])

    def ready(self):
        try:
            return set(self.get("health")["switches"].values()) == {"ready"}
        except Exception:
            return False

    def tunnels_up(self):
        return sum(tunnel["up"] for tunnel in self.get("tunnels"))

    def mag_of(self, node):
        identifier = self.profile.mobile_node(node).identifier
        return next((entry["mag"] for entry in self.get("bindings") if entry["identifier"] == identifier), None)

    def answers(self, node, count=3):
        """How many of ``count`` pings to the correspondent node are answered."""
        argv = ["ping", "-6", "-c", str(count), "-i", "0.2", "-W", "2", str(self.lab.plan.correspondent_address.ip)]
        return self.lab.execute(node, argv, timeout=PATIENCE).stdout.count("bytes from")

    def flows(self, node):
        return self.lab.openvswitch(node).ofctl("dump-flows", "br-pm").splitlines()

    def has_address(self, node):
        return bool(self.lab.network.addresses(node))

    def refused(self):
        return self.get("health")["refused"]


@pytest.fixture(scope="module")
def domain(derive_profile):
    with lab_of(derive_profile("ptg", 20), agents=False) as lab:
        made = Domain(lab)
        for mag in made.profile.mags:
            lab.start_agent(mag.name)
        time.sleep(2)
        made.tunnels_before_lmas = made.tunnels_up()
        for lma in made.profile.lmas:
            lab.start_agent(lma.name)
        eventually(lambda: made.tunnels_up() == 4)
        made.bindings_before_attachment = made.get("bindings")
        lab.attach("mn1", "mag1")
        lab.attach("mn2", "mag2")
        eventually(lambda: made.has_address("mn1") and made.has_address("mn2"))
        yield made


def test_mags_that_start_before_their_lmas_converge_when_they_come(domain):
    assert domain.tunnels_before_lmas == 0
    assert domain.bindings_before_attachment == []
    for mag in domain.profile.mags:
        ports = domain.lab.openvswitch(mag.name).vsctl("list-ports", "br-pm").split()
        assert {"t-lma1", "t-lma2"} <= set(ports)
    for lma in domain.profile.lmas:
        ports = domain.lab.openvswitch(lma.name).vsctl("list-ports", "br-pm").split()
        assert {"t-mag1", "t-mag2"} <= set(ports)


def test_mobile_nodes_reach_the_correspondent_node_and_each_other(domain):
    assert domain.answers("mn1") == 3
    assert domain.answers("mn2") == 3
    argv = ["ping", "-6", "-c", "2", "-W", "2", str(domain.lab.address("mn2"))]
    assert domain.lab.execute("mn1", argv, timeout=PATIENCE).stdout.count("bytes from") == 2


def test_an_unknown_mobile_node_gets_nothing(domain):
    known = len(domain.get("bindings"))
    link = ["ip", "link", "set", "eth0", "address"]
    assert domain.lab.execute("mn3", [*link, "02:00:00:00:01:99"]).returncode == 0
    try:
        domain.lab.attach("mn3", "mag1")
        eventually(lambda: "02:00:00:00:01:99" in domain.lab.log("mag1").read_text(), "the refusal")
        time.sleep(1)
        assert not domain.has_address("mn3")
        assert len(domain.get("bindings")) == known
    finally:
        domain.lab.detach("mn3")
        domain.lab.execute("mn3", [*link, "02:00:00:00:01:03"])


def mobility_socket(namespace):
    """A raw socket for Mobility Headers in a namespace, None for the host's own."""
    if namespace is None:
        return socket.socket(socket.AF_INET6, socket.SOCK_RAW, 135)
    return namespaces.open_socket(namespace, socket.AF_INET6, socket.SOCK_RAW, 135)


def send_junk(namespace, source, destinations):
    """Mobility Headers with right checksums (the kernel sees to that) and nonsense in them, whole and cut short."""
    whole = bytes.fromhex("3b0a0500000000078200038408 10016d6e31406578616d706c652e6e6574".replace(" ", ""))
    junk = [bytes(8), whole, *(whole[:end] for end in range(8, len(whole), 2))]
    junk += [os.urandom(length) for length in range(6, 300, 7)]
    with mobility_socket(namespace) as sender:
        sender.bind((str(source), 0))
        for destination in destinations:
            for octets in junk:
                sender.sendto(octets, (str(destination), 0))
    return len(junk)


def test_bad_datagrams_are_counted_and_disturb_nothing(domain):
    profile, lab = domain.profile, domain.lab
    bindings = domain.bindings()
    agents = {name: lab.process(name).pid for name in ("mag1", "mag2", "lma1", "lma2")}
    mag1, lma1, mag2 = profile.mag("mag1"), profile.lma("lma1"), profile.mag("mag2")
    before = sum(domain.refused().values())
    sent = send_junk(lab.namespace("mag1"), mag1.address, [profile.rms.address, lma1.address])
    send_junk(lab.namespace("lma1"), lma1.address, [mag2.address])
    eventually(lambda: sum(domain.refused().values()) >= before + sent - 1)
    assert any(reason.startswith("malformed") for reason in domain.refused())
    for name in ("lma1", "mag2"):
        eventually(lambda name=name: "malformed" in lab.log(name).read_text())
    assert domain.answers("mn1") == 3
    assert domain.bindings() == bindings
    assert {name: lab.process(name).pid for name in agents} == agents
    for name in ("rms", *agents):
        assert "Traceback" not in lab.log(name).read_text()


def test_an_unknown_mag_gets_no_tunnel(domain):
    lab, profile = domain.lab, domain.profile
    stranger = profile.rms.address + 0x100
    port = lab.plan.host_port
    subprocess.run(["ip", "-6", "addr", "add", f"{stranger}/128", "dev", port, "nodad"], check=True)
    try:
        send_junk(None, stranger, [profile.lma("lma1").address, profile.rms.address])
        request = bytes.fromhex("3b020b0000000110") + stranger.packed
        with mobility_socket(None) as sender:
            sender.bind((str(stranger), 0))
            sender.sendto(request, (str(profile.lma("lma1").address), 0))
        eventually(lambda: "unknown source" in lab.log("lma1").read_text())
        eventually(lambda: domain.refused().get("unknown source", 0) > 0)
    finally:
        subprocess.run(["ip", "-6", "addr", "del", f"{stranger}/128", "dev", port], check=True)
    ports = lab.openvswitch("lma1").vsctl("list-ports", "br-pm").split()
    assert sorted(name for name in ports if name.startswith("t-")) == ["t-mag1", "t-mag2"]


def test_traffic_goes_on_untouched_while_the_rms_is_killed_and_restarted(domain):
    lab = domain.lab
    bindings = domain.bindings()
    probes = [Probe(lab, "mn1", CORRESPONDENT, 200), Probe(lab, CORRESPONDENT, "mn2", 200)]
    for probe in probes:
        probe.start()
    time.sleep(1)
    kill(lab, "rms")
    killed = time.time()
    time.sleep(3)
    lab.start_rms()
    eventually(domain.ready)
    ready = time.time()
    time.sleep(1)
    results = [probe.stop() for probe in probes]
    assert [result.lost for result in results] == [0, 0]
    assert all(went_on(result, killed, ready) for result in results)
    assert domain.bindings() == bindings


def went_on(result, start, end):
    """Whether datagrams came before, between and after two instants (seconds since 1970)."""
    came = [arrival.received for arrival in result.arrivals]
    return came[0] < start and any(start < instant < end for instant in came) and came[-1] > end


def test_traffic_goes_on_and_bindings_come_back_when_the_store_is_lost_with_the_rms(domain):
    lab = domain.lab
    bindings = domain.bindings()
    assert len(bindings) == 2
    probes = [Probe(lab, "mn1", CORRESPONDENT, 200), Probe(lab, CORRESPONDENT, "mn2", 200)]
    for probe in probes:
        probe.start()
    time.sleep(1)
    kill(lab, "rms")
    killed = time.time()
    shutil.rmtree(domain.profile.rms.state_directory)
    lab.start_rms()
    eventually(domain.ready)
    # Flow entries tell where mobile nodes are, MAGs also since when.
    eventually(lambda: domain.bindings() == bindings)
    back = time.time()
    time.sleep(1)
    results = [probe.stop() for probe in probes]
    assert [result.lost for result in results] == [0, 0]
    assert all(went_on(result, killed, back) for result in results)


def test_after_the_restart_a_handoff_works(domain):
    lab = domain.lab
    address = lab.address("mn1")
    prefix = next(entry["prefix"] for entry in domain.get("bindings") if entry["identifier"].startswith("mn1@"))
    change = lab.handoff("mn1", "mag2")
    assert change.solicited
    eventually(lambda: domain.mag_of("mn1") == "mag2")
    eventually(lambda: domain.answers("mn1", 1) == 1)  # the binding is shown before its route is in force
    assert domain.answers("mn1") == 3
    assert lab.address("mn1") == address
    for lma in ("lma1", "lma2"):
        port = lab.openvswitch(lma).vsctl("get", "interface", "t-mag2", "ofport").strip()
        (route,) = [flow for flow in domain.flows(lma) if f"ipv6_dst={prefix}" in flow]
        assert route.endswith((f"output:{port}", 'output:"t-mag2"')), route
    eventually(
        lambda: not any(f"ipv6_dst={prefix}" in flow for flow in domain.flows("mag1"))
    )  # it forwards for a while
    lab.handoff("mn1", "mag1")
    eventually(lambda: domain.mag_of("mn1") == "mag1")


def test_a_node_that_comes_while_its_mags_agent_is_dead_is_served_when_that_is_back(domain):
    lab = domain.lab
    kill(lab, "mag2")
    change = lab.handoff("mn1", "mag2")
    assert change.solicited  # in vain; an ordinary host does so no more
    time.sleep(1)
    lab.start_agent("mag2")
    eventually(lambda: domain.mag_of("mn1") == "mag2")
    eventually(lambda: domain.answers("mn1", 1) == 1)
    lab.handoff("mn1", "mag1")
    eventually(lambda: domain.mag_of("mn1") == "mag1")


def test_after_the_restart_an_overload_is_relieved(domain):
    flows = [Flow(domain.lab, node, "udp", "up", 105.0) for node in ("mn1", "mn2")]
    known = len(domain.get("decisions"))
    sessions = routing_sessions(domain.lab)
    assert len(sessions) == 4
    try:
        traffic.start(flows)
        eventually(lambda: len(domain.get("decisions")) > known)
        decision = domain.get("decisions")[-1]
        eventually(lambda: len(domain.get("decisions")[-1]["answers"]) == 2)
    finally:
        results = [flow.stop() for flow in flows]
    assert (decision["old_lma"], decision["new_lma"]) == ("lma1", "lma2")
    assert routing_sessions(domain.lab) == same_sessions(sessions)  # an overloaded LMA is not taken for a dead one
    assert domain.get("decisions")[-1]["outcome"] == "acknowledged"
    assert [result.error for result in results] == [None, None]
    moved = next(mag for mag in domain.get("mags") if mag["name"] == decision["mag"])
    assert moved["uplinks"]["lma1"] == {"lma2": 32}


def test_a_restarted_rms_sweeps_what_is_old_and_leaves_what_is_foreign(domain):
    lab = domain.lab
    vswitch = lab.openvswitch("lma1")
    uplinks = {mag["name"]: mag["uplinks"] for mag in domain.get("mags")}
    old = [flow for flow in domain.flows("lma1") if f"cookie=0x{OURS:x}" in flow]
    vswitch.ofctl("add-flow", "br-pm", "cookie=0x1,table=2,priority=7,ipv6,ipv6_dst=2001:db8:1ff::/64,actions=drop")
    generation = int(old[0].split("cookie=0x")[1].split(",")[0], 16) & 0xFFFF
    stale = OURS << 48 | 2 << 40 | (generation ^ 1)
    vswitch.ofctl(
        "add-flow", "br-pm", f"cookie=0x{stale:x},table=2,priority=8,ipv6,ipv6_dst=2001:db8:1fe::/64,actions=drop"
    )
    lab.stop_rms()
    lab.start_rms()
    eventually(domain.ready)
    eventually(lambda: not any("2001:db8:1fe::/64" in flow for flow in domain.flows("lma1")))
    assert any("2001:db8:1ff::/64" in flow for flow in domain.flows("lma1"))
    assert len([flow for flow in domain.flows("lma1") if f"cookie=0x{OURS:x}" in flow]) == len(old)
    assert {mag["name"]: mag["uplinks"] for mag in domain.get("mags")} == uplinks
    vswitch.ofctl("--strict", "del-flows", "br-pm", "table=2,priority=7,ipv6,ipv6_dst=2001:db8:1ff::/64")


def test_a_switch_that_lost_its_flows_is_refilled(domain):
    lab = domain.lab
    vswitch = lab.openvswitch("lma2")
    routes = {flow.split("ipv6_dst=")[1] for flow in domain.flows("lma2") if "table=2" in flow and "ipv6_dst=" in flow}
    assert routes
    os.kill(vswitch.vswitchd_pid(), signal.SIGKILL)
    eventually(lambda: domain.get("health")["switches"]["lma2"] == "disconnected")
    lab.start_switch("lma2")
    eventually(domain.ready)
    eventually(
        lambda: (
            {flow.split("ipv6_dst=")[1] for flow in domain.flows("lma2") if "table=2" in flow and "ipv6_dst=" in flow}
            == routes
        )
    )


def test_an_lma_agent_that_dies_while_tunnels_are_set_up_is_made_up_for(domain):
    lab = domain.lab
    lab.stop_agent("mag1")
    vswitch = lab.openvswitch("mag1")
    for port in ("t-lma1", "t-lma2"):
        vswitch.vsctl("--if-exists", "del-port", "br-pm", port)
    eventually(lambda: domain.tunnels_up() == 2)
    kill(lab, "lma1")
    lab.start_agent("mag1")
    eventually(lambda: domain.tunnels_up() == 3)  # with lma2, whatever became of lma1
    time.sleep(1)
    assert domain.tunnels_up() == 3
    lab.start_agent("lma1")
    eventually(lambda: domain.tunnels_up() == 4)


@pytest.mark.parametrize(
    "argv",
    [
        [sys.executable, "-m", "ryu_pmipls.cli", "lab", "up", "--profile", "PROFILE"],
        [sys.executable, "-m", "ryu_pmipls.cli", "mag", "mag1", "--profile", "PROFILE"],
        [sys.executable, "-m", "ryu_pmipls.cli", "demo", "--profile", "PROFILE"],
        [os.path.join(os.path.dirname(sys.executable), "ryu-manager"), "ryu_pmipls.rms"],  # noqa: PTH118, PTH120
    ],
    ids=["lab", "agent", "demo", "rms"],
)
def test_a_faulty_profile_is_refused_with_one_message(derive_profile, tmp_path, argv):
    faulty = tmp_path / "faulty.yaml"
    faulty.write_text(derive_profile("ptf", 21).read_text().replace("policy: draft", "policy: best"))
    environment = os.environ | {"PMIPLS_PROFILE": str(faulty)}
    ended = subprocess.run(
        [str(faulty) if part == "PROFILE" else part for part in argv],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=environment,
        check=False,
    )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert "load_sharing.policy" in ended.stderr
    assert "'draft', 'balance' or 'static'" in ended.stderr


def test_up_on_a_running_lab_is_refused_with_a_hint(domain):
    with pytest.raises(Exception, match="down"):
        domain.lab.up()
    assert domain.ready()


def test_no_process_of_the_lab_has_complained(domain):
    for name in ("rms", "mag1", "mag2", "lma1", "lma2"):
        assert "Traceback" not in domain.lab.log(name).read_text(), name
        assert psutil.pid_exists(domain.lab.process(name).pid)
