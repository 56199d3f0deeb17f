"""``pmipls completion``: scripts by which shells complete commands, options, profiles and nodes."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ryu_pmipls.cli.sections import SHELL

_SHELLS = ("bash", "zsh", "fish")


@SHELL.command("completion", bad="", wrong="an unknown shell")
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    In ~/.bashrc: eval "$(pmipls completion bash)"

    In ~/.zshrc: eval "$(pmipls completion zsh)"

    For fish, once: pmipls completion fish >~/.config/fish/completions/pmipls.fish
    """
    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(context.find_root().command, {}, "pmipls", "_PMIPLS_COMPLETE").source())
