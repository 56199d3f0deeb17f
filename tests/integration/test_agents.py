"""The agents of one MAG and two LMAs with private Open vSwitches, a mobile node, and an RMS that only answers."""

from __future__ import annotations

import json
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyroute2 import netns

from ovs_setup import node as ovs_node
from ovs_setup.cgroup import CpuGroup
from ovs_setup.tunnel import encapsulation, inner_mtu, tunnels
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.domain.profile import Profile, load_profile
from ryu_pmipls.signalling import Endpoint, Role
from ryu_pmipls.wire import Attachment, CoreGateway, LoadInfo, Message, RouteAdjust
from ryu_pmipls.wire.codepoints import MOBILITY_HEADER
from ryu_pmipls.wire.neighbour_discovery import router_solicitation
from ryu_pmipls.wire.neighbour_frames import build_frame
from tests.waiting import PATIENCE, eventually

PREFIX = "pag"
NODES = ("underlay", "rms", "mag1", "lma1", "lma2", "mn1", "stranger")
UNSPECIFIED = IPv6Address("::")


def document() -> dict[str, Any]:
    return {
        "domain": "agents",
        "home_prefix_pool": "2001:db8:500::/40",
        "rms": {"address": "fd00:5214::99"},
        "lmas": [
            {
                "name": f"lma{number}",
                "address": f"fd00:5214::1{number}",
                "datapath_id": 0x10 + number,
                "core": {"port": "core", "address": f"fd00:c0df::1{number}/64", "gateway": "fd00:c0df::1"},
            }
            for number in (1, 2)
        ],
        "mags": [{"name": "mag1", "address": "fd00:5214::21", "datapath_id": 0x21, "access_ports": ["acc1", "acc2"]}],
        "mobile_nodes": [
            {"name": "mn1", "identifier": "mn1@example.net", "link_layer_address": "02:00:00:00:05:01"},
        ],
        "load_sharing": {"window": 5, "report_interval": 0.5, "evaluation_interval": 1},
        "timers": {"min_delay_before_bce_delete": 1.0},
        "lab": {
            "prefix": PREFIX,
            "correspondent": {"name": "cn", "address": "fd00:c0df::1/64"},
        },
    }


def run(*argv: str, check: bool = True) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    assert not check or done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"
    return done.stdout


def inside(node: str, *argv: str, check: bool = True) -> str:
    return run("nsenter", f"--net=/run/netns/{PREFIX}-{node}", "--", *argv, check=check)


class AnsweringRms:
    """Answers every Route_adjust at once, and remembers what came."""

    def __init__(self, profile: Profile) -> None:
        self.received: list[tuple[Message, IPv6Address]] = []
        self.refused: Counter[str] = Counter()
        netns.pushns(f"{PREFIX}-rms")
        try:
            self.endpoint = Endpoint(profile, Role.RMS, profile.rms.address, self.refused)
        finally:
            netns.popns()
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self) -> None:
        with suppress(OSError, ValueError):  # closed
            while True:
                select.select(self.endpoint.descriptors, [], [])
                for message, source in self.endpoint.drain():
                    self.received.append((message, source))
                    if isinstance(message, RouteAdjust):
                        self.endpoint.send(message, source)

    def all(self, kind: type[Any], source: IPv6Address) -> list[Any]:
        return [message for message, sender in list(self.received) if isinstance(message, kind) and sender == source]


class Domain:
    """Namespaces, switches and agents."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "profile.yaml"
        self.path.write_text(yaml.safe_dump(document()))
        self.profile = load_profile(self.path)
        self.switches: dict[str, OpenVSwitch] = {}
        self.agents: dict[str, subprocess.Popen[bytes]] = {}
        self.rms: AnsweringRms | None = None

    def up(self) -> None:
        for node in NODES:
            run("ip", "netns", "add", f"{PREFIX}-{node}")
            inside(node, "ip", "link", "set", "lo", "up")
        inside("underlay", "ip", "link", "add", "underlay", "type", "bridge")
        inside("underlay", "ip", "link", "set", "underlay", "up")
        for node in ("rms", "mag1", "lma1", "lma2"):
            self._join("underlay", node, node, "u0")
            inside("underlay", "ip", "link", "set", node, "master", "underlay")
        inside("rms", "ip", "address", "add", f"{self.profile.rms.address}/64", "dev", "u0", "nodad")
        # The core network is the underlay namespace's other bridge, with the gateway's address.
        inside("underlay", "ip", "link", "add", "core", "type", "bridge")
        inside("underlay", "ip", "link", "set", "core", "up")
        inside("underlay", "ip", "address", "add", "fd00:c0df::1/64", "dev", "core", "nodad")
        for node in ("lma1", "lma2"):
            self._join("underlay", f"c-{node}", node, "core")
            inside("underlay", "ip", "link", "set", f"c-{node}", "master", "core")
        for number, node in enumerate(("mn1", "stranger"), start=1):
            self._join("mag1", f"acc{number}", node, "eth0", address=f"02:00:00:00:05:0{number}", up=False)
        for node in (*self.profile.mags, *self.profile.lmas):
            switch = OpenVSwitch(self.directory / node.name, f"{PREFIX}-{node.name}")
            self.switches[node.name] = switch
            switch.start()
            ovs_node.set_up(switch, self.profile, node, "netdev", "u0")
        for lma in self.profile.lmas:  # what the RMS would install for the gateway's sake
            self.switches[lma.name].ofctl("add-flow", "br-pm", "priority=1,in_port=LOCAL,actions=output:1")
            self.switches[lma.name].ofctl("add-flow", "br-pm", "priority=1,in_port=1,actions=LOCAL")
        self.rms = AnsweringRms(self.profile)

    def _join(
        self, one: str, one_name: str, other: str, name: str, address: str | None = None, up: bool = True
    ) -> None:
        far = ["peer", "name", name, "netns", f"{PREFIX}-{other}"] + ([] if address is None else ["address", address])
        inside(one, "ip", "link", "add", one_name, "type", "veth", *far)
        inside(one, "ethtool", "-K", one_name, "tx", "off")
        inside(other, "ethtool", "-K", name, "tx", "off")
        if up:
            inside(one, "ip", "link", "set", one_name, "up")
            inside(other, "ip", "link", "set", name, "up")

    def start(self, role: str, name: str, *more: str) -> None:
        argv = [
            "nsenter",
            f"--net=/run/netns/{PREFIX}-{name}",
            "--",
            sys.executable,
            "-m",
            "ryu_pmipls.cli",
            role,
            name,
        ]
        argv += ["--profile", str(self.path), "--run-directory", str(self.directory / name), *more]
        with (self.directory / f"{name}.log").open("ab") as log:
            self.agents[name] = subprocess.Popen(argv, stdout=log, stderr=log)

    def stop(self, name: str) -> int:
        agent = self.agents.pop(name)
        agent.send_signal(signal.SIGTERM)
        return agent.wait(timeout=PATIENCE)

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()

    def tunnels(self, name: str) -> set[str]:
        return {tunnel.peer for tunnel in tunnels(self.switches[name])}

    def down(self) -> None:
        for agent in self.agents.values():
            agent.kill()
            agent.wait()
        for switch in self.switches.values():
            switch.stop()
        if self.rms is not None:
            self.rms.endpoint.close()
        for node in NODES:
            run("ip", "netns", "delete", f"{PREFIX}-{node}", check=False)


@pytest.fixture(scope="module")
def domain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Domain]:
    domain = Domain(tmp_path_factory.mktemp("agents"))
    try:
        domain.up()
        domain.start("mag", "mag1")
        domain.start("lma", "lma1")
        yield domain
    finally:
        domain.down()


@pytest.fixture(scope="module")
def group(domain: Domain) -> Iterator[CpuGroup]:
    group = CpuGroup("pmipls-pag/lma2")
    group.create(0.5)
    try:
        yield group
    finally:
        group.remove()


def global_addresses(node: str) -> list[dict[str, Any]]:
    links = json.loads(inside(node, "ip", "-6", "-json", "address", "show", "dev", "eth0"))
    return [address for link in links for address in link["addr_info"] if address["scope"] == "global"]


def switch_on(node: str, port: str) -> None:
    inside(node, "ip", "link", "set", "eth0", "up")
    inside("mag1", "ip", "link", "set", port, "up")


def test_a_tunnel_stands_at_both_ends(domain: Domain) -> None:
    eventually(lambda: "tunnel to fd00:5214::11: up" in domain.log("mag1"))
    assert domain.tunnels("mag1") == {"lma1"}
    assert domain.tunnels("lma1") == {"mag1"}


def test_a_mag_that_is_there_first_converges(domain: Domain, group: CpuGroup) -> None:
    time.sleep(1.5)  # the MAG has asked in vain
    domain.start("lma", "lma2", "--cpu-group", group.name)
    eventually(lambda: "tunnel to fd00:5214::12: up" in domain.log("mag1"))
    assert domain.tunnels("mag1") == {"lma1", "lma2"}
    assert domain.tunnels("lma2") == {"mag1"}


def test_lmas_report_load_and_core_gateway(domain: Domain) -> None:
    rms, (core,) = domain.rms, json.loads(inside("underlay", "ip", "-json", "link", "show", "core"))
    assert rms is not None
    for lma in domain.profile.lmas:  # what the RMS would install for the tunnel's sake
        domain.switches[lma.name].ofctl("add-flow", "br-pm", "table=0,ipv6,in_port=t-mag1,actions=drop")
    for lma in domain.profile.lmas:
        report = eventually(
            lambda lma=lma: next(
                (info for info in rms.all(LoadInfo, lma.address) if info.option(CoreGateway) is not None and info.mags),
                None,
            )
        )
        assert report.option(CoreGateway).link_layer_address.hex(":") == core["address"]
        assert [load.mag for load in report.mags] == [domain.profile.mag("mag1").address]
        assert 0 <= report.cpu <= 1


def test_a_mobile_node_gets_its_prefix(domain: Domain) -> None:
    """An ordinary Linux stack: link-local address with duplicate address detection, solicitation, autoconfiguration."""
    switch_on("mn1", "acc1")
    (address,) = eventually(lambda: [a for a in global_addresses("mn1") if "tentative" not in a])
    prefix = IPv6Network((address["local"], 64), strict=False)
    assert prefix.subnet_of(domain.profile.home_prefix_pool)
    assert address["valid_life_time"] <= 3600
    (default,) = json.loads(inside("mn1", "ip", "-6", "-json", "route", "show", "default"))
    assert default["gateway"] == "fe80::200:5eff:fe00:5213"
    mtu = int(inside("mn1", "sysctl", "-n", "net.ipv6.conf.eth0.mtu"))
    kind = encapsulation(domain.switches["mag1"], domain.profile.tunnel.type)
    assert mtu == inner_mtu(domain.profile.tunnel.underlay_mtu, kind)

    local = json.loads(inside("mn1", "ip", "-6", "-json", "address", "show", "dev", "eth0"))[0]["addr_info"]
    assert not [address for address in local if "dadfailed" in address]

    rms, mag = domain.rms, domain.profile.mag("mag1")
    assert rms is not None
    adjust = eventually(lambda: rms.all(RouteAdjust, mag.address))[-1]
    assert (adjust.prefix, adjust.old_mag, adjust.new_mag) == (prefix.network_address, UNSPECIFIED, mag.address)
    assert adjust.option(Attachment) == Attachment(1, domain.profile.lma("lma1").address)


def test_the_times_of_the_attachment_are_recorded(domain: Domain) -> None:
    events = domain.directory / "mag1" / "events.jsonl"
    event = json.loads(eventually(lambda: events.exists() and events.read_text()).splitlines()[-1])
    assert (event["event"], event["mag"], event["mobile_node"]) == ("attachment", "mag1", "mn1")
    times = list(event["milliseconds"].values())
    assert list(event["milliseconds"]) == [
        "pbu_sent",
        "pba_received",
        "ra_sent",
        "route_adjust_sent",
        "route_adjust_acknowledged",
    ]
    assert times == sorted(times) and times[0] >= 0


def test_the_router_answers_solicitations(domain: Domain) -> None:
    """Neighbour unreachability detection of the mobile node finds the router alive."""
    router = "fe80::200:5eff:fe00:5213"
    inside("mn1", "ip", "-6", "neighbour", "flush", "dev", "eth0")
    inside("mn1", "ping", "-6", "-c", "1", "-W", "1", f"{router}%eth0", check=False)  # no echo, but a resolution

    def entry() -> dict[str, Any] | None:
        found = json.loads(inside("mn1", "ip", "-6", "-json", "neighbour", "show", "to", router, "dev", "eth0"))
        return next((neighbour for neighbour in found if "lladdr" in neighbour), None)

    assert eventually(entry)["lladdr"] == "00:00:5e:00:52:13"


def test_an_unknown_mobile_node_gets_nothing(domain: Domain) -> None:
    switch_on("stranger", "acc2")
    eventually(lambda: "access: unknown mobile node" in domain.log("mag1"))
    time.sleep(0.5)
    assert global_addresses("stranger") == []
    assert inside("stranger", "ip", "-6", "route", "show", "default") == ""


def test_malformed_signalling_disturbs_nothing(domain: Domain) -> None:
    """Random and truncated datagrams, from an address of the domain and from a stranger's."""
    script = (
        "import os, socket\n"
        "for source in ('fd00:5214::99', 'fd00:5214::98'):\n"
        f"    s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, {MOBILITY_HEADER})\n"
        "    s.setsockopt(socket.IPPROTO_IPV6, 78, 1); s.bind((source, 0))\n"
        "    for length in (6, 7, 8, 16, 40, 48, 300, 1400):\n"
        "        for peer in ('fd00:5214::11', 'fd00:5214::21'):\n"
        "            s.sendto(os.urandom(length), (peer, 0))\n"
    )
    inside("rms", "ip", "address", "add", "fd00:5214::98/64", "dev", "u0", "nodad")
    inside("rms", sys.executable, "-c", script)
    for name in ("lma1", "mag1"):
        eventually(
            lambda name=name: "malformed: truncated" in domain.log(name) and "unknown source" in domain.log(name)
        )
        assert domain.agents[name].poll() is None
        assert "Traceback" not in domain.log(name)


def test_a_link_that_goes_down_ends_the_binding(domain: Domain) -> None:
    rms, mag = domain.rms, domain.profile.mag("mag1")
    assert rms is not None
    inside("mn1", "ip", "link", "set", "eth0", "down")
    adjust = eventually(
        lambda: next((message for message in rms.all(RouteAdjust, mag.address) if message.new_mag == UNSPECIFIED), None)
    )
    assert adjust.old_mag == mag.address


def test_a_node_that_solicits_as_soon_as_its_link_is_up_is_heard(domain: Domain) -> None:
    """It comes back to the prefix that it had; its kernel, which solicits only after a while, is told not to."""
    inside("mn1", "sysctl", "-qw", "net.ipv6.conf.eth0.router_solicitations=0")
    before = re.findall(r"attached: .*: (\S+)$", domain.log("mag1"), re.M)
    solicitation = build_frame(router_solicitation(domain.profile.mobile_node("mn1").link_layer_address))
    netns.pushns(f"{PREFIX}-mn1")
    try:
        packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        packets.bind(("eth0", 0))
    finally:
        netns.popns()
    with packets:
        inside("mn1", "ip", "link", "set", "eth0", "up")
        packets.send(solicitation)
    after = eventually(lambda: re.findall(r"attached: .*: (\S+)$", domain.log("mag1"), re.M)[len(before) :])
    assert set(after) == set(before)
    events = domain.directory / "mag1" / "events.jsonl"
    eventually(lambda: len(events.read_text().splitlines()) == 2)


def test_sigterm_ends_an_agent_and_leaves_the_tunnels(domain: Domain) -> None:
    assert domain.stop("mag1") == 0
    assert domain.tunnels("mag1") == {"lma1", "lma2"}
    assert "Traceback" not in domain.log("mag1")


def test_a_restarted_agent_finds_its_tunnels(domain: Domain) -> None:
    lines = domain.log("mag1").count("\n")
    domain.start("mag", "mag1")

    def new_lines() -> str:
        return "\n".join(domain.log("mag1").splitlines()[lines:])

    eventually(lambda: all(f"tunnel to fd00:5214::{end}: up" in new_lines() for end in ("11", "12")))
