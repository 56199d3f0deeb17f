"""``pmipls ipsec``: the security associations of signalling."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ryu_pmipls.cli.failures import StateError
from ryu_pmipls.cli.options import json_option, rms_options, run_directory_option
from ryu_pmipls.cli.parameter_types import NodeName
from ryu_pmipls.cli.sections import SECURITY, StatedGroup
from ryu_pmipls.cli.tables import print_document, print_table

if TYPE_CHECKING:
    from ryu_pmipls.http.client import RmsOptions

_HEADINGS = ("peer", "address", "state", "established (s)", "octets received", "octets sent")
_KEYS = ("peer", "address", "state", "established", "octets_received", "octets_sent")


@click.group("ipsec", cls=StatedGroup)
def ipsec() -> None:
    """Watch over IPsec of signalling.

    "python -m ovs_setup.ipsec NODE" sets it up on a host.
    """


SECURITY.add(ipsec)


@ipsec.command("status", bad="an association is missing, or nobody answers", wrong="no such node")
@click.argument("node", required=False, type=NodeName("mags", "lmas", others=("rms",)))
@rms_options
@run_directory_option
@json_option
def status(node: str | None, rms: RmsOptions, run_directory: Path | None, as_json: bool) -> None:
    """Show the security associations of the RMS, or of NODE.

    NODE is a MAG or an LMA on this host. The last line counts packets of signalling that were dropped because they were
    not protected.
    """
    document = _of_rms(rms) if node in (None, "rms") else _of_agent(str(node), run_directory)
    found = document["associations"]
    if as_json:
        print_document(document)
    elif found:
        print_table(_HEADINGS, [[_cell(each[key]) for key in _KEYS] for each in found])
        dropped = document["clear_packets_dropped"]
        click.echo(
            f"Dropped in the clear: {', '.join(f'{count} {way}' for way, count in dropped.items()) or 'unknown'}."
        )
    if not found:
        raise StateError("signalling.protection of the profile does not name ipsec")
    if any(each["state"] != "up" for each in found):
        raise click.exceptions.Exit(1)


def _of_rms(rms: RmsOptions) -> Mapping[str, Any]:
    from ryu_pmipls.http.client import fetch, understanding, where

    base = where(rms)
    document: Mapping[str, Any] = fetch(base, "ipsec")
    with understanding(base):
        return {key: document[key] for key in ("associations", "clear_packets_dropped")}


def _of_agent(name: str, run_directory: Path | None) -> Mapping[str, Any]:
    from ryu_pmipls.agents.api import socket_path
    from ryu_pmipls.agents.api_client import request

    path = socket_path(name, run_directory)
    try:
        answered, document = request(path, "/v1/ipsec", None)
    except OSError as error:
        raise StateError(f"{path}: {error.strerror or error}; does the agent of {name} run here?") from None
    if answered != 200:
        raise StateError(f"{path}: not the answer of an agent: {document}")
    found: Mapping[str, Any] = document
    return found


def _cell(value: object) -> str:
    return "-" if value is None else str(value)
