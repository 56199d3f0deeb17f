"""``pmipls doctor``: this host, as a node of a domain or as that of a lab; or a running lab, node by node."""

from __future__ import annotations

import click

from ryu_pmipls.cli.options import json_option, lab_profile_option, prefix_option
from ryu_pmipls.cli.parameter_types import NodeName
from ryu_pmipls.cli.sections import INSPECT

_RMS = "rms"


@INSPECT.command("doctor", bad="something is wrong", wrong="no such node")
@lab_profile_option("two-lma without --node")
@click.option(
    "--node",
    type=NodeName("mags", "lmas", others=(_RMS,)),
    metavar="NODE",
    help=f"The node that this host is (MAG, LMA, or {_RMS}), or a node of the lab.",
)
@click.option("--lab", "in_lab", is_flag=True, help="Examine all nodes of the running lab.")
@prefix_option
@json_option
def doctor(profile: str | None, node: str | None, in_lab: bool, prefix: str | None, as_json: bool) -> None:
    """Examine this host, or a running lab, and name remedies.

    Without options: whether this host can have the lab of the profile. Nothing is changed.
    """
    from ryu_pmipls.cli.examinations import host_findings, lab_findings
    from ryu_pmipls.doctor.printing import document, exit_status, print_findings, summary

    if prefix is not None and not in_lab:
        raise click.UsageError("--prefix names a running lab, and goes with --lab.")
    if in_lab and profile is not None:
        raise click.UsageError("--lab has the profile with which the lab was started; --profile does not go with it.")
    findings = lab_findings(prefix, node) if in_lab else host_findings(profile, node)
    if as_json:
        click.echo(document(findings))
    else:
        print_findings(findings)
        click.echo(summary(findings))
    raise click.exceptions.Exit(exit_status(findings))
