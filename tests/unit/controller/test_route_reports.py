"""What is read by the pattern of a message says the same as when it is decoded; and what is no report, is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv6Address
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ryu_pmipls.controller.grant_check import GrantCheck
from ryu_pmipls.controller.route_reports import RouteReport, RouteReportDecoder
from ryu_pmipls.domain.profile import load_profile
from ryu_pmipls.signalling import Peer, Role
from ryu_pmipls.wire import (
    Attachment,
    Grant,
    Message,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    Option,
    RouteAdjust,
    Timestamp,
    UnknownOption,
    build,
    parse,
)
from ryu_pmipls.wire.codepoints import CodePoints
from ryu_pmipls.wire.grants import Granter, derived_key
from ryu_pmipls.wire.pattern import Pattern, Place

PROFILE = load_profile("two-lma")
RMS, NOW, NONE = PROFILE.rms.address, 1_700_000_000.0, IPv6Address("::")
MAG1, MAG2 = (mag.address for mag in PROFILE.mags)
LMA1, LMA2 = (lma.address for lma in PROFILE.lmas)


def peer(name: str, role: Role, address: IPv6Address) -> Peer:
    return Peer(name, role, address, address.packed, "udp", b"")


KEYS = {"lma1": b"1" * 32, "lma2": b"2" * 32}
MAG, LMA = peer("mag1", Role.MAG, MAG1), peer("lma1", Role.LMA, LMA1)


class FakeEndpoint:
    """That of the RMS."""

    def encode(self, message: Message, destination: IPv6Address) -> bytes:
        return build(message, RMS, destination)

    def pattern(self, data: bytes, peer: Peer, places: Sequence[Place]) -> Pattern | None:
        same = self.encode(parse(data, peer.address, RMS), peer.address) == data
        return Pattern(data, CodePoints(), places) if same else None


def grants(keys: dict[str, bytes] | None = None) -> GrantCheck:
    state: Any = SimpleNamespace(grant_keys=KEYS if keys is None else keys)
    made = GrantCheck(PROFILE, state, lambda address: ())
    made.refresh()
    return made


def made() -> RouteReportDecoder:
    endpoint: Any = FakeEndpoint()
    return RouteReportDecoder(PROFILE, endpoint, grants())


def decoded(reports: RouteReportDecoder, message: RouteAdjust, peer: Peer = MAG) -> RouteReport:
    report = reports.decode(message, build(message, peer.address, RMS), peer, NOW)
    assert report is not None
    return report


def one(reports: RouteReportDecoder, data: bytes) -> RouteReport | None:
    """The report that a datagram of the MAG is, read by a pattern."""
    found, rest = reports.decode_known([(data, MAG)], NOW)
    assert len(found) + len(rest) == 1 and rest in ([], [(data, MAG)])
    return found[0] if found else None


def attachment(number: int = 1, new: IPv6Address = MAG1, *more: Option) -> RouteAdjust:
    prefix = IPv6Address(int(PROFILE.home_prefix_pool.network_address) + (number << 64))
    link_layer = MobileNodeLinkLayerIdentifier(number.to_bytes(6, "big"))
    identifier = MobileNodeIdentifier(f"{number % 10}@example.net".encode())
    options = Timestamp(number + 7), identifier, link_layer, Attachment(number % 4, LMA2)
    return RouteAdjust(prefix, MAG2, new, options=(*options, *more))


@given(st.lists(st.integers(0, 2**20), min_size=2, max_size=20))
def test_a_pattern_reads_what_decoding_finds(numbers: list[int]) -> None:
    reports = made()
    for position, number in enumerate(numbers):
        message = attachment(number)
        data = build(message, MAG1, RMS)
        read = one(reports, data)
        assert (read is None) == (position == 0)
        assert read in (None, decoded(reports, message))


def test_what_is_no_attachment_at_its_sender_is_not_read_by_a_pattern() -> None:
    reports = made()
    decoded(reports, attachment())
    for message in (
        attachment(new=NONE),  # what LMAs are told of it differs
        attachment(new=MAG2),  # which is not permitted
        RouteAdjust(NONE, MAG2, MAG1, options=attachment().options),  # an answer to the RMS
        attachment(1, MAG1, UnknownOption(200, b"")),
    ):
        assert one(reports, build(message, MAG1, RMS)) is None


def test_what_an_lma_sends_is_not_read_by_a_pattern() -> None:
    reports = made()
    decoded(reports, attachment())
    claim = build(attachment(2, LMA1), LMA1, RMS)  # a MAG's report in shape: of a node that would be at no MAG
    assert reports.decode_known([(claim, LMA)], NOW) == ([], [(claim, LMA)])


def test_lmas_are_told_of_a_detachment_what_none_of_them_could_have_reported() -> None:
    reports, message = made(), attachment(new=NONE)
    report = decoded(reports, message)
    assert report.octets == build(message, MAG1, RMS)
    told = parse(report.announcement, RMS, MAG1)
    assert isinstance(told, RouteAdjust)
    assert told.option(Attachment) is None
    assert (told.prefix, told.new_mag, told.option(Timestamp)) == (message.prefix, NONE, message.option(Timestamp))
    assert reports.decode_session_end(told, report.announcement, LMA, NOW) is None


def test_only_the_anchor_of_a_session_reports_its_end() -> None:
    reports = made()

    def ended(message: RouteAdjust) -> RouteReport | None:
        return reports.decode_session_end(message, build(message, LMA1, RMS), LMA, NOW)

    def end(anchor: IPv6Address) -> RouteAdjust:
        return RouteAdjust(attachment().prefix, MAG1, NONE, options=(Timestamp(9), Attachment(0, anchor)))

    report = ended(end(LMA1))
    assert report is not None
    assert (report.change.anchor, report.change.new_mag) == ("lma1", None)
    assert ended(end(LMA2)) is None
    assert ended(attachment()) is None


def test_a_message_that_alignment_makes_too_long_is_none() -> None:
    message = attachment(1, MAG1, *(UnknownOption(200, bytes(250)) for _ in range(9)))
    assert made().decode(message, b"as it came", MAG, NOW) is None


def test_only_what_has_a_timestamp_is_answered() -> None:
    message = attachment()
    without = RouteAdjust(message.prefix, MAG2, MAG1, options=message.options[1:])
    assert decoded(made(), message).answerable
    assert not decoded(made(), without).answerable
    assert decoded(made(), without).change.timestamp == int(NOW * 65536)


def granted(message: RouteAdjust, mag: IPv6Address, ticks: int, lma: str = "lma2") -> RouteAdjust:
    """The message with a grant of its prefix for a MAG, registered at ``ticks``."""
    identifier = message.option(MobileNodeIdentifier)
    assert identifier is not None
    code = Granter(KEYS[lma]).code(message.prefix.packed[:8], mag.packed, ticks, identifier.identifier)
    return replace(message, options=(*message.options, Grant(code)))


@given(st.integers(0, 2**20))
def test_a_grant_covers_the_prefix_the_node_the_mag_and_the_time_for_which_it_was_given(number: int) -> None:
    message, ticks = attachment(number), number + 7
    assert not decoded(made(), message).granted
    assert decoded(made(), granted(message, MAG1, ticks)).granted
    # Of another LMA, when a MAG has ignored a redirection.
    assert decoded(made(), granted(message, MAG1, ticks, "lma1")).granted
    for other in (granted(message, MAG2, ticks), granted(message, MAG1, ticks + 1), granted(message, MAG1, ticks - 1)):
        assert not decoded(made(), other).granted
    grant = granted(message, MAG1, ticks).options[-1]
    for other in (attachment(number + 10), attachment(number + 1)):  # another prefix; and another node
        options = (Timestamp(ticks), *other.options[1:], grant)
        assert not decoded(made(), replace(other, options=options)).granted
    wrong = Grant(bytes(16))
    assert not decoded(made(), replace(message, options=(*message.options, wrong))).granted


def test_the_end_of_a_session_is_granted_at_the_tick_before() -> None:
    message = attachment(new=NONE)
    ended = replace(message, old_mag=MAG1)
    assert decoded(made(), granted(ended, MAG1, 7)).granted
    assert not decoded(made(), granted(ended, MAG1, 8)).granted
    untimed = replace(ended, options=tuple(each for each in ended.options if not isinstance(each, Timestamp)))
    assert not decoded(made(), granted(untimed, MAG1, 7)).granted
    first = replace(ended, options=(Timestamp(0), *ended.options[1:]))
    assert not decoded(made(), replace(first, options=(*first.options, Grant(bytes(16))))).granted


def test_a_pattern_reads_grants() -> None:
    reports = made()
    for number in range(5):
        message = granted(attachment(number), MAG1, number + 7)
        data = build(message, MAG1, RMS)
        read = one(reports, data)
        assert (read is None) == (number == 0)
        assert read in (None, decoded(reports, message))
        assert read is None or read.granted


def test_keys_that_follow_from_shared_secrets_count_and_those_that_are_told_do_not() -> None:
    shared = {LMA1: (b"a" * 16, b"b" * 16), LMA2: (b"c" * 16,)}
    state: Any = SimpleNamespace(grant_keys=KEYS)
    made = GrantCheck(PROFILE, state, lambda address: shared[address])
    made.refresh()
    keys = {secret: derived_key(secret) for secrets in shared.values() for secret in secrets}
    arguments = b"prefixes", MAG1.packed, 7, b"mn1"

    def covers(key: bytes) -> bool:
        return made.covers(Granter(key).code(*arguments), LMA1.packed, *arguments)

    assert all(map(covers, keys.values()))
    assert not any(map(covers, KEYS.values()))
    shared[LMA1] = (b"b" * 16,)  # the old key was removed
    made.refresh()
    assert [covers(keys[secret]) for secret in (b"a" * 16, b"b" * 16)] == [False, True]
