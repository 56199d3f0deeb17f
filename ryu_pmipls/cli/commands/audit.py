"""``pmipls audit``: the commands that the RMS, or an agent on this host, has been given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ryu_pmipls.cli.options import json_option, node_options, state_path
from ryu_pmipls.cli.parameter_types import Moment
from ryu_pmipls.cli.sections import SECURITY
from ryu_pmipls.cli.tables import print_document, print_table
from ryu_pmipls.http.wording import local_date

#: What is shown of a command whose outcome nobody recorded.
_UNKNOWN = "unknown: the process ended meanwhile"
_COLUMNS = ("time", "who", "from", "command", "document", "status", "outcome")


@SECURITY.command("audit", bad="the audit log cannot be read", wrong="no such node")
@click.option("--since", type=Moment(), metavar="WHEN", help="Since then: 10m, 2h, 7d, or 2026-12-01T14:30 (local).")
@node_options
@json_option
def audit(since: float | None, profile: str | None, node: str, run_directory: Path | None, as_json: bool) -> None:
    """Show who commanded what, from where, and what came of it.

    It reads the audit log of the RMS, or of an agent, on its host. Commands that were refused are there, too.
    """
    from ryu_pmipls.http.access.audit_log import read_audit

    records = [*read_audit(state_path(profile, node, run_directory), since or 0.0)]
    if as_json:
        print_document(records)
        return
    print_table(_COLUMNS, map(_row, records), prose=("document", "outcome"))
    lost = sum(int(record.get("unrecorded_before", 0)) for record in records)
    if lost:
        click.echo(f"{lost} more commands were refused; of a caller no more than 60 a minute are recorded.")


def _row(record: dict[str, Any]) -> list[str]:
    command = f"{record['method']} {record.get('path', '')}"
    shown = (record.get(key, "") for key in ("who", "from"))
    status, outcome = str(record.get("status", "-")), str(record.get("outcome", _UNKNOWN))
    return [local_date(record["time"]), *map(str, shown), command, str(record.get("body", "")), status, outcome]
