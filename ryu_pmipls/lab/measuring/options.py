"""Command-line options common to the commands that measure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def report_option(default: str, *, directory: bool) -> Callable[[F], F]:
    """``--report``, the argument ``report``: a directory for figures and picture, or a file for figures alone."""
    return click.option(
        "--report",
        type=click.Path(dir_okay=directory, file_okay=not directory, path_type=Path),
        default=Path(default),
        show_default=True,
        help=f"Where the figures {'and the picture ' if directory else ''}go.",
    )
