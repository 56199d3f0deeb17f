"""An overloaded LMA redirects new sessions to a light one (RFC 6463). Needs root and Open vSwitch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any

import pytest
from domain_helpers import await_tunnels, binding, ping, place, rest, routed_to, tunnel_interfaces

from ryu_pmipls.agents.api_client import request
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_layout import UNDERLAY_PORT
from tests.labs import lab_of
from tests.waiting import eventually

PACKETS = 300  # in a window of 5 s are an overload


@pytest.fixture(scope="module")
def lab(derive_profile: Callable[..., Path]) -> Iterator[Lab]:
    """Uplinks stay where they are; what new sessions do is what is looked at."""
    load_sharing = {
        "policy": "static",
        "combine": "or",
        "packet_threshold": PACKETS,
        "window": 5,
        "report_interval": 1,
        "evaluation_interval": 1,
    }
    lma_cpu = {"lma1": 1.0, "lma2": 1.0}
    path = derive_profile("ptx", 23, {
        "load_sharing": load_sharing,
        "timers": {"heartbeat_interval": 1, "missing_heartbeats_allowed": 1},
        "lab": {"lma_cpu": lma_cpu},
    })  # fmt: skip
    with lab_of(path) as made:
        await_tunnels(made)
        yield made


def new_sessions_at(lab: Lab, lma: str) -> str:
    node: dict[str, Any] = rest(lab, f"lmas/{lma}")
    return str(node["new_sessions_at"])


def logged(lab: Lab, name: str, text: str) -> bool:
    return text in lab.log(name).read_text(errors="replace")


def test_a_mobile_node_that_comes_while_its_lma_is_overloaded_is_anchored_elsewhere(lab: Lab) -> None:
    place(lab, "mn1", "mag1")
    first = binding(lab, "mn1")
    assert first is not None and first["anchor"] == "lma1"
    target = str(lab.plan.correspondent_address.ip)
    flood = lab.launch("mn1", ["ping", "-6", "-q", "-i", "0.002", target], lab.directory / "log" / "flood.log")
    try:
        eventually(lambda: new_sessions_at(lab, "lma1") == "lma2", "the overload of lma1")
        lma2 = lab.profile.lma("lma2").address
        eventually(lambda: logged(lab, "lma1", f"new sessions go to {lma2}"), "the word to lma1")
        place(lab, "mn2", "mag1")
    finally:
        flood.terminate()
        flood.wait()
    before = binding(lab, "mn2")
    assert before is not None and before["anchor"] == "lma2"
    pools = list(lab.profile.home_prefix_pool.subnets())
    assert IPv6Network(before["prefix"]).subnet_of(pools[1])  # it is lma2's to give
    assert {routed_to(lab, lma.name, before["prefix"]) for lma in lab.profile.lmas} == {"t-mag1"}
    # The session that was there stays where it was; the node may have solicited once more.
    now = binding(lab, "mn1")
    assert now is not None and now | {"since": first["since"]} == first


def test_it_keeps_its_prefix_at_another_mag_when_the_overload_is_over(lab: Lab) -> None:
    eventually(lambda: new_sessions_at(lab, "lma1") == "lma1", "the end of the overload")
    lma1 = lab.profile.lma("lma1").address
    eventually(lambda: logged(lab, "lma1", f"new sessions go to {lma1}"), "the word to lma1")
    before = binding(lab, "mn2")
    assert before is not None
    address = lab.address("mn2")
    place(lab, "mn2", "mag2")
    after = binding(lab, "mn2")
    assert after is not None
    assert (after["prefix"], after["anchor"], after["mag"]) == (before["prefix"], "lma2", "mag2")
    assert lab.address("mn2") == address
    assert ping(lab, "mn2") == 5
    # A node that comes now is the profile's LMA's again.
    place(lab, "mn3", "mag2")
    third = binding(lab, "mn3")
    assert third is not None and third["anchor"] == "lma1"


def test_the_operator_drains_an_lma(lab: Lab) -> None:
    """The mobile nodes that it had are anchored elsewhere without their doing."""
    place(lab, "mn1", "mag1")
    assert request(lab.directory / "lma1" / "control.sock", "/v1/drain", {})[0] == 200

    def anchors() -> set[str]:
        return {entry["anchor"] for entry in rest(lab, "bindings") if entry["identifier"] == identifier}

    identifier = lab.profile.mobile_node("mn1").identifier
    eventually(lambda: "lma2" in anchors(), "a session of mn1 at lma2")
    eventually(lambda: ping(lab, "mn1", 1) == 1, "a ping of mn1")
    eventually(lambda: anchors() == {"lma2"}, "the end of its session at lma1")


def test_the_tunnels_of_an_lma_that_is_gone_are_taken_down_and_built_again(lab: Lab) -> None:
    """Nobody at either end does anything about it but the agents, which miss heartbeats and pings (RFC 5847)."""
    lab.execute("lma1", ["ip", "link", "set", UNDERLAY_PORT, "down"])
    for mag in ("mag1", "mag2"):
        eventually(lambda mag=mag: set(tunnel_interfaces(lab, mag)) == {"t-lma2"}, f"the end of a tunnel at {mag}")
    eventually(lambda: not tunnel_interfaces(lab, "lma1"), "the end of its tunnels at lma1")
    assert ping(lab, "mn1") == 5  # anchored at lma2
    lab.execute("lma1", ["ip", "link", "set", UNDERLAY_PORT, "up"])
    eventually(lambda: set(tunnel_interfaces(lab, "lma1")) == {"t-mag1", "t-mag2"}, "tunnels of lma1")
    await_tunnels(lab)
    assert all(set(tunnel_interfaces(lab, mag)) == {"t-lma1", "t-lma2"} for mag in ("mag1", "mag2"))
