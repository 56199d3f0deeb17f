from __future__ import annotations

from fractions import Fraction
from ipaddress import IPv6Address, IPv6Network

import pytest
from mobility_helpers import (
    ANY,
    DISABLED,
    FIXED,
    LINK1,
    LINK2,
    LMA1,
    LMA2,
    MAG1,
    MAG2,
    NODE1,
    NODE3,
    RMS,
    START,
    STRANGER,
    answer,
    gateway,
    of,
    only,
    sent,
    until,
)

from ryu_pmipls.mobility import (
    Advertise,
    BindingState,
    BuildTunnel,
    Forward,
    MobileAccessGateway,
    Notice,
    ProbeNode,
    RemoveTunnel,
    Send,
    SynchroniseClock,
)
from ryu_pmipls.wire import (
    AccessTechnologyType,
    Attachment,
    BindingAcknowledgement,
    BindingUpdate,
    HandoffIndicator,
    HomeNetworkPrefix,
    LoadAdjust,
    MobileNodeIdentifier,
    MobileNodeLinkLayerIdentifier,
    Option,
    RouteAdjust,
    Timestamp,
    TunnelAck,
    TunnelRequest,
    TunnelStatus,
    UplinkShare,
)
from ryu_pmipls.wire.codepoints import BindingAcknowledgementFlag, BindingStatus, Encapsulation, HandoffType

PREFIX = IPv6Network("2001:db8:100:1::/64")
OTHER = IPv6Network("2001:db8:100:2::/64")
NONE = IPv6Address("::")


def attach(mag: MobileAccessGateway, now: float = START, link: bytes = LINK1, port: int = 3) -> BindingUpdate:
    mag.attach(link, port, now)
    return only(sent(mag.effects(), BindingUpdate))


def pba(
    request: BindingUpdate,
    status: int = 0,
    prefixes: tuple[IPv6Network, ...] = (PREFIX,),
    lifetime: int | None = None,
    replace: tuple[Option, ...] = (),
    flags: BindingAcknowledgementFlag = BindingAcknowledgementFlag.P,
) -> BindingAcknowledgement:
    """What an LMA answers to a request."""
    changed = {type(option): option for option in replace}
    options = [changed.get(type(option), option) for option in request.options if type(option) is not HomeNetworkPrefix]
    options += [HomeNetworkPrefix(prefix.network_address, prefix.prefixlen) for prefix in prefixes]
    granted = request.lifetime if lifetime is None else lifetime
    return BindingAcknowledgement(status, request.sequence, granted, flags, options=tuple(options))


def bound(now: float = START, port: int = 3, **changes: object) -> MobileAccessGateway:
    """A MAG where NODE1 is attached and the RMS knows it."""
    mag = gateway(**changes)
    effects = answer(mag, pba(attach(mag, now, port=port)), LMA1, now)
    answer(mag, only(sent(effects, RouteAdjust)), RMS, now)
    return mag


def asked(request: BindingUpdate) -> tuple[IPv6Network, ...]:
    return tuple(IPv6Network((option.prefix, option.length)) for option in request.all(HomeNetworkPrefix))


def handoff(request: BindingUpdate) -> int:
    option = request.option(HandoffIndicator)
    assert option is not None
    return option.value


class TestTunnels:
    def test_every_lma_is_asked_until_it_answers(self) -> None:
        mag = gateway()
        mag.start(START)
        requests = [effect for effect in of(mag.effects(), Send) if isinstance(effect.message, TunnelRequest)]
        assert requests == [Send(TunnelRequest(MAG1), lma) for lma in (LMA1, LMA2)]
        assert answer(mag, TunnelAck(LMA1), LMA1, START) == [BuildTunnel(LMA1)]
        again = until(mag, START + 100)
        assert {effect.destination for _, effect in again if isinstance(effect, Send)} == {LMA2}
        assert [when - START for when, _ in again] == [1, 3, 7, 15, 31, 63, 95]

    def test_an_acknowledgement_more_changes_nothing(self) -> None:
        mag = gateway(lmas=(LMA1,))
        mag.start(START)
        mag.effects()
        assert answer(mag, TunnelAck(LMA1), LMA1, START) == [BuildTunnel(LMA1)]
        assert answer(mag, TunnelAck(LMA1), LMA1, START) == []
        mag.tunnel_built(LMA1, START)
        mag.effects()
        assert answer(mag, TunnelAck(LMA1), LMA1, START) == []
        assert of([effect for _, effect in until(mag, START + 200)], BuildTunnel) == []

    @pytest.mark.parametrize(("lma", "source"), [(MAG1, LMA1), (LMA2, LMA1), (LMA1, STRANGER), (STRANGER, STRANGER)])
    def test_e10_the_acknowledgement_names_its_sender(self, lma: IPv6Address, source: IPv6Address) -> None:
        mag = gateway()
        mag.start(START)
        mag.effects()
        assert only(of(answer(mag, TunnelAck(lma), source, START), Notice)).kind == "unknown-lma"
        assert mag.deadline() == START + 1

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (TunnelStatus(130, Encapsulation.GRE), "tunnel-refused"),
            (TunnelStatus(0, Encapsulation.SRV6), "encapsulation-mismatch"),
        ],
    )
    def test_e13_a_refusal_is_no_agreement(self, status: TunnelStatus, kind: str) -> None:
        mag = gateway()
        mag.start(START)
        mag.effects()
        effects = answer(mag, TunnelAck(LMA1, options=(status,)), LMA1, START)
        assert [type(effect) for effect in effects] == [Notice]
        assert only(of(effects, Notice)).kind == kind
        assert mag.deadline() == START + 1
        accepted = TunnelAck(LMA1, options=(TunnelStatus(0, Encapsulation.GRE),))
        assert answer(mag, accepted, LMA1, START) == [BuildTunnel(LMA1)]

    def test_a_tunnel_that_failed_is_asked_for_again(self) -> None:
        mag = gateway(lmas=(LMA1,))
        mag.start(START)
        answer(mag, TunnelAck(LMA1), LMA1, START)
        mag.tunnel_failed(LMA1, START + 5)
        assert only(of(mag.effects(), RemoveTunnel)) == RemoveTunnel(LMA1)
        assert until(mag, START + 6) == [(START + 6, Send(TunnelRequest(MAG1), LMA1))]
        assert answer(mag, TunnelAck(LMA1), LMA1, START + 6) == [BuildTunnel(LMA1)]


class TestAttachment:
    def test_the_pbu_says_all_that_is_known(self) -> None:
        request = attach(gateway())
        assert request == BindingUpdate(
            1,
            900,
            options=(
                MobileNodeIdentifier(NODE1.identifier),
                HomeNetworkPrefix(NONE, 0),
                HandoffIndicator(HandoffType.UNKNOWN),
                AccessTechnologyType(NODE1.access_technology),
                Timestamp.of(START),
                MobileNodeLinkLayerIdentifier(LINK1),
            ),
        )

    def test_fixed_prefixes_are_asked_for(self) -> None:
        assert asked(attach(gateway(), link=NODE3.link_layer_address)) == (FIXED,)

    @pytest.mark.parametrize(
        ("link", "kind"),
        [(b"\x02\0\0\0\xff\xff", "unknown-mobile-node"), (DISABLED.link_layer_address, "barred-mobile-node")],
    )
    def test_who_is_unknown_or_not_entitled_gets_nothing(self, link: bytes, kind: str) -> None:
        mag = gateway()
        mag.attach(link, 3, START)
        effects = mag.effects()
        assert [type(effect) for effect in effects] == [Notice]
        assert only(of(effects, Notice)).kind == kind
        assert mag.bindings == () and mag.deadline() is None

    def test_retransmission_doubles_to_32_s_each_time_with_a_new_timestamp_and_sequence_number(self) -> None:
        mag = gateway()
        first = attach(mag)
        later = until(mag, START + 130)
        assert [when - START for when, _ in later] == [1, 3, 7, 15, 31, 63, 95, 127]
        requests = [first, *sent([effect for _, effect in later], BindingUpdate)]
        assert [request.sequence for request in requests] == list(range(1, 10))
        timestamps = [request.option(Timestamp) for request in requests]
        assert timestamps[1:] == [Timestamp.of(when) for when, _ in later]

    def test_of_one_node_there_are_no_more_than_three_pbus_in_a_second(self) -> None:
        mag = gateway()
        for number in range(5):
            mag.attach(LINK1, number, START + number / 10)
        mag.attach(NODE3.link_layer_address, 9, START + 0.5)
        assert [request.sequence for request in sent(mag.effects(), BindingUpdate)] == [1, 2, 3, 4]
        seen = until(mag, START + 1.5)
        [fourth] = [(when, e) for when, e in seen if isinstance(e, Send) and asked(e.message) == (ANY,)]  # type: ignore[arg-type]
        assert fourth[0] == START + 1
        assert only(sent([fourth[1]], BindingUpdate)).option(Timestamp) == Timestamp.of(START + 1)

    def test_a_node_that_leaves_before_its_pbu_was_sent_is_forgotten_in_the_end(self) -> None:
        mag = gateway()
        for number in range(4):
            mag.attach(LINK1, number, START)
        mag.detach(3, START)
        mag.effects()
        (when, effect) = only([(when, e) for when, e in until(mag, START + 10) if isinstance(e, Send)])
        assert (when, only(sent([effect], BindingUpdate)).lifetime) == (START + 1, 0)
        assert mag.bindings == ()

    def test_a_node_that_may_have_gone_while_its_pbu_had_to_wait_is_probed_first(self) -> None:
        mag = gateway(probes=3)
        for _ in range(4):
            mag.attach(LINK1, 3, START)
        mag.effects()
        mag.handle_timer(START + 1)
        assert mag.effects() == [ProbeNode(3, LINK1)]
        mag.reachable(LINK1, 3, START + 1.2)
        assert only(sent(mag.effects(), BindingUpdate)).option(Timestamp) == Timestamp.of(START + 1.2)

    def test_timestamps_differ_even_at_one_time(self) -> None:
        mag = gateway()
        first, second = attach(mag), attach(mag, link=NODE3.link_layer_address)
        ticks = [option.ticks for option in (first.option(Timestamp), second.option(Timestamp)) if option]
        assert ticks[1] == ticks[0] + 1

    def test_acceptance_advertises_and_tells_the_rms(self) -> None:
        mag = gateway()
        request = attach(mag)
        effects = answer(mag, pba(request, lifetime=25), LMA1, START + 0.5)
        assert only(of(effects, Advertise)) == Advertise(3, LINK1, (PREFIX,), 99)
        assert of(effects, Send) == [
            Send(
                RouteAdjust(
                    PREFIX.network_address,
                    NONE,
                    MAG1,
                    options=(
                        Timestamp.of(START),
                        MobileNodeIdentifier(NODE1.identifier),
                        MobileNodeLinkLayerIdentifier(LINK1),
                        Attachment(3, LMA1),
                    ),
                ),
                RMS,
            )
        ]
        entry = only(list(mag.bindings))
        assert (entry.state, entry.prefixes, entry.expires) == (BindingState.BOUND, (PREFIX,), START + 100)

    def test_each_prefix_has_its_route_adjust(self) -> None:
        mag = gateway()
        effects = answer(mag, pba(attach(mag), prefixes=(PREFIX, OTHER)), LMA1, START)
        assert [message.prefix for message in sent(effects, RouteAdjust)] == [
            PREFIX.network_address,
            OTHER.network_address,
        ]

    def test_soliciting_again_is_answered_from_memory_and_registered_anew(self) -> None:
        """The node may have been elsewhere meanwhile, while its link stayed up."""
        mag = bound()
        mag.attach(LINK1, 3, START + 600)
        effects = mag.effects()
        assert effects[0] == Advertise(3, LINK1, (PREFIX,), 3000)
        request = only(sent(effects, BindingUpdate))
        assert (handoff(request), asked(request)) == (HandoffType.UNKNOWN, (PREFIX,))

    def test_soliciting_again_while_registering_asks_anew(self) -> None:
        mag = gateway()
        first = attach(mag)
        second = attach(mag, START + 0.5)
        assert second.sequence == first.sequence + 1 and second.option(Timestamp) == Timestamp.of(START + 0.5)
        assert mag.deadline() == START + 1.5
        answer(mag, pba(first), LMA1, START + 0.75)
        assert only(list(mag.bindings)).state is BindingState.REGISTERING

    def test_another_port_is_another_attachment(self) -> None:
        mag = bound()
        request = attach(mag, START + 10, port=5)
        assert (handoff(request), asked(request)) == (HandoffType.UNKNOWN, (PREFIX,))
        effects = answer(mag, pba(request), LMA1, START + 10)
        assert only(of(effects, Advertise)).port == 5
        assert only(sent(effects, RouteAdjust)).option(Attachment) == Attachment(5, LMA1)
        mag.detach(3, START + 10.5)
        assert mag.effects() == []


class TestAcknowledgement:
    def ignored(self, mag: MobileAccessGateway, message: BindingAcknowledgement, source: IPv6Address = LMA1) -> None:
        effects = answer(mag, message, source, START)
        assert only(of(effects, Notice)).kind == "unmatched-acknowledgement"
        assert len(effects) == 1
        assert only(list(mag.bindings)).state is BindingState.REGISTERING
        assert mag.deadline() == START + 1

    def test_of_another_request(self) -> None:
        mag = gateway()
        request = attach(mag)
        self.ignored(mag, pba(BindingUpdate(request.sequence + 1, 900, options=request.options)))

    def test_of_an_earlier_transmission(self) -> None:
        mag = gateway()
        request = attach(mag)
        until(mag, START + 1)
        assert only(of(answer(mag, pba(request), LMA1, START + 1), Notice)).kind == "unmatched-acknowledgement"

    def test_of_another_lma(self) -> None:
        mag = gateway()
        self.ignored(mag, pba(attach(mag)), LMA2)

    def test_without_the_proxy_flag(self) -> None:
        mag = gateway()
        self.ignored(mag, pba(attach(mag), flags=BindingAcknowledgementFlag(0)))

    @pytest.mark.parametrize(
        "option",
        [
            HandoffIndicator(HandoffType.NEW_INTERFACE),
            AccessTechnologyType(4),
            MobileNodeLinkLayerIdentifier(b"\x02\0\0\0\1\7"),
        ],
    )
    def test_that_differs_ends_the_attempts_until_an_administrator_acts(self, option: Option) -> None:
        mag = gateway()
        effects = answer(mag, pba(attach(mag), replace=(option,)), LMA1, START)
        assert [type(effect) for effect in effects] == [Notice]
        assert only(of(effects, Notice)).kind == "wrong-acknowledgement"
        assert mag.bindings == () and mag.deadline() is None
        mag.attach(LINK1, 3, START + 1)
        assert only(of(mag.effects(), Notice)).kind == "barred-mobile-node"

    @pytest.mark.parametrize("identifier", [MobileNodeIdentifier(b"mn2@example.net"), MobileNodeIdentifier(b"", 2)])
    def test_of_another_node(self, identifier: MobileNodeIdentifier) -> None:
        mag = gateway()
        effects = answer(mag, pba(attach(mag), replace=(identifier,)), LMA1, START)
        assert only(of(effects, Notice)).kind == "unmatched-acknowledgement"
        assert len(sent([effect for _, effect in until(mag, START + 1)], BindingUpdate)) == 1

    def test_of_a_request_from_before_a_restart(self) -> None:
        old, new = gateway(restart_counter=3), gateway(restart_counter=4)
        refusal = pba(attach(old), 156, (ANY,), 0)
        attach(new)
        assert only(of(answer(new, refusal, LMA1, START), Notice)).kind == "unmatched-acknowledgement"

    @pytest.mark.parametrize(("prefixes", "lifetime"), [((), 900), ((ANY,), 900), ((PREFIX,), 0)])
    def test_that_grants_nothing(self, prefixes: tuple[IPv6Network, ...], lifetime: int) -> None:
        mag = gateway()
        effects = answer(mag, pba(attach(mag), prefixes=prefixes, lifetime=lifetime), LMA1, START)
        assert [type(effect) for effect in effects] == [Notice]
        assert mag.bindings == () and mag.deadline() is None


class TestStatus:
    def refused(self, status: int, link: bytes = LINK1) -> MobileAccessGateway:
        mag = gateway()
        effects = answer(mag, pba(attach(mag, link=link), status, (ANY,), 0), LMA1, START)
        assert of(effects, Advertise) == [] and sent(effects, RouteAdjust) == []
        assert of(effects, Notice)[0].details["status"] == status
        self.effects = effects
        return mag

    def test_152_is_final(self) -> None:
        mag = self.refused(BindingStatus.PROXY_REG_NOT_ENABLED)
        assert mag.bindings == () and mag.deadline() is None
        mag.attach(LINK1, 3, START + 1)
        assert only(of(mag.effects(), Notice)).kind == "barred-mobile-node"

    @pytest.mark.parametrize("status", [128, 129, 130, 135, 153, 154, 158, 159, 160, 161, 162, 255])
    def test_others_last_until_the_next_attachment(self, status: int) -> None:
        mag = self.refused(status)
        assert mag.bindings == () and mag.deadline() is None
        assert attach(mag, START + 1).sequence == 2

    @pytest.mark.parametrize("status", [156, 157])
    def test_a_timestamp_is_tried_again_at_the_pace_of_retransmissions(self, status: int) -> None:
        mag = self.refused(status)
        (when, effect) = only(until(mag, START + 1))
        request = only(sent([effect], BindingUpdate))
        assert (when, request.option(Timestamp)) == (START + 1, Timestamp.of(START + 1))
        answer(mag, pba(request, status), LMA1, START + 1)
        assert mag.deadline() == START + 3

    def test_156_has_the_clock_set_by_the_domain_and_tells_how_far_the_lma_is_off(self) -> None:
        mag = gateway()
        refusal = pba(attach(mag), 156, (ANY,), 0, replace=(Timestamp.of(START + 4.5),))
        effects = answer(mag, refusal, LMA1, START)
        assert of(effects, SynchroniseClock) == [SynchroniseClock(START + 4.5)]
        assert of(effects, Notice)[1].details["seconds"] == 4.5
        assert only(sent([effect for _, effect in until(mag, START + 1)], BindingUpdate)).option(
            Timestamp
        ) == Timestamp.of(START + 1)

    def test_157_does_not_have_the_clock_set(self) -> None:
        self.refused(157)
        assert of(self.effects, SynchroniseClock) == []

    def test_155_is_asked_once_more_for_any_prefix(self) -> None:
        mag = self.refused(155, NODE3.link_layer_address)
        request = only(sent(self.effects, BindingUpdate))
        assert asked(request) == (ANY,)
        effects = answer(mag, pba(request, 155, (ANY,), 0), LMA1, START)
        assert sent(effects, BindingUpdate) == []
        assert mag.bindings == ()

    def test_155_without_a_prefix_is_final(self) -> None:
        mag = self.refused(155)
        assert sent(self.effects, BindingUpdate) == []
        assert mag.bindings == ()

    def test_155_at_a_refresh_withdraws_the_prefix(self) -> None:
        mag = bound()
        refresh = only(sent([effect for _, effect in until(mag, START + 2700)], BindingUpdate))
        effects = answer(mag, pba(refresh, 155), LMA1, START + 2700)
        assert only(of(effects, Advertise)) == Advertise(3, LINK1, (PREFIX,), 0)
        request = only(sent(effects, BindingUpdate))
        effects = answer(mag, pba(request, prefixes=(OTHER,)), LMA1, START + 2700)
        assert only(of(effects, Advertise)).prefixes == (OTHER,)
        assert only(sent(effects, RouteAdjust)).prefix == OTHER.network_address
        gone = sent([effect for when, effect in until(mag, START + 2710) if when == START + 2710], RouteAdjust)
        assert only(gone).prefix == PREFIX.network_address and only(gone).new_mag == NONE

    def test_a_refused_refresh_withdraws_the_prefix(self) -> None:
        mag = bound()
        refresh = only(sent([effect for _, effect in until(mag, START + 2700)], BindingUpdate))
        effects = answer(mag, pba(refresh, 129), LMA1, START + 2700)
        assert only(of(effects, Advertise)).lifetime == 0
        assert mag.bindings == ()


class TestRefresh:
    def test_a_binding_is_refreshed_before_it_expires(self) -> None:
        mag = bound()
        (when, effect) = only(until(mag, START + 2700))
        request = only(sent([effect], BindingUpdate))
        assert (when, handoff(request), asked(request)) == (START + 2700, HandoffType.RE_REGISTRATION, (PREFIX,))
        assert only(list(mag.bindings)).state is BindingState.REFRESHING
        effects = answer(mag, pba(request), LMA1, START + 2700)
        assert effects == [Advertise(3, LINK1, (PREFIX,), 3600)]
        assert only(list(mag.bindings)).expires == START + 6300

    def test_a_refresh_that_is_not_answered_ends_in_a_new_registration(self) -> None:
        mag = bound()
        effects = [effect for when, effect in until(mag, START + 3600) if when == START + 3600]
        assert only(of(effects, Advertise)) == Advertise(3, LINK1, (PREFIX,), 0)
        request = only(sent(effects, BindingUpdate))
        assert (handoff(request), asked(request)) == (HandoffType.UNKNOWN, (ANY,))
        assert only(list(mag.bindings)).state is BindingState.REGISTERING

    def test_a_refresh_that_brings_another_prefix_replaces_the_first(self) -> None:
        mag = bound()
        refresh = only(sent([effect for _, effect in until(mag, START + 2700)], BindingUpdate))
        effects = answer(mag, pba(refresh, prefixes=(OTHER,)), LMA1, START + 2700)
        assert of(effects, Advertise) == [
            Advertise(3, LINK1, (OTHER,), 3600, withdrawn=(PREFIX,)),
        ]
        assert only(sent(effects, RouteAdjust)).prefix == OTHER.network_address


class TestDetachment:
    def test_the_lma_is_told_and_after_a_while_the_rms(self) -> None:
        mag = bound()
        mag.detach(3, START + 5)
        effects = mag.effects()
        request = only(sent(effects, BindingUpdate))
        assert (request.lifetime, handoff(request), asked(request)) == (0, HandoffType.UNKNOWN, (PREFIX,))
        assert of(effects, Advertise) == []
        assert only(list(mag.bindings)).state is BindingState.DEREGISTERING
        assert answer(mag, pba(request), LMA1, START + 5) == []
        assert mag.bindings == ()
        message = RouteAdjust(
            PREFIX.network_address,
            MAG1,
            NONE,
            options=(
                Timestamp(Timestamp.of(START).ticks + 1),
                MobileNodeIdentifier(NODE1.identifier),
                MobileNodeLinkLayerIdentifier(LINK1),
            ),
        )
        assert until(mag, START + 15) == [(START + 15, Send(message, RMS))]
        assert answer(mag, message, RMS, START + 15) == []
        assert mag.deadline() is None

    def test_without_an_answer_the_entry_goes_all_the_same(self) -> None:
        mag = bound()
        mag.detach(3, START + 5)
        mag.effects()
        assert until(mag, START + 6) == []
        assert mag.bindings == ()

    def test_while_registering(self) -> None:
        mag = gateway()
        attach(mag)
        mag.detach(3, START + 0.5)
        request = only(sent(mag.effects(), BindingUpdate))
        assert (request.lifetime, asked(request)) == (0, (ANY,))
        assert until(mag, START + 100) == []
        assert mag.bindings == ()

    def test_twice_or_on_an_empty_port_is_nothing(self) -> None:
        mag = bound()
        mag.detach(4, START + 5)
        assert mag.effects() == []
        mag.detach(3, START + 5)
        mag.effects()
        mag.detach(3, START + 5.5)
        assert mag.effects() == []

    def test_a_node_that_comes_back_is_registered_anew_and_not_reported_gone(self) -> None:
        mag = bound()
        mag.detach(3, START + 5)
        mag.effects()
        request = attach(mag, START + 5.5)
        assert (request.lifetime, handoff(request)) == (900, HandoffType.UNKNOWN)
        effects = answer(mag, pba(request), LMA1, START + 5.5)
        answer(mag, only(sent(effects, RouteAdjust)), RMS, START + 5.5)
        assert until(mag, START + 100) == []
        assert only(list(mag.bindings)).state is BindingState.BOUND


class TestRouteAdjust:
    def test_e37_it_is_repeated_until_it_is_answered(self) -> None:
        mag = gateway()
        first = only(sent(answer(mag, pba(attach(mag)), LMA1, START), RouteAdjust))
        assert until(mag, START + 3) == [(START + 1, Send(first, RMS)), (START + 3, Send(first, RMS))]
        assert answer(mag, first, RMS, START + 4) == [Forward(PREFIX.network_address, here=True)]
        assert until(mag, START + 2699) == []

    def test_after_its_tries_it_is_reported_and_tried_on_at_longer_and_longer_intervals(self) -> None:
        mag = gateway(adjust_tries=2)
        answer(mag, pba(attach(mag)), LMA1, START)
        seen = [(when - START, effect) for when, effect in until(mag, START + 2702)]
        reports = [(when, effect.kind) for when, effect in seen if isinstance(effect, Notice)]
        assert reports == [(3, "route-adjust-unanswered")]
        assert [when for when, effect in seen if sent([effect], RouteAdjust)] == [2**n - 1 for n in range(1, 12)]

    @pytest.mark.parametrize("change", ["time", "mag", "source"])
    def test_another_message_does_not_answer_it(self, change: str) -> None:
        mag = gateway()
        message = only(sent(answer(mag, pba(attach(mag)), LMA1, START), RouteAdjust))
        wrong = RouteAdjust(
            message.prefix,
            message.old_mag,
            MAG2 if change == "mag" else message.new_mag,
            options=(Timestamp.of(START - 1),) if change == "time" else message.options,
        )
        answer(mag, wrong, STRANGER if change == "source" else RMS, START)
        assert until(mag, START + 1) == [(START + 1, Send(message, RMS))]

    def test_an_old_mag_that_the_rms_fills_in_answers_it_too(self) -> None:
        mag = gateway()
        message = only(sent(answer(mag, pba(attach(mag)), LMA1, START), RouteAdjust))
        answer(mag, RouteAdjust(message.prefix, MAG2, message.new_mag, options=message.options), RMS, START)
        assert until(mag, START + 100) == []

    def moved(self, when: float, to: IPv6Address = MAG2) -> RouteAdjust:
        return RouteAdjust(PREFIX.network_address, MAG1, to, options=(Timestamp.of(when),))

    def test_when_the_node_has_moved_what_was_kept_for_it_goes_on_and_its_leaving_is_no_news(self) -> None:
        mag = bound()
        mag.detach(3, START + 5)
        mag.effects()
        assert answer(mag, self.moved(START + 5.1), RMS, START + 5.2) == [Forward(PREFIX.network_address, here=False)]
        assert [effect for _, effect in until(mag, START + 100) if sent([effect], RouteAdjust)] == []

    def test_a_move_of_before_does_not_keep_the_rms_from_hearing_that_the_node_has_left(self) -> None:
        mag = bound(START + 5)
        mag.detach(3, START + 6)
        mag.effects()
        answer(mag, self.moved(START + 4), RMS, START + 6)
        assert [effect for _, effect in until(mag, START + 100) if sent([effect], RouteAdjust)] != []

    @pytest.mark.parametrize("source", [STRANGER, LMA1, MAG2])
    def test_only_the_rms_says_that_a_node_has_moved(self, source: IPv6Address) -> None:
        assert of(answer(bound(), self.moved(START + 5), source, START + 5.2), Forward) == []

    def test_that_a_node_is_nowhere_sends_nothing_on(self) -> None:
        assert of(answer(bound(), self.moved(START + 5, NONE), RMS, START + 5.2), Forward) == []

    @pytest.mark.parametrize("options", [(), (Timestamp.of(START + 5),)])
    def test_an_rms_that_has_lost_its_bindings_is_told_again(self, options: tuple[Timestamp, ...]) -> None:
        mag = gateway()
        told = []
        for port, (link, prefix) in enumerate(((LINK1, PREFIX), (LINK2, OTHER)), start=3):
            request = attach(mag, link=link, port=port)
            told += sent(answer(mag, pba(request, prefixes=(prefix,)), LMA1, START), RouteAdjust)
        attach(mag, link=NODE3.link_layer_address, port=5)  # not registered yet: there is nothing to tell
        for message in told:
            answer(mag, message, RMS, START + 1)
        question = RouteAdjust(NONE, NONE, MAG1, options=options)
        again = sent(answer(mag, question, RMS, START + 5), RouteAdjust)
        assert again == [*([question] if options else []), *told]
        answer(mag, told[0], RMS, START + 5)
        reports = [effect for when, effect in until(mag, START + 6) if sent([effect], RouteAdjust)]
        assert reports == [Send(told[1], RMS)]
        assert sent(answer(mag, question, STRANGER, START + 7), RouteAdjust) == []


class TestLoadAdjust:
    def connected(self, *lmas: IPv6Address) -> MobileAccessGateway:
        mag = gateway()
        for lma in lmas or (LMA1, LMA2):
            answer(mag, TunnelAck(lma), lma, START)
            mag.tunnel_built(lma, START)
        mag.effects()
        return mag

    def adjust(self, old: IPv6Address, new: IPv6Address, when: float | None = START) -> LoadAdjust:
        return LoadAdjust(old, new, options=() if when is None else (Timestamp.of(when),))

    def test_the_uplink_moves_and_the_same_message_acknowledges(self) -> None:
        mag = self.connected()
        assert mag.uplinks == {LMA1: Fraction(1, 2), LMA2: Fraction(1, 2)}
        message = self.adjust(LMA1, LMA2)
        assert sent(answer(mag, message, RMS, START), LoadAdjust) == [message]
        assert mag.uplinks == {LMA2: 1}
        assert answer(mag, message, RMS, START + 1) == [Send(message, RMS)]

    def test_e33_everything_that_points_to_the_old_lma_moves(self) -> None:
        mag = self.connected()
        answer(mag, self.adjust(LMA1, LMA2, START), RMS, START)
        answer(mag, self.adjust(LMA2, LMA1, START + 1), RMS, START + 1)
        assert mag.uplinks == {LMA1: 1}

    def test_without_a_timestamp_it_is_obeyed_but_not_acknowledged(self) -> None:
        mag = self.connected()
        assert [type(effect) for effect in answer(mag, self.adjust(LMA1, LMA2, None), RMS, START)] == [Notice]
        assert mag.uplinks == {LMA2: 1}

    @pytest.mark.parametrize(
        ("old", "new"), [(LMA1, STRANGER), (STRANGER, LMA1), (LMA2, LMA1)], ids=["new", "old", "nothing there"]
    )
    def test_e34_what_does_not_fit_is_refused(self, old: IPv6Address, new: IPv6Address) -> None:
        mag = self.connected()
        answer(mag, self.adjust(LMA2, LMA1, START), RMS, START)
        before = mag.uplinks
        effects = answer(mag, self.adjust(old, new, START + 1), RMS, START + 1)
        assert only(of(effects, Notice)).kind == "load-adjust-refused"
        assert of(effects, Send) == [] and mag.uplinks == before

    def test_e34_it_says_how_much_each_lma_carries_whatever_the_record_was(self) -> None:
        mag = self.connected()
        for message in (
            LoadAdjust(LMA1, LMA2, (Timestamp.of(START), UplinkShare(LMA1, 24), UplinkShare(LMA2, 40))),
            LoadAdjust(LMA1, LMA2, (Timestamp.of(START + 1), UplinkShare(LMA1, 16), UplinkShare(LMA2, 48))),
        ):
            assert sent(answer(mag, message, RMS, START + 1), LoadAdjust) == [message]
        assert mag.uplinks == {LMA1: Fraction(1, 4), LMA2: Fraction(3, 4)}
        whole = (UplinkShare(LMA2, 64), UplinkShare(LMA1, 0))
        answer(mag, LoadAdjust(LMA1, LMA2, (Timestamp.of(START + 2), *whole)), RMS, START + 2)
        assert mag.uplinks == {LMA2: 1}
        missed = LoadAdjust(LMA1, LMA2, (Timestamp.of(START + 3), UplinkShare(LMA1, 1), UplinkShare(LMA2, 63)))
        assert sent(answer(mag, missed, RMS, START + 3), LoadAdjust) == [missed]
        assert mag.uplinks == {LMA1: Fraction(1, 64), LMA2: Fraction(63, 64)}
        answer(mag, self.adjust(LMA2, LMA1, START + 4), RMS, START + 4)
        assert mag.uplinks == {LMA1: 1}

    def test_e34_a_share_of_no_lma_is_refused_with_the_whole_message(self) -> None:
        mag = self.connected()
        message = LoadAdjust(LMA1, LMA2, (Timestamp.of(START), UplinkShare(LMA2, 32), UplinkShare(STRANGER, 32)))
        effects = answer(mag, message, RMS, START)
        assert only(of(effects, Notice)).kind == "load-adjust-refused" and of(effects, Send) == []
        assert mag.uplinks == {LMA1: Fraction(1, 2), LMA2: Fraction(1, 2)}

    def test_without_a_tunnel_it_is_refused(self) -> None:
        mag = self.connected(LMA1)
        effects = answer(mag, self.adjust(LMA1, LMA2), RMS, START)
        assert only(of(effects, Notice)).kind == "load-adjust-refused"
        assert LMA1 in mag.uplinks

    @pytest.mark.parametrize(
        ("when", "obeyed"), [(-7.25, True), (-7.5, False), (0.25, True), (0.5, False)], ids=str
    )  # the RMS tries for 1 + 2 + 4 s, the clocks may differ by 0.3 s
    def test_e45_a_replay_is_ignored(self, when: float, obeyed: bool) -> None:
        mag = self.connected()
        effects = answer(mag, self.adjust(LMA1, LMA2, START + when), RMS, START)
        assert bool(of(effects, Send)) == obeyed
        assert (LMA1 not in mag.uplinks) == obeyed

    def test_an_older_one_that_comes_late_is_ignored(self) -> None:
        mag = self.connected()
        answer(mag, self.adjust(LMA1, LMA2, START + 0.25), RMS, START)
        effects = answer(mag, self.adjust(LMA2, LMA1, START), RMS, START)
        assert only(of(effects, Notice)).kind == "stale-load-adjust"
        assert mag.uplinks == {LMA2: 1}

    def test_e44_only_the_rms_says_so(self) -> None:
        mag = self.connected()
        assert only(of(answer(mag, self.adjust(LMA1, LMA2), LMA2, START), Notice)).kind == "not-from-rms"
        assert LMA1 in mag.uplinks


def test_a_message_that_is_not_for_a_mag_is_reported() -> None:
    effects = answer(gateway(), TunnelRequest(MAG1), MAG2, START)
    assert only(of(effects, Notice)).kind == "unexpected-message"
