"""``pmipls``: the command line.

Help must come at once. So command files import at their top only what is quick to import, and a command imports what it
runs when it runs.
"""

from __future__ import annotations

import sys
from importlib import import_module
from io import TextIOWrapper
from pkgutil import iter_modules
from typing import Any

import click

from ovs_setup.programs import search_sbin
from ryu_pmipls import __version__
from ryu_pmipls.cli import commands
from ryu_pmipls.cli.failures import explained
from ryu_pmipls.cli.sections import SECTIONS

for _module in iter_modules(commands.__path__):
    import_module(f"{commands.__name__}.{_module.name}")


class _Pmipls(click.Group):
    """All commands by section; their exceptions become messages."""

    def list_commands(self, context: click.Context) -> list[str]:
        return [name for section in SECTIONS for name in section.commands]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return next((section.commands[name] for section in SECTIONS if name in section.commands), None)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.list_commands(context)))
        for section in SECTIONS:
            with formatter.section(section.title):
                formatter.write_dl(
                    [
                        (name.ljust(width), command.get_short_help_str(formatter.width - width - 6))
                        for name, command in section.commands.items()
                    ]
                )

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (Exception, KeyboardInterrupt) as error:
            explanation = explained(error)
            if explanation is None:
                raise
            raise explanation from None


@click.command(cls=_Pmipls, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pmipls")
def main() -> None:
    """Proxy Mobile IPv6 with load sharing on Open vSwitch.

    A domain is described by a PROFILE: --profile, else $PMIPLS_PROFILE, else /etc/pmipls/domain.yaml; lab, demo,
    handoffs and measure have one of their own besides.

    Exit status: 0 fine; 1 something is wrong with the system; 2 the input is wrong; 130 interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # what its encoding lacks is shown escaped
            stream.reconfigure(errors="backslashreplace")
    search_sbin()
