"""The doctor in a lab: checks that this host can have one, and compares its nodes with the profile."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ovs_setup import offloads
from ovs_setup.node import Node
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.doctor.check import Finding, HostRole, examine
from ryu_pmipls.doctor.host_checks import HOST_CHECKS
from ryu_pmipls.doctor.host_facts import ProfileFacts, Purpose
from ryu_pmipls.doctor.host_gathering import host_facts
from ryu_pmipls.doctor.node_checks import NODE_CHECKS
from ryu_pmipls.doctor.node_facts import Remedies, WantedLink, WantedNode
from ryu_pmipls.doctor.node_gathering import node_facts
from ryu_pmipls.doctor.purposes import rms_ports, wanted_switch_node
from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.lab import cleanup
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.lab_layout import CORE, RADIO, RMS, UNDERLAY, UNDERLAY_PORT, LabLayout, settings
from ryu_pmipls.lab.lab_links import kernel_settings

_HOST = "this host"


def lab_purpose(profile: Profile, plan: LabLayout, rms: bool = True) -> Purpose:
    """Purpose of a lab's host, with an RMS or without; if the lab is up, the objects found are its own."""
    up = cleanup.recorded(plan.prefix)
    return Purpose(
        role=HostRole.LAB,
        listening_ports=rms_ports(profile) if rms else (),
        rms_may_run=up,
        state_directory=str(cleanup.STATE),
        raw_signalling=profile.transport_of(profile.rms) == "raw",
        cpu_quotas=bool(settings(profile).lma_cpu),
        nodes=len(plan.switches),
        namespaces=() if up else plan.namespaces,
        subnet="" if up else str(plan.host_address.network),
    )


def require_fit_host(profile: Profile, plan: LabLayout, rms: bool) -> None:
    """Raise ``LabError`` with all faults of this host and their remedies, before the lab or its RMS is started."""
    purpose = replace(lab_purpose(profile, plan, rms), rms_may_run=False)
    faults = [finding for finding in _examine_host(profile, purpose) if finding.wrong]
    if faults:
        raise LabError(
            "\n".join(f"{fault.verdict.found}\n  what to do: {fault.verdict.what_to_do}" for fault in faults)
        )


def examine_host(profile: Profile, plan: LabLayout) -> list[Finding]:
    """The findings about this host by itself."""
    return _examine_host(profile, lab_purpose(profile, plan))


def _examine_host(profile: Profile, purpose: Purpose) -> list[Finding]:
    return examine(_HOST, HOST_CHECKS, HostRole.LAB, host_facts(purpose, ProfileFacts(profile.domain, "the lab's")))


def examine_lab(profile: Profile, plan: LabLayout, nodes: Iterable[str] = ()) -> list[Finding]:
    """The findings about this host and all nodes of a lab, or about these nodes; ``LabError`` for a wrong name."""
    chosen = [*nodes]
    for name in chosen:
        plan.namespace(name)  # raises for a wrong one
    findings = [] if chosen else examine_host(profile, plan) + _examine_host_end(plan)
    for wanted in wanted_nodes(profile, plan):
        if not chosen or wanted.name in chosen:
            place = OpenVSwitch(cleanup.directory(plan.prefix) / wanted.name, plan.namespace(wanted.name))
            findings += examine(wanted.name, NODE_CHECKS, wanted.role, node_facts(place, wanted))
    return findings


def _examine_host_end(plan: LabLayout) -> list[Finding]:
    """The findings about this host's link to the lab."""
    return examine(_HOST, NODE_CHECKS, HostRole.LAB, node_facts(OpenVSwitch(), _wanted_host(plan)))


def wanted_nodes(profile: Profile, plan: LabLayout) -> list[WantedNode]:
    """The nodes of a lab as the set-up makes them."""
    of_the_profile: tuple[Node, ...] = (*profile.mags, *profile.lmas)
    switches = {node.name: node for node in of_the_profile}
    found = []
    for name in plan.nodes:
        remedies, links = _remedies(plan, name), _links(plan, name)
        if name in switches:
            node = wanted_switch_node(profile, switches[name], (UNDERLAY_PORT,), remedies)
            found.append(replace(node, links=_merged(node.links, links)))
        else:
            values = {f"net/ipv6/{path}": str(value) for path, value in kernel_settings(plan, name)}
            found.append(WantedNode(name, _role(plan, name), links, values, remedies))
    return found


def _wanted_host(plan: LabLayout) -> WantedNode:
    (link,) = [link for link in plan.links if link.a.namespace is None]
    port = WantedLink(plan.host_port, link.mtu, offloads.SENDING, str(plan.host_address))
    return WantedNode(_HOST, HostRole.LAB, (port,), {}, Remedies(_again(plan)))


def _role(plan: LabLayout, name: str) -> HostRole:
    if name in (UNDERLAY, RADIO):
        return HostRole.LINK
    return HostRole.CORE if name == plan.correspondent else HostRole.MOBILE_NODE


def _again(plan: LabLayout) -> str:
    return f"pmipls lab down --prefix {plan.prefix} && pmipls lab up"


def _remedies(plan: LabLayout, name: str) -> Remedies:
    which = f"--prefix {plan.prefix}"
    return Remedies(
        set_up=f"pmipls lab switch start {which} {name}" if name in plan.switches else _again(plan),
        daemons=f"pmipls lab switch start {which} {name}",
        agent=f"less {cleanup.directory(plan.prefix)}/log/{name}.log   # the agent makes them",
        rms=f"pmipls lab {RMS} start {which}",
        prefix=f"pmipls lab exec {which} {name} ",
    )


def _links(plan: LabLayout, name: str) -> tuple[WantedLink, ...]:
    """The interfaces that the plan gives to a node; no end of a veth pair may leave checksums to the other."""
    space = plan.namespace(name)
    found = [
        WantedLink(end.port, link.mtu, offloads.SENDING, up=end.up)
        for link in plan.links
        for end in (link.a, link.b)
        if end.namespace == space
    ]
    address = str(plan.correspondent_address) if name == plan.correspondent else ""
    found += [
        WantedLink(bridge, mtu, address=address if bridge == CORE else "")
        for namespace, bridge, mtu in plan.bridges
        if namespace == space
    ]
    return tuple(found)


def _merged(of_the_profile: tuple[WantedLink, ...], of_the_plan: tuple[WantedLink, ...]) -> tuple[WantedLink, ...]:
    planned = {link.name: link for link in of_the_plan}
    return tuple(
        replace(link, mtu=planned[link.name].mtu, offloads=(*planned[link.name].offloads, *link.offloads))
        if link.name in planned
        else link
        for link in of_the_profile
    )
