"""``pmipls drain`` and its like: the operator's commands to the RMS, by REST."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click
from rich.table import Table

from ryu_pmipls.cli.rms_views import WHERE_PROFILE, WHERE_URL, console, decision_rows
from ryu_pmipls.http.client import fetch, send, where

#: Seconds between queries if an LMA can be stopped.
_INTERVAL = 1.0


def _where(command: Callable[..., Any]) -> Callable[..., Any]:
    return WHERE_PROFILE(WHERE_URL(command))


def _show_drain(lma: Any) -> bool:
    drain = lma["drain"]
    if drain["safe_to_stop"]:
        click.echo(f"{lma['name']} is drained: safe to stop.")
    else:
        click.echo(f"{lma['name']} is being drained, and waits for: {'; '.join(drain['waits_for'])}.")
    return bool(drain["safe_to_stop"])


@click.command("drain")
@click.argument("lma")
@click.option("--wait", type=click.FloatRange(min=0), metavar="SECONDS", help="Until it is safe to stop, at most.")
@_where
def _drain(lma: str, wait: float | None, profile: str | None, url: str | None) -> None:
    """Free LMA of sessions and traffic, both ways, without loss; say whether it is safe to stop.

    It stays so, over restarts of the RMS, until undrain. To be repeated at will.
    """
    base = where(profile, url)
    document = send(base, f"lmas/{lma}/drain", {})
    deadline = time.monotonic() + (wait or 0)
    while not _show_drain(document):
        if time.monotonic() > deadline:
            if wait is not None:
                raise click.ClickException(f"{lma} was not safe to stop within {wait:g} s; it goes on being drained")
            return
        time.sleep(_INTERVAL)
        document = fetch(base, f"lmas/{lma}")


@click.command("undrain")
@click.argument("lma")
@_where
def _undrain(lma: str, profile: str | None, url: str | None) -> None:
    """Have LMA take part again: new sessions at once, uplinks as the load wants it."""
    send(where(profile, url), f"lmas/{lma}/undrain", {})
    click.echo(f"{lma} takes part again.")


def _print_decisions(decisions: Any) -> None:
    table = Table("id", "time", "MAG", "uplink", "outcome", "reason")
    for row in decision_rows(decisions):
        table.add_row(*row)
    console().print(table)


@click.command("adjust")
@click.argument("mag")
@click.argument("lma")
@_where
def _adjust(mag: str, lma: str, profile: str | None, url: str | None) -> None:
    """Move all uplinks of MAG to LMA. The policy leaves them there for the cool-down."""
    _print_decisions(send(where(profile, url), f"mags/{mag}/adjust", {"lma": lma}))


@click.command("dry-run")
@click.option("--policy", help="Decide by another policy.")
@click.option("--drain", "drained", metavar="LMA", multiple=True, help="As if LMA were drained; may be repeated.")
@_where
def _dry_run(policy: str | None, drained: tuple[str, ...], profile: str | None, url: str | None) -> None:
    """Tell what would be decided now, and why; nothing is done."""
    outcome = send(where(profile, url), "dry-run", {"policy": policy, "drain": drained})
    if outcome["decisions"]:
        _print_decisions(outcome["decisions"])
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


@click.command("policy")
@click.argument("name", required=False)
@click.option("--of-the-profile", is_flag=True, help="Go back to that of the profile.")
@_where
def _policy(name: str | None, of_the_profile: bool, profile: str | None, url: str | None) -> None:
    """Show the policy, or decide by NAME from now on, over restarts of the RMS."""
    base = where(profile, url)
    if name is not None or of_the_profile:
        document = send(base, "policy", {"policy": None if of_the_profile else name})
    else:
        document = fetch(base, "policy")
    allowed = ", ".join(document["allowed"])
    click.echo(f"{document['policy']} (of the profile: {document['of_the_profile']}; there are: {allowed})")


commands = [_drain, _undrain, _adjust, _dry_run, _policy]
