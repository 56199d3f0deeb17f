"""Messages that no switch sends: none reaches Ryu's parsers, and each ends the connection."""

from __future__ import annotations

import struct

import pytest

from ryu_pmipls.controller.ryu import ProtocolDesc, ToldEntry
from ryu_pmipls.controller.ryu.connection_errors import MalformedError, UnexpectedError, VersionError
from ryu_pmipls.controller.ryu.strict_messages import HEADER, Phase, parse
from tests.unit.ryu import openflow_octets as openflow
from tests.unit.ryu.openflow_octets import actions_instruction, bucket, entry, group, message, multipart, output

PROTOCOL = ProtocolDesc(openflow.VERSION)


def parsed(octets: bytes, phase: Phase = Phase.IDENTIFIED) -> object:
    version, kind, length, xid = HEADER.unpack_from(octets)
    assert length == len(octets)
    return parse(PROTOCOL, phase, version, kind, xid, octets)


def told(octets: bytes) -> object:
    """The parsed entry in a reply with one."""
    (found,) = parsed(multipart(openflow.FLOW, octets)).body  # type: ignore[attr-defined]
    assert isinstance(found, ToldEntry)
    return found.parsed()


@pytest.mark.parametrize("kind", range(256))
def test_before_any_hello_only_errors_and_echoes_are_expected_beside_it(kind: int) -> None:
    if kind in (openflow.HELLO, openflow.ECHO_REQUEST, openflow.ECHO_REPLY):
        assert parsed(message(kind), Phase.HELLO) is not None
    elif kind == openflow.ERROR:
        assert parsed(message(kind, struct.pack("!HH", 1, 1) + message(6)), Phase.HELLO) is not None
    else:
        with pytest.raises(UnexpectedError, match=f"a message of type {kind} before any HELLO"):
            parsed(message(kind, bytes(24)), Phase.HELLO)


def test_after_the_hello_the_features_are_expected() -> None:
    assert parsed(openflow.features(0x21), Phase.FEATURES).datapath_id == 0x21  # type: ignore[attr-defined]
    for phase in (Phase.HELLO, Phase.IDENTIFIED):
        with pytest.raises(UnexpectedError):
            parsed(openflow.features(0x21), phase)
    with pytest.raises(UnexpectedError, match="a message of type 0"):
        parsed(openflow.hello(), Phase.FEATURES)


@pytest.mark.parametrize("kind", [4, 5, 7, 8, 9, openflow.PACKET_IN, openflow.FLOW_REMOVED, 13, 14, 15, 16, 18, 20, 29])
def test_what_nobody_asks_for_is_not_parsed(kind: int) -> None:
    with pytest.raises(UnexpectedError, match=f"a message of type {kind} that nobody asked for"):
        parsed(message(kind, bytes(64)))


@pytest.mark.parametrize("kind", [0, 3, 5, 8, 9, 10, 11, 12, 0xFFFF])
def test_replies_that_nobody_asks_for_are_not_parsed(kind: int) -> None:
    with pytest.raises(UnexpectedError, match=f"a multipart reply of type {kind}"):
        parsed(multipart(kind, bytes(64)))


def test_a_message_of_another_version() -> None:
    with pytest.raises(UnexpectedError, match="version 1"):
        parsed(message(openflow.ECHO_REQUEST, version=1))


@pytest.mark.parametrize(
    "octets",
    [
        "04000010 00000001 00010000 00000000",  # a length of 0
        "0400000c 00000001 00010003",
        "0400000c 00000001 00010005",
        "0400000a 00000001 0001",
    ],
)
def test_a_hello_whose_elements_do_not_fit(octets: str) -> None:
    with pytest.raises(MalformedError, match="HELLO"):
        parsed(bytes.fromhex(octets), Phase.HELLO)


BITMAP_OF_4, BITMAP_OF_1 = b"\0\1\0\x08\0\0\0\x10", b"\0\1\0\x08\0\0\0\2"


@pytest.mark.parametrize(
    ("elements", "version"),
    [
        ((), 4),
        ((), 6),
        ((BITMAP_OF_4,), 6),
        ((BITMAP_OF_4,), 1),
        ((b"\0\7\0\x05\1\0\0\0", BITMAP_OF_4), 6),  # an unknown one, padded
        ((b"\0\1\0\4\0\0\0\0",), 4),  # no bitmap in it
        ((struct.pack("!HH", 1, 0xFFF0) + b"\xff" * 0xFFEC,), 4),  # the largest
    ],
)
def test_a_hello_that_offers_our_version(elements: tuple[bytes, ...], version: int) -> None:
    assert parsed(openflow.hello(*elements, version=version), Phase.HELLO).version == 4  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("elements", "version"), [((), 1), ((), 3), ((BITMAP_OF_1,), 4), ((BITMAP_OF_1, BITMAP_OF_4), 6)]
)
def test_a_hello_that_does_not_offer_our_version(elements: tuple[bytes, ...], version: int) -> None:
    with pytest.raises(VersionError, match="the switch does not offer"):
        parsed(openflow.hello(*elements, version=version), Phase.HELLO)


@pytest.mark.parametrize("size", [0, 2, 4, 11])
def test_an_error_must_quote_what_was_refused(size: int) -> None:
    with pytest.raises(MalformedError):
        parsed(message(openflow.ERROR, (struct.pack("!HH", 1, 1) + bytes(8))[:size]))


def test_an_error_that_says_no_version_fits_ends_it() -> None:
    with pytest.raises(UnexpectedError, match="version"):
        parsed(message(openflow.ERROR, struct.pack("!HH", 0, 0) + b"\xff" * 8), Phase.HELLO)


@pytest.mark.parametrize(
    "octets",
    [
        message(openflow.FEATURES_REPLY, bytes(23)),
        message(openflow.PORT_STATUS, bytes(71)),
        message(openflow.PORT_STATUS, b"\3" + bytes(71)),
        message(openflow.BARRIER_REPLY, bytes(8)),
        message(openflow.MULTIPART_REPLY, bytes(7)),
        multipart(openflow.AGGREGATE),
        multipart(openflow.AGGREGATE, bytes(48)),
        multipart(openflow.PORT_STATISTICS, bytes(111)),
        multipart(openflow.PORT_DESCRIPTION, bytes(65)),
        multipart(openflow.GROUP, bytes(40)),
        multipart(openflow.GROUP, struct.pack("!H", 41) + bytes(40)),
        multipart(openflow.GROUP, struct.pack("!H", 56) + bytes(38)),
        multipart(openflow.FLOW, bytes(56)),
        multipart(openflow.FLOW, struct.pack("!H", 57) + bytes(54)),
        multipart(openflow.FLOW, entry() + b"\0"),
        multipart(openflow.GROUP_DESCRIPTION, bytes(8)),
        multipart(openflow.GROUP_DESCRIPTION, group(length=9)),
        multipart(openflow.GROUP_DESCRIPTION, group(bucket(length=0))),
        multipart(openflow.GROUP_DESCRIPTION, group(bucket(length=15))),
        multipart(openflow.GROUP_DESCRIPTION, group(bucket(length=24))),
        multipart(openflow.GROUP_DESCRIPTION, group(bucket(bytes(8)))),
        multipart(openflow.GROUP_DESCRIPTION, group(bucket(struct.pack("!HH4x", 0xFFFF, 4)))),
    ],
)
def test_lengths_that_do_not_fit(octets: bytes) -> None:
    phase = Phase.FEATURES if octets[1] == openflow.FEATURES_REPLY else Phase.IDENTIFIED
    with pytest.raises(MalformedError):
        parsed(octets, phase)


def test_a_group_comes_with_its_actions() -> None:
    (found,) = parsed(multipart(openflow.GROUP_DESCRIPTION, group(bucket(output(7)) + bucket()))).body  # type: ignore[attr-defined]
    assert [[action.port for action in each.actions] for each in found.buckets] == [[7], []]


def group_statistics(packets: int, *buckets: int, length: int | None = None) -> bytes:
    size = 40 + 16 * len(buckets) if length is None else length
    head = struct.pack("!H2xII4xQQII", size, 7, 1, packets, 0, 0, 0)
    return head + b"".join(struct.pack("!QQ", each, 0) for each in buckets)


def test_statistics_of_groups_have_the_packets_of_each_bucket() -> None:
    octets = group_statistics(5, 2, 3) + group_statistics(4, 4) + group_statistics(0)
    found = parsed(multipart(openflow.GROUP, octets)).body  # type: ignore[attr-defined]
    assert [(each.group_id, each.packet_count, each.buckets) for each in found] == [
        (7, 5, (2, 3)),
        (7, 4, (4,)),
        (7, 0, ()),
    ]


@pytest.mark.parametrize("length", [0, 8, 39, 41, 55, 64, 72, 0xFFFF])
def test_statistics_of_a_group_with_another_length_are_malformed(length: int) -> None:
    with pytest.raises(MalformedError):
        parsed(multipart(openflow.GROUP, group_statistics(5, 2, length=length)))


def test_a_group_of_foreign_actions_is_like_none_of_ours() -> None:
    foreign = struct.pack("!HHIH6x", 0xFFFF, 16, 0x2320, 16)  # Nicira's learn
    (found,) = parsed(multipart(openflow.GROUP_DESCRIPTION, group(bucket(foreign)))).body  # type: ignore[attr-defined]
    assert [each.actions for each in found.buckets] == [(None,)]


@pytest.mark.parametrize(
    ("action", "trusted"),
    [
        (struct.pack("!HHI", 21, 8, 5), True),  # set queue
        (struct.pack("!HHB3x", 23, 8, 64), True),  # set hop limit
        (struct.pack("!HHIQ", 21, 16, 5, 0), False),
        (struct.pack("!HHIHHI", 0xFFFF, 16, 0x2320, 999, 1, 2), True),  # Nicira's, which Ryu keeps as octets
        (struct.pack("!HHI", 0xFFFF, 8, 0x2320), False),
        (struct.pack("!HHIHHI", 0xFFFF, 16, 0x2320, 7, 1, 2), False),  # Nicira's register load, which has 24
        (struct.pack("!HHIHHI", 0xFFFF, 16, 0x2321, 999, 1, 2), False),
    ],
)
def test_actions_of_a_fixed_size_and_those_that_ryu_keeps_as_octets_are_parsed(action: bytes, trusted: bool) -> None:
    assert (told(entry(instructions=actions_instruction(action))) is not None) is trusted


def test_an_entry_of_ours_is_parsed() -> None:
    found = told(entry(b"\0\1\0\x0c\x80\0\0\4\0\0\0\7\0\0\0\0", actions_instruction(output(3))))
    assert found.match["in_port"] == 7  # type: ignore[attr-defined]
    assert found.instructions[0].actions[0].port == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "octets",
    [
        entry(b"\0\1\0\3\0\0\0\0"),
        entry(b"\0\1\0\x20\0\0\0\0"),
        entry(b"\0\1\0\x0b\x80\0\0\4\0\0\0\7\0\0\0\0"),
        entry(b"\0\1\0\x0a\x80\0\0\1\0\x80\0\0\0\0\0\0"),
        entry(instructions=bytes(8)),  # an instruction of length 0
        entry(instructions=actions_instruction(b"", 0)),
        entry(instructions=actions_instruction(b"", 16)),
        entry(instructions=actions_instruction(bytes(8))),  # an action of length 0
        entry(instructions=actions_instruction(struct.pack("!HH4x", 25, 0))),
        entry(instructions=actions_instruction(struct.pack("!HHI4x", 0, 12, 1))),
        entry(instructions=actions_instruction(struct.pack("!HHIH6x", 0xFFFF, 16, 0x2320, 16))),  # Nicira's learn
        entry(instructions=actions_instruction(struct.pack("!HHIH14x", 0xFFFF, 24, 0x2320, 35))),  # conntrack
        entry(instructions=actions_instruction(struct.pack("!HHI8x", 25, 16, 0x80000608))),
        entry(instructions=struct.pack("!HH4x", 6, 8)),
        entry(instructions=struct.pack("!HHI8x", 1, 16, 0)),
    ],
)
def test_an_entry_with_wrong_lengths_or_parts_that_are_not_ours_is_none(octets: bytes) -> None:
    assert told(octets) is None
