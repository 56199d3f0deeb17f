"""Agreement of all parts of a domain about every mobile node, with each other and with what is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ovs_setup import OvsSetupError
from ryu_pmipls.domain.profile import format_link_layer
from ryu_pmipls.http.client import ClientError, fetch, rms_of
from ryu_pmipls.http.wording import reason_lines
from ryu_pmipls.lab.agent_resources import ask
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.storm.flow_tables import FlowTables, read_flows

_TUNNEL = "t-"


@dataclass(frozen=True)
class NodePlace:
    """A mobile node's place: MAG, access port, home network prefix, anchor, link-layer address."""

    mag: str
    port: str
    prefix: str
    anchor: str
    link_layer_address: str


class Agreement:
    """Compares a lab with what it was when this was made: a domain in which all is well."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._base = {node: read_flows(lab, node).base for node in lab.plan.switches}

    def differences(self) -> list[str]:
        """Disagreements, and complaints of health, in lines for people; none when all is well."""
        try:
            return [*self._differences()]
        except (ClientError, OvsSetupError, OSError) as error:
            return [str(error)]

    def _differences(self) -> Iterator[str]:
        rms = rms_of(self._lab.profile)
        yield from (f"health: {line}" for line in reason_lines(fetch(rms, "health")))
        for tunnel in fetch(rms, "tunnels"):
            if not tunnel["up"]:
                yield f"the tunnel of {tunnel['mag']} and {tunnel['lma']} is not up"
        drained = [lma["name"] for lma in fetch(rms, "lmas") if lma["drain"] is not None]
        yield from (f"{lma} is drained" for lma in drained)
        places: dict[str, NodePlace] = {}
        yield from self._places(fetch(rms, "bindings"), places)
        for name in self._lab.plan.switches:
            yield from (f"{name}: {reason}" for reason in ask(self._lab, name, "health")["reasons"])
        for mag in self._lab.profile.mags:
            yield from _compare(f"agent of {mag.name}", _at_mag(mag.name, places), self._bindings(mag.name, "anchor"))
        for lma in self._lab.profile.lmas:
            yield from _compare(f"agent of {lma.name}", _at_lma(lma.name, places), self._bindings(lma.name, "mag"))
            routes = {f"{prefix} -> {mag}" for prefix, mag in ask(self._lab, lma.name, "routes").items()}
            wanted = {f"{place.prefix} -> {place.mag}" for place in places.values()}
            yield from _compare(f"routes of the agent of {lma.name}", wanted, routes)
        for name in self._lab.plan.switches:
            yield from self._flows(name, places)

    def _places(self, bindings: list[dict[str, Any]], places: dict[str, NodePlace]) -> Iterator[str]:
        """The RMS's bindings against where the nodes are; those that fit are added to ``places``."""
        attachments = self._lab.network.attachments()
        names = {node.identifier: node for node in self._lab.profile.mobile_nodes}
        for binding in bindings:
            node = names.get(binding["identifier"])
            if node is None or node.name in places:
                yield f"RMS: a binding too many: {binding}"
                continue
            access = attachments.get(node.name)
            if access is None or access.mag != binding["mag"]:
                yield f"RMS: {node.name} is at {binding['mag']}, and not at {access and access.mag}"
                continue
            link_layer = format_link_layer(node.link_layer_address)
            places[node.name] = NodePlace(access.mag, access.port, binding["prefix"], binding["anchor"], link_layer)
        yield from (f"RMS: no binding of {name}" for name in attachments if name not in places)

    def _bindings(self, name: str, peer: str) -> set[str]:
        return {
            f"{entry['identifier'].partition('@')[0]} {entry['state']} {' '.join(entry['prefixes'])} {entry[peer]}"
            for entry in ask(self._lab, name, "bindings")
        }

    def _flows(self, name: str, places: Mapping[str, NodePlace]) -> Iterator[str]:
        found = read_flows(self._lab, name)
        yield from _compare(f"flow entries of {name} itself", self._base[name], found.base)
        is_lma = name in [lma.name for lma in self._lab.profile.lmas]
        wanted = lma_entries(places) if is_lma else mag_entries(name, places)
        yield from _compare(f"flow entries of {name}", wanted, summaries(found))


def _at_mag(mag: str, places: Mapping[str, NodePlace]) -> set[str]:
    return {f"{name} bound {place.prefix} {place.anchor}" for name, place in places.items() if place.mag == mag}


def _at_lma(lma: str, places: Mapping[str, NodePlace]) -> set[str]:
    return {f"{name} bound {place.prefix} {place.mag}" for name, place in places.items() if place.anchor == lma}


def lma_entries(places: Mapping[str, NodePlace]) -> set[str]:
    """Summaries of the entries for mobile nodes that an LMA has."""
    return {f"2 to {place.prefix} -> {_TUNNEL}{place.mag}" for place in places.values()}


def mag_entries(mag: str, places: Mapping[str, NodePlace]) -> set[str]:
    """Summaries of the entries for mobile nodes that a MAG has."""
    here = [place for place in places.values() if place.mag == mag]
    return {
        text
        for place in here
        for text in (
            f"1 from {place.prefix} {place.port} {place.link_layer_address}",
            f"3 from {place.prefix} group",
            f"4 to {place.prefix} {place.link_layer_address}",
        )
    }


def summaries(tables: FlowTables) -> set[str]:
    """The content of the entries for mobile nodes: table, prefix, and with whom or where to."""
    return {_summary(line) for line in tables.bindings}


def _summary(line: str) -> str:
    match, _, actions = line.partition(" actions=")
    table = _first(r"table=(\d+)", match) or "0"
    source, destination = _first(r"ipv6_src=([0-9a-f:/]+)", match), _first(r"ipv6_dst=([0-9a-f:/]+)", match)
    if table == "1":
        return f"1 from {source} {_first(r'in_port=([^, ]+)', match)} {_first(r'dl_src=([0-9a-f:]+)', match)}"
    if source is not None:
        return f"{table} from {source} {'group' if 'group:' in actions else actions}"
    output = _first(r"output:([^, ]+)", actions)
    if output is not None:
        return f"{table} to {destination} -> {output}"
    address = _first(r"set_field:([0-9a-f:]+)->eth_dst", actions) or _first(r"mod_dl_dst:([0-9a-f:]+)", actions)
    return f"{table} to {destination} {address or actions}"


def _first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text)
    return found and found[1]


def _compare(who: str, wanted: set[str] | frozenset[str], found: set[str] | frozenset[str]) -> Iterator[str]:
    yield from (f"{who}: missing: {each}" for each in sorted(wanted - found))
    yield from (f"{who}: too many: {each}" for each in sorted(found - wanted))
