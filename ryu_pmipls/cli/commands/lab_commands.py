"""``pmipls lab …``: the lab at the command line."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import click

from ryu_pmipls.cli.failures import InputError, StateError
from ryu_pmipls.cli.options import json_option, lab_profile_option, prefix_option, protection_option
from ryu_pmipls.cli.parameter_types import FiniteRange, NodeName
from ryu_pmipls.cli.progress import progress_console
from ryu_pmipls.cli.sections import LAB, StatedGroup
from ryu_pmipls.cli.tables import print_document, print_table

if TYPE_CHECKING:
    from ryu_pmipls.lab.lab import Lab, LabStatus
    from ryu_pmipls.lab.lab_layout import AccessPort
    from ryu_pmipls.lab.traffic_generator import Direction, FlowResult, Protocol

_mobile_node_argument = click.argument("mobile_node", metavar="MN", type=NodeName("mobile_nodes", of_lab=True))
_mag_argument = click.argument("mag", type=NodeName("mags", of_lab=True))
_switch_argument = click.argument("node", type=NodeName("mags", "lmas", of_lab=True))


@click.group("lab", cls=StatedGroup)
def lab() -> None:
    """Run a domain inside this machine, on real Open vSwitch.

    The commands need root. Several labs may be up at once, each with the prefix of its profile.
    """


LAB.add(lab)


def _find(prefix: str | None) -> Lab:
    from ryu_pmipls.lab.lab import Lab

    return Lab.find(prefix)


@lab.command("up", bad="it is up already, or cannot be set up", wrong="a profile without a lab")
@lab_profile_option("two-lma")
@protection_option
@click.option("--no-rms", is_flag=True, help="Leave the RMS to be started by hand: ryu-manager ryu_pmipls.rms.")
def up(profile: str | None, protection: str | None, no_rms: bool) -> None:
    """Bring up the lab of a profile."""
    from ryu_pmipls.domain.profile import LAB_PROFILE, find_profile, load_profile
    from ryu_pmipls.lab.lab import Lab
    from ryu_pmipls.lab.protection import protected_profile

    path = find_profile(profile, fallback=LAB_PROFILE)
    with protected_profile(path, protection) as wanted:
        made = Lab(load_profile(wanted), wanted)
        with progress_console(document=False).status("setting up") as status:

            def progress(text: str) -> None:
                status.update(text)
                click.echo(f"  {text}")

            made.up(rms=not no_rms, progress=progress)
    click.echo(f"The lab of domain {made.profile.domain} is up; logs are in {made.directory / 'log'}.")
    if no_rms:
        click.echo(f"Start its RMS with: PMIPLS_PROFILE={made.profile_path} ryu-manager ryu_pmipls.rms")


@lab.command("down", bad="it cannot be removed", wrong="no such prefix")
@prefix_option
def down(prefix: str | None) -> None:
    """Remove the lab and all that is left of it."""
    from ryu_pmipls.lab import cleanup

    there = cleanup.prefixes()
    if prefix is None and len(there) > 1:
        raise InputError(f"several labs are up: name one with --prefix; allowed: {', '.join(there)}")
    if prefix is not None and prefix not in there:
        raise InputError(f"no lab has the prefix {prefix!r}; allowed: {', '.join(there) or 'none is up'}")
    for name in there if prefix is None else [prefix]:
        cleanup.remove(name)
        click.echo(f"The lab with prefix {name} is gone.")


@lab.command("status", bad="no lab is up", wrong="no such prefix")
@prefix_option
@json_option
def status(prefix: str | None, as_json: bool) -> None:
    """Show what runs, and who is attached where."""
    found = _find(prefix).status()
    if as_json:
        print_document(_status_document(found))
        return
    rms = "not started by the lab" if found.rms is None else f"process {found.rms}"
    click.echo(f"Lab {found.prefix} in {found.directory}; RMS: {rms}\n")
    switches = [
        [
            node.name,
            node.role,
            "not running" if node.agent is None else f"process {node.agent}",
            "running" if node.switch else "not running",
        ]
        for node in found.switches
    ]
    print_table(("node", "role", "agent", "Open vSwitch"), switches)
    click.echo()
    mobile_nodes = [
        [
            mobile.name,
            *(("-", "-") if mobile.access_port is None else (mobile.access_port.mag, mobile.access_port.port)),
            ", ".join(map(str, mobile.addresses)) or "-",
        ]
        for mobile in found.mobile_nodes
    ]
    print_table(("mobile node", "MAG", "access port", "addresses"), mobile_nodes, prose=("addresses",))


def _status_document(found: LabStatus) -> dict[str, Any]:
    return {
        "prefix": found.prefix,
        "directory": str(found.directory),
        "rms": found.rms,
        "switches": [
            {"name": node.name, "role": node.role, "agent": node.agent, "switch": node.switch}
            for node in found.switches
        ],
        "mobile_nodes": [
            {
                "name": mobile.name,
                "mag": None if mobile.access_port is None else mobile.access_port.mag,
                "access_port": None if mobile.access_port is None else mobile.access_port.port,
                "addresses": [str(address) for address in mobile.addresses],
            }
            for mobile in found.mobile_nodes
        ],
    }


@lab.command("attach", bad="no lab is up, or the node cannot be attached now", wrong="no such node")
@_mobile_node_argument
@_mag_argument
@prefix_option
def attach(mobile_node: str, mag: str, prefix: str | None) -> None:
    """Attach the mobile node MN to a free access port of MAG.

    The command waits until the node has formed its address.
    """
    found = _find(prefix)
    change = found.attach(mobile_node, mag)
    click.echo(f"{mobile_node} is attached to {_access(change.new)}: link moved in {change.link_layer_ms:.1f} ms.")
    if found.process(mag) is None:
        click.echo(f"{mag} has no agent that could give it an address.")
        return
    with progress_console(document=False).status("waiting for its address"):
        address = found.await_address(mobile_node)
    click.echo(f"It has formed the address {address} {time.monotonic() - change.joined_monotonic:.1f} s later.")


@lab.command("detach", bad="no lab is up, or the node is not attached", wrong="no such node")
@_mobile_node_argument
@prefix_option
def detach(mobile_node: str, prefix: str | None) -> None:
    """Take down the link of the mobile node MN."""
    access = _find(prefix).detach(mobile_node)
    click.echo(f"{mobile_node} is detached from {_access(access)}.")


@lab.command("handoff", bad="no lab is up, or the node cannot be moved now", wrong="no such node")
@_mobile_node_argument
@_mag_argument
@prefix_option
def handoff(mobile_node: str, mag: str, prefix: str | None) -> None:
    """Move the attached mobile node MN to MAG; it keeps its address."""
    change = _find(prefix).handoff(mobile_node, mag)
    old = "-" if change.old is None else _access(change.old)
    solicitation = "router solicitation sent" if change.solicited else "the node will solicit by itself"
    moved = f"{mobile_node} moved from {old} to {_access(change.new)}"
    click.echo(f"{moved}: link moved in {change.link_layer_ms:.1f} ms, {solicitation}.")


@lab.command("traffic", bad="no lab is up, or a flow broke", wrong="no such node, or UDP without a rate")
@click.argument("mobile_nodes", metavar="MN...", nargs=-1, required=True, type=NodeName("mobile_nodes", of_lab=True))
@click.option("--protocol", type=click.Choice(["tcp", "udp"]), default="tcp", show_default=True, help="Transport.")
@click.option("--direction", type=click.Choice(["up", "down"]), default="up", show_default=True, help="Who sends.")
@click.option("--rate", type=FiniteRange(min=0, min_open=True), help="Mbit/s of each flow; UDP needs it.")
@click.option("--seconds", type=click.IntRange(1, 3600), default=10, show_default=True, help="Duration.")
@prefix_option
@json_option
def run_traffic(
    mobile_nodes: tuple[str, ...],
    protocol: Protocol,
    direction: Direction,
    rate: float | None,
    seconds: int,
    prefix: str | None,
    as_json: bool,
) -> None:
    """Run a flow between each MN and the correspondent node.

    All flows run at once.
    """
    from ryu_pmipls.lab import traffic_generator

    if protocol == "udp" and rate is None:
        raise InputError("--protocol udp needs a --rate in Mbit/s")
    found = _find(prefix)
    flows = [traffic_generator.Flow(found, node, protocol, direction, rate, seconds) for node in mobile_nodes]
    with progress_console(document=as_json).status(f"{len(flows)} flow(s) for {seconds} s"):
        results = traffic_generator.run(flows)
    if as_json:
        print_document([_flow_document(result) for result in results])
    else:
        _print_results(results)
    failed = [f"{result.name}: {result.error}" for result in results if result.error is not None]
    if failed:
        raise StateError("\n".join(failed))


@lab.command(
    "exec",
    bad="no lab is up, or COMMAND ends so",
    wrong="no such node",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@prefix_option
@click.argument("node", type=NodeName("mags", "lmas", "mobile_nodes", of_lab=True))
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(node: str, command: tuple[str, ...], prefix: str | None) -> None:
    """Run COMMAND on NODE, in place of this program."""
    argv = _find(prefix).command(node, [*command])
    os.execvp(argv[0], argv)


@lab.group("rms")
def rms() -> None:
    """Stop the lab's own RMS, or start it again."""


@rms.command("start", bad="no lab is up, or its RMS runs already", wrong="no such prefix")
@prefix_option
def start_rms(prefix: str | None) -> None:
    """Start the RMS."""
    found = _find(prefix)
    found.start_rms()
    click.echo(f"The RMS listens; its log is {found.log('rms')}.")


@rms.command("stop", bad="no lab is up", wrong="no such prefix")
@prefix_option
def stop_rms(prefix: str | None) -> None:
    """Stop the RMS that the lab started.

    The switches go on forwarding.
    """
    _find(prefix).stop_rms()
    click.echo("The lab's RMS is not running.")


@lab.group("switch")
def switch() -> None:
    """Stop the Open vSwitch of a MAG or an LMA, or start it again.

    A node whose switch is stopped is as if it had died.
    """


@switch.command("start", bad="no lab is up, or the switch does not start", wrong="no such node")
@_switch_argument
@prefix_option
def start_switch(node: str, prefix: str | None) -> None:
    """Start the switch of NODE, and set it up."""
    _find(prefix).start_switch(node)
    click.echo(f"The switch of {node} runs.")


@switch.command("stop", bad="no lab is up", wrong="no such node")
@_switch_argument
@prefix_option
def stop_switch(node: str, prefix: str | None) -> None:
    """Stop the switch of NODE; its agent goes on."""
    _find(prefix).stop_switch(node)
    click.echo(f"The switch of {node} is not running.")


def _access(access: AccessPort) -> str:
    return f"{access.mag} port {access.port}"


def _print_results(results: list[FlowResult]) -> None:
    rows = []
    for result in results:
        udp = result.protocol == "udp"
        loss = f"{100 * result.loss():.2f}" if udp else "-"
        rows.append([result.name, f"{result.goodput():.1f}", loss, "-" if udp else str(result.retransmits())])
    print_table(("flow", "goodput (Mbit/s)", "loss (%)", "retransmitted segments"), rows)


def _flow_document(result: FlowResult) -> dict[str, Any]:
    """A flow's figures: goodput in Mbit/s, the fraction of datagrams lost by UDP, segments sent again by TCP."""
    udp = result.protocol == "udp"
    return {
        "flow": result.name,
        "protocol": result.protocol,
        "direction": result.direction,
        "goodput": result.goodput(),
        "loss": result.loss() if udp else None,
        "retransmitted_segments": None if udp else result.retransmits(),
        "error": result.error,
    }
