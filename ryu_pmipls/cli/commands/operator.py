"""``pmipls drain`` and its like: the operator's commands to the RMS, by REST."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from ryu_pmipls.cli import rms_tables
from ryu_pmipls.cli.failures import InputError, StateError
from ryu_pmipls.cli.options import json_option, rms_options
from ryu_pmipls.cli.parameter_types import FiniteRange, NodeName
from ryu_pmipls.cli.sections import OPERATE
from ryu_pmipls.cli.tables import print_document

if TYPE_CHECKING:
    from ryu_pmipls.http.client import RmsOptions

#: Seconds between queries if an LMA can be stopped.
_INTERVAL = 1.0


@OPERATE.command(
    "drain", bad="the RMS does not answer or refuses, or LMA is not safe to stop in time", wrong="no such LMA"
)
@click.argument("lma", type=NodeName("lmas"))
@click.option(
    "--wait", type=FiniteRange(min=0), metavar="SECONDS", help="Longest time to wait until it is safe to stop."
)
@rms_options
@json_option
def drain(lma: str, wait: float | None, rms: RmsOptions, as_json: bool) -> None:
    """Free an LMA of sessions and traffic, without loss.

    The command shows whether LMA is safe to stop, and if not, what that waits for. LMA stays drained, over restarts of
    the RMS, until undrain. The command may be repeated at will.
    """
    from ryu_pmipls.http.client import fetch, path_of, send, understanding, where

    base = where(rms)
    deadline = time.monotonic() + (wait or 0)
    document = send(base, path_of("lmas", lma, "drain"), {})
    with understanding(base):
        while not _drained(document, quiet=as_json) and time.monotonic() < deadline:
            time.sleep(_INTERVAL)
            document = fetch(base, path_of("lmas", lma))
        safe = document["drain"]["safe_to_stop"]
    if as_json:
        print_document(document)
    if wait is not None and not safe:
        raise StateError(f"{lma} was not safe to stop within {wait:g} s; it goes on being drained")


def _drained(lma: Any, *, quiet: bool) -> bool:
    """True when an LMA is safe to stop; says so, or what that waits for."""
    drain = lma["drain"]
    if drain["safe_to_stop"]:
        line = f"{lma['name']} is drained: safe to stop."
    else:
        line = f"{lma['name']} is being drained, and waits for: {'; '.join(drain['waits_for'])}."
    if not quiet:
        click.echo(line)
    return bool(drain["safe_to_stop"])


@OPERATE.command("undrain", bad="the RMS does not answer or refuses", wrong="no such LMA")
@click.argument("lma", type=NodeName("lmas"))
@rms_options
@json_option
def undrain(lma: str, rms: RmsOptions, as_json: bool) -> None:
    """Let a drained LMA take part again.

    LMA gets new sessions at once, and uplinks when the load calls for it.
    """
    from ryu_pmipls.http.client import path_of, send, where

    document = send(where(rms), path_of("lmas", lma, "undrain"), {})
    if as_json:
        print_document(document)
    else:
        click.echo(f"{lma} takes part again.")


@OPERATE.command("adjust", bad="the RMS does not answer or refuses", wrong="no such MAG or LMA")
@click.argument("mag", type=NodeName("mags"))
@click.argument("lma", type=NodeName("lmas"))
@rms_options
@json_option
def adjust(mag: str, lma: str, rms: RmsOptions, as_json: bool) -> None:
    """Move all uplinks of MAG to LMA.

    The policy leaves them there for the cool-down.
    """
    from ryu_pmipls.http.client import path_of, send, understanding, where

    base = where(rms)
    decisions = send(base, path_of("mags", mag, "adjust"), {"lma": lma})
    if as_json:
        print_document(decisions)
        return
    with understanding(base):
        rms_tables.DECISIONS.print(decisions)


@OPERATE.command("dry-run", bad="the RMS does not answer or refuses", wrong="no such policy or LMA")
@click.option("--policy", metavar="NAME", help="Decide by this policy.")
@click.option(
    "--drain",
    "drained",
    type=NodeName("lmas"),
    metavar="LMA",
    multiple=True,
    help="Decide as if LMA were drained; may be repeated.",
)
@rms_options
@json_option
def dry_run(policy: str | None, drained: tuple[str, ...], rms: RmsOptions, as_json: bool) -> None:
    """Show what would be decided now, and why; nothing is done."""
    from ryu_pmipls.http.client import send, understanding, where

    base = where(rms)
    outcome = send(base, "dry-run", {"policy": policy, "drain": drained})
    if as_json:
        print_document(outcome)
        return
    with understanding(base):
        _show_outcome(outcome)


def _show_outcome(outcome: Any) -> None:
    if outcome["decisions"]:
        rms_tables.DECISIONS.print(outcome["decisions"])
    else:
        click.echo(f"By policy {outcome['policy']} nothing would be moved.")
    for alarm in outcome["alarms"]:
        click.echo(f"alarm at {alarm['lma']}: {alarm['reason']}")
    outlook = outcome["outlook"]
    if outlook is not None:
        click.echo(
            f"highest CPU {outlook['before']:.0%}, afterwards {outlook['after']:.0%}, at the optimum "
            f"{outlook['optimum']:.0%}"
        )


@OPERATE.command("policy", bad="the RMS does not answer or refuses", wrong="no such policy")
@click.argument("name", required=False)
@click.option("--of-the-profile", is_flag=True, help="Go back to the policy of the profile.")
@rms_options
@json_option
def policy(name: str | None, of_the_profile: bool, rms: RmsOptions, as_json: bool) -> None:
    """Show the policy of load sharing, or change it.

    The RMS decides by the policy NAME from now on, over restarts of its own.
    """
    from ryu_pmipls.http.client import fetch, send, understanding, where

    if name is not None and of_the_profile:
        raise InputError(f"{name} and --of-the-profile: only one of them can be the policy")
    base = where(rms)
    change = name is not None or of_the_profile
    document = send(base, "policy", {"policy": name}) if change else fetch(base, "policy")
    if as_json:
        print_document(document)
        return
    with understanding(base):
        allowed = ", ".join(document["allowed"])
        click.echo(f"{document['policy']} (of the profile: {document['of_the_profile']}; there are: {allowed})")
