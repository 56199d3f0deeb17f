"""What has to agree between the sections of a profile; each fault is a line with its place."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv6Interface
from typing import TYPE_CHECKING

from ryu_pmipls.domain.profile.nodes import Switch, names_of
from ryu_pmipls.domain.profile.values import format_link_layer

if TYPE_CHECKING:
    from ryu_pmipls.domain.profile.profile import Profile


def inconsistencies(profile: Profile) -> list[str]:
    """One line for every value that does not agree with others, or that must be unique in the domain and is not."""
    return [*_repeats(profile), *_home_prefix_faults(profile), *_failure_faults(profile), *_lab_faults(profile)]


def _repeats(profile: Profile) -> list[str]:
    """One line for every value that must be unique in the domain and is not."""
    switches: list[tuple[str, Switch]] = [(f"lmas.{index}", lma) for index, lma in enumerate(profile.lmas)]
    switches += [(f"mags.{index}", mag) for index, mag in enumerate(profile.mags)]
    nodes = [(f"mobile_nodes.{index}", node) for index, node in enumerate(profile.mobile_nodes)]
    names = [(f"{place}.name", switch.name) for place, switch in switches]
    names += [(f"{place}.name", node.name) for place, node in nodes]
    addresses = [("rms.address", profile.rms.address)]
    addresses += [(f"{place}.address", switch.address) for place, switch in switches]
    addresses += [(f"lmas.{index}.core.address", lma.core.address.ip) for index, lma in enumerate(profile.lmas)]
    if profile.lab is not None:
        names.append(("lab.correspondent.name", profile.lab.correspondent.name))
        addresses.append(("lab.correspondent.address", profile.lab.correspondent.address.ip))
    uses: list[Sequence[tuple[str, object]]] = [
        names,
        addresses,
        [(f"{place}.datapath_id", f"{switch.datapath_id:#x}") for place, switch in switches],
        [(f"{place}.identifier", node.identifier) for place, node in nodes],
        [(f"{place}.link_layer_address", format_link_layer(node.link_layer_address)) for place, node in nodes],
        [(f"{place}.prefix", node.prefix) for place, node in nodes if node.prefix is not None],
    ]
    for index, mag in enumerate(profile.mags):
        uses.append([(f"mags.{index}.access_ports.{place}", port) for place, port in enumerate(mag.access_ports)])
    faults = []
    for use in uses:
        first: dict[object, str] = {}
        for place, value in use:
            if first.setdefault(value, place) != place:
                faults.append(f"{place}: {value} is already {first[value]}; it must be unique")
    return faults


def _home_prefix_faults(profile: Profile) -> list[str]:
    pool = profile.home_prefix_pool
    faults = []
    if pool.prefixlen > 64:
        faults.append(f"home_prefix_pool: {pool} must be a /64 or shorter, for it is handed out in /64 prefixes")
    fixed = {"rms.address": profile.rms.address}
    fixed |= {f"lmas.{index}.address": lma.address for index, lma in enumerate(profile.lmas)}
    fixed |= {f"lmas.{index}.core.address": lma.core.address.ip for index, lma in enumerate(profile.lmas)}
    fixed |= {f"mags.{index}.address": mag.address for index, mag in enumerate(profile.mags)}
    for place, address in fixed.items():
        if address in pool:
            faults.append(f"{place}: {address} must not lie in home_prefix_pool {pool}")
    lmas = [lma.name for lma in profile.lmas]
    for index, node in enumerate(profile.mobile_nodes):
        place = f"mobile_nodes.{index}"
        if node.anchor is not None and node.anchor not in lmas:
            faults.append(f"{place}.anchor: no LMA is called {node.anchor!r}; allowed: {names_of(profile.lmas)}")
        if node.prefix is not None and not (node.prefix.prefixlen == 64 and node.prefix.subnet_of(pool)):
            faults.append(f"{place}.prefix: {node.prefix} must be a /64 of home_prefix_pool {pool}")
    return faults


def _failure_faults(profile: Profile) -> list[str]:
    if profile.tunnel.bfd_interval is not None:
        return []
    return [
        f"failure.dead_when.{index}: nobody watches tunnels while tunnel.bfd_interval is null; allowed: switch, agent"
        for index, signs in enumerate(profile.dead_when)
        if "tunnels" in signs
    ]


def _lab_faults(profile: Profile) -> list[str]:
    lab = profile.lab
    if lab is None:
        return []
    faults = [
        f"lab.lma_cpu.{name}: no LMA is called so; allowed: {names_of(profile.lmas)}"
        for name in lab.lma_cpu
        if name not in [lma.name for lma in profile.lmas]
    ]
    underlay = IPv6Interface((profile.rms.address, lab.underlay_prefix_length)).network
    addresses = {f"lmas.{index}.address": lma.address for index, lma in enumerate(profile.lmas)}
    addresses |= {f"mags.{index}.address": mag.address for index, mag in enumerate(profile.mags)}
    for place, address in addresses.items():
        if address not in underlay:
            faults.append(f"{place}: {address} must lie in {underlay}, the lab's underlay, as rms.address does")
    for index, lma in enumerate(profile.lmas):
        if lma.core.gateway != lab.correspondent.address.ip:
            faults.append(
                f"lmas.{index}.core.gateway: must be {lab.correspondent.address.ip} (lab.correspondent.address), "
                "for the correspondent node is the gateway of a lab's core network"
            )
    return faults
