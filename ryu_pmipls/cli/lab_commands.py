"""``pmipls lab …``: the lab at the command line."""

from __future__ import annotations

import os
import time
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ovs_setup import OvsSetupError
from ryu_pmipls.cli.user_error import UserError
from ryu_pmipls.domain.profile import find_profile, load_profile
from ryu_pmipls.lab import cleanup as remains
from ryu_pmipls.lab import traffic_generator as traffic
from ryu_pmipls.lab.lab import Lab
from ryu_pmipls.lab.lab_error import LabError
from ryu_pmipls.lab.lab_layout import AccessPort
from ryu_pmipls.lab.traffic_generator import Direction, FlowResult, Protocol

_console = Console(highlight=False)


class _LabGroup(click.Group):
    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (LabError, OvsSetupError) as error:
            raise UserError(str(error)) from None


_prefix_option = click.option("--prefix", help="Which lab, when several are up: the prefix of its profile.")


@click.group(cls=_LabGroup)
def lab() -> None:
    """A domain inside this machine, on real Open vSwitch (needs root)."""


@lab.command()
@click.argument("profile", required=False)
@click.option("--no-rms", is_flag=True, help="Leave the RMS to be started by hand: ryu-manager ryu_pmipls.rms.")
def up(profile: str | None, no_rms: bool) -> None:
    """Bring the lab of PROFILE up."""
    path = find_profile(profile, lab=True)
    made = Lab(load_profile(path), path)
    with _console.status("setting up") as status:

        def progress(text: str) -> None:
            status.update(text)
            _console.print(f"  {text}")

        made.up(rms=not no_rms, progress=progress)
    _console.print(f"The lab of domain {made.profile.domain} is up; logs are in {made.directory / 'log'}.")
    if no_rms:
        _console.print(f"Start its RMS with: PMIPLS_PROFILE={path} ryu-manager ryu_pmipls.rms", soft_wrap=True)


@lab.command()
@_prefix_option
def down(prefix: str | None) -> None:
    """Remove the lab and all that is left of it."""
    there = remains.prefixes()
    if prefix is None and len(there) > 1:
        raise LabError(f"several labs are up: name one with --prefix; allowed: {', '.join(there)}")
    if prefix is not None and prefix not in there:
        raise LabError(f"no lab has the prefix {prefix!r}; allowed: {', '.join(there) or 'none is up'}")
    for name in there if prefix is None else [prefix]:
        remains.remove(name)
        _console.print(f"The lab with prefix {name} is gone.")


@lab.command()
@_prefix_option
def status(prefix: str | None) -> None:
    """Show what runs, and who is attached where."""
    found = Lab.find(prefix).status()
    rms = "not started by the lab" if found.rms is None else f"process {found.rms}"
    _console.print(f"Lab {found.prefix} in {found.directory}; RMS: {rms}")
    switches = Table("node", "role", "agent", "Open vSwitch")
    for node in found.switches:
        agent = "not running" if node.agent is None else f"process {node.agent}"
        switches.add_row(node.name, node.role, agent, "running" if node.switch else "not running")
    _console.print(switches)
    mobile_nodes = Table("mobile node", "MAG", "access port", "addresses")
    for mobile in found.mobile_nodes:
        mag, port = ("-", "-") if mobile.access_port is None else (mobile.access_port.mag, mobile.access_port.port)
        mobile_nodes.add_row(mobile.name, mag, port, "\n".join(map(str, mobile.addresses)) or "-")
    _console.print(mobile_nodes)


@lab.command()
@click.argument("mobile_node", metavar="MN")
@click.argument("mag")
@_prefix_option
def attach(mobile_node: str, mag: str, prefix: str | None) -> None:
    """Join the mobile node MN to a free access port of MAG, and wait until it has its address."""
    found = Lab.find(prefix)
    change = found.attach(mobile_node, mag)
    _print(f"{mobile_node} is attached to {_access(change.new)}: link moved in {change.link_layer_ms:.1f} ms.")
    if found.process(mag) is None:
        _print(f"{mag} has no agent that could give it an address.")
        return
    with _console.status("waiting for its address"):
        address = found.await_address(mobile_node)
    _print(f"It has formed the address {address} {time.monotonic() - change.joined_monotonic:.1f} s later.")


@lab.command()
@click.argument("mobile_node", metavar="MN")
@_prefix_option
def detach(mobile_node: str, prefix: str | None) -> None:
    """Take the link of the mobile node MN down."""
    access = Lab.find(prefix).detach(mobile_node)
    _console.print(f"{mobile_node} is detached from {access.mag} port {access.port}.")


@lab.command()
@click.argument("mobile_node", metavar="MN")
@click.argument("mag")
@_prefix_option
def handoff(mobile_node: str, mag: str, prefix: str | None) -> None:
    """Move the attached mobile node MN to MAG; it keeps its address."""
    change = Lab.find(prefix).handoff(mobile_node, mag)
    old = "-" if change.old is None else _access(change.old)
    solicitation = "router solicitation sent" if change.solicited else "the node will solicit by itself"
    moved = f"{mobile_node} moved from {old} to {_access(change.new)}"
    _print(f"{moved}: link moved in {change.link_layer_ms:.1f} ms, {solicitation}.")


@lab.command("traffic")
@click.argument("mobile_nodes", metavar="MN...", nargs=-1, required=True)
@click.option("--protocol", type=click.Choice(["tcp", "udp"]), default="tcp", show_default=True)
@click.option("--direction", type=click.Choice(["up", "down"]), default="up", show_default=True)
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Mbit/s for each; needed with udp.")
@click.option("--seconds", type=click.IntRange(1, 3600), default=10, show_default=True)
@_prefix_option
def run_traffic(
    mobile_nodes: tuple[str, ...],
    protocol: Protocol,
    direction: Direction,
    rate: float | None,
    seconds: int,
    prefix: str | None,
) -> None:
    """Run a flow between each MN and the correspondent node, all at once."""
    found = Lab.find(prefix)
    flows = [traffic.Flow(found, node, protocol, direction, rate, seconds) for node in mobile_nodes]
    with _console.status(f"{len(flows)} flow(s) for {seconds} s"):
        results = traffic.run(flows)
    _print_results(results)
    failed = [f"{result.name}: {result.error}" for result in results if result.error is not None]
    if failed:
        raise LabError("\n".join(failed))


@lab.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@_prefix_option
@click.argument("node")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(node: str, command: tuple[str, ...], prefix: str | None) -> None:
    """Run COMMAND on NODE, in place of this program."""
    argv = Lab.find(prefix).command(node, [*command])
    os.execvp(argv[0], argv)


@lab.group()
def rms() -> None:
    """The lab's own RMS: end it to take over by hand, start it again."""


@rms.command("start")
@_prefix_option
def start_rms(prefix: str | None) -> None:
    """Start the RMS."""
    found = Lab.find(prefix)
    found.start_rms()
    _console.print(f"The RMS listens; its log is {found.log('rms')}.")


@rms.command("stop")
@_prefix_option
def stop_rms(prefix: str | None) -> None:
    """End the RMS that the lab started; the switches go on forwarding."""
    Lab.find(prefix).stop_rms()
    _console.print("The lab's RMS is not running.")


@lab.group()
def switch() -> None:
    """The Open vSwitch of a MAG or an LMA: end it, as if the node had died, and start it again."""


@switch.command("start")
@click.argument("node")
@_prefix_option
def start_switch(node: str, prefix: str | None) -> None:
    """Start the switch of NODE and set it up."""
    Lab.find(prefix).start_switch(node)
    _console.print(f"The switch of {node} runs.")


@switch.command("stop")
@click.argument("node")
@_prefix_option
def stop_switch(node: str, prefix: str | None) -> None:
    """End the switch of NODE; its agent goes on."""
    Lab.find(prefix).stop_switch(node)
    _console.print(f"The switch of {node} is not running.")


def _access(access: AccessPort) -> str:
    return f"{access.mag} port {access.port}"


def _print(text: str) -> None:
    _console.print(text, soft_wrap=True)


def _print_results(results: list[FlowResult]) -> None:
    table = Table("flow", "goodput (Mbit/s)", "loss (%)", "retransmitted segments")
    for result in results:
        udp = result.protocol == "udp"
        loss = f"{100 * result.loss():.2f}" if udp else "-"
        table.add_row(result.name, f"{result.goodput():.1f}", loss, "-" if udp else str(result.retransmits()))
    _console.print(table)
