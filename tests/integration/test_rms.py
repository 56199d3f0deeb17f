"""The RMS with real switches, in a lab whose agents the tests play. Needs root and Open vSwitch."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest

from ovs_setup.tunnel import add_tunnel, remove_tunnel
from ryu_pmipls.controller.switches.mag_groups import tunnel_group
from ryu_pmipls.http.client import base_url, fetch, rms_of, send
from ryu_pmipls.lab import namespaces
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.signalling import Endpoint, Role
from ryu_pmipls.wire import (
    Attachment,
    Drain,
    GrantKey,
    LoadAdjust,
    LoadInfo,
    MagLoad,
    Message,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    Option,
    RouteAdjust,
    RouteSnapshot,
    Timestamp,
    TunnelRequest,
    UplinkShare,
    build,
)
from ryu_pmipls.wire.codepoints import MOBILITY_HEADER
from tests.grants import grant_key, granted
from tests.labs import lab_of
from tests.waiting import PATIENCE, eventually

BRIDGE = "br-pm"
NOWHERE = IPv6Address("::")
#: Of what a machine that is very busy may spoil.
TRIES = 4
LOAD_SHARING = {"window": 2, "report_interval": 1, "evaluation_interval": 0.5, "packet_threshold": 1000}


class Peers:
    """The agents of all MAGs and LMAs, and what the RMS has told them."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.addresses = {node.name: node.address for node in (*lab.profile.mags, *lab.profile.lmas)}
        self._endpoints = {node.name: self._open(node.name, Role.MAG) for node in lab.profile.mags}
        self._endpoints |= {node.name: self._open(node.name, Role.LMA) for node in lab.profile.lmas}
        for lma in lab.profile.lmas:
            self.tell_grant_key(lma.name)

    def tell_grant_key(self, lma: str) -> None:
        """Ask for all routes, as an agent does when it starts; with its key."""
        options = (Timestamp.of(time.time()), GrantKey(grant_key(lma)))
        request = RouteAdjust(NOWHERE, NOWHERE, NOWHERE, options=options)
        self.say(lma, request)
        eventually(lambda: request in self.heard(lma))

    def _open(self, name: str, role: Role) -> Endpoint:
        profile, address = self.lab.profile, self.addresses[name]
        return namespaces.run_in(self.lab.namespace(name), lambda: Endpoint(profile, role, address, Counter()))

    def say(self, name: str, message: Message) -> None:
        self._endpoints[name].send(message, self.lab.profile.rms.address)

    def heard(self, name: str) -> list[Message]:
        """What has come since this was asked last; every message is confirmed, as an agent does."""
        messages = [message for message, _ in self._endpoints[name].drain()]
        for message in messages:
            about = isinstance(message, RouteAdjust) and (
                not message.prefix.is_unspecified or message.option(RouteSnapshot) is not None
            )
            if isinstance(message, LoadAdjust) or (about and name.startswith("lma")):
                self.say(name, message)
        return messages

    def close(self) -> None:
        for endpoint in self._endpoints.values():
            endpoint.close()


@pytest.fixture(scope="module")
def lab(derive_profile: Callable[..., Path]) -> Iterator[Lab]:
    path = derive_profile(
        "ptr",
        15,
        {
            "load_sharing": LOAD_SHARING,
            "timers": {"audit_interval": 1},
            "failure": {"missing_echoes_allowed": 2},  # fewer than after which a connection is given up
        },
    )
    with lab_of(path, agents=False) as made:
        yield made


@pytest.fixture
def peers(lab: Lab) -> Iterator[Peers]:
    opened = Peers(lab)
    yield opened
    opened.close()


def rest(lab: Lab, path: str) -> Any:
    return fetch(rms_of(lab.profile), path)


def build_tunnels(lab: Lab, at_lmas: bool) -> None:
    """Ports at both ends of all tunnels; or at the MAGs only, when the RMS is to rely on Load_info for its counts."""
    for mag in lab.profile.mags:
        for lma in lab.profile.lmas:
            add_tunnel(lab.openvswitch(mag.name), lma.name, mag.address, lma.address, "gre")
            if at_lmas:
                add_tunnel(lab.openvswitch(lma.name), mag.name, lma.address, mag.address, "gre")
            else:
                remove_tunnel(lab.openvswitch(lma.name), mag.name)
    wanted = 4 if at_lmas else 0
    eventually(lambda: sum(tunnel["up"] for tunnel in rest(lab, "tunnels")) == wanted)


def kill(lab: Lab) -> None:
    process = lab.process("rms")
    assert process is not None
    process.kill()
    process.wait(PATIENCE)  # a dying process is not found any more before its sockets are closed


def ready(lab: Lab) -> bool:
    """True when all switches hold what they should; without agents the domain itself is not well."""
    return set(rest(lab, "health")["switches"].values()) == {"ready"}


def restart(lab: Lab) -> None:
    kill(lab)
    lab.start_rms()
    eventually(lambda: ready(lab))


def in_order(bindings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By prefix: a restarted RMS has another order than before."""
    return sorted(bindings, key=lambda binding: str(binding["prefix"]))


def refused(lab: Lab) -> Counter[str]:
    return Counter(rest(lab, "health")["refused"])


def routed_to(lab: Lab, lma: str, prefix: IPv6Network) -> str | None:
    """The port to which the switch of an LMA sends a prefix."""
    flows = lab.openvswitch(lma).ofctl("--names", "dump-flows", BRIDGE)
    found = re.search(rf'ipv6_dst={prefix} actions=.*output:"?([^",\n]+)', flows)
    return found and found[1]


def own_flows(lab: Lab, node: str) -> set[str]:
    """The flow entries of a node that bear our mark, without their cookies and counters."""
    lines = lab.openvswitch(node).ofctl("--names", "--no-stats", "dump-flows", BRIDGE).splitlines()
    return {re.sub(r"cookie=\w+, ", "", line.strip()) for line in lines if f"cookie=0x{0x504D:x}" in line}


def uplink(lab: Lab, mag: str, group: int) -> str | None:
    """The port to which the switch of a MAG sends what is for a group, which leads to that of a tunnel."""
    groups = lab.openvswitch(mag).ofctl("--names", "dump-groups", BRIDGE)
    tunnel = re.search(rf"group_id={group},.*actions=group:(\d+)", groups)
    found = tunnel and re.search(rf'group_id={tunnel[1]},.*?output:"?([^",\n]+)', groups)
    return found and found[1]


def route_adjust(
    lab: Lab, prefix: IPv6Network, old: str | None, new: str | None, when: float, port: int = 1
) -> RouteAdjust:
    addresses = {mag.name: mag.address for mag in lab.profile.mags}
    report = RouteAdjust(
        prefix.network_address,
        addresses.get(old or "", NOWHERE),
        addresses.get(new or "", NOWHERE),
        options=(
            MobileNodeIdentifier(b"mn1@example.net"),
            MobileNodeLinkLayerIdentifier(bytes.fromhex("020000000101")),
            Attachment(port, lab.profile.lma("lma1").address),
            Timestamp.of(when),
        ),
    )
    return granted(report, addresses[new or old or ""], grant_key("lma1"))


def home_prefix(lab: Lab, number: int) -> IPv6Network:
    return IPv6Network((int(lab.profile.home_prefix_pool.network_address) + (number << 64), 64))


def confirmed(peers: Peers, mag: str, message: Message) -> None:
    """Say it, and wait until the RMS answers with the same."""
    peers.say(mag, message)
    eventually(lambda: message in peers.heard(mag))


def test_a_route_is_in_force_on_all_lmas_when_the_rms_confirms_it(lab: Lab, peers: Peers) -> None:
    build_tunnels(lab, at_lmas=True)
    prefix = home_prefix(lab, 0x10)
    attached = route_adjust(lab, prefix, None, "mag1", time.time())
    confirmed(peers, "mag1", attached)
    assert {routed_to(lab, lma, prefix) for lma in ("lma1", "lma2")} == {"t-mag1"}
    moved = route_adjust(lab, prefix, "mag1", "mag2", time.time())
    confirmed(peers, "mag2", moved)
    assert {routed_to(lab, lma, prefix) for lma in ("lma1", "lma2")} == {"t-mag2"}
    for lma in ("lma1", "lma2"):
        eventually(lambda lma=lma: moved in peers.heard(lma))  # type: ignore[misc]
    # What mag1 says late changes nothing, and it is answered so that it stops.
    confirmed(peers, "mag1", route_adjust(lab, prefix, "mag1", None, time.time()))
    confirmed(peers, "mag1", attached)
    assert {routed_to(lab, lma, prefix) for lma in ("lma1", "lma2")} == {"t-mag2"}


def test_a_switch_that_hangs_holds_up_nobody_else(lab: Lab, peers: Peers) -> None:
    """It is left behind before its connection is given up; a busy machine may need several tries to show that."""
    build_tunnels(lab, at_lmas=True)
    first, second = home_prefix(lab, 0x14), home_prefix(lab, 0x15)
    hanging = lab.openvswitch("lma2").vswitchd_pid()
    for _ in range(TRIES):
        confirmed(peers, "mag1", route_adjust(lab, first, "mag2", "mag1", time.time()))
        confirmed(peers, "mag2", route_adjust(lab, second, "mag1", "mag2", time.time()))
        os.kill(hanging, signal.SIGSTOP)
        try:
            confirmed(peers, "mag2", route_adjust(lab, first, "mag1", "mag2", time.time()))
            confirmed(peers, "mag1", route_adjust(lab, second, "mag2", "mag1", time.time()))
            left_behind = rest(lab, "health")["switches"]["lma2"] != "disconnected"
            assert (routed_to(lab, "lma1", first), routed_to(lab, "lma1", second)) == ("t-mag2", "t-mag1")
        finally:
            os.kill(hanging, signal.SIGCONT)
        eventually(lambda: (routed_to(lab, "lma2", first), routed_to(lab, "lma2", second)) == ("t-mag2", "t-mag1"))
        eventually(lambda: ready(lab))
        if left_behind:
            return
    pytest.fail(f"was waited for until its connection was given up, in {TRIES} tries")


def drifted(lab: Lab) -> dict[str, int]:
    return {node["name"]: node["drifted"] for kind in ("lmas", "mags") for node in rest(lab, kind)}


def test_what_somebody_changes_by_hand_is_found_and_repaired(lab: Lab, peers: Peers) -> None:
    build_tunnels(lab, at_lmas=True)
    prefix = home_prefix(lab, 0x16)
    confirmed(peers, "mag1", route_adjust(lab, prefix, None, "mag1", time.time()))
    nodes = ("lma1", "lma2", "mag1", "mag2")

    def state() -> tuple[dict[str, set[str]], list[set[str]]]:
        groups = [set(lab.openvswitch(mag).ofctl("dump-groups", BRIDGE).splitlines()[1:]) for mag in ("mag1", "mag2")]
        return {node: own_flows(lab, node) for node in nodes}, groups

    eventually(lambda: not any("hard_timeout" in flow for node in nodes for flow in own_flows(lab, node)))
    before, found = state(), drifted(lab)
    route = f"table=2,ipv6,ipv6_dst={prefix}"
    foreign = "cookie=0x77,table=2,priority=5,ipv6,ipv6_dst=2001:db8:ffff::/64,actions=drop"
    stray = f"cookie={0x504D << 48:#x},table=4,priority=10,ipv6,ipv6_dst={prefix},actions=drop"
    lab.openvswitch("lma1").ofctl("add-flow", BRIDGE, foreign)
    lab.openvswitch("lma1").ofctl("del-flows", BRIDGE, route)
    lab.openvswitch("lma2").ofctl("mod-flows", BRIDGE, f"{route},actions=drop")
    lab.openvswitch("mag1").ofctl("mod-group", BRIDGE, "group_id=1,type=indirect,bucket=actions=drop")
    lab.openvswitch("mag2").ofctl("add-flow", BRIDGE, stray)
    eventually(lambda: all(now > found[node] for node, now in drifted(lab).items()))
    eventually(lambda: state() == before)
    lab.openvswitch("mag1").ofctl("del-groups", BRIDGE)  # and with them the entries that lead there
    eventually(lambda: state() == before)
    assert "ipv6_dst=2001:db8:ffff::/64" in lab.openvswitch("lma1").ofctl("dump-flows", BRIDGE, "cookie=0x77/-1")
    lab.openvswitch("lma1").ofctl("del-flows", BRIDGE, "cookie=0x77/-1")


def test_what_a_switch_refuses_is_told_and_done_when_it_can_be(lab: Lab, peers: Peers) -> None:
    build_tunnels(lab, at_lmas=True)
    prefix, other = home_prefix(lab, 0x17), home_prefix(lab, 0x19)
    switch = lab.openvswitch("lma2")
    there = len(switch.ofctl("dump-flows", BRIDGE, "table=2").splitlines()) - 1
    limit = ("--id=@full", "create", "Flow_Table", f"flow_limit={there}", "overflow_policy=refuse")
    switch.vsctl(*limit, "--", "set", "Bridge", BRIDGE, "flow_tables:2=@full")
    report = route_adjust(lab, prefix, None, "mag1", time.time())
    peers.say("mag1", report)
    eventually(lambda: "FMFC_TABLE_FULL" in rest(lab, "lmas/lma2")["errors"])
    assert (routed_to(lab, "lma1", prefix), routed_to(lab, "lma2", prefix)) == ("t-mag1", None)
    assert report not in peers.heard("mag1")
    switch.vsctl("clear", "Bridge", BRIDGE, "flow_tables")
    eventually(lambda: routed_to(lab, "lma2", prefix) == "t-mag1")
    confirmed(peers, "mag1", report)

    wrong = route_adjust(lab, other, None, "mag1", time.time(), port=70000)
    peers.say("mag1", wrong)
    eventually(lambda: rest(lab, "mags/mag1")["errors"])
    confirmed(peers, "mag1", route_adjust(lab, prefix, "mag1", "mag1", time.time()))
    assert wrong not in peers.heard("mag1")
    right = route_adjust(lab, other, None, "mag1", time.time())

    def repeated() -> bool:  # as MAGs do: that the wrong entry cannot be deleted either may count against the first
        peers.say("mag1", right)
        return right in peers.heard("mag1")

    eventually(repeated)
    assert ready(lab)


def entries_of(lab: Lab, mag: str, prefix: IPv6Network) -> list[str]:
    return [flow for flow in own_flows(lab, mag) if str(prefix) in flow]


def test_the_old_mag_sends_back_for_a_while_what_still_comes(lab: Lab, peers: Peers) -> None:
    build_tunnels(lab, at_lmas=True)
    prefix = home_prefix(lab, 0x12)
    confirmed(peers, "mag1", route_adjust(lab, prefix, None, "mag1", time.time()))
    delivery = entries_of(lab, "mag1", prefix)
    assert len(delivery) == 3
    for _ in range(TRIES):  # the entry lives for 2 s only
        moved = route_adjust(lab, prefix, "mag1", "mag2", time.time())
        confirmed(peers, "mag2", moved)
        eventually(lambda: moved in peers.heard("mag1"))  # noqa: B023  # told when its switch does so
        found = entries_of(lab, "mag1", prefix)
        if found:
            break
        confirmed(peers, "mag1", route_adjust(lab, prefix, "mag2", "mag1", time.time()))
    (forwarding,) = found
    assert "hard_timeout=2" in forwarding and "IN_PORT[]" in forwarding
    back = route_adjust(lab, prefix, "mag2", "mag1", time.time())
    confirmed(peers, "mag1", back)
    eventually(lambda: back in peers.heard("mag2"))
    assert sorted(entries_of(lab, "mag1", prefix)) == sorted(delivery)
    eventually(lambda: not entries_of(lab, "mag2", prefix))
    assert sorted(entries_of(lab, "mag1", prefix)) == sorted(delivery)


def test_a_handoff_does_not_wait_for_an_old_mag_whose_switch_is_away(lab: Lab, peers: Peers) -> None:
    build_tunnels(lab, at_lmas=True)
    prefix = home_prefix(lab, 0x14)
    confirmed(peers, "mag1", route_adjust(lab, prefix, None, "mag1", time.time()))
    switch = lab.openvswitch("mag1")
    controller = switch.vsctl("get-controller", BRIDGE).strip()

    switch.vsctl("set-controller", BRIDGE, controller.rpartition(":")[0] + ":1")  # without any it would forget all
    try:
        eventually(lambda: rest(lab, "health")["switches"]["mag1"] == "disconnected")
        moved = route_adjust(lab, prefix, "mag1", "mag2", time.time())
        confirmed(peers, "mag2", moved)
        assert len(entries_of(lab, "mag1", prefix)) == 3 and moved not in peers.heard("mag1")
    finally:
        switch.vsctl("set-controller", BRIDGE, controller)
    eventually(lambda: not entries_of(lab, "mag1", prefix))


def test_the_lma_that_anchors_a_mobile_node_may_report_that_its_session_has_ended(lab: Lab, peers: Peers) -> None:
    """Its MAG may have died, and will not."""
    build_tunnels(lab, at_lmas=True)
    prefix, now = home_prefix(lab, 0x18), time.time()
    confirmed(peers, "mag1", route_adjust(lab, prefix, None, "mag1", now))
    peers.say(
        "lma2", replace(route_adjust(lab, prefix, "mag1", None, now + 0.1), options=anchored(lab, "lma2", now + 0.1))
    )
    peers.say("lma1", replace(route_adjust(lab, prefix, "mag1", None, now + 0.1), options=(Timestamp.of(now + 0.1),)))
    reasons = {"route_adjust: from an LMA that does not anchor the prefix", "nothing to answer"}
    eventually(lambda: reasons <= set(refused(lab)))
    assert {routed_to(lab, lma, prefix) for lma in ("lma1", "lma2")} == {"t-mag1"}
    report = replace(route_adjust(lab, prefix, "mag1", None, now + 0.1), options=anchored(lab, "lma1", now + 0.1))
    confirmed(peers, "lma1", report)
    assert {routed_to(lab, lma, prefix) for lma in ("lma1", "lma2")} == {None}
    announced = replace(report, options=(Timestamp.of(now + 0.1),))
    eventually(lambda: announced in peers.heard("lma2"))
    confirmed(peers, "lma1", report)  # a repetition is answered, too
    assert all(binding["prefix"] != str(prefix) or binding["mag"] is None for binding in rest(lab, "bindings"))


def anchored(lab: Lab, lma: str, when: float) -> tuple[Option, ...]:
    return Timestamp.of(when), Attachment(0, lab.profile.lma(lma).address)


def test_routes_outlive_a_killed_rms_and_change_after_its_return(lab: Lab, peers: Peers) -> None:
    build_tunnels(lab, at_lmas=True)
    prefix = home_prefix(lab, 0x20)
    confirmed(peers, "mag1", route_adjust(lab, prefix, None, "mag1", time.time()))
    before = rest(lab, "bindings")
    restart(lab)
    assert in_order(rest(lab, "bindings")) == in_order(before)
    assert {routed_to(lab, lma, prefix) for lma in ("lma1", "lma2")} == {"t-mag1"}
    confirmed(peers, "mag2", route_adjust(lab, prefix, "mag1", "mag2", time.time()))
    assert {routed_to(lab, lma, prefix) for lma in ("lma1", "lma2")} == {"t-mag2"}


def test_routes_are_taken_over_from_the_switches_when_the_store_is_lost(lab: Lab, peers: Peers) -> None:
    build_tunnels(lab, at_lmas=True)
    at_mag1, at_mag2 = home_prefix(lab, 0x28), home_prefix(lab, 0x29)
    confirmed(peers, "mag1", route_adjust(lab, at_mag1, None, "mag1", time.time()))
    confirmed(peers, "mag1", route_adjust(lab, at_mag2, None, "mag1", time.time()))
    moved = route_adjust(lab, at_mag2, "mag1", "mag2", time.time())
    confirmed(peers, "mag2", moved)
    eventually(lambda: moved in peers.heard("mag1"))
    eventually(lambda: not entries_of(lab, "mag1", at_mag2))
    nodes = [node.name for node in (*lab.profile.lmas, *lab.profile.mags)]
    flows = {node: own_flows(lab, node) for node in nodes}
    before = {binding["prefix"]: binding for binding in rest(lab, "bindings")}
    peers.heard("mag1"), peers.heard("mag2")
    kill(lab)
    for file in lab.profile.rms.state_directory.glob("rms.sqlite*"):
        file.write_bytes(b"not a database" * 1000)
    with pytest.raises(LabError, match=r"rms\.sqlite: damaged .*; stop the RMS, move .* out of the way"):
        lab.start_rms()
    assert "Traceback" not in lab.log("rms").read_text()
    shutil.rmtree(lab.profile.rms.state_directory)
    lab.start_rms()
    eventually(lambda: ready(lab))
    eventually(lambda: {node: own_flows(lab, node) for node in nodes} == flows)
    after = {binding["prefix"]: binding for binding in rest(lab, "bindings")}
    # Who a node is, the profile tells by its link-layer address; when it came and from where, nothing does.
    assert after == {
        prefix: binding | {"since": 0.0, "previous_mag": None}
        for prefix, binding in before.items()
        if binding["mag"] is not None
    }
    asked = {
        mag: [message for message in peers.heard(mag) if isinstance(message, RouteAdjust)] for mag in ("mag1", "mag2")
    }
    for mag, messages in asked.items():
        assert {(message.prefix, message.old_mag, message.new_mag) for message in messages} == {
            (NOWHERE, NOWHERE, peers.addresses[mag])
        }
        peers.say(mag, messages[0])  # which ends the asking
    # A second restart reads no switch again: what is in the store counts.
    stray = f"cookie={0x504D << 48:#x},table=2,priority=10,ipv6,ipv6_dst={home_prefix(lab, 0x2A)}"
    lab.openvswitch("lma1").ofctl("add-flow", BRIDGE, f"{stray},actions=dec_ttl,output:t-mag1")
    restart(lab)
    assert {binding["prefix"] for binding in rest(lab, "bindings")} == set(after)
    eventually(lambda: own_flows(lab, "lma1") == flows["lma1"])
    peers.tell_grant_key("lma1")
    confirmed(peers, "mag2", route_adjust(lab, at_mag1, "mag1", "mag2", time.time()))
    assert {routed_to(lab, lma, at_mag1) for lma in ("lma1", "lma2")} == {"t-mag2"}


def test_a_route_that_is_not_of_the_domain_or_from_the_future_is_refused(lab: Lab, peers: Peers) -> None:
    foreign, own = IPv6Network("2001:db8:9900::/64"), home_prefix(lab, 0x30)
    before = rest(lab, "bindings")
    peers.say("mag1", route_adjust(lab, foreign, None, "mag1", time.time()))
    peers.say("mag1", route_adjust(lab, own, None, "mag1", time.time() + 3600))
    peers.say("mag1", route_adjust(lab, own, None, "mag2", time.time()))  # mag2 alone may say so
    reasons = {
        "route_adjust: prefix is not of the domain",
        "route_adjust: timestamp in the future",
        "not permitted: RouteAdjust",
    }
    eventually(lambda: reasons <= set(refused(lab)))
    assert in_order(rest(lab, "bindings")) == in_order(before)
    assert peers.heard("mag1") == []


def report(peers: Peers, loads: dict[str, tuple[float, dict[str, int]]]) -> None:
    """A Load_info from each LMA: its CPU, and the packets of each MAG."""
    for lma, (cpu, packets) in loads.items():
        mags = tuple(MagLoad(peers.addresses[mag], count) for mag, count in packets.items())
        peers.say(lma, LoadInfo(cpu, sum(packets.values()), mags, options=(Timestamp.of(time.time()),)))


def decided(lab: Lab, peers: Peers, loads: dict[str, tuple[float, dict[str, int]]]) -> tuple[Any, list[Message]]:
    """Report loads until the RMS has decided and has both answers; also what the MAG that is moved was told."""
    known = {decision["id"] for decision in rest(lab, "decisions")}
    told: list[Message] = []

    def look() -> Any:
        report(peers, loads)
        for mag in lab.profile.mags:
            told.extend(peers.heard(mag.name))
        new = [decision for decision in rest(lab, "decisions") if decision["id"] not in known]
        return new and len(new[0]["answers"]) == 2 and new[0]

    return eventually(look), told


def test_an_overload_moves_a_mag_and_after_a_restart_the_next_one_does_too(lab: Lab, peers: Peers) -> None:
    build_tunnels(lab, at_lmas=False)
    lma1, lma2 = peers.addresses["lma1"], peers.addresses["lma2"]
    eventually(lambda: uplink(lab, "mag1", 1) == "t-lma1")
    hot = (0.95, {"mag1": 3000, "mag2": 2000})
    decision, told = decided(lab, peers, {"lma1": hot, "lma2": (0.1, {"mag1": 0, "mag2": 0})})
    assert (decision["mag"], decision["old_lma"], decision["new_lma"]) == ("mag1", "lma1", "lma2")
    assert decision["outcome"] == "acknowledged"
    assert (uplink(lab, "mag1", 1), uplink(lab, "mag2", 1)) == ("t-lma2", "t-lma1")
    assert {(adjust.old_lma, adjust.new_lma) for adjust in told if isinstance(adjust, LoadAdjust)} == {(lma1, lma2)}
    assert {adjust.all(UplinkShare) for adjust in told if isinstance(adjust, LoadAdjust)} == {(UplinkShare(lma2, 64),)}

    restart(lab)
    assert [record["id"] for record in rest(lab, "decisions")] == [decision["id"]]
    assert rest(lab, "mags/mag1")["uplinks"] == {"lma1": {"lma2": 32}, "lma2": {"lma2": 32}}
    assert uplink(lab, "mag1", 1) == "t-lma2"
    back, _ = decided(lab, peers, {"lma1": (0.1, {"mag1": 0, "mag2": 0}), "lma2": hot})
    assert (back["mag"], back["old_lma"], back["new_lma"]) == ("mag1", "lma2", "lma1")
    assert (uplink(lab, "mag1", 1), uplink(lab, "mag1", 2)) == ("t-lma1", "t-lma1")


def test_what_mags_offer_an_lma_that_is_full_is_counted_by_their_groups(lab: Lab, peers: Peers) -> None:
    build_tunnels(lab, at_lmas=True)
    group, packet = tunnel_group(lab.profile, "lma1"), "02" * 12 + "86dd" + "60" + "00" * 39

    def offered() -> dict[str, list[float]]:
        report(peers, {"lma1": (0.99, {}), "lma2": (0.5, {})})
        for _ in range(5):
            lab.openvswitch("mag1").ofctl(
                "packet-out", BRIDGE, f"in_port=controller,packet={packet},actions=group:{group}"
            )
        loads = rest(lab, "load-list")["lmas"]
        return {load["lma"]: [mag["offered"] for mag in load["mags"] if mag["offered"]] for load in loads}

    found = eventually(lambda: (rates := offered())["lma1"] and rates)
    (rate,) = found["lma1"]
    assert rate > 0
    assert not found["lma2"]  # which is not full


def tell(lab: Lab, command: str, document: dict[str, Any] | None = None) -> Any:
    return send(rms_of(lab.profile), command, document or {})


def refusal(lab: Lab, command: str, document: dict[str, Any]) -> tuple[int, str]:
    """With which status and why the RMS refuses a command."""
    body = json.dumps(document).encode()
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {rms_of(lab.profile).credentials.token()}",
    }
    request = urllib.request.Request(f"{base_url(lab.profile)}/v1/{command}", body, headers)
    with pytest.raises(urllib.error.HTTPError) as refused, urllib.request.urlopen(request, timeout=PATIENCE):
        pass
    with refused.value as answer:
        return answer.code, json.load(answer)["error"]["message"]


def test_the_operator_moves_uplinks_and_chooses_the_policy_for_good(lab: Lab, peers: Peers) -> None:
    build_tunnels(lab, at_lmas=True)
    tell(lab, "policy", {"policy": "static"})
    (first, *_) = tell(lab, "mags/mag2/adjust", {"lma": "lma2"})
    assert (first["mag"], first["new_lma"], first["reason"]) == ("mag2", "lma2", "the operator wants it so")
    eventually(lambda: uplink(lab, "mag2", 1) == uplink(lab, "mag2", 2) == "t-lma2")
    told = eventually(lambda: [message for message in peers.heard("mag2") if isinstance(message, LoadAdjust)])
    assert told[0].new_lma == peers.addresses["lma2"]
    assert refusal(lab, "mags/mag2/adjust", {"lma": "lma2"}) == (409, "all uplinks of mag2 go to lma2 already")
    restart(lab)
    assert rest(lab, "policy")["policy"] == "static"
    assert uplink(lab, "mag2", 1) == "t-lma2"
    tell(lab, "mags/mag2/adjust", {"lma": "lma1"})
    assert tell(lab, "policy", {"policy": None})["policy"] == "draft"


def test_a_dry_run_tells_what_would_be_done_and_does_nothing(lab: Lab, peers: Peers) -> None:
    before = {mag["name"]: mag["uplinks"] for mag in rest(lab, "mags")}

    def light() -> bool:
        report(peers, {lma: (0.1, {"mag1": 10, "mag2": 10}) for lma in ("lma1", "lma2")})
        return {load["state"] for load in rest(lab, "load-list")["lmas"]} == {"light"}

    eventually(light)
    outcome = tell(lab, "dry-run", {"policy": "balance", "drain": ["lma1"]})
    assert {(decision["old_lma"], decision["new_lma"]) for decision in outcome["decisions"]} == {("lma1", "lma2")}
    assert {decision["reason"].split(";")[0] for decision in outcome["decisions"]} == {"lma1 is draining"}
    assert {mag["name"]: mag["uplinks"] for mag in rest(lab, "mags")} == before
    assert {lma["drain"] for lma in rest(lab, "lmas")} == {None}


def test_a_drained_lma_is_left_and_stays_so_after_a_restart(lab: Lab, peers: Peers) -> None:
    build_tunnels(lab, at_lmas=True)

    def reported() -> None:
        report(peers, {lma: (0.1, {"mag1": 10, "mag2": 10}) for lma in ("lma1", "lma2")})

    def light() -> bool:
        reported()
        return {load["state"] for load in rest(lab, "load-list")["lmas"]} == {"light"}

    eventually(light)
    tell(lab, "mags/mag1/adjust", {"lma": "lma2"})
    tell(lab, "mags/mag1/adjust", {"lma": "lma1"})  # so there is something to be left
    answer = tell(lab, "lmas/lma1/drain")
    assert answer["load"]["state"] == "draining" and not answer["drain"]["safe_to_stop"]
    eventually(lambda: reported() or uplink(lab, "mag1", 1) == uplink(lab, "mag1", 2) == "t-lma2")
    told = eventually(
        lambda: [
            message
            for message in peers.heard("lma1")
            if isinstance(message, LoadAdjust) and message.option(Drain) == Drain(1)
        ]
    )
    assert (told[0].old_lma, told[0].new_lma, told[0].option(Drain)) == (
        peers.addresses["lma1"],
        peers.addresses["lma2"],
        Drain(1),
    )
    assert refusal(lab, "lmas/lma2/drain", {}) == (
        409,
        "lma2 cannot be drained: no other LMA could take over (lma1 is draining)",
    )
    assert refusal(lab, "mags/mag1/adjust", {"lma": "lma1"}) == (409, "lma1 is draining: nothing can be moved there")
    restart(lab)
    assert rest(lab, "lmas/lma1")["load"]["state"] == "draining"

    def safe() -> bool:
        reported()
        peers.heard("lma1")  # which confirms
        return bool(rest(lab, "lmas/lma1")["drain"]["safe_to_stop"])

    confirmed(peers, "mag1", route_adjust(lab, home_prefix(lab, 0x50), None, "mag1", time.time()))
    anchored = [binding for binding in rest(lab, "bindings") if binding["anchor"] == "lma1"]
    assert f"{len(anchored)} sessions that it anchors" in rest(lab, "lmas/lma1")["drain"]["waits_for"]
    for binding in anchored:  # their MAGs take them elsewhere
        prefix = IPv6Network(binding["prefix"])
        confirmed(peers, binding["mag"], route_adjust(lab, prefix, binding["mag"], None, time.time()))
    eventually(safe)
    assert tell(lab, "lmas/lma1/undrain")["drain"] is None
    eventually(lambda: Drain(0) in [message.option(Drain) for message in peers.heard("lma1")])
    assert refusal(lab, "lmas/lma1/undrain", {}) == (409, "lma1 is not drained; drained are: none")
    assert [incident["kind"] for incident in rest(lab, "incidents")][-2:] == ["drained", "undrained"]


@pytest.mark.parametrize(
    ("command", "document", "status", "message"),
    [
        ("lmas/lma9/drain", {}, 404, "no LMA is called 'lma9'; there are: lma1, lma2"),
        ("lmas/lma1/drain", {"now": True}, 400, "now: unknown key; allowed: "),
        ("mags/mag1/adjust", {}, 400, "lma: Field required"),
        ("mags/mag1/adjust", {"lma": "lma9"}, 404, "no LMA is called 'lma9'; there are: lma1, lma2"),
        ("mags/mag9/adjust", {"lma": "lma1"}, 404, "no MAG is called 'mag9'; there are: mag1, mag2"),
        ("policy", {"policy": "best"}, 400, "policy: Input should be 'draft', 'balance' or 'static'"),
        ("dry-run", {"drain": ["lma9"]}, 404, "no LMA is called 'lma9'; there are: lma1, lma2"),
    ],
)
def test_a_wrong_command_is_refused_with_what_is_allowed(
    lab: Lab, command: str, document: dict[str, Any], status: int, message: str
) -> None:
    assert refusal(lab, command, document) == (status, message)


def test_bad_datagrams_are_counted_each_and_nothing_else_happens(lab: Lab, peers: Peers) -> None:
    """Random octets, whole messages cut short, and messages that their sender may not send; checksums are right."""
    rms = lab.profile.rms.address
    before, bindings = refused(lab), rest(lab, "bindings")
    chance = random.Random(5213)
    data = [chance.randbytes(length) for length in (*range(6, 40), 88, 300, 1400)]
    whole = build(route_adjust(lab, home_prefix(lab, 0x40), None, "mag1", time.time()), peers.addresses["mag1"], rms)
    data += [whole[:length] for length in range(6, len(whole))]
    with namespaces.open_socket(lab.namespace("mag1"), socket.AF_INET6, socket.SOCK_RAW, MOBILITY_HEADER) as sender:
        sender.bind((str(peers.addresses["mag1"]), 0))
        for octets in data:
            sender.sendto(octets, (str(rms), 0))
    peers.say("mag1", TunnelRequest(peers.addresses["mag1"]))
    peers.say("lma1", LoadAdjust(peers.addresses["lma1"], peers.addresses["lma2"]))
    eventually(lambda: sum((refused(lab) - before).values()) == len(data) + 2)
    new = refused(lab) - before
    assert new["not permitted: TunnelRequest"] == new["nothing to answer"] == 1
    assert sum(count for reason, count in new.items() if reason.startswith("malformed: ")) == len(data)
    assert rest(lab, "bindings") == bindings
    assert ready(lab)
    assert "Traceback" not in lab.log("rms").read_text()


def test_a_switch_that_is_not_of_the_domain_is_sent_away(lab: Lab) -> None:
    switch = lab.openvswitch("mag1")
    controller = f"tcp:[{lab.profile.rms.address}]:{lab.profile.rms.openflow.port}"
    switch.vsctl(
        *("--", "add-br", "foreign", "--", "set", "bridge", "foreign", "datapath_type=netdev", "protocols=OpenFlow13"),
        *("--", "set", "bridge", "foreign", "other_config:datapath-id=00000000000000ee"),
        *("--", "set-controller", "foreign", controller),
    )
    try:
        eventually(lambda: refused(lab)["openflow: unknown datapath id"] > 0)
    finally:
        switch.vsctl("del-br", "foreign")
    assert ready(lab)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/lmas/lma9", 404),
        ("GET", "/v1/decisions/x", 404),
        ("GET", "/v1/mags/%ff", 400),
        ("DELETE", "/v1/bindings", 405),
        ("POST", "/v1/load-list", 405),
    ],
)
def test_a_wrong_request_gets_a_json_error(lab: Lab, method: str, path: str, status: int) -> None:
    request = urllib.request.Request(base_url(lab.profile) + path, method=method)
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=PATIENCE)
    with refusal.value as answer:
        assert answer.code == status
        assert json.load(answer)["error"]["status"] == status
