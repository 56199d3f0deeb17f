"""Binding revocation (RFC 5846), at the LMA that revokes and at the MAG that obeys."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

import pytest
from mobility_helpers import (
    FIXED,
    LINK1,
    LINK2,
    LMA1,
    LMA2,
    MAG1,
    MAG2,
    NODE1,
    NODE2,
    NODE3,
    RMS,
    START,
    STRANGER,
    anchor,
    answer,
    gateway,
    networks,
    of,
    only,
    pbu,
    sent,
    until,
)

from ryu_pmipls.mobility import Advertise, BindingState, LocalMobilityAnchor, MobileAccessGateway, Notice, Send
from ryu_pmipls.wire import (
    BindingAcknowledgement,
    BindingRevocationAcknowledgement,
    BindingRevocationIndication,
    BindingUpdate,
    HandoffIndicator,
    HomeNetworkPrefix,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    Option,
    RevocationFlag,
    RevocationStatus,
    RevocationTrigger,
    RouteAdjust,
    Timestamp,
)
from ryu_pmipls.wire.codepoints import BindingStatus, HandoffType

PREFIX = IPv6Network("2001:db8:100:1::/64")
OTHER = IPv6Network("2001:db8:100:2::/64")
HANDOVER = RevocationTrigger.INTER_MAG_HANDOVER_SAME_ACCESS_TYPE
ADMINISTRATIVE = RevocationTrigger.ADMINISTRATIVE_REASON
P, G, V = RevocationFlag.P, RevocationFlag.G, RevocationFlag.V
EVERYTHING = BindingRevocationIndication(RevocationTrigger.PER_PEER_POLICY, 5, P | G)


# The LMA


def serving(*requests: BindingUpdate, mag: IPv6Address = MAG1) -> LocalMobilityAnchor:
    """An LMA that has accepted these requests of a MAG."""
    lma = anchor()
    for request in requests:
        replies = sent(answer(lma, request, mag, START), BindingAcknowledgement)
        assert only(replies).status == 0
    return lma


def indication(effects: list[object]) -> tuple[BindingRevocationIndication, IPv6Address]:
    """The only revocation that is sent, and where to."""
    return only([
        (effect.message, effect.destination)
        for effect in effects
        if isinstance(effect, Send) and isinstance(effect.message, BindingRevocationIndication)
    ])  # fmt: skip


def bra(message: BindingRevocationIndication, status: int = 0) -> BindingRevocationAcknowledgement:
    return BindingRevocationAcknowledgement(status, message.sequence)


class TestHandover:
    def test_the_old_mag_is_told_when_it_has_not_deregistered(self) -> None:
        lma = serving(pbu(START))
        message, mag = indication(answer(lma, pbu(START + 1), MAG2, START + 1))
        assert (message.trigger, message.flags, mag) == (HANDOVER, P, MAG1)
        assert message.option(MobileNodeIdentifier) == MobileNodeIdentifier(NODE1.identifier)
        assert message.option(MobileNodeLinkLayerIdentifier) == MobileNodeLinkLayerIdentifier(LINK1)
        assert message.option(HomeNetworkPrefix) is not None
        assert message.option(Timestamp) == Timestamp.of(START + 1)

    def test_another_access_technology_is_another_trigger(self) -> None:
        lma = serving(pbu(START))
        request = pbu(START + 1, technology=4, handoff=HandoffType.BETWEEN_INTERFACES)
        message, _ = indication(answer(lma, request, MAG2, START + 1))
        assert message.trigger == RevocationTrigger.INTER_MAG_HANDOVER_DIFFERENT_ACCESS_TYPE

    def test_a_mag_that_has_deregistered_is_not_told(self) -> None:
        lma = serving(pbu(START))
        answer(lma, pbu(START + 1, lifetime=0), MAG1, START + 1)
        assert sent(answer(lma, pbu(START + 2), MAG2, START + 2), BindingRevocationIndication) == []

    def test_a_refresh_revokes_nothing(self) -> None:
        lma = serving(pbu(START))
        assert sent(answer(lma, pbu(START + 1), MAG1, START + 1), BindingRevocationIndication) == []

    @pytest.mark.parametrize("status", list(RevocationStatus))
    def test_the_session_stays_whatever_the_old_mag_answers(self, status: RevocationStatus) -> None:
        lma = serving(pbu(START))
        message, _ = indication(answer(lma, pbu(START + 1), MAG2, START + 1))
        answer(lma, bra(message, status), MAG1, START + 1)
        assert only(list(lma.bindings)).care_of_address == MAG2
        assert [effect for _, effect in until(lma, START + 60)] == []

    def test_the_node_returns_before_the_mag_has_answered(self) -> None:
        """Then the MAG is not told any more that the node has left, but the other one is."""
        lma = serving(pbu(START))
        answer(lma, pbu(START + 0.2), MAG2, START + 0.2)
        message, mag = indication(answer(lma, pbu(START + 0.4), MAG1, START + 0.4))
        assert mag == MAG2
        answer(lma, bra(message), MAG2, START + 0.5)
        assert until(lma, START + 60) == []


class TestOperator:
    def test_the_session_ends_when_the_mag_has_acknowledged(self) -> None:
        lma = serving(pbu(START), pbu(START, NODE2, link=LINK2))
        assert lma.revoke(NODE1.identifier, START + 1) == 1
        message, mag = indication(lma.effects())
        assert (message.trigger, mag) == (ADMINISTRATIVE, MAG1)
        assert len(lma.bindings) == 2
        assert only(of(answer(lma, bra(message), MAG1, START + 1), Notice)).kind == "binding-revoked"
        assert only(list(lma.bindings)).identifier.identifier == NODE2.identifier
        assert until(lma, START + 10) == []

    def test_nobody_to_revoke(self) -> None:
        lma = serving(pbu(START))
        assert lma.revoke(NODE2.identifier, START + 1) == 0
        assert lma.effects() == []

    def test_twice_is_once(self) -> None:
        lma = serving(pbu(START))
        assert lma.revoke(NODE1.identifier, START + 1) == 1
        assert lma.revoke(NODE1.identifier, START + 1) == 0
        indication(lma.effects())

    def test_it_is_sent_twice_and_the_session_ends_without_an_answer(self) -> None:
        lma = serving(pbu(START))
        lma.revoke(NODE1.identifier, START + 1)
        first, _ = indication(lma.effects())
        seen = until(lma, START + 10)
        again = [(when, effect.message) for when, effect in seen if isinstance(effect, Send)]
        assert again == [(START + 2, first)]
        reports = [(when, effect.kind) for when, effect in seen if isinstance(effect, Notice)]
        assert reports == [(START + 4, "revocation-unanswered"), (START + 4, "binding-revoked")]
        assert lma.bindings == ()

    @pytest.mark.parametrize("status", [129, 130, 131, 132, 133, 134, 135])
    def test_who_anchors_a_session_decides_on_it(self, status: int) -> None:
        lma = serving(pbu(START))
        lma.revoke(NODE1.identifier, START + 1)
        message, _ = indication(lma.effects())
        reports = of(answer(lma, bra(message, status), MAG1, START + 1), Notice)
        assert [report.kind for report in reports] == ["revocation-refused", "binding-revoked"]
        assert lma.bindings == ()

    def test_a_refresh_that_crosses_it_does_not_revive_the_session(self) -> None:
        lma = serving(pbu(START))
        lma.revoke(NODE1.identifier, START + 1)
        message, _ = indication(lma.effects())
        request = pbu(START + 1, handoff=HandoffType.RE_REGISTRATION)
        reply = only(sent(answer(lma, request, MAG1, START + 1), BindingAcknowledgement))
        assert reply.status == BindingStatus.ADMINISTRATIVELY_PROHIBITED
        answer(lma, bra(message), MAG1, START + 1)
        reply = only(sent(answer(lma, pbu(START + 2), MAG1, START + 2), BindingAcknowledgement))
        assert reply.status == 0

    def test_a_deregistration_that_crosses_it_is_accepted(self) -> None:
        lma = serving(pbu(START))
        lma.revoke(NODE1.identifier, START + 1)
        message, _ = indication(lma.effects())
        reply = only(sent(answer(lma, pbu(START + 1, lifetime=0), MAG1, START + 1), BindingAcknowledgement))
        assert (reply.status, reply.lifetime) == (0, 0)
        answer(lma, bra(message, 128), MAG1, START + 1)
        assert lma.bindings == ()
        assert until(lma, START + 10) == []

    @pytest.mark.parametrize(("source", "sequence"), [(MAG2, 0), (STRANGER, 0), (MAG1, 1)])
    def test_an_acknowledgement_that_does_not_match_ends_nothing(self, source: IPv6Address, sequence: int) -> None:
        lma = serving(pbu(START))
        lma.revoke(NODE1.identifier, START + 1)
        message, _ = indication(lma.effects())
        wrong = BindingRevocationAcknowledgement(0, message.sequence + sequence)
        assert only(of(answer(lma, wrong, source, START + 1), Notice)).kind == "unmatched-revocation"
        assert len(lma.bindings) == 1

    def test_an_acknowledgement_that_comes_twice_is_ignored(self) -> None:
        lma = serving(pbu(START))
        lma.revoke(NODE1.identifier, START + 1)
        message, _ = indication(lma.effects())
        answer(lma, bra(message), MAG1, START + 1)
        answer(lma, pbu(START + 2), MAG1, START + 2)
        assert only(of(answer(lma, bra(message), MAG1, START + 2), Notice)).kind == "unmatched-revocation"
        assert len(lma.bindings) == 1


class TestDrain:
    def test_every_mag_with_sessions_is_told_once_for_all(self) -> None:
        lma = serving(pbu(START), pbu(START, NODE2, link=LINK2))
        answer(lma, pbu(START, NODE3, link=NODE3.link_layer_address), MAG2, START)
        lma.drain(START + 1)
        told = [effect for effect in lma.effects() if isinstance(effect, Send)]
        assert {effect.destination for effect in told} == {MAG1, MAG2}
        for effect in told:
            assert isinstance(effect.message, BindingRevocationIndication)
            assert (effect.message.trigger, effect.message.flags) == (RevocationTrigger.PER_PEER_POLICY, P | G)
            assert effect.message.options == ()
            answer(lma, bra(effect.message), effect.destination, START + 1)
        assert lma.bindings == ()

    def test_new_sessions_are_refused_until_it_ends(self) -> None:
        lma = anchor()
        lma.drain(START)
        assert lma.draining
        reply = only(sent(answer(lma, pbu(START), MAG1, START), BindingAcknowledgement))
        assert reply.status == BindingStatus.INSUFFICIENT_RESOURCES
        lma.undrain(START + 1)
        reply = only(sent(answer(lma, pbu(START + 1), MAG1, START + 1), BindingAcknowledgement))
        assert reply.status == 0

    def test_a_session_under_revocation_is_not_revived(self) -> None:
        lma = serving(pbu(START))
        lma.drain(START + 1)
        reply = only(sent(answer(lma, pbu(START + 1), MAG2, START + 1), BindingAcknowledgement))
        assert reply.status == BindingStatus.INSUFFICIENT_RESOURCES

    def test_a_second_time_tells_only_what_is_new(self) -> None:
        lma = serving(pbu(START))
        lma.drain(START + 1)
        lma.effects()
        lma.drain(START + 1)
        assert lma.effects() == []


# The MAG


def holding(*prefixes: IPv6Network, mag: MobileAccessGateway | None = None, link: bytes = LINK1, port: int = 3,
            now: float = START, lma: IPv6Address = LMA1) -> MobileAccessGateway:  # fmt: skip
    """A MAG with a mobile node that holds these prefixes."""
    mag = mag or gateway()
    mag.attach(link, port, now)
    grant(mag, only(sent(mag.effects(), BindingUpdate)), prefixes, now, lma)
    for told in sent(mag.effects(), RouteAdjust):
        mag.receive(told, RMS, now)
    mag.effects()
    return mag


def grant(
    mag: MobileAccessGateway, request: BindingUpdate, prefixes: tuple[IPv6Network, ...], now: float, lma: IPv6Address
) -> None:
    options = [option for option in request.options if not isinstance(option, HomeNetworkPrefix)]
    options += [HomeNetworkPrefix(prefix.network_address, prefix.prefixlen) for prefix in prefixes]
    mag.receive(BindingAcknowledgement(0, request.sequence, request.lifetime, options=tuple(options)), lma, now)


def bri(
    trigger: int = ADMINISTRATIVE,
    *prefixes: IPv6Network,
    node: bytes | None = NODE1.identifier,
    link: bytes | None = None,
    time: float | None = None,
    flags: RevocationFlag = P,
    sequence: int = 7,
) -> BindingRevocationIndication:
    options: list[Option] = [] if node is None else [MobileNodeIdentifier(node)]
    options += [HomeNetworkPrefix(prefix.network_address, prefix.prefixlen) for prefix in prefixes]
    if link is not None:
        options.append(MobileNodeLinkLayerIdentifier(link))
    if time is not None:
        options.append(Timestamp.of(time))
    return BindingRevocationIndication(trigger, sequence, flags, tuple(options))


def status(
    mag: MobileAccessGateway, message: BindingRevocationIndication, source: IPv6Address = LMA1, now: float = START + 2
) -> int:
    reply = only(sent(answer(mag, message, source, now), BindingRevocationAcknowledgement))
    assert reply.sequence == message.sequence
    return reply.status


class TestObedience:
    def test_the_session_ends_and_the_prefix_is_withdrawn(self) -> None:
        mag = holding(PREFIX)
        effects = answer(mag, bri(ADMINISTRATIVE, PREFIX, link=LINK1, time=START + 1), LMA1, START + 2)
        assert only(sent(effects, BindingRevocationAcknowledgement)) == BindingRevocationAcknowledgement(0, 7)
        assert only(of(effects, Advertise)) == Advertise(3, LINK1, (PREFIX,), 0)
        assert mag.bindings == ()
        assert sent(effects, BindingUpdate) == []
        told = [effect.message for _, effect in until(mag, START + 13) if isinstance(effect, Send)]
        withdrawn = [message for message in told if isinstance(message, RouteAdjust)]
        assert {(message.prefix, message.new_mag) for message in withdrawn} == {
            (PREFIX.network_address, IPv6Address("::"))
        }

    def test_a_revoked_node_may_come_again(self) -> None:
        mag = holding(PREFIX)
        assert status(mag, bri(time=START + 1)) == 0
        mag.attach(LINK1, 3, START + 3)
        assert len(sent(mag.effects(), BindingUpdate)) == 1

    @pytest.mark.parametrize(
        ("message", "expected"),
        [
            pytest.param(bri(), RevocationStatus.SUCCESS, id="all of the node"),
            pytest.param(bri(ADMINISTRATIVE, PREFIX), RevocationStatus.SUCCESS, id="one prefix of the session"),
            pytest.param(bri(ADMINISTRATIVE, PREFIX, FIXED), RevocationStatus.PARTIAL_SUCCESS, id="one not held"),
            pytest.param(bri(ADMINISTRATIVE, FIXED), RevocationStatus.BINDING_DOES_NOT_EXIST, id="another prefix"),
            pytest.param(bri(node=NODE2.identifier), RevocationStatus.BINDING_DOES_NOT_EXIST, id="another node"),
            pytest.param(bri(link=LINK2), RevocationStatus.BINDING_DOES_NOT_EXIST, id="another interface"),
            pytest.param(bri(flags=RevocationFlag(0)), RevocationStatus.BINDING_DOES_NOT_EXIST, id="no proxy binding"),
            pytest.param(bri(flags=P | V), RevocationStatus.REVOCATION_FUNCTION_NOT_SUPPORTED, id="IPv4 only"),
            pytest.param(bri(node=None), RevocationStatus.REVOKED_MOBILE_NODES_IDENTITY_REQUIRED, id="nobody named"),
            pytest.param(bri(8), RevocationStatus.REVOCATION_TRIGGER_NOT_SUPPORTED, id="unknown trigger"),
            pytest.param(bri(250), RevocationStatus.REVOCATION_TRIGGER_NOT_SUPPORTED, id="trigger for tests"),
            pytest.param(bri(128), RevocationStatus.REVOCATION_TRIGGER_NOT_SUPPORTED, id="global trigger without G"),
            pytest.param(EVERYTHING, RevocationStatus.SUCCESS, id="all of the LMA"),
            pytest.param(
                bri(128, flags=P | G), RevocationStatus.GLOBAL_REVOCATION_NOT_AUTHORIZED, id="all, but with options"
            ),
            pytest.param(bri(129, flags=P | G), RevocationStatus.SUCCESS, id="a node by policy"),
            pytest.param(bri(129, flags=P | G, node=b"@example.net"), RevocationStatus.SUCCESS, id="a realm"),
            pytest.param(
                bri(129, flags=P | G, node=b"@example.org"),
                RevocationStatus.REVOKED_MOBILE_NODES_IDENTITY_REQUIRED,
                id="a realm of which nobody is here",
            ),
            pytest.param(
                bri(129, flags=P | G, node=None),
                RevocationStatus.REVOKED_MOBILE_NODES_IDENTITY_REQUIRED,
                id="by policy, but nobody named",
            ),
            pytest.param(bri(2, flags=P | G), RevocationStatus.REVOCATION_TRIGGER_NOT_SUPPORTED, id="G, not global"),
        ],
    )  # fmt: skip
    def test_the_status_tells_what_was_done(
        self, message: BindingRevocationIndication, expected: RevocationStatus
    ) -> None:
        mag = holding(PREFIX, OTHER)
        assert status(mag, message) == expected
        ended = expected in (RevocationStatus.SUCCESS, RevocationStatus.PARTIAL_SUCCESS)
        bound = [entry for entry in mag.bindings if entry.state is BindingState.BOUND]
        assert any(PREFIX in entry.prefixes for entry in bound) is not ended

    @pytest.mark.parametrize("trigger", range(8))
    def test_every_trigger_of_one_node_is_known(self, trigger: int) -> None:
        assert status(holding(PREFIX), bri(trigger)) == RevocationStatus.SUCCESS

    def test_partial_success_names_what_was_not_found(self) -> None:
        effects = answer(holding(PREFIX), bri(ADMINISTRATIVE, PREFIX, FIXED), LMA1, START + 2)
        reply = only(sent(effects, BindingRevocationAcknowledgement))
        assert reply.all(HomeNetworkPrefix) == (HomeNetworkPrefix(FIXED.network_address, 64),)

    @pytest.mark.parametrize("message", [bri(), EVERYTHING], ids=["one", "all"])
    def test_only_the_owner_of_a_session_revokes_it(self, message: BindingRevocationIndication) -> None:
        mag = holding(PREFIX)
        status(mag, message, LMA2)
        assert only(list(mag.bindings)).prefixes == (PREFIX,)

    def test_a_stranger_is_not_answered(self) -> None:
        mag = holding(PREFIX)
        assert only(answer(mag, bri(), STRANGER, START + 2)).kind == "unknown-lma"  # type: ignore[union-attr]
        assert only(list(mag.bindings)).prefixes == (PREFIX,)

    def test_a_duplicate_has_the_same_answer_and_no_effect(self) -> None:
        mag = holding(PREFIX)
        assert status(mag, bri(time=START + 1)) == RevocationStatus.SUCCESS
        holding(PREFIX, mag=mag, now=START + 2)
        assert status(mag, bri(time=START + 1)) == RevocationStatus.SUCCESS
        assert only(list(mag.bindings)).prefixes == (PREFIX,)

    @pytest.mark.parametrize(
        ("trigger", "expected"),
        [
            (HANDOVER, RevocationStatus.REVOCATION_FAILED_MN_IS_ATTACHED),
            (ADMINISTRATIVE, RevocationStatus.BINDING_DOES_NOT_EXIST),
        ],
    )
    def test_a_late_one_does_not_end_a_newer_session(self, trigger: int, expected: RevocationStatus) -> None:
        mag = holding(PREFIX, now=START + 1)
        assert status(mag, bri(trigger, PREFIX, time=START + 0.5)) == expected
        assert only(list(mag.bindings)).prefixes == (PREFIX,)

    @pytest.mark.parametrize("time", [START + 0.5, None])
    def test_a_node_that_is_just_coming_back_is_attached(self, time: float | None) -> None:
        mag = gateway()
        mag.attach(LINK1, 3, START + 1)
        mag.effects()
        assert status(mag, bri(HANDOVER, PREFIX, time=time)) == RevocationStatus.REVOCATION_FAILED_MN_IS_ATTACHED

    def test_a_node_that_has_come_back_is_attached_though_its_request_has_to_wait_for_its_turn(self) -> None:
        mag = gateway()
        for port in range(4):
            mag.attach(LINK1, port, START)
        mag.effects()
        message = bri(HANDOVER, PREFIX, time=START + 0.5)
        assert status(mag, message, now=START + 0.6) == RevocationStatus.REVOCATION_FAILED_MN_IS_ATTACHED

    def test_it_overtakes_the_acknowledgement_that_granted_the_session(self) -> None:
        """The mobile node has gone on meanwhile: what was asked for here is at another MAG."""
        mag = gateway()
        mag.attach(LINK1, 3, START)
        request = only(sent(mag.effects(), BindingUpdate))
        message = bri(HANDOVER, PREFIX, time=START + 0.5)
        assert status(mag, message, now=START + 0.6) == RevocationStatus.SUCCESS
        grant(mag, request, (PREFIX,), START + 0.7, LMA1)
        assert mag.bindings == ()

    def test_a_session_that_is_being_deregistered_is_gone(self) -> None:
        mag = holding(PREFIX)
        mag.detach(3, START + 1)
        assert status(mag, bri(HANDOVER, PREFIX, time=START + 1)) == RevocationStatus.BINDING_DOES_NOT_EXIST

    def test_nodes_whose_lma_gives_up_all_its_sessions_are_registered_anew(self) -> None:
        mag = holding(PREFIX)
        holding(OTHER, mag=mag, link=LINK2, port=4)
        effects = answer(mag, EVERYTHING, LMA1, START + 2)
        kinds = [type(effect.message) for effect in effects if isinstance(effect, Send)]
        assert kinds[0] is BindingRevocationAcknowledgement  # so that the LMA does not take them for refreshes
        requests = sent(effects, BindingUpdate)
        assert {request.option(HandoffIndicator) for request in requests} == {HandoffIndicator(HandoffType.UNKNOWN)}
        asked = {prefix for request in requests for prefix in networks(request)}  # type: ignore[arg-type]
        assert asked == {PREFIX, OTHER}
        assert of(effects, Advertise) == []  # they go on with what they have, unless nobody lets them
        assert [entry.state for entry in mag.bindings] == [BindingState.REFRESHING] * 2


class TestDeparture:
    """A mobile node leaves though its link is up."""

    def test_the_lma_is_told_and_the_prefix_withdrawn(self) -> None:
        mag = holding(PREFIX)
        mag.depart(LINK1, START + 1)
        effects = mag.effects()
        request = only(sent(effects, BindingUpdate))
        assert (request.lifetime, networks(request)) == (0, (PREFIX,))  # type: ignore[arg-type]
        assert only(of(effects, Advertise)) == Advertise(3, LINK1, (PREFIX,), 0)
        assert only(list(mag.bindings)).state is BindingState.DEREGISTERING

    def test_others_at_the_port_stay(self) -> None:
        mag = holding(PREFIX)
        holding(OTHER, mag=mag, link=LINK2)
        mag.depart(LINK1, START + 1)
        states = {entry.policy.identifier: entry.state for entry in mag.bindings}
        assert states == {NODE1.identifier: BindingState.DEREGISTERING, NODE2.identifier: BindingState.BOUND}

    def test_of_an_unknown_node_or_twice_is_nothing(self) -> None:
        mag = holding(PREFIX)
        mag.depart(LINK2, START + 1)
        assert mag.effects() == []
        mag.depart(LINK1, START + 1)
        mag.effects()
        mag.depart(LINK1, START + 1)
        assert mag.effects() == []
