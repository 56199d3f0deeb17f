"""Facts about a host and a node with which nothing is wrong, to be changed by a test."""

from __future__ import annotations

from ryu_pmipls.doctor.check import Check, HostRole, Verdict
from ryu_pmipls.doctor.host_checks import HOST_CHECKS
from ryu_pmipls.doctor.host_facts import Directory, HostClock, HostFacts, ProfileFacts, Program, Purpose
from ryu_pmipls.doctor.installation_checks import PROGRAMS
from ryu_pmipls.doctor.node_checks import NODE_CHECKS
from ryu_pmipls.doctor.node_facts import (
    Bridge,
    Controller,
    Link,
    NodeFacts,
    Remedies,
    SwitchFacts,
    SwitchPort,
    WantedLink,
    WantedNode,
    WantedSwitch,
)

CONTROLLER = "tcp:[fd00::99]:6653"

HOST = HostFacts(
    purpose=Purpose(namespaces=("pm-mag1",), subnet="fd00::/64"),
    root=True,
    distribution="debian 12",
    kernel="6.1.0-18-amd64",
    python=(3, 11, 2),
    python_path="/usr/bin/python3",
    ensurepip=True,
    ryu="4.34",
    eventlet="0.41.3",
    programs={name: Program(path=f"/usr/bin/{name}") for name in PROGRAMS},
    openvswitch=(3, 1, 0),
    bird=(2, 0, 12),
    ipv6=True,
    kernel_faults={"veth": "", "tun": ""},
    cpu_groups="",
    raw_socket="",
    clock=HostClock(synchronised=True, services=("chronyd",)),
    taken_ports=(),
    state_directory=Directory("/run", writable=True, free=2**30),
    open_files=1024,
    profile=ProfileFacts("two-lma", "the default"),
    firewall=(),
)

WANTED = WantedNode(
    name="lma1",
    role=HostRole.LMA,
    links=(
        WantedLink("br-pm", 0, ("tx-checksumming",), "fd00:c::11/64"),
        WantedLink("core", 1452, ("generic-receive-offload",), bridge="br-pm", isolated=True, filtered=True),
        WantedLink("br-u", 1500, ("tx-checksumming",), "fd00::11"),
        WantedLink("u0", 1500, bridge="br-u"),
    ),
    settings={"net/ipv6/conf/all/forwarding": "0", "net/ipv6/conf/br-pm/accept_ra": "0"},
    remedies=Remedies("SET-UP", "DAEMONS", "AGENT", "RMS", "ON-NODE "),
    switch=WantedSwitch("0000000000000011", CONTROLLER, {"mag1": ("fd00::11", "fd00::21")}),
)
SWITCH = SwitchFacts(
    runs=True,
    bridges={
        "br-pm": Bridge("secure", ("OpenFlow13",), "0000000000000011", ("core", "t-mag1")),
        "br-u": Bridge("standalone", (), "", ("u0",)),
    },
    ports={
        "core": SwitchPort(1),
        "u0": SwitchPort(1),
        "t-mag1": SwitchPort(2, options={"local_ip": "fd00::11", "remote_ip": "fd00::21"}),
    },
    controllers=(Controller(CONTROLLER, connected=True),),
    flow_entries=25,
)
NODE = NodeFacts(
    wanted=WANTED,
    links={
        "br-pm": Link(up=True, mtu=1500, addresses=("fe80::1", "fd00:c::11")),
        "core": Link(up=True, mtu=1500, filtered=True),
        "br-u": Link(up=True, mtu=1500, addresses=("fd00::11",)),
        "u0": Link(up=True, mtu=9000),
    },
    settings=dict(WANTED.settings),
    switch=SWITCH,
)


def host_verdict(title: str, facts: HostFacts) -> Verdict:
    return _named(HOST_CHECKS, title).verdict(facts)


def node_verdict(title: str, facts: NodeFacts) -> Verdict:
    return _named(NODE_CHECKS, title).verdict(facts)


def _named(checks: tuple[Check, ...], title: str) -> Check:
    (check,) = [check for check in checks if check.title == title]
    return check
