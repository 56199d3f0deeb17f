"""All commands of ``pmipls``."""

from __future__ import annotations

from collections.abc import Iterator

import click

from ryu_pmipls.cli import main


def every_command(group: click.Group = main, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """All commands, those of groups as well, by the words that call them."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*names, name), command
        if isinstance(command, click.Group):
            yield from every_command(command, *names, name)


#: All commands and groups by their words, and the commands alone.
COMMANDS = dict(every_command())
LEAVES = {words: command for words, command in COMMANDS.items() if not isinstance(command, click.Group)}
