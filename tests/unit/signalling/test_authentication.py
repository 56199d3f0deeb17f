"""Protection of Mobility Headers by shared keys (RFC 4285; errata E44 and E45)."""

from __future__ import annotations

import hashlib
import hmac
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_pmipls.signalling.authentication import (
    AuthenticationError,
    OutOfTimeError,
    ReplayWindow,
    SecurityAssociation,
    ntp,
)
from ryu_pmipls.signalling.keys import Key
from ryu_pmipls.wire import (
    Authentication,
    BindingUpdate,
    CodePoints,
    Heartbeat,
    MobileNodeIdentifier,
    ReplayProtection,
    Timestamp,
    WireError,
    build,
    parse,
)
from ryu_pmipls.wire.mobility_header import sealed

LMA = IPv6Address("fd00:5213::11")
MAG = IPv6Address("fd00:5213::21")
KEY = Key(256, bytes(range(16)))
OTHER_KEY = Key(257, bytes(range(1, 17)))
NOW = 1_700_000_000.25
PBU = build(BindingUpdate(7, 900, options=(MobileNodeIdentifier(b"mn1@example.net"), Timestamp.of(NOW))), MAG, LMA)
REQUEST = build(Heartbeat(1), MAG, LMA)


def mag(window: float = 7, since: float = NOW - 100) -> SecurityAssociation:
    return SecurityAssociation(MAG, LMA, CodePoints(), window, since)


def lma(window: float = 7, since: float = NOW - 100) -> SecurityAssociation:
    return SecurityAssociation(LMA, MAG, CodePoints(), window, since)


def refusal(association: SecurityAssociation, data: bytes, now: float = NOW, key: Key = KEY) -> str:
    with pytest.raises(AuthenticationError) as error:
        association.open(data, {key.spi: key}, now)
    return error.value.reason


@pytest.mark.parametrize("plain", [PBU, REQUEST], ids=["PBU", "heartbeat"])
def test_what_was_protected_is_what_it_was_when_it_is_opened(plain: bytes) -> None:
    protected = mag().protect(plain, KEY, NOW)
    assert len(protected) == len(plain) + 32
    assert lma().open(protected, {256: KEY}, NOW + 0.01) == plain


def test_the_octets_are_those_of_rfc_4285() -> None:
    """Computed by hand: both options aligned, the code over addresses and header with the checksum zero."""
    protected = mag().protect(REQUEST, KEY, NOW)
    message = parse(protected, MAG, LMA)  # length and checksum are right
    time, authentication = message.options
    assert time == ReplayProtection(int((NOW + 2208988800) * 2**32))
    assert protected[18] == 10 and protected[29] == 9  # 8n+2 and 4n+1
    covered = MAG.packed + LMA.packed + protected[:4] + b"\0\0" + protected[6 : len(protected) - 12]
    assert authentication == Authentication(256, hmac.new(KEY.secret, covered, hashlib.sha1).digest()[:12])


@given(st.data())
def test_any_changed_octet_is_noticed(data: st.DataObject) -> None:
    protected = bytearray(mag().protect(PBU, KEY, NOW))
    place = data.draw(st.integers(0, len(protected) - 1))
    protected[place] ^= data.draw(st.integers(1, 255))
    if place not in (4, 5):  # the checksum is not covered; a forger makes it right
        protected = bytearray(sealed(bytes(protected), MAG, LMA))
    if bytes(protected) == mag().protect(PBU, KEY, NOW):
        return  # Header Len or checksum, put right again
    with pytest.raises((AuthenticationError, WireError)):
        lma().open(bytes(protected), {256: KEY}, NOW)


@given(st.binary(max_size=300))
def test_no_octets_raise_anything_else(octets: bytes) -> None:
    whole = octets[: len(octets) // 8 * 8]
    for data in (octets, sealed(whole, MAG, LMA) if whole else whole):
        with pytest.raises((AuthenticationError, WireError)):
            lma().open(data, {256: KEY}, NOW)


def test_a_message_without_code_or_with_that_of_another_is_refused() -> None:
    assert refusal(lma(), PBU) == "missing"
    protected = mag().protect(PBU, KEY, NOW)
    assert refusal(lma(), protected, key=OTHER_KEY) == "unknown index"
    assert refusal(lma(), protected, key=Key(256, bytes(16))) == "wrong"
    # Sent back to its sender, or in the name of another: the addresses are covered.
    back = sealed(protected, LMA, MAG)
    assert refusal(mag(), back) == "wrong"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ((Authentication(256, bytes(12)),), "wrong"),
        ((Authentication(256, b""),), "wrong"),
        ((Authentication(256, bytes(12), subtype=2),), "missing"),
        ((Authentication(256, bytes(12)), Timestamp(1)), "missing"),  # not the last option
        ((ReplayProtection(1),), "missing"),
    ],
)
def test_options_that_prove_nothing(options: tuple[Authentication, ...], reason: str) -> None:
    assert refusal(lma(), build(Heartbeat(1, options=options), MAG, LMA)) == reason


def test_a_code_without_time_is_refused() -> None:
    data = build(Heartbeat(1, options=(Authentication(256, bytes(12)),)), MAG, LMA)
    end = data.rindex(bytes(12)) + 12
    covered = data[: end - 12]
    code = hmac.new(KEY.secret, MAG.packed + LMA.packed + covered[:4] + b"\0\0" + covered[6:], "sha1").digest()[:12]
    assert refusal(lma(), sealed(covered + code + data[end:], MAG, LMA)) == "no time"


def test_both_keys_are_accepted_while_one_takes_over_from_the_other() -> None:
    keys = {256: KEY, 257: OTHER_KEY}
    association, peer = mag(), lma()
    for key in (KEY, OTHER_KEY):
        assert peer.open(association.protect(PBU, key, NOW), keys, NOW) == PBU


def test_each_message_is_taken_once_and_a_repetition_by_its_sender_is_another() -> None:
    """Erratum E45. A retransmitted Route_adjust has the same Timestamp option; it is no replay."""
    association, peer = mag(), lma()
    first, second = association.protect(PBU, KEY, NOW), association.protect(PBU, KEY, NOW)
    assert first != second
    assert peer.open(second, {256: KEY}, NOW) == PBU
    assert peer.open(first, {256: KEY}, NOW) == PBU  # they may overtake each other
    assert refusal(peer, first) == refusal(peer, second) == "replayed"


def test_what_was_sent_before_the_start_or_too_long_ago_is_refused() -> None:
    protected = mag().protect(PBU, KEY, NOW)
    assert refusal(lma(since=NOW + 1), protected, NOW + 2) == "sent before this node started"
    assert refusal(lma(), protected, NOW + 7.1) == "out of time"
    assert refusal(lma(), protected, NOW - 7.1) == "out of time"
    assert lma().open(protected, {256: KEY}, NOW + 6.9) == PBU


def test_a_forged_message_does_not_use_up_a_time() -> None:
    protected = mag().protect(PBU, KEY, NOW)
    peer = lma()
    assert refusal(peer, sealed(protected[:-1] + b"\0", MAG, LMA)) == "wrong"
    assert peer.open(protected, {256: KEY}, NOW) == PBU


@given(st.lists(st.integers(0, 200), max_size=200), st.integers(1, 20))
def test_the_window_takes_nothing_twice_with_bounded_memory(ticks: list[int], capacity: int) -> None:
    window = ReplayWindow(7, NOW - 1, capacity)
    taken: list[int] = []
    for tick in ticks:
        stamp = ntp(NOW) + tick
        newest = sorted(taken)[-capacity:]
        try:
            window.accept(stamp % 2**64, NOW)
        except AuthenticationError as error:
            assert error.reason == "replayed"
            assert stamp in taken or (len(newest) == capacity and stamp <= newest[0])
        else:
            assert stamp not in taken
            taken.append(stamp)
        assert len(window._seen) == len(window._oldest_first) <= capacity
    assert len(set(taken)) == len(taken)


def test_the_year_2036() -> None:
    """NTP counts seconds with 32 bits, which begin anew on 7 February 2036."""
    wrap = 2**32 - 2208988800.0
    association, peer = mag(since=wrap - 10), lma(since=wrap - 10)
    for now in (wrap - 1, wrap - 0.001, wrap, wrap + 0.001, wrap + 5):
        protected = association.protect(PBU, KEY, now)
        assert peer.open(protected, {256: KEY}, now + 0.01) == PBU
        assert refusal(peer, protected, now + 0.02) == "replayed"


def test_a_sender_whose_clock_is_set_back_is_heard_again_by_receivers_whose_clocks_are_right() -> None:
    sender, receiver = mag(), lma(since=NOW - 4000)
    assert refusal(receiver, sender.protect(REQUEST, KEY, NOW + 3600)) == "out of time"
    assert receiver.open(sender.protect(REQUEST, KEY, NOW), {256: KEY}, NOW) == REQUEST
    # Little steps are within what receivers tolerate: the times go on.
    times = [parse(sender.protect(REQUEST, KEY, NOW - back), MAG, LMA).options[0] for back in (0, 1, 6)]
    ticks = [option.timestamp for option in times if isinstance(option, ReplayProtection)]
    assert ticks == sorted(set(ticks))


def test_a_receiver_whose_clock_is_set_back_begins_anew_and_repeats_nothing_that_it_remembers() -> None:
    sender, receiver = mag(since=NOW - 4000), lma(since=NOW + 3000)
    early = sender.protect(PBU, KEY, NOW + 3600)
    receiver.open(early, {256: KEY}, NOW + 3600)
    before = sender.protect(REQUEST, KEY, NOW - 1)
    assert receiver.open(sender.protect(REQUEST, KEY, NOW), {256: KEY}, NOW) == REQUEST
    assert refusal(receiver, before) == "sent before this node started"
    assert refusal(receiver, early, NOW + 3600) == "replayed"


def test_out_of_time_tells_how_far() -> None:
    with pytest.raises(OutOfTimeError) as error:
        lma().open(mag().protect(REQUEST, KEY, NOW + 60), {256: KEY}, NOW)
    assert error.value.ahead == pytest.approx(60)
