"""Output of commands: tables and JSON documents.

A table cuts nothing short. On a terminal that is too narrow for its names and addresses, each row becomes a block of
lines, a line for each column; in a pipe or a file, a row is a line as long as it needs to be. Texts are shown as they
are: brackets are no markup, and characters that could command a terminal are escaped.
"""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import click

_GAP = "  "
#: Columns that a wrapped text gets at least.
_LEAST_PROSE = 16


class Heading(NamedTuple):
    """Title of a column; only ``prose`` may be wrapped, never names, addresses and numbers."""

    title: str
    prose: bool = False


def print_document(document: Any) -> None:
    """Print a JSON document."""
    click.echo(json.dumps(document, indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], prose: Collection[str] = ()) -> None:
    """Print a table, as wide as the terminal at most; only cells of the columns ``prose`` may be wrapped."""
    headings = [Heading(column, column in prose) for column in columns]
    rule = "─" if sys.stdout.encoding.lower().startswith("utf") else "-"
    for line in table_lines(headings, [*rows], terminal_width(), rule):
        click.echo(line)


def terminal_width() -> int | None:
    """Columns of the terminal on standard output; ``None`` when that is a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def printable(text: str) -> str:
    """A text on one line, without characters that a terminal obeys."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape", "surrogatepass").decode() for each in text
    )


def table_lines(
    headings: Sequence[Heading], rows: Sequence[Sequence[str]], width: int | None, rule: str = "─"
) -> Iterator[str]:
    """The lines of a table that is at most ``width`` columns wide (``None``: any), or of the blocks in its place.

    A line of ``rule`` parts headings and rows.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = _widths(headings, cells, width)
    if widths is None:
        yield from _blocks(headings, cells)
        return
    titles = [textwrap.wrap(heading.title, each) for heading, each in zip(headings, widths, strict=True)]
    height = max(map(len, titles))
    yield from _lines([[""] * (height - len(title)) + title for title in titles], widths)
    yield from _lines([[rule * each] for each in widths], widths)
    for row in cells:
        yield from _lines([_wrapped(cell, each) for cell, each in zip(row, widths, strict=True)], widths)


def _widths(headings: Sequence[Heading], cells: Sequence[Sequence[str]], width: int | None) -> list[int] | None:
    """Width of each column, or ``None`` when that is too narrow for all of them beside each other."""
    contents = [max((len(row[number]) for row in cells), default=0) for number in range(len(headings))]
    wanted = [max(len(heading.title), content) for heading, content in zip(headings, contents, strict=True)]
    if width is None:
        return wanted
    widths = []
    for number, heading in enumerate(headings):
        least = contents[number]
        if heading.prose:
            words = (word for row in cells for word in row[number].split())
            least = max(min(least, _LEAST_PROSE), *map(len, words), 0)
        widths.append(max(least, *map(len, heading.title.split())))
    spare = width - sum(widths) - len(_GAP) * (len(widths) - 1)
    if spare < 0:
        return None
    while spare and widths != wanted:
        needs = [want - have for want, have in zip(wanted, widths, strict=True)]
        widths[needs.index(max(needs))] += 1
        spare -= 1
    return widths


def _wrapped(cell: str, width: int) -> list[str]:
    return textwrap.wrap(cell, width, break_on_hyphens=False) if len(cell) > width else [cell]


def _lines(columns: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    """The lines of cells beside each other, each of them a list of lines."""
    for parts in zip_longest(*columns, fillvalue=""):
        yield _GAP.join(part.ljust(each) for part, each in zip(parts, widths, strict=True)).rstrip()


def _blocks(headings: Sequence[Heading], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    """A line for each column of a row, and an empty one between rows."""
    longest = max(len(heading.title) for heading in headings)
    for number, row in enumerate(cells):
        if number:
            yield ""
        for heading, cell in zip(headings, row, strict=True):
            yield f"{heading.title.ljust(longest)}{_GAP}{cell}".rstrip()
