"""``python -m ovs_setup.service NODE``: make a node's process a service of this host, or undo it."""

from __future__ import annotations

import os

import click

from ovs_setup import OvsSetupError
from ovs_setup.programs import search_sbin
from ovs_setup.service.set_up import set_up, tear_down
from ovs_setup.service.units import find_node, unit_name
from ovs_setup.vswitch import OpenVSwitch
from ryu_pmipls.domain.privileges import capabilities_of, user_of
from ryu_pmipls.domain.profile import ProfileError, find_profile, load_profile


@click.command()
@click.argument("node")
@click.option(
    "--profile",
    metavar="PROFILE",
    help="The domain's profile: a file, or the name of a shipped one.  [default: $PMIPLS_PROFILE, else "
    "/etc/pmipls/domain.yaml]",
)
@click.option("--undo", is_flag=True, help="Undo it: unit and user go, files are root's.")
def main(node: str, profile: str | None, undo: bool) -> None:
    """Make the process of this host a service of systemd: that of the RMS (rms), or of the MAG or LMA called NODE.

    It gets a user of its own, with the capabilities that it needs and no other. Run it again when keys or certificates
    have been put in place, or the profile has changed. It may run at any time.
    """
    if os.geteuid() != 0:
        raise click.ClickException("root must run this: it makes users and units")
    search_sbin()
    try:
        path = find_profile(profile)
        domain = load_profile(path)
        found = find_node(domain, node)
        if undo:
            tear_down(OpenVSwitch(), domain, found, click.echo)
            click.echo(f"{node}: undone")
            return
        set_up(OpenVSwitch(), domain, found, path.resolve(), click.echo)
    except KeyError as error:
        raise click.BadParameter(error.args[0], param_hint="NODE") from None
    except ProfileError as error:
        click.echo(f"Error: {error}", err=True)
        raise click.exceptions.Exit(2) from None
    except OvsSetupError as error:
        raise click.ClickException(str(error)) from None
    rights = " and ".join(capabilities_of(domain, found)) or "no capability"
    click.echo(f"{node}: runs as {user_of(found)} with {rights}; start it: systemctl enable --now {unit_name(found)}")


if __name__ == "__main__":
    main(prog_name="python -m ovs_setup.service")
