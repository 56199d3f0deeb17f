"""Headings of ``pmipls --help``, and the commands below them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


class HelpSection:
    """A heading with its commands, in the order in which they have registered themselves."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.commands: dict[str, click.Command] = {}

    def command(self, name: str) -> Callable[[Callable[..., Any]], click.Command]:
        """Decorate a function that is the command ``name``."""
        return lambda function: self.add(click.command(name)(function))

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
SHELL = HelpSection("Shell")
#: All headings, in the order of ``pmipls --help``.
SECTIONS = (LAB, MEASURE, INSPECT, OPERATE, AGENTS, PROFILE, SHELL)
