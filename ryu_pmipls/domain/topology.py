"""The domain as a graph and as tables: everything here follows from the profile alone."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import networkx as nx

from ryu_pmipls.domain.profile import ListenEndpoint, Profile, format_link_layer


class NodeKind(str, Enum):
    """Kind of a node of the graph (attribute ``kind`` of every node)."""

    RMS = "rms"
    LMA = "lma"
    MAG = "mag"
    MOBILE_NODE = "mobile node"
    UNDERLAY = "underlay"
    CORE = "core"
    CORRESPONDENT = "correspondent node"


class LinkKind(str, Enum):
    """Kind of an edge of the graph (attribute ``kind`` of every edge)."""

    UNDERLAY = "underlay"  # a node's link to the network that carries tunnels and signalling
    CORE = "core"  # an LMA's link to the network of the correspondent nodes
    ACCESS = "access"  # where a mobile node starts
    TUNNEL = "tunnel"  # MAG to LMA, one for every pair
    CONTROL = "control"  # RMS to MAG or LMA: OpenFlow and signalling


UNDERLAY = "underlay"
CORE = "core"
RMS = "rms"


def graph(profile: Profile) -> nx.MultiGraph:
    """The domain's graph: names as nodes, :class:`NodeKind` and :class:`LinkKind` as attribute ``kind``.

    Mobile nodes are shown at their first attachment: at the MAGs in turn, in the order of the profile.
    """
    domain = nx.MultiGraph(name=profile.domain)
    domain.add_node(UNDERLAY, kind=NodeKind.UNDERLAY)
    domain.add_node(CORE, kind=NodeKind.CORE)
    domain.add_node(RMS, kind=NodeKind.RMS)
    domain.add_edge(RMS, UNDERLAY, kind=LinkKind.UNDERLAY)
    for lma in profile.lmas:
        domain.add_node(lma.name, kind=NodeKind.LMA)
        domain.add_edge(lma.name, CORE, kind=LinkKind.CORE)
    for mag in profile.mags:
        domain.add_node(mag.name, kind=NodeKind.MAG)
        for lma in profile.lmas:
            domain.add_edge(mag.name, lma.name, kind=LinkKind.TUNNEL)
    for switch in (*(mag.name for mag in profile.mags), *(lma.name for lma in profile.lmas)):
        domain.add_edge(switch, UNDERLAY, kind=LinkKind.UNDERLAY)
        domain.add_edge(RMS, switch, kind=LinkKind.CONTROL)
    for index, node in enumerate(profile.mobile_nodes):
        domain.add_node(node.name, kind=NodeKind.MOBILE_NODE)
        domain.add_edge(node.name, profile.mags[index % len(profile.mags)].name, kind=LinkKind.ACCESS)
    if profile.lab is not None:
        domain.add_node(profile.lab.correspondent.name, kind=NodeKind.CORRESPONDENT)
        domain.add_edge(profile.lab.correspondent.name, CORE, kind=LinkKind.CORE)
    return domain


class DomainTable(NamedTuple):
    """A part of the description of a domain, for printing; texts in the columns ``prose`` may be wrapped."""

    title: str
    columns: tuple[str, ...]
    rows: list[list[str]]
    prose: tuple[str, ...] = ()


def describe(profile: Profile) -> list[DomainTable]:
    """The domain as tables: its settings, LMAs, MAGs and mobile nodes."""
    lma_columns = ("name", "LMAA", "datapath id", "core port", "core address", "lab CPU")
    node_columns = ("name", "identifier", "link-layer address", "anchor", "home network prefix")
    quotas = {} if profile.lab is None else profile.lab.lma_cpu
    lmas = [
        [
            lma.name,
            str(lma.address),
            f"{lma.datapath_id:#x}",
            lma.core.port,
            str(lma.core.address),
            f"{quotas[lma.name]:.0%}" if lma.name in quotas else "-",
        ]
        for lma in profile.lmas
    ]
    mags = [[mag.name, str(mag.address), f"{mag.datapath_id:#x}", " ".join(mag.access_ports)] for mag in profile.mags]
    nodes = [
        [
            node.name,
            node.identifier,
            format_link_layer(node.link_layer_address),
            profile.anchor_of(node).name,
            "from the pool" if node.prefix is None else str(node.prefix),
        ]
        for node in profile.mobile_nodes
    ]
    return [
        DomainTable(f"Domain {profile.domain}", ("setting", "value"), _settings(profile), ("value",)),
        DomainTable("Local Mobility Anchors", lma_columns, lmas),
        DomainTable(
            "Mobile Access Gateways", ("name", "Proxy-CoA", "datapath id", "access ports"), mags, ("access ports",)
        ),
        DomainTable("Mobile nodes", node_columns, nodes),
    ]


def _settings(profile: Profile) -> list[list[str]]:
    sharing, rms, signalling = profile.load_sharing, profile.rms, profile.signalling
    transport = "Mobility Headers in IPv6" if signalling.transport == "raw" else f"UDP port {signalling.udp_port}"
    overload = (
        f"CPU >= {sharing.cpu_threshold:.0%} {sharing.combine} more than {sharing.packet_threshold} packets "
        f"in {sharing.window:g} s"
    )
    return [
        ["home prefix pool", str(profile.home_prefix_pool)],
        ["tunnels", f"{profile.tunnel.type}, {len(profile.mags)} x {len(profile.lmas)}"],
        ["RMS", str(rms.address)],
        ["OpenFlow, REST", f"{_endpoint(rms.openflow)}, {_endpoint(rms.rest)}"],
        ["signalling", transport],
        ["overload", overload],
        ["policy", f"{sharing.policy}, evaluated every {sharing.evaluation_interval:g} s"],
    ]


def _endpoint(endpoint: ListenEndpoint) -> str:
    return f"[{endpoint.host}]:{endpoint.port}" if ":" in endpoint.host else f"{endpoint.host}:{endpoint.port}"
