"""``python -m ovs_setup mag|lma NAME``: make this host a MAG or an LMA of a domain, or undo it."""

from __future__ import annotations

import os

import click

from ovs_setup import OvsSetupError
from ovs_setup.node import SERVICE_BRIDGE, Datapath, Node, set_up, tear_down
from ovs_setup.programs import search_sbin
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.domain.profile import ProfileError, load_profile


@click.command()
@click.argument("role", type=click.Choice(["mag", "lma"]))
@click.argument("name")
@click.option("--profile", help="Path of a profile, or the name of a shipped one.")
@click.option(
    "--datapath",
    type=click.Choice(["netdev", "system"]),
    default="netdev",
    show_default=True,
    help="Forward in user space (netdev) or in the kernel's openvswitch module (system).",
)
@click.option("--underlay-port", metavar="IF", help="Interface towards the other nodes; needed with netdev.")
@click.option("--undo", is_flag=True, help="Take the set-up back.")
def main(role: str, name: str, profile: str | None, datapath: Datapath, underlay_port: str | None, undo: bool) -> None:
    """Make this host's Open vSwitch that of the MAG or LMA called NAME in the profile, or undo it.

    It may be run again at any time, and has to be after a start of the host: addresses do not outlive it.
    """
    if os.geteuid() != 0:
        raise click.ClickException("only root may configure bridges and addresses")
    search_sbin()
    ovs = OpenVSwitch()
    try:
        domain = load_profile(profile)
        node: Node = domain.mag(name) if role == "mag" else domain.lma(name)
        if undo:
            tear_down(ovs, domain, node)
            click.echo(f"{name}: undone")
        else:
            set_up(ovs, domain, node, datapath, underlay_port)
            click.echo(f"{name}: {SERVICE_BRIDGE} ({datapath}) looks for the RMS at {domain.rms.address}")
    except KeyError as error:
        raise click.BadParameter(error.args[0], param_hint="NAME") from None
    except ProfileError as error:
        click.echo(f"Error: {error}", err=True)
        raise click.exceptions.Exit(2) from None
    except OvsSetupError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main(prog_name="python -m ovs_setup")
