"""Health names what keeps traffic from coming through, and nothing where all is well. Needs root and Open vSwitch."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path

import pytest
from click.testing import CliRunner
from domain_helpers import BRIDGE, binding, place, rest

from ryu_pmipls.agents.api import socket_path
from ryu_pmipls.agents.api_client import request
from ryu_pmipls.cli import main
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_layout import UNDERLAY
from ryu_pmipls.lab.probe import Probe
from tests.labs import lab_of
from tests.waiting import eventually

#: Next headers of tunnels: a routing header (SRv6), GRE.
TUNNELLED = "{ 43, 47 }"


@pytest.fixture(scope="module")
def lab(derive_profile: Callable[..., Path]) -> Iterator[Lab]:
    changes = {"load_sharing": {"policy": "static"}, "lab": {"lma_cpu": {"lma1": 1.0, "lma2": 1.0}}}
    path = derive_profile("phe", 76, changes)
    with lab_of(path) as made:
        eventually(lambda: texts(made) == [], "a domain that is well")
        place(made, "mn1", "mag1")
        place(made, "mn2", "mag2")
        yield made


@pytest.fixture
def domain(lab: Lab) -> Lab:
    """The lab, when all is well."""
    eventually(lambda: texts(lab) == [], "a domain that is well")
    return lab


def texts(lab: Lab) -> list[str]:
    health = rest(lab, "health")
    assert health["status"] == ("degraded" if health["reasons"] else "ok")
    return [reason["text"] for reason in health["reasons"]]


def noticed(lab: Lab, text: str) -> None:
    """Return when health says so."""
    eventually(lambda: text in texts(lab), f"'{text}'")


def over(lab: Lab) -> None:
    eventually(lambda: texts(lab) == [], "the end of it")


@contextmanager
def dropping(lab: Lab, node: str, family: str, hook: str, *what: str) -> Iterator[None]:
    """Have a node's kernel drop packets."""
    chain = "\n".join((f"type filter hook {hook} priority 0;", *what))
    rules = f"table {family} health {{\nchain loss {{\n{chain}\n}}\n}}\n"
    subprocess.run(lab.command(node, ["nft", "-f", "-"]), input=rules, text=True, check=True)
    try:
        yield
    finally:
        subprocess.run(lab.command(node, ["nft", "delete", "table", family, "health"]), check=True)


def core_bird(lab: Lab, *words: str) -> None:
    node = lab.plan.correspondent
    done = lab.execute(node, ["birdc", "-s", str(lab.directory / node / "bird.ctl"), *words])
    assert done.returncode == 0, done.stdout


def gateway(lab: Lab) -> IPv6Address:
    return lab.profile.lma("lma1").core.gateway


def test_a_bgp_session_that_is_down_is_named_everywhere(domain: Lab) -> None:
    text = f"lma1 gets no downlink: its BGP session with {gateway(domain)} is down"
    core_bird(domain, "disable", "to_lma1")
    try:
        noticed(domain, text)
        assert rest(domain, "health")["downlink"]["lma1"] == "bgp down"
        shown = CliRunner().invoke(main, ["health", "--url", f"http://127.0.0.1:{domain.profile.rms.rest.port}"])
        assert shown.exit_code == 1
        assert text in shown.output
        _, agent = request(socket_path("lma1", domain.directory / "lma1"), "/v1/health")
        assert agent["status"] == "degraded"
        assert agent["reasons"][0].startswith(f"it gets no downlink: its BGP session with {gateway(domain)} is down (")
    finally:
        core_bird(domain, "enable", "to_lma1")
    over(domain)
    assert rest(domain, "health")["downlink"] == {"lma1": "announced", "lma2": "announced"}


def test_a_bfd_session_that_is_down_is_named(domain: Lab) -> None:
    lma1 = domain.profile.lma("lma1").core.address.ip
    rule = f"ip6 saddr {lma1} udp dport 3784 drop"
    with dropping(domain, domain.plan.correspondent, "ip6", "input", rule, f"ip6 saddr {lma1} tcp dport 179 drop"):
        # The core ends both sessions; bird remembers which it has heard of first.
        down = "lma1 gets no downlink: its {} session with {} is down"
        either = [down.format(what, gateway(domain)) for what in ("BFD", "BGP")]
        eventually(lambda: [text for text in texts(domain) if text in either], either[0])
    over(domain)
    with dropping(domain, domain.plan.correspondent, "ip6", "input", rule):  # a BGP session comes about nevertheless
        noticed(domain, f"the core would not notice the death of lma1: its BFD session with {gateway(domain)} is down")
    over(domain)


@pytest.mark.parametrize(("sender", "receiver"), [("lma1", "mag1"), ("mag1", "lma1")])
def test_the_direction_of_a_tunnel_by_which_nothing_comes_is_named(domain: Lab, sender: str, receiver: str) -> None:
    addresses = {node.name: node.address for node in (*domain.profile.mags, *domain.profile.lmas)}
    way = f"ip6 saddr {addresses[sender]} ip6 daddr {addresses[receiver]} ip6 nexthdr {TUNNELLED} drop"
    with dropping(domain, UNDERLAY, "bridge", "forward", way):
        noticed(domain, f"nothing that {sender} sends to {receiver} by their tunnel arrives")
    over(domain)


def test_a_mobile_node_that_gets_nothing_is_named_and_no_node_that_only_sends(domain: Lab) -> None:
    """Somebody has put an entry of his own before the RMS's at the MAG of mn2; nobody answers the datagrams of mn1."""
    found = binding(domain, "mn2")
    assert found is not None
    prefix, switch = IPv6Network(found["prefix"]), domain.openvswitch("mag2")
    match = f"table=4,priority=99,ipv6,ipv6_dst={prefix}"
    downlink = Probe(domain, domain.plan.correspondent, "mn2", 100)
    uplink = Probe(domain, "mn1", domain.plan.correspondent, 200)
    downlink.start()
    uplink.start()
    told: set[str] = set()

    def named() -> list[str]:
        told.update(texts(domain))
        return [text for text in told if text.startswith("mn2@example.net ")]

    switch.ofctl("add-flow", BRIDGE, f"{match},actions=drop")
    try:
        eventually(lambda: named() != [], "a reason", 120)
        (text,) = named()
        assert f"({prefix}, bound at mag2) gets nothing" in text
        shown = CliRunner().invoke(
            main, ["health", "--json", "--url", f"http://127.0.0.1:{domain.profile.rms.rest.port}"]
        )
        assert json.loads(shown.output)["bindings"] == 2
    finally:
        switch.ofctl("--strict", "del-flows", BRIDGE, match)
        downlink.stop()
        assert uplink.stop().received > 0
    over(domain)
    # On a machine that lets a switch wait for a second BFD may lose a session indeed.
    assert [other for other in told - {text} if "arrives" in other or "gets nothing" in other] == []


def test_a_silent_agent_and_a_switch_that_is_away_are_named(domain: Lab) -> None:
    domain.stop_agent("lma2")
    try:
        noticed(domain, "lma2 takes part in no load sharing: nothing is heard of its agent")
        eventually(lambda: rest(domain, "health")["downlink"]["lma2"] == "unknown", "an unknown downlink")
    finally:
        domain.start_agent("lma2")
    over(domain)
    domain.stop_switch("mag2")
    try:
        noticed(domain, "the switch of mag2 is disconnected")
    finally:
        domain.start_switch("mag2")
    over(domain)
