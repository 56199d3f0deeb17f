"""Verdicts on what was to be seen, as a table that fits into 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table


@dataclass(frozen=True)
class Verdict:
    """The verdict on one demand: what was measured, and what there is to say beside it."""

    met: bool
    name: str
    measured: str
    remarks: Sequence[str] = ()


def verdict_table(title: str, verdicts: Iterable[Verdict]) -> Table:
    """Table of verdicts, the remarks below each."""
    table = Table.grid(padding=(0, 2))
    table.title, table.title_justify = title, "left"
    table.add_column()
    table.add_column(no_wrap=True)
    table.add_column()
    for verdict in verdicts:
        met = "[green]yes[/green]" if verdict.met else "[red]NO[/red]"
        table.add_row(met, verdict.name, escape(verdict.measured))
        for remark in verdict.remarks:
            table.add_row("", "", f"[dim]{escape(remark)}[/dim]")
    return table
