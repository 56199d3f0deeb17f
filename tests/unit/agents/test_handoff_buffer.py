"""What is kept for mobile nodes whose link is down, and what becomes of it; without a port."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from ryu_pmipls.agents import handoff_buffer
from ryu_pmipls.agents.handoff_buffer import KEEPING_TIME, HandoffBuffer
from ryu_pmipls.mobility import Forward

NODE, ROUTER = "02:00:00:00:01:01", "00:00:5e:00:52:13"
PREFIX, OTHER = IPv6Address("2001:db8:100:3::"), IPv6Address("2001:db8:100:4::")
AWAY, HERE = Forward(PREFIX, here=False), Forward(PREFIX, here=True)


def frame(number=0, prefix=PREFIX):
    packet = IPv6(src="fd00:c0de::1", dst=str(prefix + 1), hlim=62) / UDP() / Raw(number.to_bytes(4, "big"))
    return bytes(Ether(src=ROUTER, dst=NODE) / packet)


@pytest.fixture
def counters():
    return Counter()


@pytest.fixture
def buffer(counters):
    return HandoffBuffer(3, counters)


@pytest.mark.parametrize("effect", [AWAY, HERE])
def test_packets_are_kept_in_order_until_the_mobile_node_is_found(buffer, effect):
    frames = [frame(number) for number in range(3)]
    assert [buffer.enqueue(each, 10.0) for each in frames] == [False] * 3
    assert not buffer.enqueue(frame(prefix=OTHER), 10.0)
    assert buffer.forward(effect, 10.1) == frames
    assert buffer.forward(effect, 10.1) == []


def test_what_comes_for_a_node_that_has_gone_is_sent_on_at_once_for_a_while(buffer):
    assert buffer.forward(AWAY, 10.0) == []
    assert buffer.enqueue(frame(), 10.1)
    assert not buffer.enqueue(frame(prefix=OTHER), 10.1)
    assert not buffer.enqueue(frame(), 10.0 + KEEPING_TIME)


def test_a_node_that_comes_back_and_goes_again_finds_what_came_meanwhile(buffer):
    """A-B-A-B within the time for which packets are sent on."""
    buffer.forward(AWAY, 10.0)
    buffer.forward(HERE, 10.2)
    assert not buffer.enqueue(frame(1), 10.4)
    assert buffer.forward(AWAY, 10.5) == [frame(1)]


def test_nothing_is_kept_for_ever(buffer, counters):
    buffer.enqueue(frame(1), 10.0)
    buffer.enqueue(frame(2), 10.0 + KEEPING_TIME / 2)
    buffer.expire(10.0 + KEEPING_TIME / 2)
    assert not counters["handoff: nothing heard of the mobile node"]
    buffer.expire(10.0 + KEEPING_TIME)
    assert counters["handoff: nothing heard of the mobile node"] == 2
    assert buffer.forward(AWAY, 12.1) == []


def test_each_mobile_node_has_its_share_and_no_more(buffer, counters):
    for number in range(5):
        buffer.enqueue(frame(number), 10.0)
    buffer.enqueue(frame(prefix=OTHER), 10.0)
    assert counters == {"handoff: kept": 4, "handoff: no room": 2}
    assert buffer.forward(AWAY, 10.1) == [frame(number) for number in range(3)]


def test_a_buffer_of_none_keeps_none(counters):
    buffer = HandoffBuffer(0, counters)
    assert not buffer.enqueue(frame(), 10.0)
    assert buffer.forward(AWAY, 10.1) == []


EVENTS = st.one_of(
    st.tuples(st.just("take"), st.integers(0, 5)),
    st.tuples(st.just("forward"), st.integers(0, 5), st.booleans()),
    st.tuples(st.just("expire")),
)


@given(st.lists(st.tuples(EVENTS, st.floats(0, 1)), max_size=60))
def test_every_packet_is_sent_on_once_or_accounted_for(events):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handoff_buffer, "_OCTETS", 8 * len(frame()))
        counters: Counter[str] = Counter()
        buffer = HandoffBuffer(3, counters)
        now, taken, sent = 10.0, 0, []
        for event, pause in events:
            now += pause
            if event[0] == "take":
                taken += 1
                each = frame(taken, IPv6Address(int(PREFIX) + (event[1] << 64)))
                if buffer.enqueue(each, now):
                    sent.append(each)
            elif event[0] == "forward":
                sent += buffer.forward(Forward(IPv6Address(int(PREFIX) + (event[1] << 64)), event[2]), now)
            else:
                buffer.expire(now)
        buffer.expire(now + KEEPING_TIME)
        assert len(set(sent)) == len(sent)
        lost = counters["handoff: no room"] + counters["handoff: nothing heard of the mobile node"]
        assert len(sent) + lost == taken


@given(st.binary(max_size=100))
def test_any_octets_are_taken(octets):
    buffer = HandoffBuffer(3, Counter())
    buffer.enqueue(octets, 10.0)
    buffer.expire(10.0 + KEEPING_TIME)
