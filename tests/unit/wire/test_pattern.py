"""A pattern reads what parsing finds, or nothing."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ryu_pmipls.wire import (
    Attachment,
    BindingAcknowledgement,
    CodePoints,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    RouteAdjust,
    Timestamp,
    UnknownOption,
    WireError,
    build,
    parse,
)
from ryu_pmipls.wire.checksum import checksum
from ryu_pmipls.wire.codepoints import MOBILITY_HEADER
from ryu_pmipls.wire.pattern import Pattern

MAG, RMS = IPv6Address("fd00:5213::21"), IPv6Address("fd00:5213::99")
CODE_POINTS = CodePoints()
PLACES = (
    (None, "prefix"),
    (None, "old_mag"),
    (None, "new_mag"),
    (MobileNodeIdentifier, "identifier"),
    (MobileNodeLinkLayerIdentifier, "identifier"),
    (Timestamp, "ticks"),
    (Attachment, "port"),
    (Attachment, "anchor"),
)
ADDRESSES = st.integers(0, 2**128 - 1).map(IPv6Address)
OPTIONS = st.one_of(
    st.builds(MobileNodeIdentifier, st.binary(max_size=4), st.integers(1, 2)),
    st.builds(MobileNodeLinkLayerIdentifier, st.binary(min_size=6, max_size=8)),
    st.builds(Timestamp, st.integers(0, 2**64 - 1)),
    st.builds(Attachment, st.integers(0, 2**32 - 1), ADDRESSES),
    st.builds(UnknownOption, st.integers(200, 202), st.binary(max_size=2)),
)
MESSAGES = st.builds(RouteAdjust, ADDRESSES, ADDRESSES, ADDRESSES, options=st.lists(OPTIONS, max_size=5).map(tuple))


def values(data):
    """What parsing finds at the places."""
    message = parse(data, MAG, RMS, CODE_POINTS)
    found = []
    for kind, name in PLACES:
        part = message if kind is None else message.option(kind)
        value = None if part is None else getattr(part, name)
        found.append(value.packed if isinstance(value, IPv6Address) else value)
    return tuple(found)


@settings(deadline=None)
@given(MESSAGES)
def test_a_pattern_reads_the_message_that_it_was_made_of(message):
    data = build(message, MAG, RMS)
    assert Pattern(data, CODE_POINTS, PLACES).parse(data) == values(data)


@settings(deadline=None)
@given(MESSAGES, st.data())
def test_a_pattern_reads_what_parsing_finds_or_nothing(message, chance):
    """From a message with other values in the same options; and from one in which any octets were changed."""
    data = build(message, MAG, RMS)
    pattern = Pattern(data, CODE_POINTS, PLACES)
    positions = st.integers(0, len(data) - 1)
    changes = chance.draw(st.dictionaries(positions, st.integers(0, 255), max_size=3))
    changed = bytes(changes.get(position, octet) for position, octet in enumerate(data))
    found = pattern.parse(changed)
    if found is None:
        assert changed != data
        return
    # The checksum is another's business.
    zero = changed[:4] + b"\0\0" + changed[6:]
    sealed = zero[:4] + _checksum(zero) + zero[6:]
    assert found == values(sealed)


@settings(deadline=None)
@given(MESSAGES, ADDRESSES, st.integers(0, 2**64 - 1))
def test_other_values_are_read_by_the_same_pattern(message, address, ticks):
    assume(message.option(Timestamp) is not None)
    data = build(message, MAG, RMS)
    first = next(index for index, option in enumerate(message.options) if isinstance(option, Timestamp))
    options = tuple(Timestamp(ticks) if index == first else each for index, each in enumerate(message.options))
    other = build(RouteAdjust(address, MAG, address, options), MAG, RMS)
    assert Pattern(data, CODE_POINTS, PLACES).parse(other) == values(other)


@given(MESSAGES, st.binary(max_size=200))
def test_octets_of_any_kind_are_no_trouble(message, data):
    pattern = Pattern(build(message, MAG, RMS), CODE_POINTS, PLACES)
    if pattern.parse(data) is not None:
        parse(data[:4] + _checksum(data[:4] + b"\0\0" + data[6:]) + data[6:], MAG, RMS)


def test_a_field_that_may_not_have_any_value_has_no_pattern():
    data = build(BindingAcknowledgement(0, 1, 900), MAG, RMS)
    with pytest.raises(ValueError, match="status may not have any value"):
        Pattern(data, CODE_POINTS, [(None, "status"), (None, "lifetime")])


def test_what_is_malformed_has_no_pattern():
    with pytest.raises(WireError):
        Pattern(bytes(8), CODE_POINTS, PLACES)


def _checksum(data):
    return checksum(MAG, RMS, MOBILITY_HEADER, data).to_bytes(2, "big")
