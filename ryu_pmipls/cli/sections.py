"""Headings of ``pmipls --help``, and the commands below them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


class StatedCommand(click.Command):
    """A command that states its exit status: what is ``bad`` for 1, and ``wrong`` for 2 besides options and profile."""

    def __init__(self, *arguments: Any, bad: str = "", wrong: str = "", **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.bad = bad
        self.wrong = wrong

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        states = [
            "0 fine",
            f"1 {self.bad}" if self.bad else "",
            f"2 the input is wrong{self.wrong and ': '}{self.wrong}",
        ]
        formatter.write_paragraph()
        formatter.write_text(f"Exit status: {'; '.join(filter(None, states))}.")


class StatedGroup(click.Group):
    """A group of such commands."""

    command_class = StatedCommand
    group_class = type


class HelpSection:
    """A heading with its commands, in the order in which they have registered themselves."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.commands: dict[str, click.Command] = {}

    def command(self, name: str, *, bad: str, wrong: str = "") -> Callable[[Callable[..., Any]], click.Command]:
        """Decorate the function of the command ``name``, with the meaning of its exit status 1 and 2."""

        def register(function: Callable[..., Any]) -> click.Command:
            return self.add(click.command(name, cls=StatedCommand, bad=bad, wrong=wrong)(function))

        return register

    def add(self, command: click.Command) -> click.Command:
        """Register a command or a group of commands under its name."""
        assert command.name is not None
        self.commands[command.name] = command
        return command


LAB = HelpSection("Lab: a domain inside this machine")
MEASURE = HelpSection("Measure")
INSPECT = HelpSection("Inspect a domain")
OPERATE = HelpSection("Operate a domain")
AGENTS = HelpSection("Agents of MAGs and LMAs")
PROFILE = HelpSection("Profile")
SECURITY = HelpSection("Security")
SHELL = HelpSection("Shell")
#: All headings, in the order of ``pmipls --help``.
SECTIONS = (LAB, MEASURE, INSPECT, OPERATE, AGENTS, PROFILE, SECURITY, SHELL)
