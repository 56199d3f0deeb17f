"""Gathering of facts about a node with ip(8), ethtool(8) and the tools of Open vSwitch, in the node's namespace."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from ovs_setup import OvsSetupError, ingress_filter, offloads, tls
from ovs_setup.node import SERVICE_BRIDGE, UNDERLAY_BRIDGE
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.doctor.node_facts import Bridge, Controller, Link, NodeFacts, SwitchFacts, SwitchPort, WantedNode

#: Script that prints the content of each given file, an empty line for a missing one.
_READ_ALL = 'for file; do cat "$file" 2>/dev/null || echo; done'


def node_facts(ovs: OpenVSwitch, wanted: WantedNode) -> NodeFacts:
    """All facts about a node, whose Open vSwitch, if it has one, is ``ovs``."""
    facts = host_part(ovs, wanted)
    if wanted.switch is None or facts.unseen:
        return facts
    try:
        return replace(facts, switch=_switch(ovs))
    except OvsSetupError as error:
        return replace(facts, unseen=_reason(error))


def host_part(ovs: OpenVSwitch, wanted: WantedNode) -> NodeFacts:
    """The facts about a node's interfaces and kernel settings, without its Open vSwitch."""
    try:
        return NodeFacts(wanted, _links(ovs, wanted), _settings(ovs, wanted), None)
    except OvsSetupError as error:
        return NodeFacts(wanted, None, None, None, _reason(error))


def underlay_ports(ovs: OpenVSwitch) -> tuple[str, ...]:
    """The ports of the underlay bridge; none where there is no such bridge. ``OvsSetupError`` when a tool fails."""
    if UNDERLAY_BRIDGE not in ovs.vsctl("list-br").split():
        return ()
    return tuple(ovs.vsctl("list-ports", UNDERLAY_BRIDGE).split())


def _reason(error: OvsSetupError) -> str:
    return "only root may look" if os.geteuid() else str(error).splitlines()[0]


def _links(ovs: OpenVSwitch, wanted: WantedNode) -> dict[str, Link]:
    unwanted = {link.name: link.offloads for link in wanted.links}
    filtered = ingress_filter.filtered_ports(ovs) if any(link.filtered for link in wanted.links) else frozenset()
    found = {}
    for row in json.loads(ovs.execute("ip", "-json", "address", "show")):
        name = row["ifname"]
        if name in unwanted:
            found[name] = Link(
                up="UP" in row["flags"],
                mtu=row["mtu"],
                addresses=tuple(entry["local"] for entry in row["addr_info"] if "local" in entry),
                offloads=tuple(offloads.active(ovs, name, unwanted[name])) if unwanted[name] else (),
                master=row.get("master", ""),
                filtered=name in filtered,
            )
    return found


def _settings(ovs: OpenVSwitch, wanted: WantedNode) -> dict[str, str]:
    """The wanted settings that exist, with their values."""
    paths = list(wanted.settings)
    values = ovs.execute("sh", "-c", _READ_ALL, "sh", *(f"/proc/sys/{path}" for path in paths)).splitlines()
    # The last ones may be empty lines, which execute() cuts off.
    return {path: value for path, value in zip(paths, values, strict=False) if value}


def _switch(ovs: OpenVSwitch) -> SwitchFacts:
    if not ovs.running():
        return SwitchFacts(runs=False)
    names = ovs.vsctl("list-br").split()
    files = tls.present_files(ovs)
    rows = {row["name"]: row for row in ovs.rows("Bridge", "name", "fail_mode", "protocols", "datapath_id")}
    return SwitchFacts(
        runs=True,
        bridges={name: _bridge(rows[name], ovs.vsctl("list-ports", name).split()) for name in names},
        ports={row["name"]: _port(row) for row in ovs.rows("Interface", "name", "ofport", "error", "options")},
        controllers=tuple(
            Controller(row["target"], row["is_connected"]) for row in ovs.rows("Controller", "target", "is_connected")
        ),
        flow_entries=_flow_entries(ovs) if SERVICE_BRIDGE in names else 0,
        tls=files,
        unreadable={} if files is None else files.unreadable(),
    )


def _bridge(row: Mapping[str, Any], ports: list[str]) -> Bridge:
    protocols = row["protocols"] if isinstance(row["protocols"], list) else [row["protocols"]]
    return Bridge(
        fail_mode=row["fail_mode"] or "",
        protocols=tuple(protocols),
        datapath_id=row["datapath_id"] or "",
        ports=tuple(ports),
    )


def _port(row: Mapping[str, Any]) -> SwitchPort:
    addresses = {key: _canonical(value) for key, value in row["options"].items()} if row["options"] else {}
    number = row["ofport"] if isinstance(row["ofport"], int) else -1
    return SwitchPort(number, row["error"] or "", addresses)


def _canonical(option: str) -> str:
    try:
        return str(ip_address(option))
    except ValueError:
        return option


def _flow_entries(ovs: OpenVSwitch) -> int:
    match = re.search(r"flow_count=(\d+)", ovs.ofctl("dump-aggregate", SERVICE_BRIDGE))
    return 0 if match is None else int(match[1])
