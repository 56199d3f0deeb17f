"""Bindings recovered from a switch's flow entries: pure functions, for an RMS that has lost its own record.

The entries are those of :mod:`ryu_pmipls.controller.switches.rules`, as an earlier RMS wrote them. They do not hold the
time of the Route_adjust that made them: recovered bindings have the timestamp 0, and any message takes precedence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv6Network

from ryu_pmipls.controller.bindings import Binding
from ryu_pmipls.controller.switches import pipeline
from ryu_pmipls.controller.switches.flow import Bound, FlowEntry
from ryu_pmipls.controller.switches.rules import Ports, group_id, tunnel_port
from ryu_pmipls.domain.profile import Mag, Profile


def bindings_at_mag(profile: Profile, mag: Mag, entries: Iterable[FlowEntry]) -> Iterator[Binding]:
    """The bindings of the mobile nodes at a MAG. The profile identifies a node by its link-layer address."""
    anchors = {group_id(profile, lma.name): lma.name for lma in profile.lmas}
    identifiers = {node.link_layer_address: node.identifier for node in profile.mobile_nodes}
    by_prefix: dict[IPv6Network, dict[str, Bound]] = {}
    for entry in entries:
        prefix = entry.home_prefix
        if prefix is not None and entry.rule in (pipeline.MAG_GUARD, pipeline.MAG_UPLINK):
            by_prefix.setdefault(prefix, {}).update(entry.named_values)
    for prefix, values in by_prefix.items():
        address, port, group = (values.get(name) for name in ("link_layer_address", "port", "group"))
        if isinstance(address, bytes) and isinstance(port, int) and isinstance(group, int) and group in anchors:
            yield Binding(
                prefix=prefix.network_address.packed[:8],
                mag=mag.name,
                previous_mag=None,
                identifier=identifiers.get(address),
                link_layer_address=address,
                port=port,
                anchor=anchors[group],
                timestamp=0,
            )


def routes_at_lma(profile: Profile, ports: Ports, entries: Iterable[FlowEntry]) -> Iterator[Binding]:
    """The bindings whose routes an LMA has: the MAGs of the mobile nodes, and nothing else."""
    mags = {ports.get(tunnel_port(mag.name)): mag.name for mag in profile.mags}
    for entry in entries:
        tunnel = entry.named_values.get("tunnel")
        if entry.rule is pipeline.LMA_ROUTE and isinstance(tunnel, int) and tunnel in mags:
            prefix = entry.home_prefix
            assert prefix is not None
            yield Binding(prefix.network_address.packed[:8], mags[tunnel], None, None, None, None, None, 0)


def gateway_at_lma(entries: Iterable[FlowEntry]) -> bytes | None:
    """The link-layer address of the core gateway to which an LMA sends."""
    gateways = (entry.named_values["gateway"] for entry in entries if entry.rule is pipeline.LMA_TO_CORE)
    gateway = next(gateways, None)
    assert gateway is None or isinstance(gateway, bytes)
    return gateway
