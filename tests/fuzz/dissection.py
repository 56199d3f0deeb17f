"""Fuzz target: the dissection of Mobility Headers. The input is one, from LMA to MAG."""

from __future__ import annotations

from ryu_pmipls.wire import WireError, parse
from ryu_pmipls.wire.dissection import Part, dissect
from tests.unit.wire.wire_samples import LMA, MAG, sealed


def execute(data: bytes) -> None:
    """Take the octets apart as they are, and with the right length and checksum."""
    check(data)
    whole = data[: len(data) // 8 * 8]
    if 8 <= len(whole) <= 2048:
        check(sealed(whole, LMA, MAG))


def check_parts(part: Part) -> None:
    """The parts of a part follow each other and fill it."""
    if part.parts:
        offset = part.offset
        for inner in part.parts:
            assert inner.offset == offset, (part, inner)
            offset += inner.octets
            check_parts(inner)
        assert offset == part.offset + part.octets, part


def check(octets: bytes) -> None:
    """The dissection covers all octets, and finds fault when, and only when, parsing does: with the same words."""
    whole = dissect(octets, LMA, MAG)
    assert (whole.offset, whole.octets) == (0, len(octets))
    check_parts(whole)
    faults = [(fault.reason, str(fault)) for fault in whole.faults()]
    try:
        parse(octets, LMA, MAG)
    except WireError as error:
        assert (error.reason, str(error)) in faults
    else:
        assert not faults
    unverified = {(fault.reason, str(fault)) for fault in dissect(octets).faults()}
    assert unverified == {fault for fault in faults if fault[0] not in ("checksum", "source")}
