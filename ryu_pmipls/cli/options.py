"""Options that mean the same with every command that has them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from ryu_pmipls.cli.failures import InputError
from ryu_pmipls.cli.parameter_types import LabPrefix, NodeName, ProfileName, RmsUrl

F = TypeVar("F", bound=Callable[..., Any])

#: Flag ``as_json``: the document on standard output, and all else that is printed on standard error.
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")

#: ``prefix`` of a lab, or None for the only one.
prefix_option = click.option(
    "--prefix", type=LabPrefix(), metavar="PREFIX", help="Prefix of the lab, when several are up."
)

#: ``protection`` of signalling in a lab, or None for that of the profile.
protection_option = click.option(
    "--protection",
    type=click.Choice(["none", "ipsec"]),
    help="Protection of signalling, in place of the profile's.",
)

run_directory_option = click.option(
    "--run-directory",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    metavar="FOLDER",
    help="Run directory of a private Open vSwitch, in place of the host's own.",
)


def profile_option(default: str = "$PMIPLS_PROFILE, else /etc/pmipls/domain.yaml") -> Callable[[F], F]:
    """``--profile``, the argument ``profile``: a path, the name of a shipped profile, or None."""
    return click.option(
        "--profile",
        type=ProfileName(),
        metavar="PROFILE",
        help=f"File or shipped profile that describes the domain.  [default: {default}]",
    )


def lab_profile_option(fallback: str) -> Callable[[F], F]:
    """``--profile`` of a command that brings up a lab: without any profile it is that of the lab ``fallback``."""
    return profile_option(f"$PMIPLS_PROFILE, else /etc/pmipls/domain.yaml, else {fallback}")


def rms_options(command: F) -> F:
    """Options by which a command finds the RMS, and what to show it: the argument ``rms``, for ``client.where``."""

    @wraps(command)
    def with_options(
        *arguments: Any, profile: str | None, url: str | None, token_file: Path | None, ca: Path | None, **named: Any
    ) -> Any:
        from ryu_pmipls.http.client import RmsOptions

        return command(*arguments, rms=RmsOptions(profile, url, token_file, ca), **named)

    function = cast(F, with_options)
    for option in (
        click.option(
            "--ca",
            type=click.Path(dir_okay=False, exists=True, path_type=Path),
            metavar="FILE",
            help="Authority that has certified the RMS, in PEM.  [default: $PMIPLS_CA, else of ~/.config/pmipls, else "
            "of the profile]",
        ),
        click.option(
            "--token-file",
            type=click.Path(dir_okay=False, exists=True, path_type=Path),
            metavar="FILE",
            help="File with a token.  [default: $PMIPLS_TOKEN, else of ~/.config/pmipls, else of the RMS's state "
            "directory]",
        ),
        click.option("--url", type=RmsUrl(), metavar="URL", help="Address of the RMS, in place of the profile's."),
        profile_option("$PMIPLS_PROFILE, else /etc/pmipls/domain.yaml, else http://127.0.0.1:8080"),
    ):
        function = option(function)
    return function


def node_options(command: F) -> F:
    """``--profile``, ``--node`` and ``--run-directory``: the RMS or an agent on this host, by ``state_path``."""
    node = click.option(
        "--node",
        type=NodeName("mags", "lmas", others=("rms",)),
        metavar="NODE",
        default="rms",
        show_default=True,
        help="The RMS, or a MAG or an LMA on this host.",
    )
    return profile_option()(node(run_directory_option(command)))


def state_path(profile: str | None, node: str, run_directory: Path | None) -> Path:
    """The directory where a process on this host keeps its state; ``InputError`` when there is no such node."""
    from ryu_pmipls.agents.agent_state import state_path
    from ryu_pmipls.domain.profile import RMS_NAME, load_profile

    domain = load_profile(profile)
    if node == RMS_NAME:
        return domain.rms.state_directory
    names = [each.name for each in (*domain.mags, *domain.lmas)]
    if node not in names:
        raise InputError(f"--node: no node is called {node!r}; there are: {', '.join((RMS_NAME, *names))}")
    return state_path(node, run_directory)


def output_option(default: str | None = None) -> Callable[[F], F]:
    """``--output``, the argument ``output``: the folder for all files of a command, which is made if need be.

    Without a default, None means no files.
    """
    return click.option(
        "--output",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="FOLDER",
        default=None if default is None else Path(default),
        show_default=default is not None,
        help="Folder for all files that the command leaves.",
    )
