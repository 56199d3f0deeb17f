"""Nodes that the access network knows by identity, whatever their link-layer address (RFC 5213, section 6.6)."""

from __future__ import annotations

from mobility_helpers import (
    DISABLED,
    LINK1,
    LINK2,
    LMA1,
    MAG1,
    MAG2,
    NODE1,
    NODE2,
    START,
    anchor,
    answer,
    gateway,
    networks,
    of,
    only,
    sent,
    until,
)
from test_mobility_mag import PREFIX, bound, pba

from ryu_pmipls.mobility import Advertise, BindingState, MobileAccessGateway, Notice, ProbeNode
from ryu_pmipls.wire import (
    BindingAcknowledgement,
    BindingUpdate,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    RouteAdjust,
)

RANDOM, OTHER = b"\x0a\0\0\0\0\1", b"\x0a\0\0\0\0\2"


def attach(mag: MobileAccessGateway, address: bytes, now: float, identifier: bytes = NODE1.identifier) -> BindingUpdate:
    mag.identify(identifier, address, now)
    mag.attach(address, 3, now)
    return only([update for update in sent(mag.effects(), BindingUpdate) if update.lifetime])


def link_layer(message: BindingUpdate | RouteAdjust) -> bytes:
    option = message.option(MobileNodeLinkLayerIdentifier)
    assert option is not None
    return option.identifier


class TestRegistration:
    def test_lmas_hear_of_the_interface_of_the_profile_and_the_rms_of_the_address_on_the_link(self) -> None:
        """By the one the session goes on over a handoff with another address; by the other the switch knows it."""
        mag = gateway()
        request = attach(mag, RANDOM, START)
        assert (link_layer(request), request.option(MobileNodeIdentifier)) == (
            LINK1,
            MobileNodeIdentifier(NODE1.identifier),
        )
        effects = answer(mag, pba(request), LMA1, START)
        assert only(of(effects, Advertise)) == Advertise(3, RANDOM, (PREFIX,), 3600)
        assert link_layer(only(sent(effects, RouteAdjust))) == RANDOM

    def test_probes_go_to_the_address_on_the_link(self) -> None:
        mag = gateway(probes=2)
        answer(mag, pba(attach(mag, RANDOM, START)), LMA1, START)
        assert ProbeNode(3, RANDOM) in [effect for _, effect in until(mag, START + 2701)]

    def test_its_solicitations_are_answered_from_then_on(self) -> None:
        mag = gateway()
        answer(mag, pba(attach(mag, RANDOM, START)), LMA1, START)
        mag.attach(RANDOM, 3, START + 1)
        assert of(mag.effects(), Advertise) == [Advertise(3, RANDOM, (PREFIX,), 3599)]

    def test_before_an_access_point_has_said_so_it_gets_nothing(self) -> None:
        mag = gateway()
        mag.attach(RANDOM, 3, START)
        assert only(of(mag.effects(), Notice)).kind == "unknown-mobile-node" and mag.bindings == ()

    def test_an_identity_that_is_not_in_the_profile_gets_nothing(self) -> None:
        mag = gateway()
        mag.identify(b"nobody@example.net", RANDOM, START)
        mag.attach(RANDOM, 3, START)
        assert {notice.kind for notice in of(mag.effects(), Notice)} == {"unknown-mobile-node"}
        assert mag.bindings == ()

    def test_one_that_is_barred_gets_nothing_by_any_address(self) -> None:
        mag = gateway()
        mag.identify(DISABLED.identifier, RANDOM, START)
        mag.attach(RANDOM, 3, START)
        assert only(of(mag.effects(), Notice)).kind == "barred-mobile-node" and mag.bindings == ()


class TestChanges:
    def test_a_node_that_changes_its_address_keeps_its_session(self) -> None:
        mag = bound()
        request = attach(mag, RANDOM, START + 10)
        effects = answer(mag, pba(request), LMA1, START + 10)
        (entry,) = mag.bindings
        assert (entry.link_layer_address, entry.prefixes, entry.state) == (RANDOM, (PREFIX,), BindingState.BOUND)
        assert only(of(effects, Advertise)) == Advertise(3, RANDOM, (PREFIX,), 3600)
        report = only(sent(effects, RouteAdjust))
        assert (link_layer(report), report.new_mag) == (RANDOM, MAG1)

    def test_it_may_change_back_without_a_word_of_the_access_point(self) -> None:
        mag = bound()
        answer(mag, pba(attach(mag, RANDOM, START + 10)), LMA1, START + 10)
        mag.attach(LINK1, 3, START + 20)
        answer(mag, pba(only(sent(mag.effects(), BindingUpdate))), LMA1, START + 20)
        assert [entry.link_layer_address for entry in mag.bindings] == [LINK1]

    def test_it_has_one_address_at_a_time(self) -> None:
        mag = gateway()
        answer(mag, pba(attach(mag, RANDOM, START)), LMA1, START)
        answer(mag, pba(attach(mag, OTHER, START + 1)), LMA1, START + 1)
        assert [entry.link_layer_address for entry in mag.bindings] == [OTHER]
        mag.attach(RANDOM, 3, START + 2)
        assert only(of(mag.effects(), Notice)).kind == "unknown-mobile-node"

    def test_an_address_that_another_node_had_is_its_own_now(self) -> None:
        """That of the profile, or a random one: who has it is what the access point says."""
        mag = gateway()
        answer(mag, pba(attach(mag, RANDOM, START)), LMA1, START)
        mag.identify(NODE2.identifier, RANDOM, START + 1)
        (farewell,) = sent(mag.effects(), BindingUpdate)
        assert (farewell.lifetime, farewell.option(MobileNodeIdentifier)) == (0, MobileNodeIdentifier(NODE1.identifier))
        mag.attach(RANDOM, 3, START + 1)
        (request,) = sent(mag.effects(), BindingUpdate)
        assert (link_layer(request), request.option(MobileNodeIdentifier)) == (
            LINK2,
            MobileNodeIdentifier(NODE2.identifier),
        )
        assert [entry.policy for entry in mag.bindings] == [NODE2]
        answer(mag, pba(request), LMA1, START + 1)
        # Whoever had it before comes again with another one.
        attach(mag, OTHER, START + 2)
        assert {entry.policy.identifier for entry in mag.bindings} == {NODE1.identifier, NODE2.identifier}

    def test_a_departure_is_that_of_the_address(self) -> None:
        mag = gateway()
        answer(mag, pba(attach(mag, RANDOM, START)), LMA1, START)
        mag.depart(LINK1, START + 1)
        assert mag.effects() == []
        mag.depart(RANDOM, START + 1)
        assert only(sent(mag.effects(), BindingUpdate)).lifetime == 0


def test_a_handoff_with_another_address_keeps_the_prefix() -> None:
    """Though the old MAG has noticed nothing: to the LMA it is the same interface of the same node."""
    lma = anchor()
    prefixes = []
    for mag, address, now in ((gateway(), RANDOM, START), (gateway(address=MAG2), OTHER, START + 10)):
        request = attach(mag, address, now)
        accepted = only(sent(answer(lma, request, mag.config.address, now), BindingAcknowledgement))
        prefixes.append(networks(accepted))
        answer(mag, accepted, LMA1, now)
    assert prefixes[0] == prefixes[1] and len(lma.bindings) == 1
    assert lma.bindings[0].care_of_address == MAG2
