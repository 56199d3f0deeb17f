"""``pmipls token …``: bearer tokens for the REST interface of the RMS, or of an agent on this host."""

from __future__ import annotations

import time
from pathlib import Path

import click

from ryu_pmipls.cli.options import json_option, node_options, state_path
from ryu_pmipls.cli.sections import SECURITY, StatedGroup
from ryu_pmipls.cli.tables import print_document, print_table
from ryu_pmipls.http.wording import local_date

_ROLES = ("read", "operate")


@click.group("token", cls=StatedGroup)
def token() -> None:
    """Let people and programs use REST, by tokens.

    Tokens are those of the RMS, or with --node of an agent, on its host: a file in its state directory has their
    hashes, and is read again whenever it changes.
    """


SECURITY.add(token)


@token.command("create", bad="the file of tokens cannot be used", wrong="a name that is taken, or no such node")
@click.argument("name")
@click.option(
    "--role", type=click.Choice(("read", "operate")), default="read", show_default=True, help="What it allows."
)
@click.option("--days", type=click.IntRange(1, 3650), default=90, show_default=True, help="Days until it expires.")
@node_options
def create(name: str, role: str, days: int, profile: str | None, node: str, run_directory: Path | None) -> None:
    """Create a token, and print it.

    It is shown this once. NAME stands for it in lists, logs and the audit log.
    """
    from ryu_pmipls.http.access.roles import AccessRole
    from ryu_pmipls.http.access.tokens import TokenFile

    file = TokenFile(state_path(profile, node, run_directory))
    secret = file.create(name, AccessRole(role), days, time.time())
    click.echo(f"Token {name}, role {role}, for {days} days. It is shown only now:", err=True)
    click.echo(secret)


@token.command("list", bad="the file of tokens cannot be used", wrong="no such node")
@node_options
@json_option
def list_tokens(profile: str | None, node: str, run_directory: Path | None, as_json: bool) -> None:
    """Show the tokens there are, and how long."""
    from ryu_pmipls.http.access.tokens import TokenFile

    tokens, now = TokenFile(state_path(profile, node, run_directory)).tokens(), time.time()
    if as_json:
        print_document(
            [
                {
                    "name": each.name,
                    "role": each.role.value,
                    "created": each.created,
                    "expires": each.expires,
                    "valid": each.is_valid(now),
                }
                for each in tokens
            ]
        )
        return
    rows = [
        (
            each.name,
            each.role.value,
            local_date(each.created),
            local_date(each.expires),
            "valid" if each.is_valid(now) else "expired",
        )
        for each in tokens
    ]
    print_table(("token", "role", "created", "expires", "is"), rows)


@token.command("revoke", bad="the file of tokens cannot be used", wrong="no such token or node")
@click.argument("name")
@node_options
def revoke(name: str, profile: str | None, node: str, run_directory: Path | None) -> None:
    """Revoke a token; the next request with it is refused."""
    from ryu_pmipls.http.access.tokens import TokenFile

    TokenFile(state_path(profile, node, run_directory)).revoke(name)
    click.echo(f"Token {name} is revoked.")
