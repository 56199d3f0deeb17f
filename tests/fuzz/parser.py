"""Fuzz target: the parser of Mobility Headers. The input is one, from LMA to MAG."""

from __future__ import annotations

from ryu_pmipls.wire import REASONS, WireError, build, parse
from tests.unit.wire.wire_samples import LMA, MAG, sealed

#: What ``build`` says when a message that was received with unaligned options is too long with aligned ones.
_TOO_LONG = "more than a Mobility Header holds"


def execute(data: bytes) -> None:
    """Parse the octets as they are, and with the right length and checksum; build what they were, and parse it."""
    check(data)
    whole = data[: len(data) // 8 * 8]
    if 8 <= len(whole) <= 2048:
        check(sealed(whole, LMA, MAG))


def check(octets: bytes) -> None:
    try:
        message = parse(octets, LMA, MAG)
    except WireError as error:
        assert error.reason in REASONS, error.reason
        return
    try:
        canonical = build(message, LMA, MAG)
    except ValueError as error:
        assert _TOO_LONG in str(error), error
        return
    again = parse(canonical, LMA, MAG)
    assert again == message, (again, message)
    assert build(again, LMA, MAG) == canonical, canonical.hex()
