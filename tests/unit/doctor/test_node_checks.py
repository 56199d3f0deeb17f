"""The checks of a node, by facts that are made up."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from ovs_setup.tls import TlsFiles
from ryu_pmipls.doctor.check import Level
from ryu_pmipls.doctor.node_checks import NODE_CHECKS
from ryu_pmipls.doctor.node_facts import Bridge, Controller, Link, NodeFacts, SwitchFacts, SwitchPort
from tests.unit.doctor.made_up_facts import CONTROLLER, NODE, SWITCH, node_verdict

UNKNOWN, WRONG = Level.UNKNOWN, Level.WRONG


def with_link(name: str, **changes: Any) -> NodeFacts:
    assert NODE.links is not None
    return replace(NODE, links={**NODE.links, name: replace(NODE.links[name], **changes)})


def without_link(name: str) -> NodeFacts:
    assert NODE.links is not None
    return replace(NODE, links={other: link for other, link in NODE.links.items() if other != name})


def with_switch(**changes: Any) -> NodeFacts:
    return replace(NODE, switch=replace(SWITCH, **changes))


def with_bridge(**changes: Any) -> NodeFacts:
    return with_switch(bridges={**SWITCH.bridges, "br-pm": replace(SWITCH.bridges["br-pm"], **changes)})


def with_port(name: str, port: SwitchPort) -> NodeFacts:
    return with_switch(ports={**SWITCH.ports, name: port})


TLS = TlsFiles("/p/key.pem", "/p/certificate.pem", "/p/ca.pem")


def with_tls(there: TlsFiles | None, unreadable: dict[str, str] | None = None, **changes: Any) -> NodeFacts:
    """A node whose profile wants TLS, and the files that its switch has."""
    facts = with_switch(tls=there, unreadable=unreadable or {}, **changes)
    assert NODE.wanted.switch is not None
    return replace(facts, wanted=replace(NODE.wanted, switch=replace(NODE.wanted.switch, tls=TLS)))


SETTINGS = {"net/ipv6/conf/all/forwarding": "1", "net/ipv6/conf/br-pm/accept_ra": "0"}
STOPPED = replace(NODE, switch=SwitchFacts(runs=False))
ELSEWHERE = SwitchPort(2, options={"local_ip": "fd00::11", "remote_ip": "fd00::ff"})

#: Check, facts, found, what to do.
CASES: list[tuple[str, NodeFacts, str, str]] = [
    ("links", without_link("core"), "there is no interface core", "SET-UP"),
    ("links", with_link("core", up=False), "not up: core", "^ON-NODE ip link set core up$"),
    ("MTU", with_link("u0", mtu=1400), "u0 has 1400, at least 1500", "^ON-NODE ip link set u0 mtu 1500$"),
    (
        "offloads",
        with_link("br-pm", offloads=("tx-checksumming",)),
        "br-pm has tx-checksumming on",
        "^ON-NODE ethtool -K br-pm tx-checksumming off$",
    ),
    ("addresses", with_link("br-u", addresses=("fe80::1",)), "br-u does not have fd00::11", "SET-UP"),
    ("addresses", without_link("br-pm"), "br-pm does not have fd00:c::11/64", "SET-UP"),
    ("isolation", with_link("core", addresses=("192.0.2.1",)), "^core has 192.0.2.1, and must have no addr", "SET-UP"),
    ("isolation", with_link("core", master="br0"), "^core belongs to br0$", "SET-UP"),
    ("isolation", with_link("core", filtered=False), "^the kernel hears what comes in on core: ", "SET-UP"),
    (
        "kernel settings",
        replace(NODE, settings=SETTINGS),
        "^net/ipv6/conf/all/forwarding is 1, must be 0$",
        "^ON-NODE sysctl -w net/ipv6/conf/all/forwarding=0$",
    ),
    ("Open vSwitch daemons", STOPPED, "does not run", "DAEMONS"),
    ("bridges", with_switch(bridges={}), "no bridge br-pm", "SET-UP"),
    ("bridges", with_bridge(fail_mode=""), "fail_mode standalone, must be secure", "SET-UP"),
    ("bridges", with_bridge(protocols=()), "does not speak OpenFlow 1.3", "SET-UP"),
    ("bridges", with_bridge(datapath_id="2a"), "datapath id 2a, the profile 0000000000000011", "SET-UP"),
    ("bridges", with_bridge(ports=("t-mag1",)), "core is no port of br-pm", "SET-UP"),
    ("bridges", with_port("core", SwitchPort(-1, "no such device")), "core: no such device", "SET-UP"),
    ("controller", with_switch(controllers=()), f"none is set, must be {re.escape(CONTROLLER)}", "SET-UP"),
    ("controller", with_switch(controllers=(Controller(CONTROLLER, connected=False),)), "not connected", "RMS"),
    ("TLS", with_tls(None), "none is set, must be /p/key.pem, /p/certificate.pem, /p/ca.pem", "SET-UP"),
    ("TLS", with_tls(TlsFiles("/k", "/c", "/a")), "/k, /c, /a is set, must be /p/key.pem", "SET-UP"),
    (
        "TLS",
        with_tls(TLS, {"/p/key.pem": "Permission denied"}),
        "/p/key.pem cannot be read: Permission denied",
        "issue",
    ),
    ("tunnels", with_switch(ports={"core": SwitchPort(1)}), "none to mag1", "AGENT"),
    ("tunnels", with_port("t-mag1", SwitchPort(-1, "no")), "to mag1: no", "AGENT"),
    ("tunnels", with_port("t-mag1", ELSEWHERE), "to mag1: from fd00::11 to fd00::ff", "AGENT"),
    ("flow entries", with_switch(flow_entries=0), "has none", "RMS"),
]


@pytest.mark.parametrize(("title", "facts", "found", "what_to_do"), CASES, ids=lambda value: str(value)[:40])
def test_a_check_finds_it_and_says_what_to_do(title: str, facts: NodeFacts, found: str, what_to_do: str) -> None:
    verdict = node_verdict(title, facts)
    assert verdict.level is WRONG
    assert re.search(found, verdict.found)
    assert re.search(what_to_do, verdict.what_to_do)


def test_a_node_with_which_nothing_is_wrong_passes_every_check() -> None:
    assert {check.verdict(NODE).level for check in NODE_CHECKS} == {Level.OK}


def test_every_check_can_find_something() -> None:
    assert {title for title, *_ in CASES} == {check.title for check in NODE_CHECKS}


def test_what_only_root_may_look_at_is_said_to_be_unknown() -> None:
    unseen = NodeFacts(NODE.wanted, None, None, None, "ovs-vsctl: permission denied")
    verdicts = [check.verdict(unseen) for check in NODE_CHECKS]
    assert {verdict.level for verdict in verdicts} == {UNKNOWN}
    assert {verdict.found for verdict in verdicts} == {"ovs-vsctl: permission denied"}


def test_a_switch_that_does_not_run_is_one_fault() -> None:
    levels = [check.verdict(STOPPED).level for check in NODE_CHECKS]
    assert (levels.count(WRONG), levels.count(UNKNOWN)) == (1, 5)


def test_a_switch_that_has_the_files_of_the_profile_is_well_and_a_refused_one_is_told_of_its_certificate() -> None:
    assert node_verdict("TLS", with_tls(TLS)).level is Level.OK
    refused = with_tls(TLS, controllers=(Controller(CONTROLLER, connected=False),))
    assert "does it accept the certificate?" in node_verdict("controller", refused).found


def test_the_mtu_of_ports_is_mended_before_that_of_their_bridge() -> None:
    assert NODE.links is not None
    small = {name: replace(link, mtu=1000) for name, link in NODE.links.items()}
    commands = node_verdict("MTU", replace(NODE, links=small)).what_to_do
    assert commands.index("set u0 mtu") < commands.index("set br-u mtu")


def test_the_kernel_datapath_takes_frames_before_the_kernel_hears_them() -> None:
    assert NODE.links is not None
    wanted = replace(NODE.wanted, links=tuple(replace(link, filtered=False) for link in NODE.wanted.links))
    links = {**NODE.links, "core": Link(up=True, mtu=1500, master="ovs-system")}
    assert node_verdict("isolation", replace(NODE, wanted=wanted, links=links)).level is Level.OK


def test_links_that_no_one_asks_about_do_not_matter() -> None:
    assert NODE.links is not None
    more = replace(NODE, links={**NODE.links, "eth7": Link(up=False, mtu=100)})
    assert node_verdict("links", more).level is Level.OK
    other = with_switch(bridges={**SWITCH.bridges, "br-x": Bridge("", (), "", ())})
    assert node_verdict("bridges", other).level is Level.OK
