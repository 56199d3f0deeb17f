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
@click.option(
    "--profile",
    metavar="PROFILE",
    help="The domain's profile: a file, or the name of a shipped one.  [default: $PMIPLS_PROFILE, else "
    "/etc/pmipls/domain.yaml]",
)
@click.option(
    "--datapath",
    type=click.Choice(["netdev", "system"]),
    default="netdev",
    show_default=True,
    help="Datapath: in user space (netdev), or in the kernel's module openvswitch (system).",
)
@click.option("--underlay-port", metavar="IF", help="Interface towards the other nodes; required with netdev.")
@click.option("--undo", is_flag=True, help="Undo the set-up: give the host back as it was before.")
def main(role: str, name: str, profile: str | None, datapath: Datapath, underlay_port: str | None, undo: bool) -> None:
    """Set up this host's Open vSwitch as that of the MAG or LMA called NAME in the profile, or undo that.

    Run it again after each start of the host or of Open vSwitch, because addresses do not outlive it. It may run at
    any time.
    """
    if os.geteuid() != 0:
        raise click.ClickException("root must run this: it configures bridges and addresses")
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
