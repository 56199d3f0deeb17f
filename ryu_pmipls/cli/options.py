"""Options that mean the same with every command that has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ryu_pmipls.cli.parameter_types import LabPrefix, ProfileName, RmsUrl

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
    """``--profile`` and ``--url``: the arguments ``profile`` and ``url`` of ``ryu_pmipls.http.client.where``."""
    url = click.option("--url", type=RmsUrl(), metavar="URL", help="Address of the RMS, in place of the profile's.")
    return profile_option("$PMIPLS_PROFILE, else /etc/pmipls/domain.yaml, else http://127.0.0.1:8080")(url(command))


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
