"""``pmipls``: the command line. Each command's code is imported only when that command is used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from ovs_setup.programs import search_sbin
from ryu_pmipls import __version__
from ryu_pmipls.cli.user_error import UserError
from ryu_pmipls.domain.profile import ProfileError
from ryu_pmipls.http.client import ClientError

#: Commands that live with what they operate: name -> module and attribute.
_COMMANDS = {
    "check": "ryu_pmipls.cli.profile_commands:check",
    "show": "ryu_pmipls.cli.profile_commands:show",
    "keys": "ryu_pmipls.cli.key_commands:keys",
    "decode": "ryu_pmipls.cli.decode:decode",
    "doctor": "ryu_pmipls.cli.doctor:doctor",
    "lab": "ryu_pmipls.cli.lab_commands:lab",
    "demo": "ryu_pmipls.cli.demo:demo",
    "handoffs": "ryu_pmipls.lab.measuring.handoffs:handoffs",
    "simulate": "ryu_pmipls.cli.simulate:simulate",
    "measure": "ryu_pmipls.cli.measure:measure",
    "mag": "ryu_pmipls.cli.agents:mag",
    "lma": "ryu_pmipls.cli.agents:lma",
    "tell": "ryu_pmipls.cli.agents:tell",
}
#: Modules with a list `commands`: the clients of the RMS's REST interface.
_REST_COMMANDS = ("ryu_pmipls.cli.rms_views", "ryu_pmipls.cli.operator")


class _Pmipls(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return [*_COMMANDS, *_rest_commands()]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return _rest_commands().get(name)
        module, attribute = _COMMANDS[name].split(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except ProfileError as error:
            raise UserError(str(error)) from None
        except ClientError as error:
            raise click.ClickException(str(error)) from None


def _rest_commands() -> dict[str, click.Command]:
    return {command.name: command for module in _REST_COMMANDS for command in import_module(module).commands}


@click.command(cls=_Pmipls, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pmipls")
def main() -> None:
    """Proxy Mobile IPv6 with load sharing on Open vSwitch.

    PROFILE is a YAML file or the name of a shipped profile; by default $PMIPLS_PROFILE, else /etc/pmipls/domain.yaml,
    and for lab, demo and handoffs else two-lma.
    """
    search_sbin()
