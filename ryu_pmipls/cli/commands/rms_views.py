"""``pmipls load-list`` and its like: resources of the RMS's REST interface as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ryu_pmipls.cli import rms_tables
from ryu_pmipls.cli.options import json_option, rms_options
from ryu_pmipls.cli.rms_tables import RmsTable
from ryu_pmipls.cli.sections import INSPECT
from ryu_pmipls.cli.tables import print_document
from ryu_pmipls.http.wording import reason_lines

if TYPE_CHECKING:
    from ryu_pmipls.http.client import RmsOptions


def _show(table: RmsTable, rms: RmsOptions, as_json: bool, *path: str) -> None:
    """Print the resource at a path of the RMS as a table, or as the document that it is."""
    from ryu_pmipls.http.client import fetch, path_of, understanding, where

    base = where(rms)
    document = fetch(base, path_of(*path))
    if as_json:
        print_document(document)
        return
    with understanding(base):
        table.print(document)


@INSPECT.command("health", bad="the domain is degraded, or the RMS does not answer")
@rms_options
@json_option
def health(rms: RmsOptions, as_json: bool) -> None:
    """Show whether all is well with the domain, and if not, why."""
    from ryu_pmipls.http.client import fetch, understanding, where

    base = where(rms)
    document = fetch(base, "health")
    with understanding(base):
        well = document["status"] == "ok"
        if as_json:
            print_document(document)
        else:
            rms_tables.HEALTH.print(document)
            for line in reason_lines(document):
                click.echo(line)
    if not well:
        raise click.exceptions.Exit(1)


@INSPECT.command("load-list", bad="the RMS does not answer")
@rms_options
@json_option
def load_list(rms: RmsOptions, as_json: bool) -> None:
    """Show the load list: CPU and packets of each LMA, by MAG.

    Packets count in the window of the policy.
    """
    _show(rms_tables.LOAD_LIST, rms, as_json, "load-list")


@INSPECT.command("lmas", bad="the RMS does not answer")
@rms_options
@json_option
def lmas(rms: RmsOptions, as_json: bool) -> None:
    """Show the LMAs and their switches."""
    _show(rms_tables.LMAS, rms, as_json, "lmas")


@INSPECT.command("mags", bad="the RMS does not answer")
@rms_options
@json_option
def mags(rms: RmsOptions, as_json: bool) -> None:
    """Show the MAGs, their switches and the LMAs of their uplinks."""
    _show(rms_tables.MAGS, rms, as_json, "mags")


@INSPECT.command("tunnels", bad="the RMS does not answer")
@rms_options
@json_option
def tunnels(rms: RmsOptions, as_json: bool) -> None:
    """Show the tunnel of every MAG to every LMA, and its packets."""
    _show(rms_tables.TUNNELS, rms, as_json, "tunnels")


@INSPECT.command("bindings", bad="the RMS does not answer")
@rms_options
@json_option
def bindings(rms: RmsOptions, as_json: bool) -> None:
    """Show where every mobile node is."""
    _show(rms_tables.BINDINGS, rms, as_json, "bindings")


@INSPECT.command("traffic", bad="the RMS does not answer", wrong="no such prefix")
@click.argument("prefix")
@rms_options
@json_option
def traffic(prefix: str, rms: RmsOptions, as_json: bool) -> None:
    """Show packets and octets of a mobile node.

    PREFIX is its home network prefix. The counters start when it attaches.
    """
    _show(rms_tables.TRAFFIC, rms, as_json, "bindings", prefix.removesuffix("/64"))


@INSPECT.command("decisions", bad="the RMS does not answer")
@rms_options
@json_option
def decisions(rms: RmsOptions, as_json: bool) -> None:
    """Show the decisions of load sharing, with their outcomes."""
    _show(rms_tables.DECISIONS, rms, as_json, "decisions")


@INSPECT.command("incidents", bad="the RMS does not answer")
@rms_options
@json_option
def incidents(rms: RmsOptions, as_json: bool) -> None:
    """Show deaths, returns and drains of LMAs."""
    _show(rms_tables.INCIDENTS, rms, as_json, "incidents")
