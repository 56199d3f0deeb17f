"""No message, however odd, gets an exception out of a machine, or makes a MAG's or an LMA's state inconsistent."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from mobility_helpers import FIXED, LINK1, LMA1, LMA2, MAG1, MAG2, NODES, RMS, START, STRANGER, anchor, gateway

from ryu_pmipls.mobility.machine import Machine
from ryu_pmipls.wire import (
    AccessTechnologyType,
    AlternateCareOfAddress,
    Attachment,
    BindingAcknowledgement,
    BindingUpdate,
    HandoffIndicator,
    Heartbeat,
    HomeNetworkPrefix,
    LinkLocalAddress,
    LoadAdjust,
    Message,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    Option,
    RouteAdjust,
    Timestamp,
    TunnelAck,
    TunnelRequest,
    TunnelStatus,
    UnknownOption,
)
from ryu_pmipls.wire.codepoints import BindingAcknowledgementFlag, BindingUpdateFlag

ADDRESSES = st.sampled_from([LMA1, LMA2, MAG1, MAG2, RMS, STRANGER]) | st.ip_addresses(v=6)
PREFIXES = st.sampled_from([FIXED.network_address]) | st.ip_addresses(v=6)
OCTETS = st.binary(max_size=10)
NUMBERS = st.integers(0, 7) | st.integers(0, 255)
OPTIONS: st.SearchStrategy[Option] = st.one_of(
    st.builds(MobileNodeIdentifier, st.sampled_from([node.identifier for node in NODES]) | OCTETS, NUMBERS),
    st.builds(MobileNodeIdentifier, st.sampled_from([node.identifier for node in NODES])),
    st.builds(HomeNetworkPrefix, PREFIXES, st.sampled_from([0, 64, 128]) | NUMBERS),
    st.builds(HandoffIndicator, NUMBERS),
    st.builds(AccessTechnologyType, NUMBERS),
    st.builds(MobileNodeLinkLayerIdentifier, st.just(LINK1) | OCTETS),
    st.builds(Timestamp, st.integers(-20, 20).map(lambda offset: Timestamp.of(START + offset / 16).ticks)),
    st.builds(Timestamp, st.integers(0, 2**64 - 1)),
    st.builds(LinkLocalAddress, ADDRESSES),
    st.builds(AlternateCareOfAddress, ADDRESSES),
    st.builds(Attachment, st.integers(0, 2**32 - 1), ADDRESSES),
    st.builds(TunnelStatus, NUMBERS, NUMBERS),
    st.builds(UnknownOption, st.just(200), OCTETS),
)
MANY = st.lists(OPTIONS, max_size=9).map(tuple)
SEQUENCES = st.integers(0, 3) | st.integers(0, 2**16 - 1)
LIFETIMES = st.sampled_from([0, 1, 900]) | st.integers(0, 2**16 - 1)
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(BindingUpdate, SEQUENCES, LIFETIMES, st.just(BindingUpdateFlag.A | BindingUpdateFlag.P), options=MANY),
    st.builds(
        BindingAcknowledgement, NUMBERS, SEQUENCES, LIFETIMES, st.just(BindingAcknowledgementFlag.P), options=MANY
    ),
    st.builds(TunnelRequest, ADDRESSES, options=MANY),
    st.builds(TunnelAck, ADDRESSES, options=MANY),
    st.builds(LoadAdjust, ADDRESSES, ADDRESSES, options=MANY),
    st.builds(RouteAdjust, PREFIXES, ADDRESSES, ADDRESSES, options=MANY),
    st.builds(Heartbeat, SEQUENCES, options=MANY),
)
EVENTS = st.lists(st.tuples(MESSAGES, ADDRESSES, st.sampled_from([0.0, 0.1, 1.0, 20.0])), max_size=12)


def feed(machine: Machine, events: list[tuple[Message, object, float]]) -> None:
    now = START
    for message, source, pause in events:
        machine.receive(message, source, now)  # type: ignore[arg-type]
        machine.effects()
        now += pause
        machine.handle_timer(now)
    deadline = machine.deadline()
    assert deadline is None or deadline > now


@settings(deadline=None)
@given(EVENTS)
def test_an_lma_takes_anything(events: list[tuple[Message, object, float]]) -> None:
    lma = anchor()
    feed(lma, events)
    prefixes = [prefix for entry in lma.bindings for prefix in entry.prefixes]
    assert len(prefixes) == len(set(prefixes))
    assert {entry.care_of_address for entry in lma.bindings} <= set(lma.config.mags)
    assert set(lma.routes.values()) <= set(lma.config.mags)


@settings(deadline=None)
@given(EVENTS)
def test_a_mag_takes_anything(events: list[tuple[Message, object, float]]) -> None:
    mag = gateway()
    mag.start(START)
    mag.attach(LINK1, 3, START)
    feed(mag, events)
    assert set(mag.uplinks) <= {LMA1, LMA2} and sum(mag.uplinks.values()) == 1
