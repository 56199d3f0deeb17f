"""``python -m ovs_setup.ipsec NODE``: protect this host's signalling by IPsec, or undo it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ovs_setup import OvsSetupError
from ovs_setup.ipsec.files import DaemonFiles
from ovs_setup.ipsec.set_up import load, set_up, tear_down
from ovs_setup.programs import search_sbin
from ovs_setup.vswitch import OpenVSwitch, OvsError
from ryu_pmipls.domain.profile import Profile, ProfileError, load_profile
from ryu_pmipls.ipsec.pairs import associations

_SERVICE = "strongswan"


@click.command()
@click.argument("node")
@click.option(
    "--profile",
    metavar="PROFILE",
    help="The domain's profile: a file, or the name of a shipped one.  [default: $PMIPLS_PROFILE, else "
    "/etc/pmipls/domain.yaml]",
)
@click.option("--undo", is_flag=True, help="Undo the set-up: signalling may go in the clear then.")
def main(node: str, profile: str | None, undo: bool) -> None:
    """Protect the signalling of this host, which is the RMS (rms), or the MAG or LMA called NODE in the profile.

    Run it again after each start of the host, and when certificates, revocation list or keys are new. It may run at
    any time.
    """
    if os.geteuid() != 0:
        raise click.ClickException("root must run this: it configures strongSwan, nftables and routes")
    search_sbin()
    try:
        domain = load_profile(profile)
        own = associations(domain, node).own.address
        if undo:
            tear_down(OpenVSwitch(), own, DaemonFiles.of_host())
            click.echo(f"{node}: undone")
        else:
            _set_up(domain, node)
    except KeyError as error:
        raise click.BadParameter(error.args[0], param_hint="NODE") from None
    except ProfileError as error:
        click.echo(f"Error: {error}", err=True)
        raise click.exceptions.Exit(2) from None
    except OvsSetupError as error:
        raise click.ClickException(str(error)) from None


def _set_up(domain: Profile, node: str) -> None:
    if not domain.signalling.ipsec:
        raise click.ClickException("signalling.protection of the profile does not name ipsec")
    host, files = OpenVSwitch(), DaemonFiles.of_host()
    anew = set_up(host, domain, node, files)
    if Path("/run/systemd/system").is_dir():
        host.execute("systemctl", "enable", _SERVICE)
        host.execute("systemctl", "restart" if anew else "start", _SERVICE)
    elif anew:
        click.echo(f"start charon-systemd anew: it has to read {files.daemon}")
    try:
        load(host, files)
    except OvsError as error:
        raise OvsSetupError(f"strongSwan does not run, or refuses its connections: {error.stderr}") from None
    peers = len(associations(domain, node).peers)
    click.echo(f"{node}: signalling with {peers} nodes goes by IPsec, and no other way")


if __name__ == "__main__":
    main(prog_name="python -m ovs_setup.ipsec")
