"""What a MAG says on an access link, and how it finds out that a node has left one that is up."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

import pytest
from mobility_helpers import LINK1, LMA1, NODE1, START, answer, gateway, of, only, sent, until
from test_mobility_mag import OTHER, PREFIX, attach, bound, handoff, pba

from ryu_pmipls.mobility import Advertise, BindingState, Effect, MobileAccessGateway, Notice, ProbeNode
from ryu_pmipls.wire import BindingUpdate
from ryu_pmipls.wire.codepoints import BindingStatus, HandoffType

REFRESH = START + 2700  # three quarters of an hour
PROBE = ProbeNode(3, LINK1)


def advertised(seen: list[tuple[float, Effect]]) -> list[float]:
    return [when - START for when, effect in seen if isinstance(effect, Advertise)]


def probed(seen: list[tuple[float, Effect]]) -> list[float]:
    return [when for when, effect in seen if effect == PROBE]


class TestAdvertising:
    def test_the_first_come_in_quick_succession_then_one_in_an_interval(self) -> None:
        mag = bound(advertisement_interval=600.0)
        assert advertised(until(mag, START + 2000)) == [16, 32, 632, 1232, 1832]

    def test_a_short_interval_holds_from_the_beginning(self) -> None:
        assert advertised(until(bound(advertisement_interval=4.0), START + 13)) == [4, 8, 12]

    def test_lifetimes_never_exceed_the_binding(self) -> None:
        mag = bound(advertisement_interval=600.0)
        for when, effect in until(mag, START + 2699):
            assert isinstance(effect, Advertise) and effect.lifetime == START + 3600 - when

    def test_a_refresh_is_advertised_and_begins_anew(self) -> None:
        mag = bound(advertisement_interval=600.0)
        refresh = only(sent([effect for _, effect in until(mag, REFRESH)], BindingUpdate))
        assert of(answer(mag, pba(refresh), LMA1, REFRESH), Advertise) == [Advertise(3, LINK1, (PREFIX,), 3600)]
        assert advertised(until(mag, REFRESH + 100)) == [2716, 2732]

    def test_nothing_is_advertised_to_whom_nothing_is_granted(self) -> None:
        mag = gateway(advertisement_interval=4.0)
        request = attach(mag)
        assert advertised(until(mag, START + 0.5)) == []
        effects = answer(mag, pba(request, BindingStatus.ADMINISTRATIVELY_PROHIBITED), LMA1, START + 0.5)
        assert of(effects, Advertise) == [] and mag.deadline() is None

    @pytest.mark.parametrize("link_is_up", [True, False])
    def test_who_has_left_is_told_so_once_if_the_link_is_up(self, link_is_up: bool) -> None:
        mag = bound(advertisement_interval=4.0)
        if link_is_up:
            mag.depart(LINK1, START + 1)
        else:
            mag.detach(3, START + 1)
        assert of(mag.effects(), Advertise) == [Advertise(3, LINK1, (PREFIX,), 0)] * link_is_up
        assert advertised(until(mag, START + 100)) == []

    def test_a_prefix_that_ends_is_withdrawn_while_the_router_stays(self) -> None:
        """RFC 5213, section 6.12."""
        mag = bound()
        refresh = only(sent([effect for _, effect in until(mag, REFRESH)], BindingUpdate))
        effects = answer(mag, pba(refresh, prefixes=(OTHER,)), LMA1, REFRESH)
        assert of(effects, Advertise) == [Advertise(3, LINK1, (OTHER,), 3600, withdrawn=(PREFIX,))]

    def test_in_the_last_second_nothing_is_said(self) -> None:
        mag = bound()
        until(mag, START + 3599)
        mag.effects()
        mag.attach(LINK1, 3, START + 3599.5)
        assert of(mag.effects(), Advertise) == []


class TestForeignSources:
    """Packets of a node from addresses of prefixes that it does not hold."""

    OLD = IPv6Address("2001:db8:100:aaaa::5")

    def refuse(self, mag: MobileAccessGateway, source: IPv6Address, now: float) -> list[Advertise]:
        mag.refuse_source(LINK1, source, now)
        return of(mag.effects(), Advertise)

    def test_the_prefix_is_withdrawn_while_its_own_stays(self) -> None:
        withdrawn = (IPv6Network("2001:db8:100:aaaa::/64"),)
        effects = self.refuse(bound(), self.OLD, START + 10)
        assert effects == [Advertise(3, LINK1, (PREFIX,), 3590, withdrawn)]

    def test_its_own_is_not(self) -> None:
        assert self.refuse(bound(), PREFIX[5], START + 10) == []

    def test_a_node_without_a_prefix_may_get_the_old_one_again(self) -> None:
        mag = gateway()
        attach(mag)
        assert self.refuse(mag, self.OLD, START + 1) == []
        mag = bound()
        mag.depart(LINK1, START + 1)
        mag.effects()
        assert self.refuse(mag, self.OLD, START + 2) == []

    def test_a_node_that_is_not_here_is_told_nothing(self) -> None:
        mag = bound()
        mag.refuse_source(b"\2\0\0\0\0\1", self.OLD, START + 1)
        assert mag.effects() == []

    def test_however_many_packets_come_the_rate_is_bounded(self) -> None:
        mag = bound()
        told = [self.refuse(mag, IPv6Address(int(self.OLD) + (step << 64)), START + step / 100) for step in range(3000)]
        assert len(told[0]) == 1 and 3 + 9 <= sum(map(len, told)) <= 3 + 11

    def test_answers_to_solicitations_are_not_delayed_by_it(self) -> None:
        mag = bound()
        for _ in range(10):
            self.refuse(mag, self.OLD, START + 10)
        mag.attach(LINK1, 3, START + 10)
        assert of(mag.effects(), Advertise) == [Advertise(3, LINK1, (PREFIX,), 3590)]

    def test_advertisements_go_on_by_their_schedule(self) -> None:
        mag = bound(advertisement_interval=600.0)
        until(mag, START + 100)
        self.refuse(mag, self.OLD, START + 100)
        assert advertised(until(mag, START + 1500)) == [700, 1300]


class TestSolicitations:
    def solicit(self, mag: MobileAccessGateway, now: float) -> list[Effect]:
        mag.attach(LINK1, 3, now)
        return mag.effects()

    def test_three_in_a_row_are_answered_at_once_then_one_in_three_seconds(self) -> None:
        mag = bound()
        now = START + 60
        counts = [len(of(self.solicit(mag, now + number / 100), Advertise)) for number in range(100)]
        assert counts == [1, 1, 1] + [0] * 97
        assert advertised(until(mag, now + 20)) == [63]  # what was put off is done once

    def test_a_flood_costs_an_advertisement_and_a_registration_in_three_seconds(self) -> None:
        mag = bound()
        seen: list[Effect] = []
        for number in range(30_000):  # for 30 s
            now = START + 60 + number / 1000
            seen += self.solicit(mag, now)
        assert len(of(seen, Advertise)) <= 3 + 10
        assert len(sent(seen, BindingUpdate)) <= 3 + 10 + 5  # with retransmissions, for none is answered here

    def test_the_allowance_comes_back(self) -> None:
        mag = bound()
        for now in (START + 60, START + 60, START + 60, START + 70, START + 70, START + 70):
            assert len(of(self.solicit(mag, now), Advertise)) == 1

    def test_what_is_news_is_told_at_once(self) -> None:
        mag = bound()
        for _ in range(10):
            self.solicit(mag, START + 60)
        until(mag, START + 61)
        mag.attach(LINK1, 5, START + 61.1)
        request = only(sent(mag.effects(), BindingUpdate))
        effects = answer(mag, pba(request), LMA1, START + 61.2)
        assert only(of(effects, Advertise)).port == 5

    def test_what_was_put_off_is_not_said_to_whom_has_left(self) -> None:
        mag = bound()
        for _ in range(10):
            self.solicit(mag, START + 60)
        mag.detach(3, START + 61)
        mag.effects()
        assert advertised(until(mag, START + 100)) == []


class TestReachability:
    def test_a_refresh_waits_for_the_answer_of_the_node(self) -> None:
        mag = bound(probes=3)
        assert until(mag, REFRESH) == [(REFRESH, PROBE)]
        mag.reachable(LINK1, 3, REFRESH + 0.25)
        request = only(sent(mag.effects(), BindingUpdate))
        assert handoff(request) == HandoffType.RE_REGISTRATION
        assert of(answer(mag, pba(request), LMA1, REFRESH + 0.5), Advertise) == [Advertise(3, LINK1, (PREFIX,), 3599)]
        assert probed(until(mag, REFRESH + 2600)) == []

    def test_three_probes_without_an_answer_are_a_departure(self) -> None:
        mag = bound(probes=3)
        seen = until(mag, REFRESH + 3)
        assert probed(seen) == [REFRESH, REFRESH + 1, REFRESH + 2]
        effects = [effect for when, effect in seen if when == REFRESH + 3]
        assert of(effects, Notice)[0].kind == "unreachable"
        assert only(of(effects, Advertise)) == Advertise(3, LINK1, (PREFIX,), 0)
        request = only(sent(effects, BindingUpdate))
        assert (request.lifetime, only(list(mag.bindings)).state) == (0, BindingState.DEREGISTERING)

    @pytest.mark.parametrize("probes", [1, 2, 5])
    def test_the_number_of_probes_is_chosen(self, probes: int) -> None:
        mag = bound(probes=probes)
        assert len(probed(until(mag, REFRESH + 10))) == probes
        assert mag.bindings == ()

    def test_any_answer_will_do(self) -> None:
        mag = bound(probes=3)
        until(mag, REFRESH + 2)
        mag.reachable(LINK1, 3, REFRESH + 3)  # at the last moment
        assert handoff(only(sent(mag.effects(), BindingUpdate))) == HandoffType.RE_REGISTRATION

    @pytest.mark.parametrize(("link", "port"), [(LINK1, 4), (b"\x02\0\0\0\xff\xff", 3)])
    def test_a_voice_from_elsewhere_is_no_answer(self, link: bytes, port: int) -> None:
        mag = bound(probes=3)
        until(mag, REFRESH)
        mag.reachable(link, port, REFRESH + 0.5)
        assert mag.effects() == []

    def test_who_speaks_unasked_changes_nothing(self) -> None:
        mag = bound(probes=3)
        mag.reachable(LINK1, 3, START + 5)
        assert mag.effects() == [] and mag.deadline() == REFRESH

    def test_a_solicitation_is_an_answer_too(self) -> None:
        mag = bound(probes=3)
        until(mag, REFRESH)
        mag.attach(LINK1, 3, REFRESH + 0.5)
        assert len(sent(mag.effects(), BindingUpdate)) == 1
        assert probed(until(mag, REFRESH + 0.9)) == []

    def test_a_node_is_asked_for_before_each_retransmission(self) -> None:
        """RFC 5213, section 6.9.4: a MAG must not take back a node that has moved on."""
        mag = gateway(probes=3)
        attach(mag)
        assert until(mag, START + 1) == [(START + 1, PROBE)]
        mag.reachable(LINK1, 3, START + 1.5)
        assert len(sent(mag.effects(), BindingUpdate)) == 1
        seen = until(mag, START + 10)
        assert probed(seen) == [START + 3.5, START + 4.5, START + 5.5]
        assert [request.lifetime for request in sent([effect for _, effect in seen], BindingUpdate)] == [0]
        assert mag.bindings == ()

    def test_an_acceptance_ends_the_inquiry(self) -> None:
        mag = gateway(probes=3)
        request = attach(mag)
        assert until(mag, START + 1) == [(START + 1, PROBE)]
        answer(mag, pba(request), LMA1, START + 1.5)
        assert probed(until(mag, START + 100)) == []
        assert only(list(mag.bindings)).prefixes == (PREFIX,)

    def test_a_new_link_ends_the_inquiry_on_the_old_one(self) -> None:
        mag = bound(probes=3)
        until(mag, REFRESH)
        request = attach(mag, REFRESH + 0.5, port=5)
        answer(mag, pba(request), LMA1, REFRESH + 0.5)
        assert (
            of([effect for _, effect in until(mag, REFRESH + 10)], ProbeNode) == [PROBE] * 2
        )  # as of a port that it left
        assert only(list(mag.bindings)).port == 5

    def test_an_expired_binding_is_renewed_only_if_the_node_is_there(self) -> None:
        mag = bound(probes=3)
        until(mag, REFRESH)
        now = REFRESH
        while now < START + 3600:  # the node answers, the LMA does not
            mag.reachable(LINK1, 3, now)
            mag.effects()
            deadline = mag.deadline()
            assert deadline is not None
            now = deadline
            mag.handle_timer(now)
        effects = mag.effects()
        assert only(of(effects, Advertise)).lifetime == 0 and sent(effects, BindingUpdate) == []
        assert of(effects, ProbeNode) == [PROBE]
        mag.reachable(LINK1, 3, now + 0.1)
        assert handoff(only(sent(mag.effects(), BindingUpdate))) == HandoffType.UNKNOWN

    def test_an_expired_binding_ends_with_a_node_that_is_silent(self) -> None:
        mag = bound(probes=3, binding_lifetime=8.0)  # too short for three probes before its end
        seen = until(mag, START + 30)
        assert probed(seen) == [START + 6, START + 7, START + 8]
        assert [report.kind for report in of([effect for _, effect in seen], Notice)][:2] == [
            "binding-expired",
            "unreachable",
        ]
        assert mag.bindings == ()

    def test_without_probes_everybody_is_taken_for_present(self) -> None:
        mag = bound(probes=0)
        request = only(sent([effect for _, effect in until(mag, REFRESH)], BindingUpdate))
        assert handoff(request) == HandoffType.RE_REGISTRATION

    def test_a_departed_node_is_not_probed(self) -> None:
        mag = bound(probes=3)
        until(mag, REFRESH)
        mag.detach(3, REFRESH + 0.5)
        mag.effects()
        assert probed(until(mag, REFRESH + 100)) == []
        assert NODE1.link_layer_address not in [entry.policy.link_layer_address for entry in mag.bindings]
