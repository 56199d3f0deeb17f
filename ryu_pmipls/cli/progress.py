"""Progress of commands that take long, on a terminal or in a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # rich is slow to import
    from rich.console import Console


def progress_console(*, document: bool) -> Console:
    """A console for what a command is at: standard output, or standard error when that gets a JSON ``document``.

    Colours and spinners are for terminals only, and colours not with ``$NO_COLOR``.
    """
    from rich.console import Console

    return Console(stderr=document, highlight=False, emoji=False)
