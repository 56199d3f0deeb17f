"""Help of every command: it comes at once, in sections, in whole sentences."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from ryu_pmipls.cli import main
from ryu_pmipls.cli.sections import SECTIONS
from tests.unit.cli.command_tree import COMMANDS, LEAVES

#: Modules that take long to import. What a command needs of them, it imports when it runs.
SLOW = (
    "asyncio",
    "cryptography",
    "eventlet",
    "matplotlib",
    "networkx",
    "numpy",
    "psutil",
    "pydantic",
    "pyroute2",
    "rich",
    "yaml",
)


def test_help_of_all_commands_imports_nothing_slow() -> None:
    program = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from ryu_pmipls.cli import main\n"
        f"for words in {[*COMMANDS]!r}:\n"
        "    assert CliRunner().invoke(main, [*words, '--help']).exit_code == 0, words\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        f"print(*({{name.partition('.')[0] for name in sys.modules}} & {{*{SLOW!r}}}))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_help_lists_every_command_once_below_its_heading() -> None:
    output = CliRunner().invoke(main, ["--help"]).output
    for section in SECTIONS:
        _, _, below = output.partition(f"\n{section.title}:\n")
        listed = [line.split()[0] for line in below.partition("\n\n")[0].splitlines()]
        assert listed == [*section.commands]
    assert sum(len(section.commands) for section in SECTIONS) == len(main.list_commands(click.Context(main)))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_first_sentence_says_what_a_command_does_and_fits_into_the_list(words: tuple[str, ...]) -> None:
    first = COMMANDS[words].get_short_help_str(limit=200)
    assert first.endswith(".") and not first.endswith("...")
    assert len(first) <= 62, first


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_option_is_explained(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*words, "-h"], terminal_width=300)
    assert result.exit_code == 0
    for option in LEAVES[words].params:
        if isinstance(option, click.Option):
            assert option.help and option.help[0].isupper() and option.help.partition("  [")[0].endswith("."), (
                option.name
            )
