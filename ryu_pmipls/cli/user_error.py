"""Errors that the user can put right."""

from __future__ import annotations

import click


class UserError(click.ClickException):
    """One message, and exit status 2."""

    exit_code = 2
