"""Summary of the demo's effects, as a table that fits into 80 columns."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from ryu_pmipls.lab.measuring.demo.demo_report import DemoReport


def summary(report: DemoReport) -> Table:
    """Table of the effects, each seen or not, with the measured figure; below a missing one, the wanted figure."""
    table = Table.grid(padding=(0, 2))
    table.title, table.title_justify = "Was it seen?", "left"
    table.add_column()
    table.add_column(no_wrap=True)
    table.add_column()
    for effect in report.effects:
        seen = "[green]yes[/green]" if effect.seen else "[red]NO[/red]"
        table.add_row(seen, effect.name, escape(effect.measured))
        if not effect.seen:
            table.add_row("", "", f"[dim]wanted: {escape(effect.wanted)}[/dim]")
    return table
