"""``docs/cli.md``, from the commands: ``python -m docs.generators.commands > docs/cli.md``."""

from __future__ import annotations

from collections.abc import Iterator

import click

from ryu_pmipls.cli import SECTIONS
from ryu_pmipls.cli.sections import StatedCommand

_PAGE = """\
# The command line

(This page is made by `python -m docs.generators.commands`.)

`pmipls --help` lists all commands by what they are for, `pmipls COMMAND --help` explains one.

## Options that mean the same everywhere

| option | means |
|---|---|
| `--profile PROFILE` | a file, or a shipped profile, that describes the domain ([profile.md](profile.md)) |
| `--json` | one JSON document on standard output, and all else on standard error |
| `--output FOLDER` | the folder for all files that a command leaves, which is made if need be |
| `--url URL` | the RMS's address, `HOST:PORT` or an http(s) URL, in place of the profile's |
| `--prefix PREFIX` | the lab, when several are up |
| `--run-directory FOLDER` | the private Open vSwitch of an agent, such as a lab's |

Without `--profile` it is `$PMIPLS_PROFILE`, then `/etc/pmipls/domain.yaml`; only what makes a lab goes on to a lab's
own. Every command that shows something has `--json`, and one that leaves files names them in its last line. The RMS is
asked directly, whatever proxy the environment names.

Tables keep names and addresses whole: where a terminal is too narrow, only sentences are wrapped, and where that is not
enough, each row becomes a block of lines. In a pipe, a row is a line. Texts from the network are shown as they are, but
for characters that could command a terminal, which are escaped. Colours are for terminals only, and not with
`$NO_COLOR`.

## Exit status

| status | means |
|---|---|
| 0 | all is fine, or done |
| 1 | the system is not as it should be: what is shown is bad, or nobody answers, or it cannot be done now |
| 2 | the input is wrong: options, names, files, the profile, or what the RMS or an agent finds wrong in a request |
| 130 | interrupted (Ctrl-C) |

With 1 and 2, standard error has one message that names the place and, for 2, what is allowed; or what is shown is
itself what is bad. Nothing has been done when the input is wrong.

## Commands

With the meaning of status 1, and of status 2 besides options and profile:

{tables}

## Completion

Shells complete commands, options, profiles, scenarios, nodes and prefixes of labs:

    eval "$(pmipls completion bash)"                                      # in ~/.bashrc
    eval "$(pmipls completion zsh)"                                       # in ~/.zshrc
    pmipls completion fish >~/.config/fish/completions/pmipls.fish

Nodes are those of the profile that applies, behind `pmipls lab` those of the running lab.
"""


def page() -> str:
    """The page."""
    tables = (_table(section.title, section.commands) for section in SECTIONS)
    return _PAGE.replace("{tables}", "\n\n".join(tables))


def _table(title: str, commands: dict[str, click.Command]) -> str:
    rows = [row for name, command in commands.items() for row in _rows(name, command)]
    return "\n".join((f"### {title}\n", "| command | does | 1 | 2 |", "|---|---|---|---|", *rows))


def _rows(name: str, command: click.Command) -> Iterator[str]:
    """A row for a command, or one for each command of a group."""
    if isinstance(command, StatedCommand):
        does = command.get_short_help_str(limit=200).removesuffix(".")
        yield f"| `{name}` | {does} | {command.bad} | {command.wrong} |"
    elif isinstance(command, click.Group):
        for inner, each in command.commands.items():
            yield from _rows(f"{name} {inner}", each)


if __name__ == "__main__":
    print(page(), end="")
