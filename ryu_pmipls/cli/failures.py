"""Failures of commands: one message for a person, and the exit status.

0: fine. 1: the system is not as it should be. 2: the input is wrong, and nothing was done. 130: interrupted (as shells
count SIGINT).
"""

from __future__ import annotations

import errno

import click

INTERRUPTED = 130


class StateError(click.ClickException):
    """A system that is not as it should be: exit status 1."""

    exit_code = 1


class InputError(click.ClickException):
    """Input that is wrong: exit status 2. The message names the place and, where there are few, the allowed values."""

    exit_code = 2


def explained(error: BaseException) -> click.exceptions.ClickException | click.exceptions.Exit | None:
    """Message and exit status for an exception that a command let go; ``None`` when that is a bug, or click's own."""
    if isinstance(error, KeyboardInterrupt):
        click.echo(err=True)  # behind the ^C of the terminal
        return click.exceptions.Exit(INTERRUPTED)
    if isinstance(error, click.exceptions.ClickException | click.exceptions.Exit | click.exceptions.Abort):
        return None
    if isinstance(error, OSError):
        return None if error.errno == errno.EPIPE else StateError(_system_error(error))
    return _domain_error(error)


def _system_error(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    return reason if error.filename is None else f"{error.filename}: {reason}"


def _domain_error(error: BaseException) -> click.ClickException | None:
    from ovs_setup import OvsSetupError
    from ryu_pmipls.domain.profile import ProfileError
    from ryu_pmipls.http.access.tokens import TokenError, TokenInputError
    from ryu_pmipls.http.client import ClientError, WrongRequestError
    from ryu_pmipls.ipsec.errors import IpsecError
    from ryu_pmipls.lab.lab_error import LabError, LabInputError
    from ryu_pmipls.pki.errors import PkiError, PkiInputError

    if isinstance(error, ProfileError | WrongRequestError | LabInputError | PkiInputError | TokenInputError):
        return InputError(str(error))
    if isinstance(error, ClientError | IpsecError | LabError | OvsSetupError | PkiError | TokenError):
        return StateError(str(error))
    return None
