"""The doctor's findings about this host, or about a running lab."""

from __future__ import annotations

import os

from ovs_setup import OvsSetupError
from ovs_setup.node import Node
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.cli.failures import InputError
from ryu_pmipls.doctor.check import Finding, HostRole, examine
from ryu_pmipls.doctor.host_checks import HOST_CHECKS
from ryu_pmipls.doctor.host_facts import ProfileFacts, Purpose
from ryu_pmipls.doctor.host_gathering import host_facts
from ryu_pmipls.doctor.node_checks import NODE_CHECKS
from ryu_pmipls.doctor.node_facts import Remedies
from ryu_pmipls.doctor.node_gathering import node_facts, underlay_ports
from ryu_pmipls.doctor.purposes import find_node, host_purpose, role_of, wanted_switch_node
from ryu_pmipls.domain.profile import (
    HOST_PROFILE,
    LAB_PROFILE,
    PROFILE_VARIABLE,
    Profile,
    ProfileError,
    find_profile,
    load_profile,
)
from ryu_pmipls.lab.examination import examine_lab, lab_purpose
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_layout import plan

_HOST = "this host"


def lab_findings(prefix: str | None, node: str | None) -> list[Finding]:
    """Findings of the doctor at a running lab, or at one node of it."""
    lab = Lab.find(prefix)
    return examine_lab(lab.profile, lab.plan, () if node is None else (node,))


def host_findings(name: str | None, node: str | None) -> list[Finding]:
    """Findings of the doctor at this host, as that of a lab or as a node of the domain of the profile ``name``."""
    named = os.environ.get(PROFILE_VARIABLE)
    origin = "--profile" if name is not None else f"${PROFILE_VARIABLE}" if named else "the default"
    try:
        path = find_profile(name, fallback=LAB_PROFILE if node is None else None)
        profile = load_profile(path)
    except ProfileError as error:
        if name is not None or node is not None:
            raise
        # The environment's choice of a profile is part of the examination.
        facts = ProfileFacts(named or str(HOST_PROFILE), origin, str(error).splitlines()[0])
        return examine(_HOST, HOST_CHECKS, HostRole.LAB, host_facts(Purpose(), facts))
    facts = ProfileFacts(name or named or path.stem, origin)
    if node is not None:
        return _node_findings(profile, node, facts)
    if profile.lab is None:
        raise InputError(f"the profile of domain {profile.domain!r} describes real hosts: name this one, --node NODE")
    return examine(_HOST, HOST_CHECKS, HostRole.LAB, host_facts(lab_purpose(profile, plan(profile)), facts))


def _node_findings(profile: Profile, name: str, facts: ProfileFacts) -> list[Finding]:
    try:
        node = find_node(profile, name)
    except KeyError as error:
        raise InputError(f"--node: {error.args[0]}") from None
    purpose = host_purpose(profile, node)
    findings = examine(_HOST, HOST_CHECKS, purpose.role, host_facts(purpose, facts))
    return findings if node is None else findings + _switch_findings(profile, node)


def _switch_findings(profile: Profile, node: Node) -> list[Finding]:
    ovs, role = OpenVSwitch(), role_of(node)
    try:
        ports = underlay_ports(ovs)
    except OvsSetupError:
        ports = ()  # the checks of the switch say why
    remedies = Remedies(
        set_up=f"python -m ovs_setup {role.value} {node.name} --underlay-port {ports[0] if ports else 'INTERFACE'}",
        daemons="systemctl restart openvswitch-switch   # then the set-up again",
        agent=f"pmipls {role.value} {node.name}",
        rms="ryu-manager ryu_pmipls.rms   # on the host of the RMS",
    )
    wanted = wanted_switch_node(profile, node, ports, remedies)
    return examine(node.name, NODE_CHECKS, role, node_facts(ovs, wanted))
