"""Grants as an anchor makes them, for tests that play MAGs without an LMA that gives them prefixes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address
from pathlib import Path

from ryu_pmipls.wire import Grant, MobileNodeIdentifier, RouteAdjust, Timestamp
from ryu_pmipls.wire.grants import KEY_OCTETS, Granter


def grant_key(lma: str) -> bytes:
    """A key for the grants of an LMA that a test plays."""
    return lma.encode().ljust(KEY_OCTETS, b"-")


def kept_grant_key(lab_directory: Path, lma: str) -> bytes:
    """The key that the agent of an LMA of a lab has."""
    return bytes.fromhex((lab_directory / lma / "agent" / "grant-key").read_text())


def granted(message: RouteAdjust, mag: IPv6Address, key: bytes) -> RouteAdjust:
    """A report with the grant of its prefix to its node at its sender ``mag``."""
    timestamp, identifier = message.option(Timestamp), message.option(MobileNodeIdentifier)
    if timestamp is None or identifier is None:
        return message
    # The end of a session bears the tick after its registration.
    ticks = timestamp.ticks - message.new_mag.is_unspecified
    code = Granter(key).code(message.prefix.packed[:8], mag.packed, ticks, identifier.identifier)
    return replace(message, options=(*message.options, Grant(code)))
