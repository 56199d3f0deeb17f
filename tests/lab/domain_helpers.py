"""What the tests of a running domain look at. The switches are asked themselves, with Open vSwitch's own tools."""

from __future__ import annotations

import json
import re
from ipaddress import IPv6Network
from typing import Any

import pytest

from ovs_setup.tunnel import encapsulation, inner_mtu
from ryu_pmipls.http.client import fetch, rms_of
from ryu_pmipls.lab.lab import Lab
from tests.waiting import PATIENCE, eventually

BRIDGE = "br-pm"


def rest(lab: Lab, path: str) -> Any:
    return fetch(rms_of(lab.profile), path)


def tunnels_up(lab: Lab) -> int:
    """Pairs of MAG and LMA whose tunnel is up, as the RMS has learnt from both switches."""
    return sum(tunnel["up"] for tunnel in rest(lab, "tunnels"))


def await_tunnels(lab: Lab) -> None:
    wanted = len(lab.profile.mags) * len(lab.profile.lmas)
    eventually(lambda: tunnels_up(lab) == wanted, f"{wanted} tunnels")


def tunnel_interfaces(lab: Lab, node: str) -> dict[str, tuple[str, str]]:
    """Tunnel ports of a node in Open vSwitch's database: name -> (type, address of the far end)."""
    rows = lab.openvswitch(node).rows("Interface", "name", "type", "options", "ofport")
    return {
        row["name"]: (row["type"], row["options"]["remote_ip"])
        for row in rows
        if row["name"].startswith("t-") and isinstance(row["ofport"], int) and row["ofport"] > 0
    }


def tunnel_mtu(lab: Lab) -> int:
    """Octets of the largest packet that the lab's tunnels carry; their type depends on Open vSwitch's version."""
    kind = encapsulation(lab.openvswitch(lab.profile.mags[0].name), lab.profile.tunnel.type)
    return inner_mtu(lab.profile.tunnel.underlay_mtu, kind)


def binding(lab: Lab, mobile_node: str) -> dict[str, Any] | None:
    """The RMS's binding of a mobile node."""
    identifier = lab.profile.mobile_node(mobile_node).identifier
    found: list[dict[str, Any]] = [entry for entry in rest(lab, "bindings") if entry["identifier"] == identifier]
    return found[0] if found else None


def place(lab: Lab, mobile_node: str, mag: str) -> None:
    """Have a mobile node at a MAG, with an address, its route in force, and the correspondent node in reach."""
    attached = lab.network.attachments().get(mobile_node)
    if attached is None:
        lab.attach(mobile_node, mag)
    elif attached.mag != mag:
        lab.handoff(mobile_node, mag)
    eventually(lambda: lab.network.addresses(mobile_node), f"an address of {mobile_node}")
    eventually(lambda: located(lab, mobile_node) == mag, f"the binding of {mobile_node} at {mag}")
    eventually(lambda: ping(lab, mobile_node, 1) == 1, f"a ping of {mobile_node}")


def located(lab: Lab, mobile_node: str) -> str | None:
    """The MAG at which the RMS knows a mobile node."""
    found = binding(lab, mobile_node)
    return None if found is None else found["mag"]


def ping(lab: Lab, mobile_node: str, count: int = 5) -> int:
    """How many of ``count`` pings from a mobile node to the correspondent node are answered."""
    argv = ["ping", "-6", "-q", "-c", str(count), "-i", "0.1", "-W", "2", str(lab.plan.correspondent_address.ip)]
    found = re.search(r"(\d+) received", lab.execute(mobile_node, argv, timeout=PATIENCE).stdout)
    return int(found[1]) if found else 0


def octets_received(lab: Lab, node: str, port: str) -> int:
    """What has come in at a port of a node."""
    (link,) = json.loads(lab.execute(node, ["ip", "-s", "-json", "link", "show", "dev", port]).stdout)
    return int(link["stats64"]["rx"]["bytes"])


def flows(lab: Lab, node: str) -> list[str]:
    """The flow table of a node, a line for each flow."""
    lines = lab.openvswitch(node).ofctl("--names", "dump-flows", BRIDGE).splitlines()
    return [line.strip() for line in lines if "cookie=" in line]


def routed_to(lab: Lab, lma: str, prefix: str) -> str | None:
    """The port to which the flow table of an LMA sends what is for a home network prefix."""
    wanted = f"ipv6_dst={IPv6Network(prefix)} "
    ports = [
        re.findall(r'output:"?([^",]+)', line)
        for line in flows(lab, lma)
        if wanted in line.replace(",", " ").replace("actions", " actions")
    ]
    return ports[0][-1] if len(ports) == 1 and ports[0] else None


def in_the_core(lab: Lab) -> set[str]:
    """The LMAs to which the core sends downlink traffic."""
    pool = str(lab.profile.home_prefix_pool)
    shown = lab.execute(lab.plan.correspondent, ["ip", "-6", "-json", "route", "show", pool]).stdout
    names = {str(lma.core.address.ip): lma.name for lma in lab.profile.lmas}
    return {names[hop["gateway"]] for route in json.loads(shown or "[]") for hop in route.get("nexthops", [route])}


def routing_sessions(lab: Lab) -> dict[str, float]:
    """The core's BGP and BFD sessions that are up: neighbour, and since when, in seconds of the day.

    bird works that out of how long ago it was, and may be a millisecond off the next time.
    """
    control = lab.directory / lab.plan.correspondent / "bird.ctl"
    shown = [
        lab.execute(lab.plan.correspondent, ["birdc", "-s", str(control), "show", *what]).stdout
        for what in (("protocols",), ("bfd", "sessions"))
    ]
    bgp = [line.split() for line in shown[0].splitlines() if "Established" in line]
    bfd = [line.split() for line in shown[1].splitlines() if " Up " in line]
    return {row[0]: _of_the_day(row[4]) for row in bgp} | {row[0]: _of_the_day(row[3]) for row in bfd}


def same_sessions(sessions: dict[str, float]) -> Any:
    """Equal to :func:`routing_sessions` if none of these has come anew."""
    return pytest.approx(sessions, abs=0.1)


def _of_the_day(clock: str) -> float:
    hours, minutes, seconds = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def kill(lab: Lab, name: str) -> None:
    """SIGKILL to an agent or the RMS; returns when it is dead."""
    assert lab.kill(name), f"{name} does not run"
