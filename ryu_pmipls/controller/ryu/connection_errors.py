"""Reasons why an OpenFlow connection is ended from our side."""

from __future__ import annotations

from typing import ClassVar


class RefusalError(Exception):
    """A connection that must end; the text tells more. ``reason`` is the name under which it is counted."""

    reason: ClassVar[str]


class MalformedError(RefusalError, ValueError):
    """Octets that do not make up what they should."""

    reason = "malformed message"


class UnexpectedError(RefusalError):
    """A message that the phase of the connection, or the RMS, has no use for."""

    reason = "unexpected message"


class VersionError(UnexpectedError):
    """A HELLO without our version of OpenFlow."""


class ExcessError(RefusalError):
    """More ports, or longer replies, than a switch can have."""

    reason = "too much"


class UnknownSwitchError(RefusalError):
    """A datapath id that no node of the profile has."""

    reason = "unknown datapath id"


class DuplicateError(RefusalError):
    """A datapath id whose switch is connected."""

    reason = "datapath id in use"


class UnidentifiedError(RefusalError):
    """A connection that does not tell its datapath id in time, or while there are many others that have not."""

    reason = "no datapath id"
