"""``pmipls doctor``: this host, as a node of a domain or as that of a lab; or a running lab, node by node."""

from __future__ import annotations

import os

import click

from ovs_setup import OvsSetupError
from ovs_setup.node import Node
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.doctor.check import Finding, HostRole, examine
from ryu_pmipls.doctor.host_checks import HOST_CHECKS
from ryu_pmipls.doctor.host_facts import ProfileFacts, Purpose
from ryu_pmipls.doctor.host_gathering import host_facts
from ryu_pmipls.doctor.node_checks import NODE_CHECKS
from ryu_pmipls.doctor.node_facts import Remedies
from ryu_pmipls.doctor.node_gathering import node_facts, underlay_ports
from ryu_pmipls.doctor.printing import document, exit_status, print_findings, summary
from ryu_pmipls.doctor.purposes import RMS, find_node, host_purpose, role_of, wanted_switch_node
from ryu_pmipls.domain.profile import HOST_PROFILE, PROFILE_VARIABLE, Profile, ProfileError, find_profile, load_profile
from ryu_pmipls.lab.examination import examine_lab, lab_purpose
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.lab_layout import plan

_HOST = "this host"


@click.command()
@click.option("--profile", metavar="PROFILE", help="The domain's profile.")
@click.option("--node", metavar="NODE", help=f"The node that this host is (MAG, LMA, or {RMS}), or a node of the lab.")
@click.option("--lab", "in_lab", is_flag=True, help="Examine all nodes of the running lab.")
@click.option("--prefix", help="Which lab, when several are up: the prefix of its profile.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def doctor(
    context: click.Context, profile: str | None, node: str | None, in_lab: bool, prefix: str | None, as_json: bool
) -> None:
    """Examine this host, or a running lab, and tell what to do about what is not ok.

    Without options: whether this host can have the lab of the profile. Nothing is changed. Exit code: 1 when something
    is wrong.
    """
    if prefix is not None and not in_lab:
        raise click.UsageError("--prefix names a running lab, and goes with --lab.")
    if in_lab and profile is not None:
        raise click.UsageError("--lab has the profile with which the lab was started; --profile does not go with it.")
    findings = _lab_findings(prefix, node) if in_lab else _host_findings(profile, node)
    if as_json:
        click.echo(document(findings))
    else:
        print_findings(findings)
        click.echo(summary(findings))
    context.exit(exit_status(findings))


def _lab_findings(prefix: str | None, node: str | None) -> list[Finding]:
    try:
        lab = Lab.find(prefix)
        return examine_lab(lab.profile, lab.plan, () if node is None else (node,))
    except LabError as error:
        raise click.UsageError(str(error)) from None


def _host_findings(name: str | None, node: str | None) -> list[Finding]:
    named = os.environ.get(PROFILE_VARIABLE)
    origin = "--profile" if name is not None else f"${PROFILE_VARIABLE}" if named else "the default"
    try:
        path = find_profile(name, lab=node is None)
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
        raise click.UsageError(
            f"the profile of domain {profile.domain!r} describes real hosts: name this one, --node NODE."
        )
    return examine(_HOST, HOST_CHECKS, HostRole.LAB, host_facts(lab_purpose(profile, plan(profile)), facts))


def _node_findings(profile: Profile, name: str, facts: ProfileFacts) -> list[Finding]:
    try:
        node = find_node(profile, name)
    except KeyError as error:
        raise click.BadParameter(error.args[0], param_hint="--node") from None
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
